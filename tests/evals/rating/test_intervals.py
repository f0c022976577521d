"""The bootstrap over prompts against textbook and library values, and how often its intervals hold the truth."""

import numpy as np
import pytest
from scipy import stats

from evals.rating.intervals import (
    MIN_PROMPTS,
    bootstrap_estimate,
    estimate_means,
    expanded_percentiles,
    prompt_resamples,
    resample_count,
)


def column(values):
    return np.asarray(values, float)[:, None]


def mean_interval(values, seed=0):
    (estimate,) = estimate_means(column(values), seed)
    return estimate


def test_interval_of_a_reference_sample_lies_between_the_plain_percentiles_and_student_t():
    values = np.random.default_rng(0).beta(5, 2, 30)
    estimate = mean_interval(values)
    assert estimate.value == pytest.approx(0.706549, abs=1e-6)
    # Percentile bootstrap of scipy (9999 resamples): .649712 to .760469; expanded by the factor for 30 prompts.
    assert (estimate.low, estimate.high) == pytest.approx((0.6463, 0.7631), abs=0.003)
    assert estimate.low < 0.649712 < 0.760469 < estimate.high
    assert estimate.high - estimate.low == pytest.approx(0.766214 - 0.646884, rel=0.06)


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


def test_no_interval_below_five_prompts():
    assert MIN_PROMPTS == 5
    few, enough = mean_interval([1.0, 2.0, 3.0, 4.0]), mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert few.value == 2.5
    assert np.isnan([few.low, few.high]).all()
    assert enough.low < 3 < enough.high


def test_a_prompt_without_a_value_is_not_a_prompt_with_zero():
    values = np.array([4.0, np.nan, 6.0, 5.0, np.nan, 4.0, 6.0])
    estimate = mean_interval(values)
    assert (estimate.n_prompts, estimate.value) == (5, 5.0)
    assert estimate == mean_interval([4.0, 6.0, 5.0, 4.0, 6.0])


def test_columns_do_not_see_each_other():
    values = np.random.default_rng(1).normal(size=(12, 3))
    values[[0, 5], 1] = np.nan
    together = estimate_means(values, seed=0)
    for place, estimate in enumerate(together):
        alone = mean_interval(values[:, place])
        assert alone.n_prompts == estimate.n_prompts
        assert (alone.value, alone.low, alone.high) == pytest.approx(
            (estimate.value, estimate.low, estimate.high), abs=1e-12
        )


def test_interval_moves_and_stretches_with_the_values():
    values = np.random.default_rng(2).normal(size=15)
    plain, moved = mean_interval(values), mean_interval(1e6 + 3 * values)
    assert (moved.low, moved.high) == pytest.approx((1e6 + 3 * plain.low, 1e6 + 3 * plain.high), rel=1e-12)


def test_equal_values_give_an_interval_without_width():
    estimate = mean_interval([0.1] * 7)
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx((0.1, 0.1, 0.1), abs=1e-15)


def test_a_column_without_any_value_is_undefined():
    (estimate,) = estimate_means(np.full((8, 1), np.nan), seed=0)
    assert estimate.n_prompts == 0
    assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
    (empty,) = estimate_means(np.empty((0, 1)), seed=0)
    assert np.isnan(empty.value)


def test_any_statistic_of_the_draws_gets_the_expanded_percentiles():
    values = np.random.default_rng(4).normal(size=11)
    resampled = np.concatenate([draws @ values / 11 for draws in prompt_resamples(11, seed=0)])
    estimate = bootstrap_estimate(lambda draws: draws @ values / draws.sum(axis=1), 11, seed=0)
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(resampled, expanded_percentiles(11))))


def test_undefined_resamples_are_left_out():
    def at_least_one(draws):
        return np.where(draws[:, 0] > 0, 1.0, np.nan)

    estimate = bootstrap_estimate(at_least_one, 6, seed=0)
    assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)


SHAPES = {
    "normal": (lambda rng, shape: rng.normal(0, 1, shape), 0.0),
    "bounded": (lambda rng, shape: rng.beta(5, 2, shape), 5 / 7),
    "skewed": (lambda rng, shape: rng.exponential(1, shape), 1.0),
}


def coverage(shape, n_prompts, simulations, missing=0.0, seed=20):
    draw, truth = SHAPES[shape]
    rng = np.random.default_rng(seed)
    values = draw(rng, (n_prompts, simulations))
    values[rng.random(values.shape) < missing] = np.nan
    estimates = [
        estimate
        for block in np.array_split(values, simulations // 100, axis=1)
        for estimate in estimate_means(block, 0)
    ]
    return np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])


# Lowest coverage that is accepted; the noise of 600 simulations is .009 at .95 and .012 at .90.
@pytest.mark.parametrize(
    ("shape", "n_prompts", "at_least"),
    [("normal", 5, 0.88), ("normal", 10, 0.92), ("normal", 20, 0.93), ("bounded", 20, 0.92), ("skewed", 20, 0.89)],
)
def test_intervals_hold_the_truth_about_as_often_as_they_say(shape, n_prompts, at_least):
    assert at_least <= coverage(shape, n_prompts, 600) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "n_prompts", "missing", "expected"),
    [
        ("normal", 5, 0, 0.913), ("normal", 10, 0, 0.945), ("normal", 20, 0, 0.95), ("normal", 50, 0, 0.95),
        ("normal", 100, 0, 0.95), ("normal", 20, 0.1, 0.95), ("normal", 40, 0.1, 0.95), ("normal", 100, 0.1, 0.95),
        ("bounded", 10, 0, 0.938), ("bounded", 20, 0, 0.945), ("bounded", 50, 0, 0.95), ("bounded", 40, 0.1, 0.95),
        ("skewed", 20, 0, 0.918), ("skewed", 50, 0, 0.936), ("skewed", 100, 0, 0.943), ("skewed", 40, 0.1, 0.93),
    ],
)  # fmt: skip
def test_coverage(shape, n_prompts, missing, expected):
    assert coverage(shape, n_prompts, 4000, missing) == pytest.approx(expected, abs=0.015)
