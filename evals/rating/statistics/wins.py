"""Win, tie or loss on each prompt: who is ahead more often, by however much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from evals.rating.statistics.intervals import Numbers, paired_differences


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
    gains = paired_differences(first, second)
    return WinCounts(*(int(decided.sum()) for decided in (gains > 0, gains == 0, gains < 0)))


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
    return min(1.0, float(2 * special.bdtr(min(counts.wins, counts.losses), decided, 0.5))) if decided else np.nan
