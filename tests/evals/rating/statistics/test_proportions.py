"""Intervals of rates against published tables, and that agreement of a few prompts is no certainty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.rating.statistics.proportions import newcombe_interval, rate_difference, rate_estimate


def trials(n_ones, n):
    return np.repeat([1.0, 0.0], [n_ones, n - n_ones])


def paired(both, first_only, second_only, neither):
    """Return the values of two systems from the counts of prompts on which they agree and differ."""
    counts = [both, first_only, second_only, neither]
    return np.repeat([1.0, 1.0, 0.0, 0.0], counts), np.repeat([1.0, 0.0, 1.0, 0.0], counts)


@pytest.mark.parametrize(
    ("n_ones", "n", "low", "high"),
    [(8, 10, 0.49016, 0.94332), (0, 20, 0, 0.16113), (20, 20, 0.83887, 1), (45, 60, 0.62768, 0.84223)],
)
def test_one_rate_has_wilsons_interval(n_ones, n, low, high):
    estimate = rate_estimate(trials(n_ones, n))
    assert (estimate.n_prompts, estimate.value) == (n, n_ones / n)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-6)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # Newcombe 1998, method 10
        ((1, 1, 7, 12), -0.507, -0.026),  # Fagerland, Lydersen and Laake 2014, airway hyper-responsiveness
    ],
)
def test_a_difference_of_paired_rates_has_newcombes_interval(counts, low, high):
    estimate = rate_difference(*paired(*counts))
    assert estimate.value == pytest.approx((counts[1] - counts[2]) / sum(counts))
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-4)


def test_six_prompts_of_one_against_six_of_zero_are_separable_and_not_certain():
    estimate = rate_difference(*paired(0, 6, 0, 0))
    assert (estimate.value, estimate.high) == (1, 1)
    assert estimate.low == pytest.approx(1 - np.sqrt(2) * (1 - 0.60967), abs=1e-4)


@pytest.mark.parametrize("counts", [(5, 0, 0, 0), (0, 0, 0, 5), (3, 0, 0, 2), (1, 1, 1, 2)])
def test_systems_that_agree_on_five_prompts_may_still_differ(counts):
    estimate = rate_difference(*paired(*counts))
    assert (estimate.value, estimate.p_value) == (0, 1)
    assert estimate.low < -0.3 < 0.3 < estimate.high


def test_below_five_prompts_rates_have_no_interval():
    one, two = rate_estimate(trials(4, 4)), rate_difference(*paired(0, 4, 0, 0))
    assert (one.value, two.value) == (1, 1)
    assert np.isnan([one.low, one.high, two.low, two.high]).all()


counts_of_prompts = st.tuples(*[st.integers(0, 12)] * 4).filter(lambda counts: sum(counts) >= 5)


@given(counts_of_prompts)
def test_a_paired_difference_lies_within_its_interval_and_turns_with_its_sides(counts):
    first, second = paired(*counts)
    estimate, turned = rate_difference(first, second), rate_difference(second, first)
    assert -1 - 1e-12 <= estimate.low <= estimate.value <= estimate.high <= 1 + 1e-12
    assert estimate.low < estimate.high
    assert (turned.value, turned.low, turned.high) == pytest.approx((-estimate.value, -estimate.high, -estimate.low))


@given(st.integers(0, 60), st.integers(5, 60))
def test_wilsons_interval_is_scipys(n_ones, n):
    estimate = rate_estimate(trials(min(n_ones, n), n))
    expected = stats.binomtest(min(n_ones, n), n).proportion_ci(0.95, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert np.isnan(estimate.p_value)


@given(counts_of_prompts)
def test_the_p_value_is_below_5_percent_exactly_where_the_interval_excludes_zero(counts):
    estimate = rate_difference(*paired(*counts))
    assert (estimate.p_value < 0.05) == (estimate.low > 0 or estimate.high < 0)
    assert 0 <= estimate.p_value <= 1
    assert rate_difference(*paired(*counts)[::-1]).p_value == pytest.approx(estimate.p_value, abs=1e-12)


@given(counts_of_prompts.filter(lambda counts: counts[1] != counts[2]))
def test_at_a_confidence_of_one_less_the_p_value_the_interval_just_reaches_zero(counts):
    first, second = paired(*counts)
    p_value = rate_difference(first, second).p_value
    nearest = min(map(abs, newcombe_interval(first, second, confidence=1 - p_value)))
    assert nearest == pytest.approx(0, abs=1e-9)


def test_the_p_value_of_many_prompts_is_mcnemars():
    estimate = rate_difference(*paired(4000, 1050, 950, 4000))
    assert estimate.p_value == pytest.approx(2 * stats.norm.sf(100 / np.sqrt(2000)), rel=0.02)


@pytest.mark.parametrize("n", [6, 20])
@pytest.mark.parametrize(("p", "q", "both"), [(0.9, 0.7, 0.65), (0.5, 0.5, 0.4), (0.95, 0.95, 0.92)])
def test_intervals_of_paired_differences_hold_the_truth_about_as_often_as_they_say(n, p, q, both):
    chances = (both, p - both, q - both, 1 - p - q + both)
    drawn, times = np.unique(np.random.default_rng(5).multinomial(n, chances, 2000), axis=0, return_counts=True)
    estimates = [rate_difference(*paired(*counts)) for counts in drawn]
    held = [estimate.low <= p - q <= estimate.high for estimate in estimates]
    assert np.average(held, weights=times) >= 0.93


def test_widths_are_those_of_the_normal_approximation_where_it_holds():
    estimate = rate_difference(*paired(4000, 2000, 1000, 3000))
    error = np.sqrt((0.2 + 0.1 - 0.01) / 10_000)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(stats.norm.ppf(0.975) * error, rel=0.01)
