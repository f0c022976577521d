"""Intervals of rates over prompts: Wilson's for one rate, Newcombe's for the difference of two on the same prompts."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize

from evals.rating.statistics.distributions import normal_quantile, normal_tail
from evals.rating.statistics.intervals import CONFIDENCE, MIN_PROMPTS, Estimate, Numbers

_Z = float(normal_quantile((1 + CONFIDENCE) / 2))
_LARGEST_Z = 37.0  # beyond it the normal tail is no float any more


def is_rate(values: Numbers, declared: bool) -> bool:
    """Return whether scores from 0 to 1 have the arithmetic of a rate: declared as one, and each of them 0 or 1.

    Scores that nobody declared as a rate have it only where each row of them is 0 throughout, or 1: they show no spread
    to make an interval of, and none on this scale spreads more than a rate does.

    Parameters
    ----------
    values
        One score a prompt, or two rows of them, a system each.
    declared
        Whether the metric's specification says that it is a rate.

    Examples
    --------
    >>> is_rate(np.array([1.0, 0.0]), declared=True), is_rate(np.array([1.0, 0.5]), declared=True)
    (True, False)
    >>> is_rate(np.array([1.0, 0.0]), declared=False), is_rate(np.array([[1.0, 1.0], [0.0, 0.0]]), declared=False)
    (False, True)
    """
    if values.size == 0 or not np.isin(values, (0.0, 1.0)).all():
        return False
    return declared or bool((values == values[..., :1]).all())


def rate_estimate(values: Numbers) -> Estimate:
    """Return the share of ones with Wilson's 95 % score interval, the prompts being the trials; it has no p-value.

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
    n, share = len(values), float(values.mean())
    low, high = wilson_interval(share, n, _Z) if n >= MIN_PROMPTS else (np.nan, np.nan)
    return Estimate(n, share, low, high)


def rate_difference(first: Numbers, second: Numbers, lift: float = 0.0) -> Estimate:
    """Return the first rate minus the second, both over the same prompts, with Newcombe's 95 % interval.

    Method 10 of the paper: Wilson's distances of both rates are squared and added, less what the pairing takes away
    (the correlation of the two, corrected for continuity). It keeps its width where every prompt agrees. The p-value
    is one less the confidence at which the interval just reaches zero.

    Parameters
    ----------
    first, second
        One value a prompt, each 0 or 1, in the same order.
    lift
        What is added to the difference and to both ends of its interval.

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
    n, difference = len(first), float(first.mean() - second.mean()) + lift
    if n < MIN_PROMPTS:
        return Estimate(n, difference, np.nan, np.nan)
    low, high = newcombe_interval(first, second)
    return Estimate(n, difference, low + lift, high + lift, _newcombe_p_value(first, second, lift))


def smallest_p_value(n_prompts: int) -> float:
    r"""Return the p-value of two rates, one of them 1 and one 0 on every prompt: :math:`2 \Phi(-\sqrt{(1+\sqrt2)\,n})`.

    No difference on a scale from 0 to 1 is larger, and none over as many prompts is surer: what is measured and came
    out the same on a few prompts would not do so on all others.

    Examples
    --------
    >>> round(smallest_p_value(5), 6), round(rate_difference(np.ones(5), np.zeros(5)).p_value, 6)
    (0.000512, 0.000512)
    """
    # Wilson's distances are both z^2 / (n + z^2), and Newcombe's lower bound 1 less the root of two times that.
    return float(2 * normal_tail(math.sqrt((1 + math.sqrt(2)) * n_prompts)))


def newcombe_interval(first: Numbers, second: Numbers, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Newcombe's interval of `rate_difference` at any level of confidence, for any number of prompts.

    Examples
    --------
    >>> low, high = newcombe_interval(np.ones(20), np.ones(20), confidence=0.9)
    >>> round(low, 3), round(high, 3)
    (-0.119, 0.119)
    """
    z = float(normal_quantile((1 + confidence) / 2))
    return _newcombe(float(first.mean()), float(second.mean()), _correlation(first, second), len(first), z)


def _newcombe(first: float, second: float, correlation: float, n: int, z: float) -> tuple[float, float]:
    (first_low, first_high), (second_low, second_high) = wilson_interval(first, n, z), wilson_interval(second, n, z)
    below_first, above_first = first - first_low, first_high - first
    below_second, above_second = second - second_low, second_high - second
    below = math.sqrt(below_first**2 - 2 * correlation * below_first * above_second + above_second**2)
    above = math.sqrt(above_first**2 - 2 * correlation * above_first * below_second + below_second**2)
    return first - second - below, first - second + above


def _newcombe_p_value(first: Numbers, second: Numbers, lift: float) -> float:
    rates, correlation = (float(first.mean()), float(second.mean())), _correlation(first, second)
    difference = rates[0] - rates[1] + lift
    if difference == 0:
        return 1.0
    side, sign = (0, 1) if difference > 0 else (1, -1)

    def clearance(z: float) -> float:
        return sign * (_newcombe(*rates, correlation, len(first), z)[side] + lift)

    # The bound that faces zero starts at the difference itself and moves out as the confidence grows.
    excluded = clearance(_Z) > 0
    nearest, farthest = (_Z, _LARGEST_Z) if excluded else (0.0, _Z)
    if clearance(farthest) > 0:
        return 0.0
    return float(2 * normal_tail(optimize.brentq(clearance, nearest, farthest)))


def wilson_interval(share: float, n: int, z: float = _Z) -> tuple[float, float]:
    """Return Wilson's score interval of a share of n trials, ``z`` normal deviations wide: 95 % if nothing is said.

    The share need not be a whole number of trials: requests of one prompt meet the same filters, so a rate over
    requests is only as sure as one over that many prompts.

    Examples
    --------
    >>> [round(bound, 5) for bound in wilson_interval(8 / 10, 10)]
    [0.49016, 0.94332]
    """
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    margin = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends of the scale the bound is the end itself, which the sum of floats may miss.
    return 0.0 if share == 0 else centre - margin, 1.0 if share == 1 else centre + margin


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
