"""Win, tie or loss on each prompt: who is ahead more often, by however much."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from evals.rating.intervals import Estimate, Numbers, estimate_means, paired_differences
from evals.rating.proportions import is_rate, rate_estimate


@dataclass(frozen=True, slots=True)
class WinCounts:
    """On how many prompts the first of two systems does better than, as well as, and worse than the second."""

    wins: int
    ties: int
    losses: int


def count_wins(first: Numbers, second: Numbers) -> WinCounts:
    """Return on how many prompts the first system wins, ties and loses against the second.

    Parameters
    ----------
    first, second
        One score a prompt in the same order, higher being better; NaN where there is none, and the prompt counts as
        nothing. Scores that differ by the rounding of floats alone tie.

    Examples
    --------
    >>> count_wins(np.array([0.9, 0.5, 0.2, 0.8, np.nan]), np.array([0.6, 0.5, 0.3, 0.6, 0.1]))
    WinCounts(wins=2, ties=1, losses=1)
    """
    outcomes = _outcomes(first, second)
    wins, ties, losses = (int((outcomes == outcome).sum()) for outcome in (1, 0.5, 0))
    return WinCounts(wins, ties, losses)


def win_rate(first: Numbers, second: Numbers, seed: int) -> Estimate:
    """Return the share of prompts that the first system wins, a tie counted as half, with its 95 % interval.

    Where no prompt is a tie the rate is a proportion and has Wilson's interval, else the outcomes 0, 1/2 and 1 of the
    prompts have the studentised bootstrap's, cut to 0 to 1. The p-value is that of `sign_test`: of wins and losses
    being equally likely. It is another procedure than the interval, and the two may part where one half is just
    reached.

    Parameters
    ----------
    first, second
        As for `count_wins`.
    seed
        Of the bootstrap.

    Examples
    --------
    >>> estimate = win_rate(np.array([3.0, 2, 1, 2, 4, 1]), np.array([1.0, 1, 2, 1, 1, 0]), seed=0)
    >>> round(estimate.value, 3), round(estimate.low, 3), round(estimate.high, 3), round(estimate.p_value, 3)
    (0.833, 0.436, 0.97, 0.219)
    """
    outcomes = _outcomes(first, second)
    (bootstrapped,) = estimate_means(outcomes[:, None], seed)
    estimate = rate_estimate(outcomes) if is_rate(outcomes) else bootstrapped.within(0, 1)
    return replace(estimate, p_value=sign_test(count_wins(first, second)))


def sign_test(counts: WinCounts) -> float:
    """Return the two-sided p-value of wins and losses being equally likely, ties left out; NaN if all are ties.

    References
    ----------
    Dixon and Mood 1946, The statistical sign test, JASA 41.

    Examples
    --------
    >>> round(sign_test(WinCounts(wins=7, ties=1, losses=2)), 6)
    0.179688
    """
    decided = counts.wins + counts.losses
    return float(stats.binomtest(counts.wins, decided).pvalue) if decided else np.nan


def _outcomes(first: Numbers, second: Numbers) -> Numbers:
    gains = paired_differences(first, second)
    return (np.sign(gains[np.isfinite(gains)]) + 1) / 2
