"""What a number of prompts can show: the smallest difference that a paired test would find."""

from __future__ import annotations

import functools

from scipy import optimize, stats

POWER = 0.8
ALPHA = 0.05


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
    critical = stats.t.ppf(1 - alpha / 2, n - 1)
    noncentrality = abs(effect) * n**0.5
    above = stats.nct.sf(critical, n - 1, noncentrality)
    # The far tail underflows to a value that scipy cannot always name; it is less than alpha / 2 and falls from there.
    below = stats.nct.cdf(-critical, n - 1, noncentrality) if noncentrality < 5 else 0.0
    return float(above + below)


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
