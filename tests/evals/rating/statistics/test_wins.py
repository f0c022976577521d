"""Wins, ties and losses by prompt: a worked sign test, and that sides can be swapped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.rating.statistics.wins import WinCounts, count_wins, sign_test

pairs_of_scores = st.lists(
    st.tuples(st.integers(0, 4), st.one_of(st.integers(0, 4), st.just(np.nan))), min_size=5, max_size=25
)


def test_a_worked_sign_test():
    differences = np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0, 0.06, -0.02, 0.03, 0.05])
    counts = count_wins(differences, np.zeros(10))
    assert counts == WinCounts(7, 1, 2)
    assert sign_test(counts) == pytest.approx(0.179688, abs=1e-6)


@settings(max_examples=30)
@given(pairs_of_scores)
def test_swapped_sides_swap_wins_and_losses(pairs):
    first, second = np.array(pairs, float).T
    counts, turned = count_wins(first, second), count_wins(second, first)
    assert (counts.wins, counts.ties, counts.losses) == (turned.losses, turned.ties, turned.wins)
    assert counts.wins + counts.ties + counts.losses == np.isfinite(second).sum()
    assert sign_test(counts) == pytest.approx(sign_test(turned), nan_ok=True)


def test_scores_that_differ_by_rounding_alone_tie():
    assert count_wins(np.array([0.1 + 0.2]), np.array([0.3])) == WinCounts(0, 1, 0)


def test_nothing_but_ties_decides_nothing():
    assert np.isnan(sign_test(count_wins(np.full(8, 0.5), np.full(8, 0.5))))
