"""Intervals and p-values over prompts against textbook and library values, and what they are of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evals.rating.statistics.intervals import (
    MANY_PROMPTS,
    MIN_PROMPTS,
    bootstrap_estimate,
    estimate_differences,
    estimate_means,
    expanded_percentiles,
    paired_differences,
    prompt_resamples,
    resample_count,
)


def column(values):
    return np.asarray(values, float)[:, None]


def mean_interval(values, seed=0):
    (estimate,) = estimate_means(column(values), seed)
    return estimate


def differences_interval(values):
    (estimate,) = estimate_differences(column(values))
    return estimate


def test_the_studentised_interval_is_that_of_its_definition():
    """The same resamples, one at a time and with the textbook's words: a t from each, the quantiles of all."""
    values = np.random.default_rng(0).beta(5, 2, 30)
    ratios = []
    for draws in np.concatenate(list(prompt_resamples(30, seed=0))):
        resample = np.repeat(values, draws.astype(int))
        ratios.append((resample.mean() - values.mean()) / (resample.std(ddof=1) / np.sqrt(30)))
    low_ratio, high_ratio = np.sort(ratios)[[249, -250]]
    estimate = mean_interval(values)
    assert estimate.value == pytest.approx(0.706549, abs=1e-6)
    assert estimate.low == pytest.approx(values.mean() - high_ratio * stats.sem(values))
    assert estimate.high == pytest.approx(values.mean() - low_ratio * stats.sem(values))


def test_the_interval_of_skewed_scores_reaches_farther_to_the_side_of_the_tail():
    values = np.random.default_rng(1).exponential(size=40)
    estimate, student = mean_interval(values), differences_interval(values)
    assert estimate.high > student.high
    assert estimate.low > student.low


def test_the_interval_of_many_prompts_is_student_t():
    values = np.random.default_rng(0).normal(3, 1, MANY_PROMPTS + 1)
    assert mean_interval(values) == differences_interval(values)
    near = mean_interval(values[:-1])
    assert (near.low, near.high) == pytest.approx((near.value - 0.0620, near.value + 0.0620), abs=0.004)


@given(st.lists(st.integers(-30, 30).map(lambda n: n / 10), min_size=5, max_size=30))
def test_the_interval_of_differences_is_scipys_t(values):
    estimate = differences_interval(values)
    assert estimate.value == pytest.approx(np.mean(values))
    if np.ptp(values) > 0:
        test = stats.ttest_1samp(values, 0)
        interval = test.confidence_interval(0.95)
        assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high), abs=1e-12)
        assert estimate.p_value == pytest.approx(test.pvalue, abs=1e-12)


values_around_zero = st.lists(st.integers(-20, 30).map(lambda n: n / 10), min_size=5, max_size=20)


@settings(max_examples=40)
@given(values_around_zero)
def test_the_p_value_is_below_5_percent_exactly_where_the_interval_excludes_zero(values):
    scores = np.asarray(values, float)
    estimates = [
        mean_interval(values),
        differences_interval(values),
        bootstrap_estimate(lambda draws: draws @ scores / draws.sum(axis=1), len(values), seed=0),
    ]
    for estimate in estimates:
        assert (estimate.p_value < 0.05) == (estimate.low > 0 or estimate.high < 0)
        assert 0 <= estimate.p_value <= 1


def test_the_p_values_of_all_intervals_agree_on_well_behaved_scores():
    values = np.random.default_rng(3).normal(0.3, 1, 60)
    expected = stats.ttest_1samp(values, 0).pvalue
    general = bootstrap_estimate(lambda draws: draws @ values / draws.sum(axis=1), 60, seed=0)
    assert [mean_interval(values).p_value, general.p_value] == pytest.approx([expected] * 2, rel=0.25)
    assert 0.001 < expected < 0.2


def test_a_percentile_p_value_is_the_level_at_which_the_interval_reaches_zero():
    values = np.random.default_rng(5).normal(0.5, 1, 12)
    resampled = np.concatenate([draws @ values / 12 for draws in prompt_resamples(12, seed=0)])
    p_value = bootstrap_estimate(lambda draws: draws @ values / draws.sum(axis=1), 12, seed=0).p_value
    tail = stats.norm.cdf(stats.t.ppf(p_value / 2, 11) * np.sqrt(12 / 11))
    assert np.quantile(resampled, tail) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("value", "p_value"), [(0.0, 1), (0.25, 0)])
def test_equal_differences_are_beyond_doubt_and_none_is_not_separable(value, p_value):
    estimate = differences_interval([value] * 8)
    assert (estimate.low, estimate.value, estimate.high, estimate.p_value) == (value, value, value, p_value)
    mean = mean_interval([value] * 7)
    assert (mean.low, mean.value, mean.high) == pytest.approx((value, value, value), abs=1e-15)


def test_rounding_makes_no_difference():
    first, second = np.array([0.1 + 0.2] * 6), np.array([0.3] * 6)
    assert differences_interval(first - second).p_value < 0.05, "a steady lead of the last digit"
    assert differences_interval(paired_differences(first, second)).p_value == 1
    assert np.isnan(paired_differences(np.array([1.0]), np.array([np.nan]))).all()


def test_one_prompt_that_stands_out_does_not_make_the_interval_infinite():
    """A third of the resamples miss it, vary not at all, and have no standard error of their own."""
    estimate = mean_interval([1.0] * 19 + [0.0])
    # They are taken to vary a twentieth of what the scores do: sqrt(20) times the shift that they have.
    assert estimate.low == pytest.approx(0.95 - np.sqrt(20) * 0.05)


def test_without_the_expansion_the_percentiles_are_those_of_scipy():
    values = np.random.default_rng(0).beta(5, 2, 30)
    resampled = np.concatenate([draws @ values / 30 for draws in prompt_resamples(30, seed=0)])
    assert np.quantile(resampled, [0.025, 0.975]) == pytest.approx((0.649712, 0.760469), abs=0.002)


def test_expansion_follows_hesterberg():
    lower, upper = expanded_percentiles(10)
    assert stats.norm.ppf(upper) == pytest.approx(stats.t.ppf(0.975, 9) * np.sqrt(10 / 9))
    assert lower == pytest.approx(1 - upper)


def test_every_resample_draws_as_many_prompts_as_there_are():
    draws = np.concatenate(list(prompt_resamples(17, seed=3)))
    assert len(draws) == resample_count(17) == 10_000
    assert (draws.sum(axis=1) == 17).all()
    assert draws.mean() == pytest.approx(1)
    assert draws.var() == pytest.approx(16 / 17, rel=0.02)


def test_resamples_depend_on_the_seed_and_on_nothing_else():
    first, again, other = (next(iter(prompt_resamples(9, seed))) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
    large = next(iter(prompt_resamples(9, 0, size=400_000)))
    assert (large == first[: len(large)]).all()


def test_no_interval_below_five_prompts_and_none_without_a_value():
    assert MIN_PROMPTS == 5
    few, enough = mean_interval([1.0, 2.0, 3.0, 4.0]), mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert few.value == 2.5
    assert np.isnan([few.low, few.high]).all()
    assert enough.low < 3 < enough.high
    nothing, empty = mean_interval([np.nan] * 8), mean_interval([])
    assert nothing.n_prompts == 0
    assert np.isnan([nothing.value, nothing.low, nothing.high, empty.value]).all()


def test_a_prompt_without_a_value_is_not_a_prompt_with_zero():
    estimate = mean_interval([4.0, np.nan, 6.0, 5.0, np.nan, 4.0, 6.0])
    assert (estimate.n_prompts, estimate.value) == (5, 5.0)
    assert estimate == mean_interval([4.0, 6.0, 5.0, 4.0, 6.0])


def test_interval_moves_and_stretches_with_the_values():
    values = np.random.default_rng(2).normal(size=15)
    plain, moved = mean_interval(values), mean_interval(1e6 + 3 * values)
    assert (moved.low, moved.high) == pytest.approx((1e6 + 3 * plain.low, 1e6 + 3 * plain.high), rel=1e-12)


def test_any_statistic_of_the_draws_gets_the_expanded_percentiles():
    values = np.random.default_rng(4).normal(size=11)
    resampled = np.concatenate([draws @ values / 11 for draws in prompt_resamples(11, seed=0)])
    estimate = bootstrap_estimate(lambda draws: draws @ values / draws.sum(axis=1), 11, seed=0)
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(resampled, expanded_percentiles(11))))


def test_undefined_resamples_are_left_out():
    estimate = bootstrap_estimate(lambda draws: np.where(draws[:, 0] > 0, 1.0, np.nan), 6, seed=0)
    assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)
