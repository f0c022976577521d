"""Drift: equal runs show nothing, a change is found with its sign, what was measured in another way is set apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evals.rating.drift.changes import drift
from evals.rating.drift.tables import RunTables

SYSTEM = "left@host"


def scored(values, metric="text.cer", system=SYSTEM, suite="signs", run="a", **more):
    """Rows of a score table: one sample a prompt, named after the run."""
    return [
        {
            "system": system, "suite": suite, "prompt_id": f"p{n}", "subject": [f"{run}-{suite}-{n}"],
            "metric": metric, "value": value, "reason": None if value is not None else "no_text", **more,
        }
        for n, value in enumerate(values)
    ]  # fmt: skip


@pytest.fixture
def run_of(score_table):
    def make(*groups, requests=None, prompts=None, packages=None, **sample_columns):
        rows = [row for group in groups for row in group]
        scores = score_table(rows)
        samples = pd.DataFrame(
            [
                {
                    "sample_id": row["subject"][0], "system": row["system"], "suite": row["suite"],
                    "prompt_id": row["prompt_id"], "prompt": f"{(prompts or {}).get(row['prompt_id'], 'draw')} "
                    f"{row['prompt_id']}", "seed": 1, "repeat": 0, **sample_columns,
                }
                for row in rows
            ]
        ).drop_duplicates("sample_id")  # fmt: skip
        provenance = {"packages": packages} if packages else {}
        return RunTables(scores, samples, None if requests is None else pd.DataFrame(requests), provenance)

    return make


VALUES = [0.1, 0.3, 0.2, 0.5, 0.0, 0.4, 0.15, 0.25]


def only(found):
    (row,) = found["rows"]
    return row


def test_equal_runs_show_no_change(run_of):
    found = drift(run_of(scored(VALUES)), run_of(scored(VALUES)))
    row = only(found)
    assert (found["changed"], row["changed"], row["direction"]) == (False, False, None)
    assert (row["difference"], row["low"], row["high"], row["p_holm"]) == (0.0, 0.0, 0.0, 1.0)
    assert (row["smallest_detectable"], row["largest"]) == (None, [])
    assert not drift(run_of(scored(VALUES)), run_of(scored([value + 1e-7 for value in VALUES])))["changed"]


@pytest.mark.parametrize(
    ("metric", "step", "direction"),
    [
        ("text.cer", 0.3, "worse"),
        ("text.cer", -0.3, "better"),
        ("adherence.clip", 3.0, "better"),
        ("adherence.clip", -3.0, "worse"),
        ("quality.contrast", 0.2, "other"),
    ],
)
def test_a_changed_metric_is_found_with_its_sign(run_of, metric, step, direction):
    changed = [value + step + 0.01 * n for n, value in enumerate(VALUES)]
    found = drift(run_of(scored(VALUES, metric)), run_of(scored(changed, metric)))
    row = only(found)
    assert (found["changed"], row["changed"], row["direction"]) == (True, True, direction)
    assert row["difference"] == pytest.approx(step + 0.035)
    assert np.sign(row["low"]) == np.sign(row["high"]) == np.sign(step)


def test_the_interval_and_the_p_value_are_those_of_the_paired_t_test(run_of):
    after = [0.2, 0.2, 0.5, 0.6, 0.1, 0.3, 0.35, 0.45]
    row = only(drift(run_of(scored(VALUES)), run_of(scored(after))))
    test = stats.ttest_rel(after, VALUES)
    assert row["p_value"] == row["p_holm"] == pytest.approx(test.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval(0.95)))


def test_the_family_is_every_row_of_the_command(run_of):
    after = [value + (0.03 if n % 2 else 0.13) for n, value in enumerate(VALUES)]
    alone = only(drift(run_of(scored(VALUES)), run_of(scored(after))))
    both = drift(
        run_of(scored(VALUES), scored(VALUES, suite="labels")), run_of(scored(after), scored(VALUES, suite="labels"))
    )
    p_values = {row["suite"]: row["p_holm"] for row in both["rows"]}
    assert p_values == pytest.approx({"signs": 2 * alone["p_value"], "labels": 1.0})


def test_the_prompts_that_changed_most_come_first_with_the_samples_of_both_runs(run_of):
    after = [*VALUES]
    after[3], after[6], after[1] = 0.9, 0.0, 0.35
    row = only(drift(run_of(scored(VALUES)), run_of(scored(after, run="b")), n_largest=2))
    assert [change["prompt"] for change in row["largest"]] == ["p3", "p6"]
    assert row["largest"][0] == {
        "prompt": "p3", "a": 0.5, "b": 0.9, "change": pytest.approx(0.4),
        "samples_a": ["a-signs-3"], "samples_b": ["b-signs-3"],
    }  # fmt: skip


def test_repeats_are_averaged_inside_the_prompt(run_of):
    twice = run_of(scored(VALUES), scored([value + 0.2 for value in VALUES], run="again"))
    row = only(drift(twice, run_of(scored([value + 0.1 for value in VALUES]))))
    assert row["n_prompts"] == len(VALUES)
    assert row["difference"] == 0.0


def test_the_difference_that_would_have_been_seen_shrinks_with_prompts_and_grows_with_rows(run_of):
    random = np.random.default_rng(3)
    noise = random.normal(0, 0.1, 40)

    def smallest(n, *others):
        a = run_of(scored([0.5] * n), *(scored([0.5] * n, suite=suite) for suite in others))
        b = run_of(scored((0.5 + noise[:n]).tolist()), *(scored([0.5] * n, suite=suite) for suite in others))
        return next(row["smallest_detectable"] for row in drift(a, b)["rows"] if row["suite"] == "signs")

    assert smallest(40) < smallest(10)
    assert smallest(40) < smallest(40, "labels", "posters")


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ({"encoder": "rapidocr:other"}, "its encoder differs: open_clip:tiny in run A, rapidocr:other in run B"),
        ({"weights_sha256": "ab" * 32}, "its weights' hash differs: 00 in run A, abababababab in run B"),
        ({"metric_version": 2}, "its version differs: 1 in run A, 2 in run B"),
    ],
)
def test_what_was_measured_in_another_way_is_listed_and_not_compared(run_of, way, reason):
    worse = [value + 0.5 for value in VALUES]
    found = drift(run_of(scored(VALUES)), run_of(scored(worse, **way)))
    assert (found["rows"], found["changed"]) == ([], False)
    assert found["not_compared"] == [
        {"metric": "text.cer", "suite": "signs", "system_a": SYSTEM, "system_b": SYSTEM, "reason": reason}
    ]


def test_another_engine_for_prompts_that_only_one_run_has_does_not_matter(run_of):
    extra = [{**row, "prompt_id": "kanji", "subject": ["k"]} for row in scored([0.5], encoder="rapidocr:japanese")]
    assert only(drift(run_of(scored(VALUES)), run_of(scored(VALUES), extra)))["n_prompts"] == len(VALUES)


def test_a_margin_over_other_decoys_is_not_compared(run_of):
    a = run_of(scored(VALUES, "adherence.margin"), scored(VALUES, "adherence.clip"))
    b = run_of(scored(VALUES[:-1], "adherence.margin"), scored(VALUES[:-1], "adherence.clip"))
    found = drift(a, b)
    assert only(found)["metric"] == "adherence.clip"
    (left_out,) = found["not_compared"]
    assert left_out["metric"] == "adherence.margin"
    assert "other prompts" in left_out["reason"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (VALUES, [None] * 8, "nothing has a value in run B (no_text)"),
        ([None] * 8, [None] * 8, "nothing has a value in run A and run B (no_text)"),
        (VALUES, [*VALUES[:4], *[None] * 4], "prompts with a value in both runs: 4, and 5 are needed"),
    ],
)
def test_too_few_values_are_a_reason_and_never_a_zero(run_of, before, after, reason):
    found = drift(run_of(scored(before)), run_of(scored(after), scored(VALUES, "text.wer")))
    assert [entry["reason"] for entry in found["not_compared"]] == [reason, "run A has no measurement of it"]
    assert found["rows"] == []


def test_values_that_were_lost_are_counted_beside_the_difference(run_of):
    row = only(drift(run_of(scored(VALUES)), run_of(scored([*VALUES[:6], None, None]))))
    assert (row["n_prompts"], row["unscored_a"], row["unscored_b"]) == (6, {}, {"no_text": 2})


def test_a_prompt_that_is_worded_otherwise_is_left_out_and_told(run_of):
    worse = [*VALUES[:-1], 0.99]
    found = drift(run_of(scored(VALUES)), run_of(scored(worse), prompts={"p7": "paint"}))
    assert only(found)["n_prompts"] == 7
    assert not found["changed"]
    assert "One prompt is worded otherwise in run B and left out: p7 of signs." in found["notes"]


def test_a_prompt_that_a_suite_asks_twice_narrows_no_interval(run_of):
    after = [value + 0.03 * (n % 3) for n, value in enumerate(VALUES)]

    def twice(values):
        again = [{**row, "prompt_id": f"again-{row['prompt_id']}"} for row in scored(values, run="z")]
        run = run_of(scored(values), again)
        run.samples["prompt"] = run.samples["prompt"].str.replace("again-", "")
        return run

    once, doubled = only(drift(run_of(scored(VALUES)), run_of(scored(after)))), only(drift(twice(VALUES), twice(after)))
    for name in ("n_prompts", "low", "high"):
        assert doubled[name] == once[name]


def test_shots_of_a_sequence_count_as_one_prompt(run_of):
    def shots(step):
        return [
            {**row, "metric": "identity.reference", "sequence_id": f"s{n // 2}"}
            for n, row in enumerate(scored([value + step for value in VALUES * 2]))
        ]

    assert only(drift(run_of(shots(0.0)), run_of(shots(0.1))))["n_prompts"] == 8


def test_controls_and_pairs_of_two_systems_are_no_measurements_of_a_system(run_of):
    control = scored([9.0] * 8, control="rendered_text", run="c")
    found = drift(run_of(scored(VALUES), control), run_of(scored(VALUES), scored([5.0] * 8, system=None, run="n")))
    assert only(found)["difference"] == 0.0


def requests_of(outcomes, n_prompts=8, **more):
    return [
        {
            "system": SYSTEM, "suite": "signs", "prompt_id": f"p{n % n_prompts}", "sample_id": f"r{n}", "size": "1K",
            "outcome": outcome, "reason": None, **more,
        }
        for n, outcome in enumerate(outcomes)
    ]  # fmt: skip


def test_refusals_are_compared_prompt_by_prompt_and_what_was_never_sent_is_no_answer(run_of):
    unsent = [{**row, "reason": "no_first_shot", "prompt_id": "later"} for row in requests_of(["failed"] * 3)]
    before = run_of(scored(VALUES), requests=requests_of(["ok"] * 20, 20) + unsent)
    after = run_of(scored(VALUES), requests=requests_of(["refused"] * 15 + ["ok"] * 5, 20) + unsent)
    rows = {row["metric"]: row for row in drift(before, after)["rows"]}
    refused = rows["operations.refusal_rate"]
    assert refused["n_prompts"] == 20
    assert (refused["difference"], refused["changed"], refused["direction"]) == (0.75, True, "worse")
    assert refused["largest"][0]["samples_b"] == ["r0"]
    assert not rows["operations.filter_rate"]["changed"]


@pytest.mark.parametrize(
    ("latency", "cost", "moved"),
    [(2.0, 0.04, (True, True, True)), (1.0, 0.03, (False, False, False)), (None, None, (None, None, None))],
)
def test_latency_and_cost_stand_side_by_side(run_of, latency, cost, moved):
    before = run_of(scored(VALUES), requests=requests_of(["ok"] * 8, latency_s=1.0, cost_usd=0.03))
    after = run_of(scored(VALUES), requests=requests_of(["ok"] * 8, latency_s=latency, cost_usd=cost))
    found = drift(before, after)
    assert tuple(figure["moved"] for figure in found["figures"]) == moved
    assert found["figures"][0]["a"]["value"] == 1.0
    assert not found["changed"]


@pytest.mark.parametrize(
    ("before", "after", "changed"), [("v1", "v2", True), ("v1", "v1", False), (None, "v2", None), (None, None, None)]
)
def test_versions_that_hosts_told_are_counted(run_of, before, after, changed):
    found = drift(run_of(scored(VALUES), model_version=before), run_of(scored(VALUES), model_version=after))
    (version,) = found["versions"]
    assert version["changed"] is changed
    assert version["b"] == ({after: 8} if after else {})


def test_equal_pictures_are_counted_by_their_key_or_have_the_reason_for_none(run_of):
    hashed, one_changed = run_of(scored(VALUES), pixel_sha256="00"), run_of(scored(VALUES), pixel_sha256="00")
    one_changed.samples.loc[one_changed.samples["prompt_id"] == "p2", "pixel_sha256"] = "11"
    unhashed, other_seed = run_of(scored(VALUES)), run_of(scored(VALUES), pixel_sha256="00", seed=2)
    for before, after, n_same_key, n_identical, reason in (
        (hashed, one_changed, 8, 7, None),
        (unhashed, unhashed, 8, None, "no pixel hashes are told"),
        (hashed, other_seed, 0, None, "key"),
    ):
        (pixels,) = drift(before, after)["pixels"]
        assert (pixels["n_same_key"], pixels["n_identical"]) == (n_same_key, n_identical)
        assert pixels["reason"] == reason or reason in pixels["reason"]


def test_other_sizes_seeds_and_software_are_told(run_of):
    before = run_of(scored(VALUES), size="1K", packages={"torch": "2.1", "numpy": "2.0"})
    after = run_of(scored(VALUES), size="2K", seed=7, packages={"torch": "2.2", "numpy": "2.0"})
    notes = " ".join(drift(before, after)["notes"])
    assert "other sizes (1K against 2K)" in notes
    assert "other seeds (1 against 7)" in notes
    assert "(torch 2.1 and 2.2)" in notes


def test_the_order_of_rows_does_not_matter(run_of):
    after = [value + 0.02 * (n - 2) ** 2 for n, value in enumerate(VALUES)]
    mixed = [run_of([scored(values)[place] for place in (3, 0, 6, 1, 7, 5, 2, 4)]) for values in (VALUES, after)]
    assert drift(*mixed) == drift(run_of(scored(VALUES)), run_of(scored(after)))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=5, max_size=12))
@settings(max_examples=10)
def test_exchanging_the_runs_turns_every_sign(score_table, pairs):
    def run(values):
        rows = scored([float(value) for value in values])
        samples = pd.DataFrame([{**row, "sample_id": row["subject"][0], "prompt": row["prompt_id"]} for row in rows])
        return RunTables(score_table(rows), samples)

    a, b = (run(side) for side in zip(*pairs, strict=True))
    forth, back = only(drift(a, b)), only(drift(b, a))
    assert forth["difference"] == pytest.approx(-back["difference"], abs=1e-12)
    assert (forth["low"], forth["high"]) == pytest.approx((-back["high"], -back["low"]), abs=1e-12)
    assert forth["p_holm"] == pytest.approx(back["p_holm"])
    assert {forth["direction"], back["direction"]} in ({None}, {"better", "worse"})
