"""Which interval a mean or a difference of scores gets, by what the scores are: the one door for every row."""

from __future__ import annotations

import numpy as np

from evals.rating.statistics.intervals import (
    Estimate,
    Numbers,
    estimate_differences,
    estimate_means,
    paired_differences,
)
from evals.rating.statistics.proportions import is_rate, rate_difference, rate_estimate

Range = tuple[float | None, float | None]
"""The lowest and highest value that a score can have; None where there is no end."""


def score_means(values: Numbers, value_range: Range, seed: int, rates: bool = False) -> list[Estimate]:
    """Return the mean of each column with its 95 % interval.

    Rates that are 0 or 1 on every prompt have Wilson's interval (`rate_estimate`), every other score the studentised
    bootstrap's (`estimate_means`), cut to the range.

    Parameters
    ----------
    values
        One row a prompt, one column a mean that is asked for, NaN where a prompt has no value.
    value_range
        Of the scores. Zeros and ones are a rate only on a scale from 0 to 1.
    seed
        Of the bootstrap.
    rates
        Whether the scores are declared to be outcomes of a rate (see `evals.rating.statistics.proportions.is_rate`).

    Examples
    --------
    >>> values = np.array([[1.0, 0.9], [1.0, 0.8], [1.0, 1.0], [1.0, 0.7], [1.0, 0.9]])
    >>> [(round(estimate.low, 2), round(estimate.high, 2)) for estimate in score_means(values, (0, 1), seed=0)]
    [(0.57, 1.0), (0.69, 0.97)]
    """
    lowest, highest = _ends(value_range)
    estimates = estimate_means(values, seed)
    return [
        rate_estimate(known) if is_rate_on(value_range, known, rates) else estimate.within(lowest, highest)
        for known, estimate in zip(map(_known, values.T), estimates, strict=True)
    ]


def score_differences(
    first: Numbers, second: Numbers, value_range: Range, rates: bool = False, lift: float = 0.0
) -> list[Estimate]:
    """Return the mean of the first minus the second, column by column, with its 95 % interval and p-value.

    The difference of two rates has Newcombe's interval (`rate_difference`), every other one Student's t
    (`estimate_differences`), cut to what a difference in the range can be.

    Parameters
    ----------
    first, second
        One row a prompt, the same in both; NaN where a system has no value, and the prompt counts for neither.
    value_range, rates
        Of the scores of both, as for `score_means`.
    lift
        What is added to every difference, and to its interval: it makes none of them surer.

    Examples
    --------
    >>> first = np.array([[1.0, 0.9], [1.0, 0.8], [1.0, 1.0], [1.0, 0.7], [1.0, 0.9]])
    >>> estimates = score_differences(first, np.zeros((5, 2)), (0, 1))
    >>> [(round(estimate.low, 2), round(estimate.high, 2)) for estimate in estimates]
    [(0.39, 1.0), (0.72, 1.0)]
    """
    lowest, highest = _ends(value_range)
    estimates = estimate_differences(paired_differences(first, second) + lift)
    return [
        (rate_difference(pair[0], pair[1], lift) if is_rate_on(value_range, pair, rates) else estimate).within(
            lowest - highest, highest - lowest
        )
        for pair, estimate in zip(map(_shared, first.T, second.T), estimates, strict=True)
    ]


def _ends(value_range: Range) -> tuple[float, float]:
    lowest, highest = value_range
    return -np.inf if lowest is None else lowest, np.inf if highest is None else highest


def is_rate_on(value_range: Range, values: Numbers, rates: bool) -> bool:
    """Return whether the values have the arithmetic of a rate (`is_rate`), as they have only on a scale from 0 to 1.

    Examples
    --------
    >>> is_rate_on((0, 1), np.array([0.0, 1.0]), True), is_rate_on((0, None), np.array([0.0, 1.0]), True)
    (True, False)
    """
    lowest, highest = value_range
    return lowest == 0 and highest == 1 and is_rate(values, rates)


def _known(values: Numbers) -> Numbers:
    return values[np.isfinite(values)]


def _shared(first: Numbers, second: Numbers) -> Numbers:
    pair = np.stack([first, second])
    return pair[:, np.isfinite(pair).all(axis=0)]
