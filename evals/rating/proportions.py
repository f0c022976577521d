"""Intervals of rates over prompts: Wilson's for one rate, Newcombe's for the difference of two on the same prompts."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from evals.rating.intervals import CONFIDENCE, MIN_PROMPTS, Estimate, Numbers


def is_rate(values: Numbers) -> bool:
    """Return whether there are values and every one is 0 or 1, so that their mean is a rate.

    Examples
    --------
    >>> is_rate(np.array([1.0, 0.0, 1.0])), is_rate(np.array([1.0, 0.5])), is_rate(np.array([]))
    (True, False, False)
    """
    return values.size > 0 and bool(np.isin(values, (0.0, 1.0)).all())


def rate_estimate(values: Numbers) -> Estimate:
    """Return the share of ones with Wilson's 95 % score interval, the prompts being the trials.

    No resample of equal values differs from another, so a bootstrap would call five successes of five a certainty.
    Among all values on a scale from 0 to 1, zeros and ones vary the most about their mean: the interval is never too
    sure of a share that happened to be 0 or 1 on every prompt.

    Parameters
    ----------
    values
        One value a prompt, each 0 or 1.

    References
    ----------
    Wilson 1927, Probable inference, the law of succession, and statistical inference, JASA 22.

    Examples
    --------
    >>> estimate = rate_estimate(np.ones(5))
    >>> round(estimate.value, 3), round(estimate.low, 3), round(estimate.high, 3)
    (1.0, 0.566, 1.0)
    """
    low, high = _wilson(values) if len(values) >= MIN_PROMPTS else (np.nan, np.nan)
    return Estimate(len(values), float(values.mean()), low, high)


def rate_difference(first: Numbers, second: Numbers) -> Estimate:
    """Return the first rate minus the second, both over the same prompts, with Newcombe's 95 % interval.

    Method 10 of the paper: Wilson's distances of both rates are squared and added, less what the pairing takes away
    (the correlation of the two, corrected for continuity). It keeps its width where every prompt agrees.

    Parameters
    ----------
    first, second
        One value a prompt, each 0 or 1, in the same order.

    References
    ----------
    Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on paired data,
    Statistics in Medicine 17.

    Examples
    --------
    >>> estimate = rate_difference(np.ones(6), np.zeros(6))
    >>> round(estimate.value, 3), round(estimate.low, 3), round(estimate.high, 3)
    (1.0, 0.448, 1.0)
    """
    n, difference = len(first), float(first.mean() - second.mean())
    if n < MIN_PROMPTS:
        return Estimate(n, difference, np.nan, np.nan)
    (first_low, first_high), (second_low, second_high) = _wilson(first), _wilson(second)
    below_first, above_first = first.mean() - first_low, first_high - first.mean()
    below_second, above_second = second.mean() - second_low, second_high - second.mean()
    shared = 2 * _correlation(first, second)
    below = math.sqrt(below_first**2 - shared * below_first * above_second + above_second**2)
    above = math.sqrt(above_first**2 - shared * above_first * below_second + below_second**2)
    return Estimate(n, difference, difference - below, difference + above)


def _wilson(values: Numbers) -> tuple[float, float]:
    interval = stats.binomtest(int(values.sum()), len(values)).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _correlation(first: Numbers, second: Numbers) -> float:
    n, successes, others = len(first), first.sum(), second.sum()
    margins = successes * (n - successes) * others * (n - others)
    if not margins:
        return 0.0
    # The product of the concordant counts less that of the discordant ones, in terms of the margins.
    excess = n * (first @ second) - successes * others
    if excess > 0:
        excess = max(excess - n / 2, 0.0)
    return float(excess / math.sqrt(margins))
