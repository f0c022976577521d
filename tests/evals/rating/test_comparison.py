"""Means over prompts and paired differences: the unit, missing values, and who is called better."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.rating.comparison import compare_systems, prompt_means, with_prompts
from evals.rating.statistics.estimates import score_differences, score_means
from metrics import catalogue


def compare(table, seed=0):
    return compare_systems(with_prompts(table), seed)


def rows_of(values, system="left", **columns):
    """Return one row a value, each on a prompt of its own."""
    return [{"system": system, "prompt_id": f"p{n:03d}", "value": value, **columns} for n, value in enumerate(values)]


def two_systems(left, right, **columns):
    return rows_of(left, "left", **columns) + rows_of(right, "right", **columns)


def test_repeats_are_averaged_inside_the_prompt_and_shots_inside_their_sequence_first(score_table):
    many = [{"prompt_id": "a", "value": 1.0, "repeat": n} for n in range(9)]
    (row,), _ = compare(score_table([*many, {"prompt_id": "b", "value": 0.0}]))
    assert row["mean"] == 0.5
    assert (row["n_prompts"], row["n_scored"]) == (2, 10)

    shots = [{"sequence_id": f"s{n // 3}", "prompt_id": f"p{n}", "value": float(n // 3)} for n in range(18)]
    (row,), _ = compare(score_table(shots))
    assert (row["n_prompts"], row["n_scored"], row["mean"]) == (6, 18, 2.5)
    # The same id in two suites is two prompts.
    rows = [{"suite": suite, "prompt_id": "p", "value": value} for suite, value in (("one", 1.0), ("two", 2.0))]
    assert [row["mean"] for row in compare(score_table(rows))[0]] == [1, 2]


def test_repeating_every_row_does_not_narrow_the_interval(score_table):
    values = np.random.default_rng(0).normal(size=12)
    once, _ = compare(score_table(rows_of(values)))
    thrice, _ = compare(score_table([row for repeat in range(3) for row in rows_of(values, repeat=repeat)]))
    assert (thrice[0]["low"], thrice[0]["high"]) == pytest.approx((once[0]["low"], once[0]["high"]))
    as_if_independent, _ = compare(score_table(rows_of(np.repeat(values, 3))))
    narrow, wide = (row["high"] - row["low"] for row in (as_if_independent[0], thrice[0]))
    assert wide > 1.5 * narrow, "resampling rows instead of prompts would look this much surer"


def test_clustered_interval_agrees_with_the_standard_error_of_the_prompt_means(score_table):
    rng = np.random.default_rng(0)
    values = 0.7 + rng.normal(0, 0.1, 20).repeat(4) + rng.normal(0, 0.05, 80)
    rows = [{"prompt_id": f"p{n // 4:02d}", "repeat": n % 4, "value": value} for n, value in enumerate(values)]
    (row,), _ = compare(score_table(rows))
    assert row["mean"] == pytest.approx(0.689040, abs=1e-6)
    # Student t with 19 degrees of freedom times the standard error of prompt means, .020956; the naive one is .011404.
    assert (row["high"] - row["low"]) / 2 == pytest.approx(2.093 * 0.020956, rel=0.05)


def test_what_was_not_scored_is_counted_with_its_reason_and_never_a_zero(score_table):
    rows = rows_of([0.8, 0.6, None, None, None])
    for row, reason in zip(rows[2:], ("no_face", "no_face", "unreadable_image"), strict=True):
        row["reason"] = reason
    (row,), _ = compare(score_table(rows))
    assert row["mean"] == pytest.approx(0.7)
    assert (row["n_prompts"], row["n_scored"], row["n_unscored"]) == (2, 2, 3)
    assert row["reasons"] == {"no_face": 2, "unreadable_image": 1}


def test_a_system_that_was_never_scored_keeps_its_row(score_table):
    rows = [*rows_of([1.0] * 6), *rows_of([None] * 6, "right", reason="encoder_unavailable", encoder=None)]
    (left, right), (difference,) = compare(score_table(rows))
    assert left["mean"] == 1.0
    assert (right["mean"], right["low"], right["n_prompts"], right["n_unscored"]) == (None, None, 0, 6)
    assert right["encoder"] is None
    assert (difference["n_prompts"], difference["mean"], difference["low"]) == (0, None, None)


def test_differences_are_paired_on_the_prompts_that_both_have(score_table):
    left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, None]
    right = [0.5, 1.5, 2.5, 3.5, 4.5, None, 100.0]
    rows = [{**row, "reason": "no_text" if row["value"] is None else None} for row in two_systems(left, right)]
    table = score_table(rows)
    means = prompt_means(with_prompts(table)).loc["adherence.clip", "precise"]
    assert means["left"].tolist() == pytest.approx([*left[:6], np.nan], nan_ok=True)
    assert means["right"].tolist() == pytest.approx([*right[:5], np.nan, 100.0], nan_ok=True)
    _, (difference,) = compare(table)
    assert (difference["system_a"], difference["system_b"], difference["n_prompts"]) == ("left", "right", 5)
    assert (difference["mean"], difference["low"], difference["high"]) == pytest.approx((0.5, 0.5, 0.5))


def test_pairing_sees_what_the_spread_over_prompts_hides(score_table):
    rng = np.random.default_rng(5)
    hard = rng.normal(30, 10, 25)
    means, (difference,) = compare(score_table(two_systems(hard, hard - 0.5 + rng.normal(0, 0.3, 25))))
    assert means[0]["low"] < means[1]["mean"] < means[0]["high"], "unpaired, the intervals overlap"
    assert difference["low"] > 0


NOISE = np.random.default_rng(7).normal(size=(2, 30))
GAINS = np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0.0, 0.06, -0.02, 0.03, 0.05])


@pytest.mark.parametrize(
    ("metric", "left", "right", "sign"),
    [
        ("adherence.clip", *NOISE, 0),
        ("adherence.clip", [0.9, 0.8, 0.7, 0.9, 0.8], [0.1] * 5, 1),
        ("text.cer", [0.9, 0.8, 0.7, 0.9, 0.8], [0.1] * 5, 1),
        ("adherence.clip", [0.3, 0.5, 0.9] * 4, [0.3, 0.5, 0.9] * 4, 0),
        ("adherence.clip", 1 + GAINS, np.ones(10), 1),  # its t test has p = .017
        ("reproducibility.identical", [1.0] * 5, [1.0, 1.0, 0.0, 1.0, 1.0], 0),
        ("reproducibility.identical", [0.0] * 6, [1.0] * 6, -1),
        ("text.exact_lines", [1.0] * 6, [1.0] * 6, 0),
        ("reproducibility.max_difference", [0.0] * 6, [1.0] * 6, -1),  # levels of 255 are no rate
    ],
)
def test_every_metric_gets_the_intervals_of_its_range_and_nobody_is_called_better(
    score_table, metric, left, right, sign
):
    means, (difference,) = compare(score_table(two_systems(left, right, metric=metric)))
    values, spec = np.column_stack([left, right]), catalogue.metric(metric)
    for row, estimate in zip(means, score_means(values, spec.range, 0, spec.rate), strict=True):
        assert (row["mean"], row["low"], row["high"]) == (estimate.value, estimate.low, estimate.high)
    (estimate,) = score_differences(values[:, :1], values[:, 1:], spec.range, spec.rate)
    assert (difference["mean"], difference["low"], difference["high"]) == (estimate.value, estimate.low, estimate.high)
    assert int(difference["low"] > 0) - int(difference["high"] < 0) == sign
    assert "better_system" not in difference


def test_below_five_common_prompts_there_is_no_interval(score_table):
    _, (difference,) = compare(score_table(two_systems([9.0] * 4, [1.0] * 4)))
    assert (difference["mean"], difference["low"], difference["n_prompts"]) == (8, None, 4)


@pytest.mark.parametrize("metric", ["identity.faces", "identity.pairs"])
def test_metrics_without_a_better_direction_are_not_compared(score_table, metric):
    means, differences = compare(score_table(two_systems([1.0] * 6, [3.0] * 6, metric=metric)))
    assert [row["mean"] for row in means] == [1, 3]
    assert differences == []


def test_three_systems_make_three_pairs_in_each_suite(score_table):
    suites = (None, "precise", "scenes")
    rows = [row for suite in reversed(suites) for system in "cab" for row in rows_of(range(5), system, suite=suite)]
    means, differences = compare(score_table(rows))
    assert [(row["suite"], row["system"]) for row in means] == [(suite, name) for suite in suites for name in "abc"]
    pairs = [(row["system_a"], row["system_b"]) for row in differences if row["suite"] == "scenes"]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]


def test_every_engine_behind_a_row_is_named(score_table):
    rows = [
        {"prompt_id": "a", "metric": "text.cer", "encoder": "tesseract:ara", "value": 0.1},
        {"prompt_id": "b", "metric": "text.cer", "encoder": "rapidocr:pp-ocrv6-small", "value": 0.0},
    ]
    (row,), _ = compare(score_table(rows))
    assert row["encoder"] == "rapidocr:pp-ocrv6-small, tesseract:ara"


values_of_prompts = st.lists(st.integers(-50, 50).map(lambda n: n / 10), min_size=5, max_size=9)


@settings(max_examples=25)
@given(values_of_prompts, st.data())
def test_lowering_a_value_never_raises_the_mean(score_table, values, data):
    lowered = list(values)
    lowered[data.draw(st.integers(0, len(values) - 1))] -= data.draw(st.integers(1, 30))
    (before,), _ = compare(score_table(rows_of(values)))
    (after,), _ = compare(score_table(rows_of(lowered)))
    assert after["mean"] < before["mean"]


@settings(max_examples=15)
@given(st.permutations(range(24)))
def test_the_order_of_the_rows_does_not_matter(score_table, order):
    rng = np.random.default_rng(0)
    table = score_table(two_systems(rng.normal(size=6), rng.normal(size=6)) + two_systems(*rng.normal(size=(2, 6))))
    assert same(compare(table), compare(table.iloc[list(order)]))


def same(first, second):
    return all(
        one.keys() == other.keys() and all(one[key] == pytest.approx(other[key], abs=1e-12) for key in one)
        for left, right in zip(first, second, strict=True)
        for one, other in zip(left, right, strict=True)
    )


def test_names_of_systems_do_not_matter(score_table):
    rng = np.random.default_rng(3)
    table = score_table(two_systems(rng.normal(0.5, 1, 15), rng.normal(0, 1, 15)))
    means, (difference,) = compare(table)
    renamed = table.assign(system=table["system"].map({"left": "zebra", "right": "ant"}))
    other_means, (other,) = compare(renamed)
    assert [row["low"] for row in means] == pytest.approx([row["low"] for row in reversed(other_means)])
    assert (other["system_a"], other["system_b"]) == ("ant", "zebra")
    assert (other["mean"], other["low"], other["high"]) == pytest.approx(
        (-difference["mean"], -difference["high"], -difference["low"])
    )


def test_another_metric_in_the_table_changes_no_number(score_table):
    rng = np.random.default_rng(4)
    rows = two_systems(*rng.normal(size=(2, 10)))
    more = two_systems(*rng.normal(size=(2, 10)), metric="text.cer")
    means, differences = compare(score_table(rows))
    more_means, more_differences = compare(score_table(rows + more))
    assert same((means, differences), (more_means[:2], more_differences[:1]))
