"""What a number of prompts can show: the smallest difference that a paired test would find."""

from __future__ import annotations

import functools

import numpy as np
from scipy import optimize

from evals.rating.statistics.distributions import noncentral_t_tail, normal_tail, t_quantile
from evals.rating.statistics.intervals import MIN_PROMPTS, Numbers

POWER = 0.8
ALPHA = 0.05


SPREADS_IN_STARS = (0.4, 0.8, 1.2)
"""By how many stars two systems' difference varies from prompt to prompt (standard deviation): the quartiles, rounded,
over the measured rows of the published reports, ``detectable / smallest_detectable_effect(n_prompts)`` of each."""


def paired_power(effect: float, n: int, alpha: float = ALPHA) -> float:
    r"""Return the power of a two-sided paired t-test.

    With :math:`\delta = d \sqrt n` the statistic follows a noncentral t distribution of :math:`n - 1` degrees of
    freedom, and the power is its mass beyond the two critical values of Student's t.

    Parameters
    ----------
    effect
        The true mean difference in units of the standard deviation of the paired differences (Cohen's
        :math:`d_z`).
    n
        Number of pairs: the prompts that both systems were asked.
    alpha
        Probability of finding a difference where there is none.

    References
    ----------
    Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, chapter 2.

    Examples
    --------
    >>> round(paired_power(0.5, 34), 3)
    0.808
    """
    if n < 2:
        raise ValueError(f"a paired test needs at least 2 pairs, not {n}")
    critical = t_quantile(1 - alpha / 2, n - 1)
    noncentrality = abs(effect) * n**0.5
    tails = np.array([noncentral_t_tail(critical, n - 1, each) for each in (noncentrality, -noncentrality)])
    # Some cannot be computed; with so many pairs they are the normal's.
    normal = normal_tail(critical - np.array([noncentrality, -noncentrality]))
    return float(np.where(np.isfinite(tails), tails, normal).sum())


@functools.lru_cache(maxsize=1024)
def smallest_detectable_effect(n: int, power: float = POWER, alpha: float = ALPHA) -> float:
    """Return the smallest true difference that a two-sided paired t-test finds with the given power.

    Parameters
    ----------
    n
        Number of pairs, at least 2.
    power
        Probability of finding it, between ``alpha`` and 1.
    alpha
        Probability of finding a difference where there is none.

    Returns
    -------
    float
        In units of the standard deviation of the paired differences.

    Examples
    --------
    >>> round(smallest_detectable_effect(34), 2), round(smallest_detectable_effect(10), 2)
    (0.5, 1.0)
    """
    if n < 2:
        raise ValueError(f"a paired test needs at least 2 pairs, not {n}")
    if not 0 < alpha < power < 1:
        raise ValueError(f"0 < alpha < power < 1 does not hold for alpha {alpha} and power {power}")
    largest = 1.0
    while paired_power(largest, n, alpha) < power:
        largest *= 2
    return float(optimize.brentq(lambda effect: paired_power(effect, n, alpha) - power, 0.0, largest, xtol=1e-10))


def smallest_detectable_difference(differences: Numbers) -> float:
    r"""Return the smallest true mean difference that as many prompts, differing as much, show with 80 % power.

    The sd of the differences times `smallest_detectable_effect`; for many prompts that is
    :math:`2.802\, s / \sqrt n`.

    Parameters
    ----------
    differences
        One paired difference a prompt; NaN where one of the two systems has no value.

    Returns
    -------
    float
        In the unit of the differences. NaN below 5 prompts, and where all differences are the same: they tell
        nothing of how far other prompts would differ.

    Examples
    --------
    >>> round(smallest_detectable_difference(np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0, 0.06, -0.02])), 4)
    0.0335
    """
    known = differences[np.isfinite(differences)]
    if len(known) < MIN_PROMPTS or (known == known[0]).all():
        return np.nan
    return smallest_detectable_effect(len(known)) * float(known.std(ddof=1))


def prompts_needed(difference: float, sd: float, power: float = POWER) -> int:
    """Return the fewest prompts on which a true mean difference is found with the given power.

    Parameters
    ----------
    difference
        That one wishes to see, either sign but not zero.
    sd
        Standard deviation of the paired differences of prompts, positive, in the same unit.
    power
        Probability of finding it, between 0.05 and 1.

    Raises
    ------
    ValueError
        If no number of prompts answers: for a difference of zero, an sd that is not positive, a power out of range.

    Examples
    --------
    >>> prompts_needed(0.5, 1.0), prompts_needed(0.02, 0.05)
    (34, 52)
    """
    if not (abs(difference) > 0 and sd > 0):
        raise ValueError(f"a difference ({difference}) other than 0 and an sd ({sd}) above 0 are needed")
    if not ALPHA < power < 1:
        raise ValueError(f"the power lies between {ALPHA} and 1, not at {power}")
    effect = abs(difference) / sd
    enough = 2
    while paired_power(effect, enough) < power:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if paired_power(effect, middle) >= power else (middle, enough)
    return enough
