"""What unknown outcomes could do to a mean: its bounds if all of them had gone badly, or all well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evals.rating.intervals import Numbers


@dataclass(frozen=True, slots=True)
class MissingBounds:
    """The lowest and highest value a statistic can take, whatever the ``n_missing`` unknown outcomes are."""

    low: float
    high: float
    n_missing: int


def mean_bounds(values: Numbers) -> MissingBounds:
    """Return the worst-case and best-case mean of scores from 0 to 1: every unknown one counted as 0, or as 1.

    The complete-case mean is that of the known ones alone; it lies within.

    Parameters
    ----------
    values
        One score a prompt, from 0 to 1; NaN where the outcome is unknown.

    Raises
    ------
    ValueError
        If a score lies outside 0 to 1.

    References
    ----------
    Manski 2003, Partial Identification of Probability Distributions, chapter 1; Horowitz and Manski 2000,
    Nonparametric analysis of randomized experiments with missing covariate and outcome data, JASA 95.

    Examples
    --------
    >>> mean_bounds(np.array([1.0, 0.5, 0.0, np.nan]))
    MissingBounds(low=0.375, high=0.625, n_missing=1)
    """
    low, high = _filled(values, 0.0), _filled(values, 1.0)
    return MissingBounds(_mean(low), _mean(high), int(np.isnan(values).sum()))


def difference_bounds(first: Numbers, second: Numbers) -> MissingBounds:
    """Return the bounds of the first mean minus the second over the same prompts, both of scores from 0 to 1.

    A prompt of which one score is known narrows the bounds by that score; one of which none is known lies anywhere
    from -1 to 1. The complete-case difference, over the prompts with both, lies within if a prompt has both.

    Parameters
    ----------
    first, second
        One score a prompt in the same order, from 0 to 1; NaN where the outcome is unknown.

    Returns
    -------
    MissingBounds
        ``n_missing`` counts the prompts of which at least one score is unknown.

    Raises
    ------
    ValueError
        If a score lies outside 0 to 1, or the two are not of one length.

    Examples
    --------
    >>> difference_bounds(np.array([1.0, np.nan]), np.array([0.5, 0.25]))
    MissingBounds(low=0.125, high=0.625, n_missing=1)
    """
    if len(first) != len(second):
        raise ValueError(f"a paired difference is over the same prompts, not {len(first)} and {len(second)}")
    low = _filled(first, 0.0) - _filled(second, 1.0)
    high = _filled(first, 1.0) - _filled(second, 0.0)
    return MissingBounds(_mean(low), _mean(high), int((np.isnan(first) | np.isnan(second)).sum()))


def _filled(values: Numbers, unknown: float) -> Numbers:
    outside = values[(values < 0) | (values > 1)]
    if outside.size:
        raise ValueError(f"bounds are those of scores from 0 to 1, and one is {outside[0]}")
    return np.where(np.isnan(values), unknown, values)


def _mean(values: Numbers) -> float:
    return float(values.mean()) if values.size else np.nan
