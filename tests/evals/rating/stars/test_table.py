"""The star table by hand: measured, computed and declared rows, and everything that may be missing."""

import json

import numpy as np
import pandas as pd
import pytest

from evals.definition import StarRow, read_definition
from evals.facts.use_cases import UseCase, read_use_cases
from evals.rating import rate
from evals.rating.operations import operations
from evals.rating.stars.document import award_stars
from evals.rating.stars.primary_metrics import rows_without_eval
from evals.rating.stars.table import rate_rows, rating_inputs
from evals.rating.statistics.families import holm

COUNTS, COLOURS = "structure.counts", "structure.colours"


def measured(metric_id, values, system="left", suite="scenes", **more):
    """Return one row a prompt; a text in place of a number is the reason why there is none."""
    return [
        {"metric": metric_id, "system": system, "suite": suite, "prompt_id": f"p{n}", "subject": [f"{system}-{n}"],
         **({"reason": value} if isinstance(value, str) else {"value": value}), **more}
        for n, value in enumerate(values)
    ]  # fmt: skip


def asked(outcomes, system="left", suite="scenes", **more):
    """Return one request a prompt; a list among the other columns has a value for each of them."""
    columns = {name: value if isinstance(value, list) else [value] * len(outcomes) for name, value in more.items()}
    return [
        {"system": system, "suite": suite, "prompt_id": f"p{n}", "outcome": outcome, "size": "1K"}
        | {name: values[n] for name, values in columns.items()}
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


def row_of(*metrics, suite="scenes", **more):
    """Return a row with the id ``row``, of metrics or otherwise."""
    weights = {"metrics": dict.fromkeys(metrics, 1.0)} if metrics else {}
    return StarRow(**{"id": "row", "title": "A row", "suite": suite, **weights, **more})


COUNT_ROW = row_of(COUNTS, id="scenes")


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
        *measured(COUNTS, [1, 0.5, 0.5, 0, 1, 1]), *measured(COLOURS, [0, 0.5, "no_checkable_colour", 1, 1, 1]),
        *measured(COUNTS, [0.5] * 6, "right"),
        *measured(COLOURS, [0.5, 0.5, "no_checkable_colour", 0.5, 0.5, 0.5], "right"),
    ]  # fmt: skip
    one = rated(row_of(metrics={COUNTS: 2.0, COLOURS: 1.0}, weight=3.0), scores)["row"]
    by_prompt = [(2 * 1 + 0) / 3, 0.5, 0.5, (0 + 1) / 3, 1.0, 1.0]
    assert stars(one) == pytest.approx({"left": 1 + 4 * sum(by_prompt) / 6, "right": 3.0})
    assert one.prompt_scores.shares["left"].tolist() == pytest.approx(by_prompt)
    counts, colours = one.row["components"]
    assert [cell["stars"] for cell in counts["cells"]] == pytest.approx([1 + 4 * 4 / 6, 3.0])
    assert [cell["stars"] for cell in colours["cells"]] == pytest.approx([1 + 4 * 3.5 / 5, 3.0])
    assert (one.row["unit"], one.row["weight"]) == ("place on the scale, 0 to 1", 3.0)
    assert one.row["cells"][0]["value"] is None


def test_one_broken_metric_takes_the_stars_of_its_row_and_leaves_those_of_the_others(rated):
    row = row_of(COUNTS, "quality.lighting")
    one = rated(row, measured(COUNTS, [0.5] * 5) + measured("quality.lighting", [0.5] * 5))["row"]
    assert one.row["problem"].startswith("quality.lighting: its control (texts that mean the same) was not measured")
    assert (one.row["cells"], one.row["differences"], one.prompt_scores) == ([], [], None)
    assert not one.indistinguishable
    counts, lighting = one.row["components"]
    assert [cell["stars"] for cell in counts["cells"]] == [3.0]
    assert lighting["cells"] == []


def test_a_proxy_is_judged_by_what_its_control_gets_on_the_same_suite(rated):
    def lit(neutral, suite="scenes"):
        scores = measured("quality.lighting", [0.75] * 5) + measured("quality.neutral", neutral, suite=suite)
        return rated(row_of("quality.lighting"), scores)["row"]

    assert stars(lit([0.5, 0.6] * 2 + [0.5])) == {"left": 4.0}
    assert "texts that mean the same get 0.90" in lit([0.9] * 5).row["problem"]
    assert "was not measured" in lit([0.5] * 5, suite="another").row["problem"]


def faces(own, impostors):
    return measured("identity.self", own) + measured("identity.self", impostors, control="impostor")


def test_a_row_whose_control_fails_says_that_nobody_is_told_from_the_floor(rated):
    alike = faces([0.1, 0.3] * 3, [0.2] * 6)
    one = rated(row_of("identity.self"), alike)["row"]
    assert (one.row["cells"], one.prompt_scores, one.indistinguishable) == ([], None, True)
    assert rated(row_of("identity.self"), faces([0.7] * 6, [0.2] * 6))["row"].indistinguishable is False
    # Beside another metric that was not measured at all, nothing is known of the row.
    assert rated(row_of("identity.self", COUNTS), alike)["row"].indistinguishable is False


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
    assert one.row["differences"][0]["p_value"] == 1
    # With pictures that nobody scored, or requests that the network lost, nothing is known.
    for requests in (asked(["refused"] * 5 + ["ok"]), asked(["failed"] * 6), None):
        assert "no measurement" in rated(COUNT_ROW, [], requests)["scenes"].row["problem"]


def test_a_row_of_another_size_is_rated_on_the_pictures_of_that_size(rated):
    scores = measured(COUNTS, [0.0] * 5) + measured(COUNTS, [1.0] * 5, suite="scenes@4K")
    one = rated(row_of(COUNTS, size="4K"), scores)["row"]
    assert (stars(one), one.row["suite"], one.row["size"]) == ({"left": 5.0}, "scenes@4K", "4K")
    assert stars(rated(row_of(COUNTS, size="4K"), scores, size="4K")["row"]) == {"left": 1.0}


def test_cost_lies_on_a_scale_of_halvings(rated):
    requests = asked(["ok"] * 5, cost_usd=[0.2, 0.01, 0.02**0.5 * 0.1**0.5, 0.4, 0.001])
    one = rated(row_of(suite=None, computed="cost_per_image"), [], requests)["row"]
    assert one.prompt_scores.shares["left"].tolist() == pytest.approx([0, 1, 0.5, 0, 1])
    assert stars(one) == pytest.approx({"left": 3.0})
    assert one.row["cells"][0]["value"] == pytest.approx((0.2 + 0.01 + 0.002**0.5 + 0.4 + 0.001) / 5)
    assert (one.row["unit"], one.row["kind"], one.row["suite"]) == ("USD", "computed", None)
    assert one.row["components"][0]["scale"]["floor_source"] == "declared, version 2: logarithmic"


def test_latency_counts_waiting_in_vain_as_the_worst_and_a_lost_request_not_at_all(rated):
    outcomes = ["ok", "ok", "ok", "timeout", "refused", "failed", "unknown"]
    seconds = [2, 60, 60, None, 0.1, 3, None]
    one = rated(row_of(suite=None, computed="latency"), [], asked(outcomes, latency_s=seconds))["row"]
    (cell,) = one.row["cells"]
    assert cell["stars"] == pytest.approx(1 + 4 * 1 / 5)
    assert (cell["n_scored"], cell["n_failed"], cell["n_left_out"], cell["value"]) == (3, 2, 2, 60.0)
    assert cell["reasons"] == {"failed": 1, "refused": 1, "timeout": 1, "unknown": 1}


def test_a_computed_row_counts_the_requests_of_its_suite_and_size(rated):
    requests = (
        asked(["ok"] * 5, suite="logic", latency_s=2.0)
        + asked(["ok"] * 5, suite="scenes", latency_s=60.0)
        + asked(["ok"] * 5, suite="logic@4K", latency_s=60.0, size="4K")
    )
    places = [("all", None, None), ("logic", "logic", None), ("speed-4k", "logic", "4K"), ("at-1k", None, "1K")]
    rows = [row_of(id=name, suite=suite, size=size, computed="latency") for name, suite, size in places]
    found = rated(rows, [], requests)
    assert {name: stars(one)["left"] for name, one in found.items()} == pytest.approx(
        {"all": 3.0, "logic": 5.0, "speed-4k": 1.0, "at-1k": 3.0}
    )
    assert found["speed-4k"].row["suite"] == "logic@4K"
    assert found["at-1k"].row["cells"][0]["n_prompts"] == 10
    sizeless = [{name: value for name, value in row.items() if name != "size"} for row in requests[:5]]
    assert stars(rated(row_of(suite=None, size="2K", computed="latency"), [], sizeless)["row"]) == {"left": 5.0}


@pytest.mark.parametrize(
    ("requests", "problem"),
    [
        (None, "the run does not tell its requests, so neither time nor money is known"),
        *[(requests, "no picture of size 1K has a known latency") for requests in
          (asked(["ok"] * 5), asked(["ok"] * 5 + ["refused"]), asked(["ok"] * 5, size="4K", latency_s=3.0),
           asked(["failed"] * 5))],
        (asked(["ok"] * 5, latency_s=3.0, simulated=True), "the APIs are simulated: nothing is known of their times"),
    ],
)  # fmt: skip
def test_time_that_nobody_told_gives_no_stars(rated, requests, problem):
    one = rated(row_of(suite=None, computed="latency"), measured(COUNTS, [0.5]), requests)["row"]
    assert (one.row["problem"], one.row["cells"], one.prompt_scores) == (problem, [], None)


def test_declared_rows_cite_their_facts_and_have_no_interval(rated):
    systems = ("flux-2-pro@bfl", "gemini-3-pro-image@google", "nobody@nowhere")
    scores = [row for system in systems for row in measured(COUNTS, [0.5] * 5, system)]
    one = rated(row_of(suite=None, declared="lora"), scores, systems=systems)["row"]
    flux, gemini, nobody = one.row["declared_cells"]
    assert (flux["stars"], flux["reason"], flux["sources"][0]["read"]) == (1.0, None, "2026-11-22")
    assert flux["sources"][0]["url"].startswith("https://")
    assert gemini["system"] == "gemini-3-pro-image@google"
    assert (nobody["stars"], nobody["sources"]) == (None, [])
    assert "do not know this system" in nobody["reason"]
    assert (one.row["kind"], one.row["cells"], one.row["differences"], one.prompt_scores) == ("declared", [], [], None)


def test_a_row_tells_the_place_of_every_prompt_and_the_samples_behind_it(rated):
    left, right = [1.0, 0.5, 0.9, 0.5, 0.7, 0.6], [0.0, 0.5, 0.5, 0.5, 1.0, "no_checkable_object"]
    scores = measured(COUNTS, left) + measured(COUNTS, right, "right")
    scores += [{**scores[0], "subject": ["left-0b"], "repeat": 1}]
    scores += measured("identity.faces", [2.0] * 6) + faces([0.7] * 6, [0.2] * 6)
    one = rated(COUNT_ROW, scores)["scenes"]
    assert one.row["places"]["p0"] == {"left": 1.0, "right": 0.0}
    assert one.row["places"]["p5"] == {"left": 0.6, "right": None}
    assert len(one.row["places"]) == 6
    assert one.samples["p0", "left"] == ["left-0", "left-0b"]
    assert one.samples["p0", "right"] == ["right-0"]


@pytest.mark.parametrize("n", [1, 4])
def test_a_computed_row_has_no_stars_below_five_prompts(rated, n):
    one = rated(row_of(suite=None, computed="cost_per_image"), [], asked(["ok"] * n, cost_usd=0.03))["row"]
    (cell,) = one.row["cells"]
    assert (cell["stars"], cell["value"]) == (None, pytest.approx(0.03))
    assert cell["reason"] == f"{n} prompt{'s' * (n > 1)}, and there are no stars below 5"


def test_the_same_price_on_every_prompt_is_a_fact_and_the_same_latency_is_not(rated):
    for computed, column in (("cost_per_image", "cost_usd"), ("latency", "latency_s")):
        requests = asked(["ok"] * 6, **{column: 0.04}) + asked(["ok"] * 6, "right", **{column: 0.02})
        requests = [row | {column: row[column] * (100 if column == "latency_s" else 1)} for row in requests]
        one = rated(row_of(suite=None, computed=computed), [], requests)["row"]
        assert (one.row["differences"][0]["p_value"] == 0) == one.are_prices == (computed == "cost_per_image")


def test_systems_stand_in_the_order_of_the_eval_and_are_compared_two_by_two(rated):
    scores = [row for n, system in enumerate("cba") for row in measured(COUNTS, [0.2 * n, 0.25 * n] * 4, system)]
    requests = asked(["failed"] * 6, "lost")
    rows = [COUNT_ROW, row_of(COUNTS, id="again")]
    row = rated(rows, scores, requests, systems=("c", "lost", "b", "a", "absent"))["scenes"].row
    assert [cell["system"] for cell in row["cells"]] == ["c", "lost", "b", "a"]
    assert row["cells"][1]["reason"] == "nothing of it could be measured for this system"
    pairs = [pair for pair in row["differences"] if "lost" not in (pair["system_a"], pair["system_b"])]
    assert [(pair["system_a"], pair["system_b"]) for pair in pairs] == [("c", "b"), ("c", "a"), ("b", "a")]
    assert all(pair["p_holm"] is None for pair in pairs)
    assert list(stars(rated(COUNT_ROW, scores)["scenes"])) == ["a", "b", "c"]
    # A system alone has stars and no differences, and a pair of pictures of two systems belongs to neither.
    one = rated(COUNT_ROW, measured(COUNTS, [0.5] * 6) + measured(COUNTS, [0.0] * 6, None))["scenes"]
    assert (stars(one), one.row["differences"], one.row["deciding"]) == ({"left": 3.0}, [], [])


def test_rows_the_total_and_use_cases_are_one_family(score_table):
    gains = np.resize([0.2, -0.02], 12)
    scores = score_table([
        row for name in ("precise", "text", "brands")
        for row in measured(COUNTS, 0.5 + gains, suite=name) + measured(COUNTS, [0.5] * 12, "right", suite=name)
    ])  # fmt: skip
    rows = [row_of(COUNTS, id=name, suite=name) for name in ("precise", "text", "brands")]
    definition = read_definition("demo").model_copy(update={"systems": ("left", "right"), "rows": tuple(rows)})
    found = award_stars(scores, None, [], [], definition)
    differences = [row["differences"][0] for row in found["rows"]] + found["totals"]["differences"]
    # No use case is rated enough to be a test.
    assert [difference["p_holm"] for difference in differences] == pytest.approx(
        holm([difference["p_value"] for difference in differences])
    )
    assert max(difference["p_value"] for difference in differences) < 0.05
    assert [difference["better_system"] for difference in differences] == [None, None, None, "left"]
    assert {case["p_holm"] for case in found["recommendations"]} == {None}
    assert found["n_compared"] == 4


def test_use_cases_of_an_eval_stand_first_or_in_place_of_ours_and_within_the_one_family(score_table):
    gains = np.resize([0.2, 0.1], 12)
    scores = score_table([
        row for name in ("precise", "text")
        for row in measured(COUNTS, 0.5 + gains, suite=name) + measured(COUNTS, [0.5] * 12, "right", suite=name)
    ])  # fmt: skip
    rows = tuple(row_of(COUNTS, id=name, suite=name) for name in ("precise", "text"))
    own = (UseCase(id="signs", title="Signs", weights={"text": 3.0, "precise": 1.0}),
           UseCase(id="budget", title="Ours, cheap", weights={"text": 1.0}))  # fmt: skip
    eval_ = read_definition("demo").model_copy(update={"systems": ("left", "right"), "rows": rows, "use_cases": own})
    found = award_stars(scores, None, [], [], eval_)
    cases = found["recommendations"]
    assert [case["id"] for case in cases][:2] == ["signs", "budget"]
    assert [case["title"] for case in cases if case["id"] == "budget"] == ["Ours, cheap"]
    assert {case.id for case in read_use_cases()} < {case["id"] for case in cases}
    assert [case["system"] for case in cases[:2]] == ["left", "left"]
    # Two rows, the total and "signs"; "budget" is the row of text alone, and no test of its own.
    assert found["n_compared"] == 4
    assert cases[1]["p_holm"] == found["rows"][1]["differences"][0]["p_holm"]


def test_pictures_without_a_common_prompt_have_stars_and_no_total(score_table):
    scores = score_table(
        measured("structure.all", [1.0, 1.0, 0.0] * 9)
        + [
            {**row, "prompt_id": f"other-{row['prompt_id']}"}
            for row in measured("structure.all", [1.0, 0.0] * 3, "right")
        ]
    )
    found = award_stars(scores, None, [], [])
    assert [cell["stars"] for cell in found["rows"][0]["cells"]] == pytest.approx([1 + 4 * 2 / 3, 3.0])
    assert found["rows"][0]["differences"][0]["verdict"] == "not comparable: no prompt was rated for both"
    assert {total["stars"] for total in found["totals"]["systems"]} == {None}
    assert "left and right have no prompts in common" in found["totals"]["problem"]
    assert {case["system"] for case in found["recommendations"]} == {None}


def test_the_document_is_json_and_the_same_every_time(score_table):
    scores = score_table(measured(COUNTS, [1, 0.5, 0.5, 0, 1, "no_face"]) + measured(COUNTS, [0.5] * 6, "right")
                         + faces([0.7] * 6, [0.2] * 6))  # fmt: skip
    requests = pd.DataFrame(asked(["ok"] * 6, cost_usd=0.03, latency_s=4.0) + asked(["ok"] * 5 + ["refused"], "right"))
    controls = rate(scores)["controls"]
    first, second = (award_stars(scores, requests, controls, []) for _ in range(2))
    assert first == second == json.loads(json.dumps(first, allow_nan=False))
    assert set(first) >= {"scales_version", "systems", "rows", "totals", "article_stars", "recommendations", "costs"}
    assert [row["id"] for row in first["rows"]] == ["scenes:identity", "cost", "latency"]
    assert (first["article_stars"], len(first["recommendations"])) == ({}, 7)


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
    (row,) = award_stars(score_table(measured("structure.all", [1.0] * 6, suite=None)), None, [], [])["rows"]
    assert (row["id"], row["title"], row["problem"]) == ("structure", "Scene correct", None)
    assert row["cells"][0]["stars"] == 5.0
