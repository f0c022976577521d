"""Recommendations by use case: who is better, how sure that is, what would change it, and who cannot do it at all."""

import numpy as np
import pytest

from evals.facts.article import ArticleUseCase
from evals.facts.use_cases import Requirements, UseCase
from evals.rating.stars import recommendations
from evals.rating.stars.recommendations import weigh
from evals.rating.stars.verdicts import settle
from tests.evals.rating.stars.rated_rows import FLUX, GEMINI, HIGH, LOW, UNSURE, rated_row

DEV, VERTEX = "flux-2-dev@fal", "gemini-3-pro-image@vertex"


def case(weights=None, **requires):
    weights = weights or {"precise": 1.0}
    return UseCase(id="budget", title="Small budget", why="money", weights=weights, requires=Requirements(**requires))


def advice(*models, unless=None):
    return ArticleUseCase(id="budget", title="Budget", recommends="FLUX.2 Pro", models=models, unless=unless)


def pair(row_id, left, right, suite="s"):
    return rated_row(row_id, suite=suite, shares={FLUX: left, GEMINI: right})


def recommend(case, rows, systems, advice=None):
    weighed = weigh(case, rows, systems)
    settle(rows, [weighed.totals] * weighed.may_name)
    return recommendations.recommend(weighed, advice)


def test_the_better_system_is_named_with_its_lead_and_what_would_turn_it():
    rows = [pair("precise", HIGH, LOW), pair("cost", LOW, HIGH, suite="t"), pair("scenes", HIGH, LOW, suite="u")]
    found = recommend(case({"precise": 2.0, "cost": 1.0}), rows, [FLUX, GEMINI])
    assert found["system"] == FLUX
    assert found["verdict"].startswith(f"{FLUX}, before {GEMINI} by 0.70 stars (")
    # Rows that the profile does not name have no say, however far apart the systems are there.
    assert set(found["totals"]["weights"]) == {"precise", "cost"}
    assert found["would_change"] == "moving 17% of the weight, or counting cost 2.0 times as much"
    assert (found["rated"], found["requirements"], found["article"], found["article_verdict"]) == (1.0, [], None, None)


def test_the_interval_is_told_from_the_leaders_side_and_what_no_row_speaks_against_no_weights_turn():
    for systems in ([FLUX, GEMINI], [GEMINI, FLUX]):
        found = recommend(case(), [pair("precise", HIGH, LOW)], systems)
        low, high = found["verdict"].partition("(")[2].rstrip(")").split(" to ")
        assert 0 < float(low) < 2.1 < float(high)
        assert found["would_change"] == "no weights at all: no row speaks for the other"


@pytest.mark.parametrize(
    ("left", "right", "doubt"),
    [
        (UNSURE, LOW, "includes zero"),
        # Alone it would be named, beside the row itself and another one it is not.
        (LOW + 0.08 + np.resize([0.11, -0.11], 12), LOW, "excludes zero, but not among so many comparisons"),
        # Who leads only where the other was not asked.
        (
            [*LOW, *[np.nan] * 30],
            [*(LOW - 0.1), *np.ones(30)],
            "the prompts that both were rated on do not bear out the order of the totals",
        ),
    ],
)
def test_nobody_is_named_where_the_pair_does_not_tell(left, right, doubt):
    rows = [pair("precise", left, right), pair("cost", LOW, LOW, suite="t"), pair("text", LOW, LOW, suite="u")]
    found = recommend(case({"precise": 9.0, "cost": 0.01}), rows, [FLUX, GEMINI])
    assert (found["system"], found["would_change"]) == (None, "more prompts, or other weights")
    assert found["verdict"].startswith("cannot tell ")
    assert found["verdict"].endswith(doubt)


@pytest.mark.parametrize(
    "shares", [{FLUX: HIGH[:4], GEMINI: LOW[:4]}, {FLUX: [*HIGH, *HIGH * np.nan], GEMINI: [*LOW * np.nan, *LOW]}]
)
def test_nobody_is_named_without_pairs(shares):
    found = recommend(case(), [rated_row("precise", shares=shares)], [FLUX, GEMINI])
    assert (found["system"], found["verdict"]) == (None, "cannot tell: only 0% of its weight was rated")
    assert found["would_change"] == "stars for precise, on prompts that all were asked"
    assert (found["n_prompts"], found["p_holm"]) == (None, None)


def test_less_than_half_of_the_weight_rated_is_too_little():
    rows = [pair("precise", HIGH, LOW), rated_row("cost", problem="no picture has a known price")]
    found = recommend(case({"precise": 1.0, "cost": 1.5, "unheard": 0.5}), rows, [FLUX, GEMINI])
    assert found["rated"] == pytest.approx(1 / 3)
    assert (found["system"], found["verdict"]) == (None, "cannot tell: only 33% of its weight was rated")
    assert found["would_change"] == "stars for cost, unheard, on prompts that all were asked"
    enough = recommend(case({"precise": 1.0, "cost": 1.0}), rows, [FLUX, GEMINI])
    assert (enough["rated"], enough["system"], enough["unrated"]) == (0.5, FLUX, {"cost": 0.5})
    # Nor is a row in which nobody is told from the floor a rated one.
    rows = [rows[0], rated_row("identity", problem="its control fails", indistinguishable=True)]
    found = recommend(case({"precise": 1.0, "identity": 3.0}), rows, [FLUX, GEMINI])
    assert (found["rated"], found["system"], found["unrated"]) == (0.25, None, {"identity": 0.75})


def test_one_system_has_nobody_to_be_compared_with():
    found = recommend(case(), [rated_row("precise", shares={FLUX: HIGH})], [FLUX], advice("flux-2-pro"))
    assert (found["article"], found["article_verdict"]) == ("FLUX.2 Pro", "not comparable")
    assert (found["system"], found["verdict"]) == (None, f"there is nothing to compare {FLUX} with")


def test_of_three_systems_the_first_must_be_better_than_both():
    row = rated_row("precise", shares={FLUX: LOW, GEMINI: HIGH, DEV: HIGH - 0.3})
    found = recommend(case(), [row], [FLUX, GEMINI, DEV])
    assert found["verdict"].startswith(f"{GEMINI}, before {DEV} by 1.20 stars")
    # The third has a lower total, on prompts that tell less.
    row = rated_row("precise", shares={FLUX: UNSURE, GEMINI: HIGH - 0.3, DEV: HIGH - 0.4})
    found = recommend(case(), [row], [FLUX, GEMINI, DEV])
    assert found["system"] is None
    assert found["verdict"].startswith(f"cannot tell {GEMINI} from {FLUX}: ")


def test_teams_that_host_for_themselves_need_open_weights():
    rows = [rated_row("precise", shares={DEV: LOW, GEMINI: HIGH})]
    found = recommend(case(capability="open_weights"), rows, [DEV, GEMINI], advice("flux-2-dev"))
    assert {row["system"]: row["met"] for row in found["requirements"]} == {DEV: True, GEMINI: False}
    assert found["verdict"] == f"{DEV}: the only one here that can do what it needs"
    # That is a fact and no measurement: nothing is rated, and it bears no advice out.
    assert (found["only_able"], found["system"], found["rated"]) == (DEV, None, 0.0)
    assert (found["n_prompts"], found["p_holm"], found["article_verdict"]) == (None, None, "cannot tell")
    assert "Non-Commercial" in found["requirements"][0]["says"]
    nobody = recommend(case(capability="open_weights"), [pair("precise", HIGH, LOW)], [FLUX, GEMINI])
    assert (nobody["system"], nobody["verdict"]) == (None, "no system here can do what it needs")


def test_nobody_is_named_where_it_is_not_known_who_can_do_what_is_needed():
    for systems in (["mine", "theirs"], ["mine", GEMINI], [DEV, "mine"]):
        rows = [rated_row("precise", shares=dict(zip(systems, (HIGH, LOW), strict=True)))]
        assert recommend(case(), rows, systems)["system"] == systems[0]
        found = recommend(case(capability="open_weights"), rows, systems)
        assert (found["system"], found["only_able"], found["n_prompts"]) == (None, None, None)
        unknown = [system for system in systems if system in ("mine", "theirs")]
        says = f"cannot tell: it is not known whether {' and '.join(unknown)} can do what it needs"
        assert found["verdict"] == recommendations.select_case(found, systems)["verdict"] == says


def test_teams_on_a_cloud_need_a_model_that_it_serves():
    rows = [pair("precise", HIGH, LOW)]
    found = recommend(case(host="vertex"), rows, [FLUX, GEMINI])
    flux, gemini = found["requirements"]
    assert (flux["met"], gemini["met"]) == (False, True)
    assert flux["says"].endswith(" does not serve it")
    assert gemini["says"].endswith(" serves it")
    # The model counts, and not the host that it was asked at.
    assert found["only_able"] == GEMINI
    # Nor does a system that cannot take a row from those that can.
    row = rated_row("precise", shares={FLUX: HIGH * np.nan, GEMINI: HIGH, VERTEX: LOW})
    found = recommend(case(host="vertex"), [row], [FLUX, GEMINI, VERTEX])
    assert (found["rated"], found["system"]) == (1.0, GEMINI)


@pytest.mark.parametrize(("system", "met"), [("aurora-1@demo", None), ("flux-2-pro@simulated-bfl", True)])
def test_nobody_knows_what_an_invented_system_can_and_a_rehearsal_has_the_facts_of_the_real_one(system, met):
    row = rated_row("precise", shares={system: HIGH, GEMINI: LOW})
    found = recommend(case(capability="editing"), [row], [system, GEMINI])
    assert (found["requirements"][0]["met"], found["system"]) == (met, system if met else None)


@pytest.mark.parametrize(
    ("flux", "models", "verdict"),
    [
        (HIGH, ("flux-2-pro",), "supported"),
        (HIGH, ("gemini-3-pro-image",), "contradicted"),
        (UNSURE, ("flux-2-pro",), "cannot tell"),
        (HIGH, ("flux-2-max",), "not comparable"),
    ],
)
def test_the_advice_of_an_article_is_held_against_ours(flux, models, verdict):
    found = recommend(case(), [pair("precise", flux, LOW)], [FLUX, GEMINI], advice(*models, unless="it must edit"))
    assert (found["article"], found["article_verdict"]) == ("FLUX.2 Pro (unless it must edit)", verdict)
