"""Agreement of the two judges of adherence: scipy's correlations, counted winners, and a reason for all that lacks."""

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from evals.rating import agreement, rate
from evals.rating.agreement import CLIP, JUDGES, MISSING, VQA, judge_agreements, kendall_of, spearman_of
from evals.rating.comparison import with_prompts
from evals.rating.statistics.intervals import bootstrap_estimate, expanded_percentiles, prompt_resamples

BOTH = ("spearman", "kendall")


def judged(vqa, clip, system="left", **more):
    """Return rows in which both judges score one picture a prompt."""
    return [
        {"metric": judge, "system": system, "prompt_id": f"p{i}", "subject": [f"{system}-{i}"], "value": value, **more}
        for judge, values in ((VQA, vqa), (CLIP, clip))
        for i, value in enumerate(values)
    ]


@pytest.fixture
def agreed(score_table):
    """Return a function from rows to the one agreement that they give."""

    def only(rows):
        (found,) = judge_agreements(with_prompts(score_table(rows)), seed=0)
        return found

    return only


def test_correlations_are_scipys_over_the_means_of_prompts(agreed):
    rng = np.random.default_rng(0)
    vqa, clip = rng.random(30), 25 + rng.random(30).round(1)
    found = agreed(judged(vqa, clip))
    assert found["spearman"]["value"] == pytest.approx(stats.spearmanr(vqa, clip).statistic)
    assert found["kendall"]["value"] == pytest.approx(stats.kendalltau(vqa, clip).statistic)
    assert [found[name]["n"] for name in BOTH] == [30, 30]
    for name in BOTH:
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=25))
def test_a_resample_has_the_correlation_of_the_items_repeated_as_often_as_they_were_drawn(items):
    x, y, times = (np.array(column) for column in zip(*items, strict=True))
    assume(times.any())
    first, second = (np.unique(values, return_inverse=True)[1] for values in (x, y))
    drawn = times[None].astype(float)
    for statistic_of, reference in ((spearman_of, stats.spearmanr), (kendall_of, stats.kendalltau)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = reference(np.repeat(x, times), np.repeat(y, times)).statistic if times.sum() > 1 else math.nan
        assert statistic_of(first, second)(drawn)[0] == pytest.approx(expected, nan_ok=True, abs=1e-9)


@pytest.mark.parametrize("statistic_of", [spearman_of, kendall_of])
def test_above_five_hundred_prompts_correlations_are_resampled_to_first_order(statistic_of, monkeypatch):
    rng = np.random.default_rng(0)
    x = np.unique(rng.integers(0, 30, 400), return_inverse=True)[1]
    y = np.unique(x + rng.integers(0, 40, 400), return_inverse=True)[1]
    exact = bootstrap_estimate(statistic_of(x, y), 400, seed=0)
    monkeypatch.setattr(agreement, "MAX_PAIRED", 100)
    nearly = bootstrap_estimate(statistic_of(x, y), 400, seed=0)
    assert nearly.value == pytest.approx(exact.value, abs=1e-12)
    width = exact.high - exact.low
    assert (nearly.low, nearly.high) == pytest.approx((exact.low, exact.high), abs=width / 20)


def test_judges_that_order_alike_agree_wholly_and_those_that_reverse_not_at_all(agreed):
    rising = np.linspace(0.1, 0.9, 12)
    alike, reversed_ = agreed(judged(rising, 20 + rising**2)), agreed(judged(rising, 30 - rising))
    for name in BOTH:
        assert (alike[name]["value"], reversed_[name]["value"]) == pytest.approx((1, -1))
        # Every resample repeats it: an interval of no width would be a certainty that nobody has.
        assert (alike[name]["low"], alike[name]["high"], alike[name]["reason"]) == (None, None, None)


def test_the_share_counts_prompts_on_which_both_put_the_same_system_first(agreed):
    left = judged([0.9, 0.9, 0.9, 0.2, 0.5, 0.9, 0.9], [30, 30, 20, 20, 30, 25, 30])
    right = judged([0.1, 0.1, 0.1, 0.8, 0.5, 0.1, 0.1], [20, 20, 30, 30, 20, 25, 20], system="right")
    found = agreed(left + right)["same_better_system"]
    # On the fifth prompt one judge names nobody, on the sixth the other: five are left, and one of them is disputed.
    assert (found["value"], found["n"]) == (0.8, 5)
    wilson = stats.binomtest(4, 5).proportion_ci(0.95, method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((wilson.low, wilson.high))


def test_of_three_systems_the_first_is_named_and_a_prompt_that_one_of_them_lacks_is_left_out(agreed):
    rows = judged([0.9] * 6, [30] * 6, "a") + judged([0.5] * 6, [25] * 6, "b") + judged([0.1] * 5, [35] * 5, "c")
    found = agreed(rows)
    assert found["n_systems"] == 3
    assert (found["same_better_system"]["value"], found["same_better_system"]["n"]) == (0.0, 5)


def test_only_pictures_that_both_have_scored_count(agreed):
    vqa, clip = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [20.0, 21, 22, 23, 24, 25]
    rows = judged(vqa, clip)
    # A second repeat that CLIP alone has seen would reverse its order.
    rows += [{**row, "subject": ["again"], "value": -100 * row["value"]} for row in rows if row["metric"] == CLIP]
    assert agreed(rows)["spearman"]["value"] == pytest.approx(1)


def test_repeats_are_averaged_inside_the_prompt_and_make_nothing_surer(agreed):
    rng = np.random.default_rng(1)
    once = judged(*rng.random((2, 15)))
    often = [{**row, "subject": [f"{row['subject'][0]}-{k}"], "repeat": k} for k in range(4) for row in once]
    assert agreed(often) == agreed(once)
    # So are the shots of a sequence.
    rows = [{**row, "sequence_id": f"s{int(row['prompt_id'][1:]) // 3}"} for row in judged(range(18), range(18))]
    assert agreed(rows)["spearman"]["n"] == 6


def changed(change, *metrics):
    """Return scores of both judges on nine pictures, those of some metrics changed."""
    return [{**row, **change(row)} if row["metric"] in metrics else row for row in judged(range(9), range(9))]


def unscored(row):
    return {"value": None, "reason": "encoder_unavailable"}


ALL = (*BOTH, "same_better_system")


@pytest.mark.parametrize(
    ("rows", "measures", "n", "reason"),
    [
        (judged([0.5] * 10, range(10)), BOTH, 10, "constant"),
        (judged([0.2, 0.9], [20, 30]), BOTH, 2, "few_prompts"),
        (changed(unscored, VQA), ALL, 0, "no_vqa"),
        (changed(unscored, CLIP), ALL, 0, "no_clip"),
        (changed(unscored, *JUDGES), ALL, 0, "no_vqa"),
        (changed(lambda row: {"subject": [row["metric"], *row["subject"]]}, *JUDGES), ALL, 0, "no_picture_in_common"),
        (changed(dict, CLIP), ALL[2:], 0, "one_system"),
        (changed(dict) + [{**row, "system": "right", "prompt_id": f"q-{row['prompt_id']}"} for row in changed(dict)],
         ALL[2:], 0, "no_shared_prompt"),
        # Differences smaller than scores repeat name nobody.
        (judged([0.5] * 6, [30.0] * 6) + judged([0.500001] * 6, [31.0] * 6, system="right"), ALL[2:], 0,
         "nobody_named"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_a_reason_and_no_zero(agreed, rows, measures, n, reason):
    found = agreed(rows)
    for name in measures:
        assert found[name] == {"value": None, "low": None, "high": None, "n": n, "reason": reason}


def test_few_prompts_have_a_share_without_an_interval(agreed):
    share = agreed(judged([0.2, 0.9], [20, 30]) + judged([0.1, 0.3], [10, 20], system="right"))["same_better_system"]
    assert (share["value"], share["n"], share["low"]) == (1.0, 2, None)


def test_the_ratings_hold_the_agreement_of_every_suite_and_leave_controls_out(score_table):
    rows = judged(range(8), range(8)) + judged(range(8), range(8), suite="signs", system="right")
    shuffled = [{**row, "control": "shuffled_prompt", "value": -row["value"]} for row in rows if row["metric"] == CLIP]
    found = rate(score_table(rows + shuffled))["agreements"]
    assert [row["suite"] for row in found] == ["precise", "signs"]
    assert [row["spearman"]["value"] for row in found] == pytest.approx([1, 1])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert rate(score_table([{**row, "metric": "text.cer"} for row in rows]))["agreements"] == []


scores = st.integers(0, 9).map(lambda value: value / 10) | st.none()
anything = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(JUDGES), "system": st.sampled_from("ab"), "prompt": st.sampled_from("pqrstuv"),
        "sample": st.sampled_from("xy"), "value": scores,
    }
)  # fmt: skip


@given(
    st.lists(anything, min_size=1, max_size=40).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows)))
)
@settings(max_examples=30)
def test_the_order_of_the_rows_does_not_matter_and_every_measure_has_a_value_or_a_reason(pair):
    once, shuffled = (pd.DataFrame(rows).astype({"value": float}).assign(suite="") for rows in pair)
    (found,) = judge_agreements(once, seed=0)
    assert judge_agreements(shuffled, seed=0) == [found]
    assert found["suite"] is None
    for measure in (found[name] for name in ALL):
        assert (measure["value"] is None) == (measure["reason"] in MISSING)
        if measure["low"] is not None:
            assert -1 <= measure["low"] <= measure["high"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 40])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_intervals_of_correlations_cover_the_truth(n, rho):
    """Of correlated normals the true values are known: 6/pi asin(rho/2) and 2/pi asin(rho)."""
    rng = np.random.default_rng(0)
    truth = {spearman_of: 6 / math.pi * math.asin(rho / 2), kendall_of: 2 / math.pi * math.asin(rho)}
    simulations, covered = 400, dict.fromkeys(truth, 0)
    draws = np.concatenate(list(prompt_resamples(n, seed=0)))[:1000]
    for _ in range(simulations):
        first = rng.normal(size=n)
        second = rho * first + math.sqrt(1 - rho**2) * rng.normal(size=n)
        x, y = first.argsort().argsort(), second.argsort().argsort()
        for statistic_of, true in truth.items():
            low, high = np.quantile(statistic_of(x, y)(draws), expanded_percentiles(n))
            covered[statistic_of] += low <= true <= high
    shares = [count / simulations for count in covered.values()]
    print(f"n={n} rho={rho}: Spearman {shares[0]:.3f}, Kendall {shares[1]:.3f}")
    assert min(shares) > 0.92
