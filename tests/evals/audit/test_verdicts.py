"""The audit of the article: what must come out, each check on known facts, and what a run may change."""

import pandas as pd
import pytest

from evals.audit.rules import RULES
from evals.audit.verdicts import audit
from evals.facts.article import Article, read_article
from evals.facts.capabilities import read_capabilities
from evals.facts.claims import (
    VERDICTS,
    Able,
    Cheaper,
    Claim,
    Measurable,
    Price,
    Request,
    SameModel,
    Served,
    Sized,
    Stated,
)
from evals.facts.models import FactsError, read_facts
from evals.rating.operations import operations

ARTICLE, FACTS, CAPABILITIES = read_article(), read_facts(), read_capabilities()
FOUND = {claim.id: claim for claim in audit(ARTICLE, FACTS, CAPABILITIES)}


def of(check, operated=None):
    """Return the verdict on one claim with this check."""
    claim = Claim("one", "words", "here", "price", check, "", ARTICLE.claims[0].sources)
    article = Article(ARTICLE.title, ARTICLE.url, ARTICLE.day, (claim,), ARTICLE.stars, ARTICLE.use_cases)
    (verdict,) = audit(article, FACTS, CAPABILITIES, operated)
    return verdict


def usd(words: str) -> Stated:
    half = 0.5 * 10.0 ** -len(words.partition(".")[2])
    return Stated(words, float(words) - half, float(words) + half, float(words))


def run_of(system, latencies=(), size="1K", simulated=False, cost_usd=None):
    rows = [
        {
            "system": system, "suite": "s", "prompt_id": str(n), "size": size, "outcome": "ok", "simulated": simulated,
            "latency_s": seconds, "cost_usd": cost_usd,
        }
        for n, seconds in enumerate(latencies)
    ]  # fmt: skip
    return operations(pd.DataFrame(rows))


# ---------------------------------------------------------------- what must come out


@pytest.mark.parametrize(
    ("claim", "verdict", "computed"),
    [
        ("additional-hours", "wrong", 3.06),
        ("cheaper-per-image", "wrong", 37.5),
        ("price-premium", "right", 60),
        ("faster-at-4k", "imprecise", 22.73),
        ("monthly-difference", "right", 1500),
        ("saved-per-50000", "right", 750),
        ("price-nano-banana-1k", "wrong", 0.07),
        ("price-flux-pro", "wrong", 0.03),
        ("price-flux-max", "wrong", 0.07),
        ("price-flux-4k", "wrong", 0.16),
        ("bfl-server", "outdated", None),
        ("bfl-path", "wrong", None),
        ("bfl-one-call", "wrong", None),
        ("bfl-key", "right", None),
        ("flux-steps-field", "wrong", None),
        ("flux-exposes-steps", "imprecise", None),
        ("google-path", "wrong", None),
        ("google-prompt-field", "wrong", None),
        ("google-width", "wrong", None),
        ("google-one-call", "right", None),
        ("no-multimodal-flux", "wrong", None),
        ("two-names-one-model", "wrong", None),
        ("lora-flux", "wrong", None),
        ("flux-on-fireworks", "wrong", None),
        ("flux-4k", "wrong", None),
        ("free-tier-google", "wrong", None),
        ("weights-flux", "outdated", None),
        ("hosts-of-nano-banana", "outdated", None),
        ("lora-google", "untested", None),
        ("latency-google-1k", "untested", None),
        ("quality-identity", "untested", None),
    ],
)
def test_known_claims_get_their_verdict(claim, verdict, computed):
    found = FOUND[claim]
    assert found.verdict == verdict
    assert found.computed == (None if computed is None else pytest.approx(computed, abs=0.005))


def test_every_claim_has_a_verdict_with_a_sentence_a_source_and_its_day():
    assert len(FOUND) == len(ARTICLE.claims) >= 45
    assert set(RULES) == set(VERDICTS) == {claim.verdict for claim in FOUND.values()}
    for claim in FOUND.values():
        assert claim.sentence.endswith((".", '"'))
        assert claim.read == max(source.read for source in claim.sources)


def test_arithmetic_says_which_numbers_it_takes_as_they_are():
    premium = FOUND["price-premium"]
    assert (premium.given, premium.stated, premium.unit) == ("prices", "60", "%")
    assert premium.sentence.startswith("By its own prices the premium is 0.04 / 0.025 - 1 = 60%;")
    assert FOUND["additional-hours"].given == "latencies"
    assert FOUND["bfl-path"].given is None


def test_the_article_is_not_audited_by_its_order():
    backwards = Article(ARTICLE.title, ARTICLE.url, ARTICLE.day, ARTICLE.claims[::-1], ARTICLE.stars, ARTICLE.use_cases)
    assert audit(backwards, FACTS, CAPABILITIES)[::-1] == list(FOUND.values())


# ---------------------------------------------------------------- each check on known facts


def test_the_nearest_of_the_models_that_a_name_may_mean_decides_on_a_price():
    both = ("flux-2-pro@bfl", "flux-2-max@bfl")
    assert of(Price(usd("0.07"), both, "1K")).computed == pytest.approx(0.07)
    assert of(Price(usd("0.03"), both, "1K")).computed == pytest.approx(0.03)
    assert of(Price(usd("0.065"), both, "1K")).verdict == "imprecise"
    assert of(Price(usd("0.05"), both, "1K")).verdict == "wrong"


def test_a_wrong_price_is_told_whose_it_is():
    assert "$0.025 is what FLUX.1 [dev] costs there." in FOUND["price-flux-pro"].sentence
    assert "$0.04 is what Nano Banana costs there." in FOUND["price-nano-banana-1k"].sentence


def test_a_size_that_is_not_made_is_priced_at_the_largest_and_says_so():
    assert "makes none, and at its largest, 2K, costs $0.16" in FOUND["price-flux-4k"].sentence


def test_a_price_that_no_source_gives_is_untested():
    assert of(Price(usd("0.07"), ("flux-2-max@replicate",), "1K")).verdict == "untested"


def test_cheaper_is_right_only_if_it_is_cheaper_than_all():
    assert of(Cheaper("flux-2-pro@bfl", ("flux-2-max@bfl", "gemini-3-pro-image@google"), "1K")).verdict == "right"
    assert of(Cheaper("flux-2-max@bfl", ("flux-2-pro@bfl", "gemini-3-pro-image@google"), "1K")).verdict == "imprecise"
    assert of(Cheaper("flux-2-max@bfl", ("flux-2-pro@bfl",), "1K")).verdict == "wrong"
    assert of(Cheaper("flux-2-max@replicate", ("flux-2-pro@bfl",), "1K")).verdict == "untested"


@pytest.mark.parametrize(
    ("states", "system", "verdict"),
    [
        ("no", "flux-2-pro@bfl", "right"),
        ("yes", "flux-2-pro@bfl", "wrong"),
        ("yes", "flux-2-klein-4b@bfl", "imprecise"),
        ("partly", "flux-2-klein-4b@bfl", "right"),
        ("yes", "gemini-3-pro-image@google", "untested"),
        ("yes", "flux-kontext-pro@fireworks", "untested"),
    ],
)
def test_an_ability_is_held_against_the_cited_answer(states, system, verdict):
    assert of(Able("lora", states, (system,))).verdict == verdict


def test_an_ability_carries_the_sources_of_its_answer():
    named = {source.id for source in of(Able("lora", "yes", ("flux-2-pro@bfl",))).sources}
    assert {"bfl-openapi", "bfl-docs"} <= named


def test_a_size_is_right_for_those_that_make_it():
    assert of(Sized(("gemini-3-pro-image@google",), "4K")).verdict == "right"
    assert of(Sized(("gemini-3-pro-image@google", "flux-2-max@bfl"), "4K")).verdict == "imprecise"
    assert of(Sized(("flux-2-max@bfl",), "4K")).verdict == "wrong"


def test_a_host_is_right_outdated_or_wrong_by_what_it_served_then_and_serves_now():
    assert of(Served(("flux-2-pro",), ("replicate", "fal"), False)).verdict == "right"
    assert of(Served(("gemini-3.1-flash-image",), ("google",), False)).verdict == "outdated"
    assert of(Served(("gemini-nano-banana-2.1",), ("google",), False)).verdict == "wrong"  # not yet, in July
    assert of(Served(("flux-2-pro",), ("fireworks",), False)).verdict == "wrong"
    assert of(Served(("flux-2-pro",), ("bfl", "fireworks"), False)).verdict == "imprecise"


def test_nowhere_else_is_wrong_where_another_host_has_it():
    assert of(Served(("gemini-3-pro-image",), ("google", "vertex"), True)).verdict == "wrong"
    assert of(Served(("gemini-nano-banana-2.1",), ("google", "vertex"), True)).verdict == "right"


def test_two_names_of_one_model_are_the_same():
    assert of(SameModel({"Flux Max": "flux-2-max", "FLUX.2 [max]": "flux-2-max"})).verdict == "right"
    assert of(SameModel({"Flux Pro": "flux-2-pro", "FLUX.2 [max]": "flux-2-max"})).verdict == "wrong"


@pytest.mark.parametrize(
    ("part", "stated", "verdict"),
    [
        ("host", "api.bfl.ai", "right"),
        ("host", "api.bfl.ml", "outdated"),
        ("path", "/v1/flux-2-pro", "right"),
        ("path", "/v1/flux-2-max", "outdated"),
        ("header", "X-Key", "right"),
        ("header", "Authorization", "outdated"),
        ("field", "input_image", "right"),
        ("field", "steps", "outdated"),
        ("calls", "several", "right"),
        ("calls", "one", "outdated"),
    ],
)
def test_a_part_of_a_request_is_right_if_twinlens_sends_it(part, stated, verdict):
    assert of(Request("flux-2-pro@bfl", part, stated, "outdated")).verdict == verdict


def test_a_system_that_is_asked_in_no_request_cannot_be_held_against_one():
    with pytest.raises(ValueError, match="flux-2-dev@local is not asked over HTTP"):
        of(Request("flux-2-dev@local", "host", "localhost", "wrong"))
    with pytest.raises(FactsError):
        of(Request("flux-9@bfl", "host", "api.bfl.ai", "wrong"))


# ---------------------------------------------------------------- what a run may change

SECONDS = (8.0, 9.0, 9.5, 10.0, 10.5, 11.0, 12.0, 9.2)


def with_run(operated):
    return {claim.id: claim for claim in audit(ARTICLE, FACTS, CAPABILITIES, operated)}


def test_a_measured_latency_replaces_untested():
    found = with_run(run_of("gemini-3.1-flash-image@vertex", SECONDS))["latency-google-1k"]
    assert found.verdict == "wrong"
    assert (found.computed, found.unit) == (pytest.approx(9.75), "s")
    assert found.sentence.startswith("Measured in the run, the median latency at 1K was 9.75 s (95% interval 8 to 12)")


def test_a_measured_latency_can_confirm_a_claim():
    found = with_run(run_of("flux-2-pro@bfl", [2.9, 3.0, 3.1, 3.1, 3.2, 3.3, 3.0, 3.1]))
    assert found["latency-flux-1k"].verdict == "right"


def test_a_run_changes_no_verdict_but_untested():
    found = with_run(run_of("gemini-3.1-flash-image@vertex", SECONDS, cost_usd=0.04))
    changed = {id_ for id_, claim in found.items() if claim.verdict != FOUND[id_].verdict}
    assert changed == {"latency-google-1k"}


def test_a_claim_about_all_systems_needs_all_of_them_measured():
    one, other = run_of("gemini-3-pro-image@google", SECONDS), run_of("flux-2-pro@bfl", SECONDS)
    alone = with_run(one)["not-below-a-second"]
    assert (alone.verdict, alone.notes) == ("untested", ("Not measured: flux-2-pro@bfl.",))
    assert with_run([*one, *other])["not-below-a-second"].verdict == "right"
    fast = run_of("flux-2-pro@bfl", [0.4, 0.5, 0.5, 0.6, 0.6, 0.5])
    assert with_run([*one, *fast])["not-below-a-second"].verdict == "imprecise"


@pytest.mark.parametrize("system", ["flux-2-pro@simulated-bfl", "flux-2-pro@bfl"])
def test_a_simulated_system_says_nothing_and_is_named(system):
    found = with_run(run_of(system, SECONDS, simulated=True))["latency-flux-1k"]
    assert found.verdict == "untested"
    assert found.notes == (f"{system} of the run is simulated: it says nothing about the real one.",)


def test_too_few_pictures_leave_a_claim_untested_with_the_reason():
    found = with_run(run_of("flux-2-pro@bfl", SECONDS[:5]))["latency-flux-1k"]
    assert found.verdict == "untested"
    assert found.notes == ("flux-2-pro@bfl of the run has no interval: 5 pictures are too few.",)


def test_pictures_without_a_time_leave_a_claim_untested_with_the_reason():
    found = with_run(run_of("flux-2-pro@bfl", [None] * 8))["latency-flux-1k"]
    assert found.verdict == "untested"
    assert found.notes == (
        "flux-2-pro@bfl of the run has no median latency: no time of this kind was told for any picture.",
    )


@pytest.mark.parametrize(("system", "size"), [("flux-2-pro@fal", "1K"), ("flux-2-pro@bfl", "2K")])
def test_another_host_or_size_is_not_what_the_claim_is_about(system, size):
    found = with_run(run_of(system, SECONDS, size))["latency-flux-1k"]
    assert found.verdict == "untested"
    assert found.notes == ("The run did not ask flux-2-pro@bfl or flux-2-max@bfl for 1K pictures.",)


def test_without_a_run_there_are_no_notes():
    assert all(claim.notes == () for claim in FOUND.values())


def test_what_a_run_paid_decides_where_no_source_has_a_price_and_is_a_note_elsewhere():
    paid = run_of("flux-2-max@replicate", SECONDS, cost_usd=0.07)
    unknown = Price(usd("0.07"), ("flux-2-max@replicate",), "1K")
    assert of(unknown).verdict == "untested"
    assert (of(unknown, paid).verdict, of(unknown, paid).computed) == ("right", pytest.approx(0.07))
    known = of(Price(usd("0.025"), ("flux-2-pro@bfl",), "1K"), run_of("flux-2-pro@bfl", SECONDS, cost_usd=0.03))
    assert known.verdict == "wrong"
    assert known.notes == ("The run counted $0.03 a picture for flux-2-pro@bfl.",)


def test_a_simulated_bill_decides_no_price():
    paid = run_of("flux-2-max@replicate", SECONDS, cost_usd=0.07, simulated=True)
    assert of(Price(usd("0.07"), ("flux-2-max@replicate",), "1K"), paid).verdict == "untested"


def test_a_measured_cost_may_be_claimed_as_such():
    measured = Measurable("operations.cost_per_image", usd("0.03"), ("flux-2-pro@bfl",), "1K")
    assert of(measured).sentence == "Only a run can tell."
    assert of(measured, run_of("flux-2-pro@bfl", SECONDS, cost_usd=0.045)).verdict == "wrong"
