"""Wins, ties and losses by prompt: worked examples, Wilson's interval, and that sides can be swapped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.rating.intervals import estimate_means
from evals.rating.wins import WinCounts, count_wins, sign_test, win_rate

pairs_of_scores = st.lists(
    st.tuples(st.integers(0, 4), st.one_of(st.integers(0, 4), st.just(np.nan))), min_size=5, max_size=25
)


def sides(wins, ties, losses):
    return np.repeat([1.0, 0.5, 0.0], [wins, ties, losses]), np.full(wins + ties + losses, 0.5)


def test_a_worked_sign_test():
    differences = np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0, 0.06, -0.02, 0.03, 0.05])
    counts = count_wins(differences, np.zeros(10))
    assert counts == WinCounts(7, 1, 2)
    assert sign_test(counts) == pytest.approx(0.179688, abs=1e-6)


@pytest.mark.parametrize(("wins", "losses", "low", "high"), [(8, 2, 0.49016, 0.94332), (20, 0, 0.83887, 1)])
def test_a_rate_without_ties_has_wilsons_interval(wins, losses, low, high):
    estimate = win_rate(*sides(wins, 0, losses), seed=0)
    assert estimate.value == wins / (wins + losses)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-6)


def test_a_tie_is_half_a_win():
    estimate = win_rate(*sides(6, 4, 2), seed=0)
    assert (estimate.n_prompts, estimate.value) == (12, 8 / 12)
    outcomes = np.repeat([1, 0.5, 0], [6, 4, 2])
    (bootstrapped,) = estimate_means(outcomes[:, None], 0)
    assert (estimate.low, estimate.high) == (bootstrapped.low, min(bootstrapped.high, 1))
    assert estimate.p_value == pytest.approx(2 * (1 + 8 + 28) / 2**8)


@settings(max_examples=30)
@given(pairs_of_scores)
def test_swapped_sides_swap_wins_and_losses(pairs):
    first, second = np.array(pairs, float).T
    counts, turned = count_wins(first, second), count_wins(second, first)
    assert (counts.wins, counts.ties, counts.losses) == (turned.losses, turned.ties, turned.wins)
    assert counts.wins + counts.ties + counts.losses == np.isfinite(second).sum()
    estimate, other = win_rate(first, second, 0), win_rate(second, first, 0)
    if estimate.n_prompts:
        assert other.value == pytest.approx(1 - estimate.value)
        assert 0 <= estimate.value <= 1
    if estimate.n_prompts >= 5:
        assert (other.low, other.high) == pytest.approx((1 - estimate.high, 1 - estimate.low))
        assert 0 <= estimate.low <= estimate.high <= 1
        assert other.p_value == pytest.approx(estimate.p_value, nan_ok=True)


def test_scores_that_differ_by_rounding_alone_tie():
    assert count_wins(np.array([0.1 + 0.2]), np.array([0.3])) == WinCounts(0, 1, 0)


def test_nothing_but_ties_decides_nothing():
    estimate = win_rate(*sides(0, 8, 0), seed=0)
    assert estimate.value == 0.5
    assert np.isnan(estimate.p_value)


def test_below_five_prompts_there_is_no_interval():
    estimate = win_rate(*sides(3, 0, 1), seed=0)
    assert (estimate.value, np.isnan(estimate.low)) == (0.75, True)
