"""Equality within a margin against scipy's one-sided tests, and how often it is claimed wrongly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.rating.statistics.equivalence import smallest_equivalence_margin, smallest_equivalence_margin_of_rates
from evals.rating.statistics.proportions import newcombe_interval, rate_difference

DIFFERENCES = np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0, 0.06, -0.02, 0.03, 0.05])


def larger_p_value(differences, margin):
    """Of scipy's two one-sided tests: below 0.05 the two are equal within the margin."""
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    return max(above, below)


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=5, max_size=20).filter(lambda x: np.ptp(x) > 0))
def test_equal_within_just_the_margins_above_the_smallest(values):
    differences = np.array(values)
    margin = smallest_equivalence_margin(differences)
    assert larger_p_value(differences, 1.001 * margin) < 0.05 < larger_p_value(differences, 0.999 * margin)


def test_systems_that_differ_by_the_margin_are_rarely_called_equal():
    n, margin, runs = 20, 0.5, 4000
    differences = np.random.default_rng(0).normal(margin, 1.0, (runs, n))
    claimed = np.mean([smallest_equivalence_margin(row) <= margin for row in differences])
    assert claimed <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)


def test_missing_prompts_do_not_count():
    with_gaps = np.insert(DIFFERENCES, [0, 5], np.nan)
    assert smallest_equivalence_margin(with_gaps) == smallest_equivalence_margin(DIFFERENCES)


@pytest.mark.parametrize("values", [[0.1, 0.2, 0.3, 0.4], [0.0] * 9, [0.1] * 7, []])
def test_too_few_prompts_and_differences_without_spread_prove_nothing(values):
    assert np.isnan(smallest_equivalence_margin(np.array(values)))


def test_rates_that_agree_everywhere_are_equal_within_wilsons_width_alone():
    ones = np.ones(20)
    # Wilson's 90 % interval of 20 of 20 starts at 1 / (1 + z² / n); both sides fall short of 1 by that much.
    short = 1 - 1 / (1 + stats.norm.ppf(0.95) ** 2 / 20)
    assert smallest_equivalence_margin_of_rates(ones, ones) == pytest.approx(short)
    assert np.isnan(smallest_equivalence_margin_of_rates(ones[:4], ones[:4]))


def test_the_margin_of_rates_is_the_far_end_of_a_narrower_interval_than_the_95_percent_one():
    first, second = np.repeat([1.0, 1, 0, 0], [36, 12, 2, 0]), np.repeat([1.0, 0, 1, 0], [36, 12, 2, 0])
    margin = smallest_equivalence_margin_of_rates(first, second)
    assert margin == newcombe_interval(first, second, 0.90)[1]
    assert rate_difference(first, second).value < margin < rate_difference(first, second).high
