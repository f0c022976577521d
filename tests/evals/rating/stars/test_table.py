"""The star table by hand: measured, computed and declared rows, and everything that may be missing."""

import json

import pandas as pd
import pytest

from evals.definition import StarRow, read_definition
from evals.rating import rate
from evals.rating.operations import operations
from evals.rating.stars.document import award_stars
from evals.rating.stars.primary_metrics import rows_without_eval
from evals.rating.stars.table import rate_rows, rating_inputs

COUNTS, COLOURS = "structure.counts", "structure.colours"


def measured(metric_id, values, system="left", suite="scenes", **more):
    """Return one row a prompt; a text in place of a number is the reason why there is none."""
    return [
        {"metric": metric_id, "system": system, "suite": suite, "prompt_id": f"p{n}", "subject": [f"{system}-{n}"],
         **({"reason": value} if isinstance(value, str) else {"value": value}), **more}
        for n, value in enumerate(values)
    ]  # fmt: skip


def asked(outcomes, system="left", suite="scenes", **more):
    return [
        {"system": system, "suite": suite, "prompt_id": f"p{n}", "outcome": outcome, "size": "1K", **more}
        for n, outcome in enumerate(outcomes)
    ]


@pytest.fixture
def rated(score_table):
    """Return a function from rows of the definition, scores and requests to the rated rows by id."""

    def of(rows, scores=(), requests=None, systems=(), size="1K"):
        table = score_table(list(scores))
        controls = rate(table)["controls"]
        inputs = rating_inputs(table, None if requests is None else pd.DataFrame(requests), controls, systems, size)
        return {one.row["id"]: one for one in rate_rows([rows] if isinstance(rows, StarRow) else rows, inputs)}

    return of


def stars(one):
    return {cell["system"]: cell["stars"] for cell in one.row["cells"]}


COUNT_ROW = StarRow(id="scenes", title="Scenes", suite="scenes", metrics={COUNTS: 1.0})
BOTH_ROW = StarRow(id="scenes", title="Scenes", suite="scenes", metrics={COUNTS: 2.0, COLOURS: 1.0}, weight=3.0)


def test_a_row_of_one_metric_is_that_metric(rated):
    one = rated(COUNT_ROW, measured(COUNTS, [1, 0.5, 0.5, 0, 1]) + measured(COUNTS, [0.5] * 5, "right"))["scenes"]
    assert stars(one) == pytest.approx({"left": 1 + 4 * 0.6, "right": 3.0})
    (part,) = one.row["components"]
    assert part["cells"] == one.row["cells"]
    assert (part["scale"]["floor"], part["scale"]["ceiling"]) == (0.0, 1.0)
    assert [cell["value"] for cell in one.row["cells"]] == pytest.approx([0.6, 0.5])
    assert (one.row["kind"], one.row["unit"], one.row["problem"]) == ("measured", "share of expected objects", None)
    (difference,) = one.row["differences"]
    assert (difference["system_a"], difference["stars"]) == ("left", pytest.approx(0.4))


def test_a_row_of_several_metrics_is_their_weighted_mean_prompt_by_prompt(rated):
    scores = [
        *measured(COUNTS, [1, 0.5, 0.5, 0, 1]), *measured(COLOURS, [0, 0.5, "no_checkable_colour", 1, 1]),
        *measured(COUNTS, [0.5] * 5, "right"), *measured(COLOURS, [0.5, 0.5, "no_checkable_colour", 0.5, 0.5], "right"),
    ]  # fmt: skip
    one = rated(BOTH_ROW, scores)["scenes"]
    by_prompt = [(2 * 1 + 0) / 3, 0.5, 0.5, (0 + 1) / 3, 1.0]
    assert stars(one) == pytest.approx({"left": 1 + 4 * sum(by_prompt) / 5, "right": 3.0})
    assert one.prompt_scores.shares["left"].tolist() == pytest.approx(by_prompt)
    counts, colours = one.row["components"]
    assert [cell["stars"] for cell in counts["cells"]] == pytest.approx([3.4, 3.0])
    assert [cell["stars"] for cell in colours["cells"]] == pytest.approx([1 + 4 * 2.5 / 4, 3.0])
    assert (one.row["unit"], one.row["weight"]) == ("place on the scale, 0 to 1", 3.0)
    assert one.row["cells"][0]["value"] is None


def test_one_broken_metric_takes_the_stars_of_its_row_and_leaves_those_of_the_others(rated):
    row = StarRow(id="scenes", title="Scenes", suite="scenes", metrics={COUNTS: 1.0, "quality.lighting": 1.0})
    one = rated(row, measured(COUNTS, [0.5] * 5) + measured("quality.lighting", [0.5] * 5))["scenes"]
    assert one.row["problem"].startswith("quality.lighting: its control (texts that mean the same) was not measured")
    assert (one.row["cells"], one.row["differences"], one.prompt_scores) == ([], [], None)
    assert not one.indistinguishable
    counts, lighting = one.row["components"]
    assert [cell["stars"] for cell in counts["cells"]] == [3.0]
    assert lighting["cells"] == []


def test_a_proxy_is_judged_by_what_its_control_gets_on_the_same_suite(rated):
    row = StarRow(id="light", title="Lighting", suite="scenes", metrics={"quality.lighting": 1.0})
    lit = measured("quality.lighting", [0.75] * 5)
    assert stars(rated(row, lit + measured("quality.neutral", [0.5, 0.6] * 2 + [0.5]))["light"]) == {"left": 4.0}
    biased = rated(row, lit + measured("quality.neutral", [0.9] * 5))["light"]
    assert "texts that mean the same get 0.90" in biased.row["problem"]
    elsewhere = rated(row, lit + measured("quality.neutral", [0.5] * 5, suite="another"))["light"]
    assert "was not measured" in elsewhere.row["problem"]


def faces(own, impostors):
    return measured("identity.self", own) + measured("identity.self", impostors, control="impostor")


def test_a_row_whose_control_fails_says_that_nobody_is_told_from_the_floor(rated):
    row = StarRow(id="faces", title="Faces", suite="scenes", metrics={"identity.self": 1.0})
    one = rated(row, faces([0.1, 0.3] * 3, [0.2] * 6))["faces"]
    assert (one.row["cells"], one.prompt_scores, one.indistinguishable) == ([], None, True)
    assert rated(row, faces([0.7] * 6, [0.2] * 6))["faces"].indistinguishable is False
    # Beside another metric that was not measured at all, nothing is known of the row.
    with_other = StarRow(id="faces", title="Faces", suite="scenes", metrics={"identity.self": 1.0, COUNTS: 1.0})
    assert rated(with_other, faces([0.1, 0.3] * 3, [0.2] * 6))["faces"].indistinguishable is False


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        (measured(COUNTS, [0.5] * 5, suite="another"), "the run has no measurement on suite scenes"),
        (measured(COLOURS, [0.5] * 5), f"{COUNTS}: not measured in this run on suite scenes"),
        (measured(COUNTS, ["encoder_unavailable"] * 4 + ["unreadable_image"]),
         f"{COUNTS}: not measured: encoder_unavailable (4 times)"),
    ],
)  # fmt: skip
def test_what_was_not_measured_has_no_stars_but_the_reason(rated, scores, problem):
    one = rated(COUNT_ROW, scores, asked(["ok"] * 5))["scenes"]
    assert (one.row["problem"], one.row["cells"], one.prompt_scores) == (problem, [], None)


def test_a_suite_of_which_every_picture_was_withheld_has_one_star(rated):
    requests = asked(["refused"] * 6) + asked(["filtered"] * 6, "right")
    one = rated(COUNT_ROW, [], requests)["scenes"]
    assert stars(one) == {"left": 1.0, "right": 1.0}
    assert one.row["problem"] is None
    assert [cell["n_failed"] for cell in one.row["cells"]] == [6, 6]
    assert one.row["differences"][0]["verdict"].startswith("not separable")
    # With pictures that nobody scored, or requests that the network lost, nothing is known.
    for requests in (asked(["refused"] * 5 + ["ok"]), asked(["failed"] * 6), None):
        assert "no measurement" in rated(COUNT_ROW, [], requests)["scenes"].row["problem"]


def test_a_row_of_another_size_is_rated_on_the_pictures_of_that_size(rated):
    row = StarRow(id="large", title="Large", suite="scenes", metrics={COUNTS: 1.0}, size="4K")
    scores = measured(COUNTS, [0.0] * 5) + measured(COUNTS, [1.0] * 5, suite="scenes@4K")
    one = rated(row, scores)["large"]
    assert (stars(one), one.row["suite"], one.row["size"]) == ({"left": 5.0}, "scenes@4K", "4K")
    assert stars(rated(row, scores, size="4K")["large"]) == {"left": 1.0}


def test_cost_lies_on_a_scale_of_halvings(rated):
    requests = [row | {"cost_usd": cost} for row, cost in
                zip(asked(["ok"] * 5), [0.2, 0.01, 0.02**0.5 * 0.1**0.5, 0.4, 0.001], strict=True)]  # fmt: skip
    one = rated(StarRow(id="cost", title="Cost", computed="cost_per_image"), [], requests)["cost"]
    assert one.prompt_scores.shares["left"].tolist() == pytest.approx([0, 1, 0.5, 0, 1])
    assert stars(one) == pytest.approx({"left": 3.0})
    assert one.row["cells"][0]["value"] == pytest.approx((0.2 + 0.01 + 0.002**0.5 + 0.4 + 0.001) / 5)
    assert (one.row["unit"], one.row["kind"], one.row["suite"]) == ("USD", "computed", None)
    assert one.row["components"][0]["scale"]["floor_source"] == "declared, version 1: logarithmic"


def test_latency_counts_waiting_in_vain_as_the_worst_and_a_lost_request_not_at_all(rated):
    requests = [row | {"latency_s": seconds} for row, seconds in
                zip(asked(["ok", "ok", "timeout", "refused", "failed", "unknown"]), [2, 60, None, 0.1, 3, None],
                    strict=True)]  # fmt: skip
    one = rated(StarRow(id="speed", title="Speed", computed="latency"), [], requests)["speed"]
    (cell,) = one.row["cells"]
    assert cell["stars"] == pytest.approx(1 + 4 * 1 / 4)
    assert (cell["n_scored"], cell["n_failed"], cell["n_left_out"], cell["value"]) == (2, 2, 2, 31.0)
    assert cell["reasons"] == {"failed": 1, "refused": 1, "timeout": 1, "unknown": 1}


def test_a_computed_row_counts_the_requests_of_its_suite_and_size(rated):
    requests = (
        asked(["ok"] * 5, suite="logic", latency_s=2.0)
        + asked(["ok"] * 5, suite="scenes", latency_s=60.0)
        + asked(["ok"] * 5, suite="logic@4K", latency_s=60.0, size="4K")
    )
    rows = [
        StarRow(id="all", title="All", computed="latency"),
        StarRow(id="logic", title="Logic", computed="latency", suite="logic"),
        StarRow(id="speed-4k", title="4K", computed="latency", suite="logic", size="4K"),
        StarRow(id="at-1k", title="1K", computed="latency", size="1K"),
    ]
    sizeless = [{name: value for name, value in row.items() if name != "size"} for row in requests[:5]]
    assert stars(rated(StarRow(id="s", title="S", computed="latency", size="2K"), [], sizeless)["s"]) == {"left": 5.0}
    found = rated(rows, [], requests)
    assert {name: stars(one)["left"] for name, one in found.items()} == pytest.approx(
        {"all": 3.0, "logic": 5.0, "speed-4k": 1.0, "at-1k": 3.0}
    )
    assert found["speed-4k"].row["suite"] == "logic@4K"
    assert found["at-1k"].row["cells"][0]["n_prompts"] == 10


@pytest.mark.parametrize(
    ("requests", "problem"),
    [
        (None, "the run does not tell its requests, so neither time nor money is known"),
        (asked(["ok"] * 5), "no picture of size 1K has a known latency"),
        (asked(["ok"] * 5 + ["refused"]), "no picture of size 1K has a known latency"),
        (asked(["ok"] * 5, size="4K", latency_s=3.0), "no picture of size 1K has a known latency"),
        (asked(["failed"] * 5), "no picture of size 1K has a known latency"),
    ],
)
def test_time_that_nobody_told_gives_no_stars(rated, requests, problem):
    one = rated(StarRow(id="speed", title="Speed", computed="latency"), measured(COUNTS, [0.5]), requests)["speed"]
    assert (one.row["problem"], one.row["cells"], one.prompt_scores) == (problem, [], None)


def test_declared_rows_cite_their_facts_and_have_no_interval(rated):
    systems = ("flux-2-pro@bfl", "gemini-3-pro-image@google", "nobody@nowhere")
    scores = [row for system in systems for row in measured(COUNTS, [0.5] * 5, system)]
    one = rated(StarRow(id="lora", title="LoRA", declared="lora"), scores, systems=systems)["lora"]
    flux, gemini, nobody = one.row["declared_cells"]
    assert (flux["stars"], flux["reason"]) == (1.0, None)
    assert flux["sources"][0]["url"].startswith("https://")
    assert flux["sources"][0]["read"] == "2026-11-22"
    assert flux["level"]
    assert gemini["system"] == "gemini-3-pro-image@google"
    assert (nobody["stars"], nobody["sources"]) == (None, [])
    assert "no model" in nobody["reason"]
    assert (one.row["kind"], one.row["cells"], one.row["differences"], one.prompt_scores) == ("declared", [], [], None)


def test_the_prompts_that_decide_are_named_with_their_samples(rated):
    left, right = [1.0, 0.5, 0.9, 0.5, 0.7, 0.6], [0.0, 0.5, 0.5, 0.5, 1.0, 0.7]
    scores = measured(COUNTS, left) + measured(COUNTS, right, "right")
    scores += [{**scores[0], "subject": ["left-0b"], "repeat": 1}]
    scores += measured("identity.faces", [2.0] * 6) + faces([0.7] * 6, [0.2] * 6)
    deciding = rated(COUNT_ROW, scores)["scenes"].row["deciding"]
    assert [found["prompt"] for found in deciding] == ["p0", "p2", "p4"]
    assert deciding[0]["shares"] == {"left": 1.0, "right": 0.0}
    assert deciding[0]["samples"] == {"left": ["left-0", "left-0b"], "right": ["right-0"]}


def test_a_system_alone_has_stars_and_no_differences_and_a_pair_of_two_systems_belongs_to_neither(rated):
    one = rated(COUNT_ROW, measured(COUNTS, [0.5] * 6) + measured(COUNTS, [0.0] * 6, None))["scenes"]
    assert (stars(one), one.row["differences"], one.row["deciding"]) == ({"left": 3.0}, [], [])


def test_three_systems_are_compared_two_by_two_in_one_family(rated):
    scores = [row for n, system in enumerate("abc") for row in measured(COUNTS, [0.2 * n, 0.25 * n] * 4, system)]
    one = rated([COUNT_ROW, StarRow(id="again", title="A", suite="scenes", metrics={COUNTS: 1.0})], scores)
    differences = one["scenes"].row["differences"]
    assert [(row["system_a"], row["system_b"]) for row in differences] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(row["p_holm"] > 2 * row["p_value"] for row in differences)


def test_systems_stand_in_the_order_of_the_eval_and_one_without_a_row_has_a_reason(rated):
    scores = measured(COUNTS, [0.5] * 6, "b") + measured(COUNTS, [0.5] * 6, "a")
    requests = asked(["failed"] * 6, "c")
    one = rated(COUNT_ROW, scores, requests, systems=("c", "b", "a", "absent"))["scenes"]
    assert list(stars(one)) == ["c", "b", "a"]
    assert one.row["cells"][0]["reason"] == "nothing of it could be measured for this system"
    assert list(stars(rated(COUNT_ROW, scores)["scenes"])) == ["a", "b"]


def whole_table(score_table):
    scores = score_table(
        measured(COUNTS, [1, 0.5, 0.5, 0, 1, "no_face"])
        + measured(COUNTS, [0.5] * 6, "right")
        + faces([0.7] * 6, [0.2] * 6)
    )
    requests = pd.DataFrame(asked(["ok"] * 6, cost_usd=0.03, latency_s=4.0) + asked(["ok"] * 5 + ["refused"], "right"))
    return scores, requests


def test_the_document_is_json_and_the_same_every_time(score_table):
    scores, requests = whole_table(score_table)
    controls = rate(scores)["controls"]
    first, second = (award_stars(scores, requests, controls, []) for _ in range(2))
    assert first == second
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    assert set(first) >= {"scales_version", "systems", "rows", "totals", "article_stars", "recommendations", "costs"}
    assert [row["id"] for row in first["rows"]] == ["scenes:identity", "cost", "latency"]
    assert first["article_stars"] == {}
    assert len(first["recommendations"]) == 7


def test_a_simulated_system_is_none_that_an_article_speaks_of_whatever_its_name(score_table):
    flux, gemini = "flux-2-pro@bfl", "gemini-3-pro-image@google"
    scores = score_table(measured(COUNTS, [0.2, 0.3] * 4, flux) + measured(COUNTS, [0.9, 1.0] * 4, gemini))
    changes = {"systems": (flux, gemini), "rows": (COUNT_ROW,)}
    real = read_definition("flux2-vs-nano-banana").model_copy(update=changes)
    measured_real = operations(pd.DataFrame([{"system": flux, "outcome": "ok", "prompt_id": "p"}]))
    measured_simulated = [{**row, "simulated": True} for row in measured_real]
    found, made_up = (award_stars(scores, None, [], o, real) for o in (measured_real, measured_simulated))
    assert found["article_stars"]["scenes"]["verdict"] == "supported"
    assert made_up["article_stars"]["scenes"]["verdict"] == "not comparable"
    assert {one["article"] is None for one in found["recommendations"]} == {False}
    assert {one["article"] for one in made_up["recommendations"]} == {None}


def test_a_table_without_a_row_gives_a_document_without_stars(score_table):
    for requests in (None, pd.DataFrame(columns=["system", "outcome"])):
        found = award_stars(score_table([]), requests, [], [])
        assert (found["rows"], found["systems"], found["totals"]["systems"]) == ([], [], [])
        json.dumps(found, allow_nan=False)


def test_without_an_eval_each_suite_has_a_row_by_the_first_headline_that_was_scored(score_table):
    scores = score_table(
        measured("text.cer", [0.5]) + measured("text.similarity", ["no_text"]) + measured("quality.lighting", [0.5])
        + measured("adherence.clip", [30.0], suite="precise") + measured("adherence.margin", [3.0], suite="precise")
        + measured("identity.pairs", [0.3], suite="pairs") + measured("style.of_1999", [1.0])
        + measured("identity.self", [0.3], suite="pairs", control="impostor")
    )  # fmt: skip
    rows = rows_without_eval(scores, has_requests=False)
    assert [(row.id, dict(row.metrics)) for row in rows] == [
        ("precise:adherence", {"adherence.margin": 1.0}), ("scenes:text", {"text.cer": 1.0}),
    ]  # fmt: skip
    assert [row.id for row in rows_without_eval(scores, has_requests=True)][2:] == ["cost", "latency"]


def test_a_table_without_suites_has_rows_too(score_table):
    scores = score_table(measured("structure.all", [1.0] * 6, suite=None))
    found = award_stars(scores, None, [], [])
    (row,) = found["rows"]
    assert (row["id"], row["title"], row["problem"]) == ("structure", "Scene correct", None)
    assert row["cells"][0]["stars"] == 5.0
