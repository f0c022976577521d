"""The one door to means and differences: each kind of score goes to the interval that is its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.rating.statistics.estimates import score_differences, score_means
from evals.rating.statistics.intervals import estimate_differences, estimate_means
from evals.rating.statistics.proportions import rate_difference, rate_estimate

ONES = np.array([1.0, 1, 1, 0, 1, 1, 0, 1])
SHARES = np.array([1.0, 0.5, 1, 0, 1, 1, 0.5, 1])


def mean(values, value_range=(0, 1), rates=True):
    return score_means(values[:, None], value_range, 0, rates)[0]


def difference(first, second, value_range=(0, 1), rates=True):
    return score_differences(first[:, None], second[:, None], value_range, rates)[0]


def test_a_rate_is_wilsons_and_a_share_is_the_bootstraps():
    assert numbers(mean(ONES)) == pytest.approx(numbers(rate_estimate(ONES)), nan_ok=True)
    assert mean(SHARES) == estimate_means(SHARES[:, None], 0)[0].within(0, 1)


def test_zeros_and_ones_of_what_is_not_declared_a_rate_are_scores_unless_they_show_no_spread():
    assert mean(ONES, rates=False) == estimate_means(ONES[:, None], 0)[0].within(0, 1)
    other = np.array([0.0, 1, 0, 0, 1, 0, 0, 0])
    assert difference(ONES, other, rates=False) == estimate_differences((ONES - other)[:, None])[0].within(-1, 1)
    always, never = np.ones(8), np.zeros(8)
    assert numbers(mean(always, rates=False)) == pytest.approx(numbers(rate_estimate(always)), nan_ok=True)
    assert difference(always, never, rates=False) == rate_difference(always, never)


def test_zeros_and_ones_are_no_rate_on_another_scale():
    assert mean(ONES, (0, None)) == estimate_means(ONES[:, None], 0)[0]
    assert difference(ONES, np.zeros(8), (0, 5)) == estimate_differences(ONES[:, None])[0]


def test_a_difference_of_rates_is_newcombes_where_both_are_rates_on_the_prompts_in_common():
    other = np.array([0.0, 1, 0, 0, 1, 0.5, np.nan, 1])
    assert difference(ONES, other) == estimate_differences((ONES - other)[:, None])[0].within(-1, 1)
    other[5] = np.nan
    both = np.isfinite(other)
    assert difference(ONES, other) == rate_difference(ONES[both], other[both])


def test_intervals_stay_in_the_range():
    high = np.array([1.0] * 9 + [0.2])
    assert estimate_means(high[:, None], 0)[0].high > 1 == mean(high).high
    apart = difference(np.linspace(0.9, 1, 6), np.array([0.0, 0.2, 0, 0, 0, 0]))
    assert apart.high == 1
    assert difference(high, np.zeros(10), (0, None)).high == pytest.approx(0.92 + 0.1810, abs=1e-4)


columns = st.lists(st.lists(st.sampled_from([0.0, 0.3, 1.0, np.nan]), min_size=7, max_size=7), min_size=1, max_size=5)


def numbers(estimate):
    return (estimate.n_prompts, estimate.value, estimate.low, estimate.high, estimate.p_value)


@settings(max_examples=20)
@given(columns)
def test_columns_do_not_see_each_other(values):
    table = np.array(values).T
    together, other = score_means(table, (0, 1), 0, True), table[::-1]
    pairs = score_differences(table, other, (0, 1), True)
    alone = (
        [mean(column) for column in table.T],
        [difference(*columns) for columns in zip(table.T, other.T, strict=True)],
    )
    for one, single in zip([*together, *pairs], [*alone[0], *alone[1]], strict=True):
        assert numbers(one) == pytest.approx(numbers(single), nan_ok=True, abs=1e-12)


@given(columns)
def test_swapped_systems_swap_the_sign(values):
    table = np.array(values).T
    for one, other in zip(
        score_differences(table, table[::-1], (0, 1)), score_differences(table[::-1], table, (0, 1)), strict=True
    ):
        assert (one.value, one.low, one.high, one.p_value) == pytest.approx(
            (-other.value, -other.high, -other.low, other.p_value), nan_ok=True, abs=1e-12
        )
