"""Bounds of means with unknown outcomes, by hand and by trying every way in which they could have turned out."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.rating.missing import MissingBounds, difference_bounds, mean_bounds

scores = st.lists(st.one_of(st.just(np.nan), st.floats(0, 1)), min_size=1, max_size=6)


def filled_in_every_way(values):
    choices = [(0.0, 1.0) if np.isnan(value) else (value,) for value in values]
    return [np.array(filled) for filled in product(*choices)]


def test_four_of_ten_unknown():
    values = np.array([1.0, 1, 1, 0.5, 0.5, 0, np.nan, np.nan, np.nan, np.nan])
    bounds = mean_bounds(values)
    assert (bounds.low, bounds.high, bounds.n_missing) == (pytest.approx(0.4), pytest.approx(0.8), 4)


def test_nothing_unknown_leaves_the_mean():
    assert mean_bounds(np.array([0.25, 0.75])) == MissingBounds(0.5, 0.5, 0)


@given(scores)
def test_the_bounds_are_the_extremes_of_everything_that_could_have_been(values):
    means = [filled.mean() for filled in filled_in_every_way(values)]
    bounds = mean_bounds(np.array(values))
    assert (bounds.low, bounds.high) == pytest.approx((min(means), max(means)))
    assert bounds.n_missing == np.isnan(values).sum()


@given(st.lists(st.tuples(*[st.one_of(st.just(np.nan), st.floats(0, 1))] * 2), min_size=1, max_size=4))
def test_the_bounds_of_a_difference_are_those_of_both_sides_together(pairs):
    first, second = np.array(pairs).T
    differences = [a.mean() - b.mean() for a in filled_in_every_way(first) for b in filled_in_every_way(second)]
    bounds = difference_bounds(first, second)
    assert (bounds.low, bounds.high) == pytest.approx((min(differences), max(differences)))
    assert bounds.n_missing == sum(np.isnan(pair).any() for pair in pairs)


@given(scores)
def test_the_complete_case_mean_lies_within(values):
    known = [value for value in values if not np.isnan(value)]
    bounds = mean_bounds(np.array(values))
    if known:
        assert bounds.low - 1e-12 <= np.mean(known) <= bounds.high + 1e-12
    else:
        assert (bounds.low, bounds.high) == (0, 1)


def test_no_prompt_at_all_has_no_bounds():
    bounds = mean_bounds(np.array([]))
    assert np.isnan([bounds.low, bounds.high]).all()


def test_scores_on_another_scale_and_unequal_sides_are_refused():
    with pytest.raises(ValueError, match=r"from 0 to 1, and one is 3\.0"):
        mean_bounds(np.array([0.5, 3.0]))
    with pytest.raises(ValueError, match="same prompts, not 2 and 1"):
        difference_bounds(np.array([0.5, 1.0]), np.array([0.5]))
