"""Where a 95 % interval holds the truth less often than it says: the sentence that stands beside such a number."""

from __future__ import annotations

import numpy as np

from evals.rating.statistics.estimates import Range, is_rate_on
from evals.rating.statistics.intervals import MIN_PROMPTS, Numbers, paired_differences

FEW_DEPARTURES = 5
"""Where fewer prompts than this differ from all the others, one prompt more or less changes everything."""

HEAVY_SKEWNESS = 2.0
"""Above this skewness of the prompts' values, either way, scores are taken to have a long tail."""

SPARSE = {"scores": 0.78, "differences": 0.68}
"""How often the interval held the truth where two prompts, on average, differ from the rest."""

SKEWED: dict[str, dict[int, float]] = {
    "scores": {20: 0.92, 40: 0.93, 100: 0.94},
    "differences": {20: 0.90, 40: 0.91, 100: 0.93, 200: 0.93, 1_000: 0.95},
}
"""How often it held the truth for lognormal scores, and their differences from normal ones, by the number of prompts.

Both tables are what ``tests/evals/rating/statistics/test_simulation_study.py`` finds, and checks.
"""

ENOUGH = 0.94
"""From this coverage on an interval is as good as it says."""


def coverage_caution(values: Numbers, value_range: Range, rates: bool = False) -> str | None:
    """Return what to be wary of in the interval that `score_means` gives a mean, None if it is sound.

    Parameters
    ----------
    values
        One score a prompt, NaN where there is none.
    value_range, rates
        Of the scores, as for `score_means`.

    Examples
    --------
    >>> coverage_caution(np.array([1.0] * 18 + [0.5, 0.0]), (0, 1)).split(":")[0]
    'only 2 of 20 prompts differ from the rest'
    >>> coverage_caution(np.linspace(0, 1, 20), (0, 1)) is None
    True
    """
    known = values[np.isfinite(values)]
    # Wilson's interval knows its ends: only the shares that can happen make it waver about 95 %.
    return None if is_rate_on(value_range, known, rates) else _caution(known, "scores")


def difference_caution(first: Numbers, second: Numbers, value_range: Range, rates: bool = False) -> str | None:
    """Return what to be wary of in the interval that `score_differences` gives a difference, None if it is sound.

    Parameters
    ----------
    first, second
        One score a prompt, the same in both; NaN where a system has none.
    value_range, rates
        Of the scores of both, as for `score_differences`.

    Examples
    --------
    >>> difference_caution(np.full(20, 0.9), np.full(20, 0.4), (0, 1))
    'all 20 differences are the same: the interval has no width, and says nothing of other prompts'
    >>> difference_caution(np.linspace(0, 1, 20), np.linspace(1, 0.5, 20), (0, 1)) is None
    True
    """
    pair = np.stack([first, second])
    known = pair[:, np.isfinite(pair).all(axis=0)]
    # Newcombe's interval of two rates is never too narrow.
    return None if is_rate_on(value_range, known, rates) else _caution(paired_differences(*known), "differences")


def _caution(known: Numbers, what: str) -> str | None:
    n = len(known)
    if n < MIN_PROMPTS:
        return None
    n_departing = n - int(np.unique(known, return_counts=True)[1].max())
    if n_departing == 0:
        return f"all {n} {what} are the same: the interval has no width, and says nothing of other prompts"
    if n_departing < min(FEW_DEPARTURES, n / 2):
        return (
            f"only {n_departing} of {n} prompts differ from the rest: with 2 such ones the 95 % interval held the "
            f"truth in {_percent(SPARSE[what])} of simulated runs"
        )
    size = max((size for size in SKEWED[what] if size <= n), default=min(SKEWED[what]))
    skewness = _skewness(known)
    if abs(skewness) > HEAVY_SKEWNESS and SKEWED[what][size] < ENOUGH:
        return (
            f"the {what} have a long tail (skewness {skewness:.1f}): with {size} such prompts the 95 % interval held "
            f"the truth in {_percent(SKEWED[what][size])} of simulated runs"
        )
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _skewness(values: Numbers) -> float:
    deviations = values - values.mean()
    return float((deviations**3).mean() / (deviations**2).mean() ** 1.5)
