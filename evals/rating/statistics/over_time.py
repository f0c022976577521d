r"""Intervals of what was measured one after the other, such as latencies: the prompt and the stretch of time are units.

Answers of one prompt resemble each other, and so do answers of one quarter of an hour, as a host's load comes and goes.
Taken for independent, they give intervals that are far too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft, special

from evals.rating.statistics.distributions import normal_quantile, t_quantile
from evals.rating.statistics.intervals import CONFIDENCE, MIN_PROMPTS, Numbers

SLOW_WAVES: Final = 4
"""How many slow waves tell how much a measurement drifts: degrees of freedom, paid for by 2.78 in place of 1.96."""

QUANTILE_METHOD: Final = "linear"
"""How quantiles lie between two values: numpy's ``linear``, type 7 of Hyndman and Fan 1996."""

_TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True, slots=True)
class SerialEstimate:
    """A value and its 95 % interval, None where there is none.

    ``is_bounded``: whether the largest answer lies above the true quantile with 95 % confidence; if not, the value may
    only be larger.
    """

    value: float
    low: float | None
    high: float | None
    is_bounded: bool = True


def in_stretches(values: Numbers) -> Numbers:
    r"""Return five values with the mean of a series, whose Student's t interval allows for drift.

    They are the series without all waves but the slowest four: a cosine transform, of which only the first five
    coefficients are kept, and its inverse on five points. :math:`t_4 s/\sqrt 5` of them is the equal-weighted cosine
    interval of the mean. A series of five values or fewer is returned as it is.

    Parameters
    ----------
    values
        In the order of time, all finite.

    References
    ----------
    Lazarus, Lewis, Stock and Watson 2018, HAR inference: recommendations for practice, Journal of Business & Economic
    Statistics 36.

    Examples
    --------
    >>> in_stretches(np.arange(20.0)).mean(), in_stretches(np.array([3.0, 1.0, 2.0])).tolist()
    (np.float64(9.5), [3.0, 1.0, 2.0])
    """
    n, kept = len(values), SLOW_WAVES + 1
    if n <= kept:
        return values
    # The mean as such: sums of a transform may miss it, and a difference of nothing, by a rounding.
    mean = values.mean()
    waves = fft.dct(values - mean, norm="ortho")[:kept]
    waves[0] = 0.0
    return np.asarray(mean + fft.idct(waves, norm="ortho") * np.sqrt(kept / n), np.float64)


def serial_quantile(values: Numbers, prompts: npt.NDArray[np.intp], moments: Numbers, share: float) -> SerialEstimate:
    r"""Return a quantile with an interval whose units are the prompt and the stretch of time.

    The share of answers up to the quantile has a variance that allows for both (`_error_of_sum`); so many independent
    answers would have the same one. With that many, Jeffreys' interval of the share is turned back into quantiles.

    Parameters
    ----------
    values
        One an answer, all finite.
    prompts
        The number of each answer's prompt, from 0.
    moments
        When each was asked for, in seconds; if any is NaN the prompt alone is the unit.
    share
        Of the quantile, such as 0.5.

    References
    ----------
    Woodruff 1952, Confidence intervals for medians and other position measures, JASA 47; Dean and Pagano 2015,
    Evaluating confidence interval methods for binomial proportions in clustered surveys, J. Surv. Stat. Methodol. 3.
    """
    n, n_prompts = len(values), len(np.unique(prompts))
    value = float(np.quantile(values, share, method=QUANTILE_METHOD))
    if n_prompts < MIN_PROMPTS:
        return SerialEstimate(value, None, None, share**n <= 2 * _TAIL)

    def design_effect(probability: float, moments: Numbers) -> tuple[float, float]:
        is_below = (values <= np.quantile(values, probability)).astype(np.float64)
        error, freedom = _error_of_sum(is_below - is_below.mean(), prompts, moments)
        return error**2 / (n * probability * (1 - probability)), freedom

    effect, freedom = design_effect(share, moments)
    if share != 0.5:
        # A tail has few answers: what hangs together at the median is taken to do so there, and luck to be luck.
        by_prompt, _ = design_effect(share, np.full(n, np.nan))
        effect = max(1.0, effect, by_prompt, design_effect(0.5, moments)[0])
    if effect == 0:  # one value throughout
        return SerialEstimate(value, value, value)
    n_independent = n / effect
    n_equal = n_independent * (normal_quantile(1 - _TAIL) / t_quantile(1 - _TAIL, freedom)) ** 2
    is_bounded = share**n_independent <= 2 * _TAIL
    if (0.5**n_prompts if share == 0.5 else share**n_equal) > _TAIL:  # not even the extremes bound it
        return SerialEstimate(value, None, None, is_bounded)
    below, above = n_equal * share + 0.5, n_equal * (1 - share) + 0.5
    low, high = np.quantile(values, special.betaincinv(below, above, [_TAIL, 1 - _TAIL]), method=QUANTILE_METHOD)
    return SerialEstimate(value, float(min(low, value)), float(max(high, value)), is_bounded)


def serial_ratio(over: Numbers, under: Numbers, prompts: npt.NDArray[np.intp], moments: Numbers) -> SerialEstimate:
    r"""Return one sum over another, such as pictures over time, :math:`r \pm t \cdot SE`; arguments as above.

    With :math:`e_i = x_i - r y_i` the standard error is that of the sum of all :math:`e_i`, over the sum of all
    :math:`y_i` (linearised: Cochran 1977, Sampling Techniques, section 6.3).
    """
    value = float(over.sum() / under.sum())
    if len(np.unique(prompts)) < MIN_PROMPTS:
        return SerialEstimate(value, None, None)
    error, freedom = _error_of_sum(over - value * under, prompts, moments)
    margin = float(t_quantile(1 - _TAIL, freedom) * error / under.sum())
    return SerialEstimate(value, max(0.0, value - margin), value + margin)


def _error_of_sum(errors: Numbers, prompts: npt.NDArray[np.intp], moments: Numbers) -> tuple[float, float]:
    r"""Return the standard error of the sum of deviations, by prompt and time, and its degrees of freedom.

    Over time it is that of the slowest waves: :math:`V_t = \frac14 \sum_{j=1}^4 (\sqrt2 \sum_i \cos(\pi j s_i)
    e_i)^2`, with :math:`s_i` the place in time from 0 to 1. If no prompt was asked again after another one, the
    prompts are what is placed, and nothing else is needed. Otherwise :math:`V = V_p + V_t - V_i` of prompts, time and
    single answers (Cameron, Gelbach and Miller 2011), with Satterthwaite's degrees of freedom.
    """
    ordered = np.lexsort((prompts, moments))
    errors, prompts = errors[ordered], prompts[ordered]
    _, prompts = np.unique(prompts, return_inverse=True)
    sums = np.bincount(prompts, errors)
    n_prompts, n = len(sums), len(errors)
    by_prompt = float((sums**2).sum()) * n_prompts / (n_prompts - 1)
    if not np.isfinite(moments).all():
        return float(np.sqrt(by_prompt)), n_prompts - 1
    begins = np.flatnonzero(np.diff(prompts, prepend=-1))
    if len(begins) == n_prompts:
        over_time, waves = _slow_variance(np.add.reduceat(errors, begins))
        return float(np.sqrt(over_time)), waves
    over_time, waves = _slow_variance(errors)
    both = by_prompt + max(over_time - float((errors**2).sum()) * n / (n - 1), 0.0)
    if both <= over_time:
        return float(np.sqrt(over_time)), waves
    return float(np.sqrt(both)), both**2 / (by_prompt**2 / (n_prompts - 1) + over_time**2 / waves)


def _slow_variance(series: Numbers) -> tuple[float, int]:
    waves = min(SLOW_WAVES, len(series) - 1)
    coefficients = fft.dct(series, norm="ortho")[1 : waves + 1]
    return float(len(series) * (coefficients**2).mean()), waves
