"""95 % confidence intervals and p-values over prompts: of means, of paired differences, of any statistic."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evals.rating.statistics.distributions import normal_quantile, normal_tail, t_quantile, t_tail

Numbers = npt.NDArray[np.float64]

MIN_PROMPTS = 5
"""Below this many prompts no interval is given: no bootstrap of four values covers what it claims."""

CONFIDENCE = 0.95

MANY_PROMPTS = 1_000
"""Above this many prompts a mean is so nearly normal that Student's t needs no resamples to correct it."""

MAX_RESAMPLES = 10_000
MIN_RESAMPLES = 1_000
_DRAWS_BUDGET = 10_000_000
_DRAWS_AT_ONCE = 500_000
_BOUNDS_AT_ONCE = 2_000_000


def resample_count(size: int) -> int:
    """Return how many resamples are drawn for statistics over ``size`` values: 10,000, and fewer for large tables.

    The error of a percentile depends on the resamples alone; beyond 10 million draws it is smaller than anyone reads.

    Examples
    --------
    >>> resample_count(50), resample_count(4_000), resample_count(1_000_000)
    (10000, 2500, 1000)
    """
    return min(MAX_RESAMPLES, max(MIN_RESAMPLES, _DRAWS_BUDGET // max(size, 1)))


def prompt_resamples(n_prompts: int, seed: int, size: int = 0) -> Iterator[Numbers]:
    """Yield how often each prompt is drawn in each resample, in blocks of shape (resamples, n_prompts).

    A resample draws ``n_prompts`` prompts with replacement; whatever belongs to a prompt is drawn with it, so that
    repeats, shots and pairs of one prompt never count as independent. The draws depend on the arguments alone.

    Parameters
    ----------
    n_prompts
        How many prompts there are.
    seed
        Of the random generator.
    size
        How many values the statistic goes through per resample, if that is more than ``n_prompts``.
    """
    size = max(n_prompts, size)
    draws = _draws(n_prompts, seed)[: resample_count(size)]
    rows = max(1, _DRAWS_AT_ONCE // size)
    for start in range(0, len(draws), rows):
        yield draws[start : start + rows].astype(np.float64)


@functools.lru_cache(maxsize=16)
def _draws(n_prompts: int, seed: int) -> npt.NDArray[np.uint8]:
    # Every metric of a suite is resampled over the same prompts, and drawing costs more than all their means.
    generator = np.random.default_rng(seed)
    draws = np.empty((resample_count(n_prompts), n_prompts), np.uint8)
    rows = max(1, _DRAWS_AT_ONCE // n_prompts)
    for start in range(0, len(draws), rows):
        block = draws[start : start + rows]
        drawn = generator.integers(n_prompts, size=block.shape, dtype=np.int32)
        places = drawn + n_prompts * np.arange(len(block), dtype=np.int64)[:, None]
        block[:] = np.bincount(places.ravel(), minlength=block.size).reshape(block.shape)
    draws.setflags(write=False)
    return draws


def expanded_percentiles(n_prompts: int) -> tuple[float, float]:
    r"""Return the two probabilities whose quantiles of the bootstrap distribution bound the 95 % interval.

    The plain 2.5 % and 97.5 % are too narrow for few prompts, because the resamples' variance lacks the factor
    :math:`n/(n-1)` and no heavy tail of Student's t is in them. The expanded percentile interval puts both back:
    :math:`\Phi(\mp t_{n-1} \sqrt{n/(n-1)})`.

    References
    ----------
    Hesterberg 2015, What teachers should know about the bootstrap, The American Statistician 69(4).

    Examples
    --------
    >>> [round(probability, 4) for probability in expanded_percentiles(10)]
    [0.0086, 0.9914]
    >>> [round(probability, 4) for probability in expanded_percentiles(10_000)]
    [0.025, 0.975]
    """
    quantile = t_quantile((1 + CONFIDENCE) / 2, n_prompts - 1) * np.sqrt(n_prompts / (n_prompts - 1))
    upper = float(normal_tail(-quantile))
    return 1 - upper, upper


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic over ``n_prompts`` prompts and its 95 % interval; NaN where it or its interval is undefined.

    ``p_value`` is the two-sided one of the statistic being zero, got by inverting the interval: it is below 0.05
    exactly where the interval excludes zero. It is NaN where there is no interval, and for a single rate, of which
    nobody asks whether it is zero.
    """

    n_prompts: int
    value: float
    low: float
    high: float
    p_value: float = np.nan

    def within(self, lowest: float, highest: float) -> Estimate:
        """Return the estimate with its interval cut to the range that the statistic can take.

        Examples
        --------
        >>> Estimate(20, 0.97, 0.9, 1.01, 0.0001).within(0, 1)
        Estimate(n_prompts=20, value=0.97, low=0.9, high=1.0, p_value=0.0001)
        """
        low, high = np.clip([self.low, self.high], lowest, highest)
        return replace(self, low=float(low), high=float(high))


def bootstrap_estimate(statistic: Callable[[Numbers], Numbers], n_prompts: int, seed: int, size: int = 0) -> Estimate:
    """Return any statistic with its expanded percentile interval, from how often each prompt is drawn.

    It is for what has no standard error at hand: ratios, AUC, composites. Means have `estimate_means`, paired
    differences `estimate_differences`, and both cover better.

    Parameters
    ----------
    statistic
        Takes draws of shape (resamples, n_prompts) and returns one number a resample, NaN where it is undefined.
        The estimate itself is its value where every prompt is drawn once.
    n_prompts, seed, size
        As for `prompt_resamples`.

    Examples
    --------
    >>> scores = np.array([3.0, 5.0, 4.0, 6.0, 7.0, 5.0])
    >>> estimate = bootstrap_estimate(lambda draws: draws @ scores / draws.sum(axis=1), len(scores), seed=0)
    >>> estimate.value, bool(3 < estimate.low < 5 < estimate.high < 7)
    (5.0, True)
    """
    value = float(statistic(np.ones((1, n_prompts)))[0])
    if n_prompts < MIN_PROMPTS:
        return Estimate(n_prompts, value, np.nan, np.nan)
    resampled = np.concatenate([statistic(draws) for draws in prompt_resamples(n_prompts, seed, size)])
    return percentile_estimate(value, resampled, n_prompts)


def percentile_estimate(value: float, resampled: Numbers, n_prompts: int) -> Estimate:
    """Return a value with the expanded percentile interval of what it is in each resample; undefined ones are left out.

    Examples
    --------
    >>> estimate = percentile_estimate(0.5, np.linspace(0, 1, 10_001), n_prompts=10_000)
    >>> round(estimate.low, 3), round(estimate.high, 3)
    (0.025, 0.975)
    """
    defined = np.sort(resampled[np.isfinite(resampled)])
    if n_prompts < MIN_PROMPTS or not len(defined):
        return Estimate(n_prompts, value, np.nan, np.nan)
    low, high = np.quantile(defined, expanded_percentiles(n_prompts))
    return Estimate(n_prompts, value, float(low), float(high), _percentile_p_value(defined, n_prompts))


def _percentile_p_value(resampled: Numbers, n_prompts: int) -> float:
    """Return twice the smaller tail beyond zero, the expansion taken back."""
    tail = max(min(_share_up_to_zero(resampled), _share_up_to_zero(-resampled[::-1])), 0.5 / len(resampled))
    return float(min(1.0, 2 * t_tail(-normal_quantile(tail) * np.sqrt((n_prompts - 1) / n_prompts), n_prompts - 1)))


def _share_up_to_zero(resampled: Numbers) -> float:
    """Return the highest probability whose quantile is not above zero, the quantiles being numpy's."""
    n_up_to_zero = int(np.searchsorted(resampled, 0.0, side="right"))
    if n_up_to_zero in (0, len(resampled)):
        return float(n_up_to_zero > 0)
    below, above = resampled[n_up_to_zero - 1], resampled[n_up_to_zero]
    return float((n_up_to_zero - 1 - below / (above - below)) / (len(resampled) - 1))


def estimate_means(values: Numbers, seed: int) -> list[Estimate]:
    r"""Return the mean of each column with its studentised bootstrap interval.

    Each resample of the prompts gives :math:`t^* = (\bar x^* - \bar x) / s^*`, with :math:`s^*` its own standard
    error; the interval is :math:`\bar x - t^*_{.975} s` to :math:`\bar x - t^*_{.025} s`. Its two sides differ where
    scores are skewed or pressed against an end of their scale, as most scores are, and there it covers better than
    Student's t, the percentiles and BCa (see the simulations in ``evals/rating/statistics/README.md``).

    Parameters
    ----------
    values
        One row a prompt, one column a mean that is asked for, NaN where a prompt has no value.
    seed
        Of the random generator.

    Notes
    -----
    A resample that draws equal values only has no error of its own and would make the bound infinite. No resample is
    taken to vary less than an n-th of what the scores do; this changes nothing but nearly constant columns.
    Above `MANY_PROMPTS` prompts the interval is Student's t. An interval may end outside the range of the scores:
    `Estimate.within` cuts it.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 12; Hall 1988, Theoretical comparison of
    bootstrap confidence intervals, Annals of Statistics 16.

    Examples
    --------
    >>> (estimate,) = estimate_means(np.arange(20.0)[:, None], seed=0)
    >>> estimate.value, bool(6 < estimate.low < 7.5), bool(11.5 < estimate.high < 13), estimate.p_value < 0.001
    (9.5, True, True, True)
    """
    return _by_size(
        values, lambda scored: _studentised(scored, seed) if len(scored) <= MANY_PROMPTS else _student(scored)
    )


def estimate_differences(differences: Numbers) -> list[Estimate]:
    r"""Return the mean of each column of paired differences with Student's t interval, :math:`\bar d \pm t s/\sqrt n`.

    What skews the scores of two systems skews both, so that their differences are nearly symmetric: there Student's t
    covers best, and what corrects for skewness takes chance for it. (See the simulations in
    ``evals/rating/statistics/README.md``.)

    Parameters
    ----------
    differences
        One row a prompt, one column a pair of systems, as `paired_differences` makes them; NaN where one of the two
        has no value.

    Notes
    -----
    Differences that are all the same have an interval without width: not separable if they are zero (p = 1).

    References
    ----------
    Student 1908, The probable error of a mean, Biometrika 6.

    Examples
    --------
    >>> differences = np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0, 0.06, -0.02, 0.03, 0.05])
    >>> (estimate,) = estimate_differences(differences[:, None])
    >>> round(estimate.value, 3), round(estimate.low, 4), round(estimate.high, 4), round(estimate.p_value, 6)
    (0.025, 0.0056, 0.0444, 0.017357)
    """
    return _by_size(differences, _student)


def paired_differences(first: Numbers, second: Numbers) -> Numbers:
    """Return the first minus the second, and zero where they differ by the last digits of a float alone.

    The same repeats averaged in another order give means that differ so; without any other difference to hold it
    against, such a one would be taken for a steady lead.

    Examples
    --------
    >>> paired_differences(np.array([0.1 + 0.2, 1.0]), np.array([0.3, 0.5])).tolist()
    [0.0, 0.5]
    """
    return np.where(np.isclose(first, second, rtol=1e-14, atol=0), 0.0, first - second)


def _by_size(values: Numbers, estimate: Callable[[Numbers], list[Estimate]]) -> list[Estimate]:
    """Return one estimate a column, columns with the same number of values together, for they share their draws."""
    columns = [column[np.isfinite(column)] for column in values.T]
    places: dict[int, list[int]] = {}
    for place, column in enumerate(columns):
        places.setdefault(len(column), []).append(place)
    estimates: dict[int, Estimate] = {}
    for same_size in places.values():
        estimates |= zip(same_size, estimate(np.column_stack([columns[place] for place in same_size])), strict=True)
    return [estimates[place] for place in range(len(columns))]


def _student(values: Numbers) -> list[Estimate]:
    n = len(values)
    means = values.mean(axis=0) if n else np.full(values.shape[1], np.nan)
    if n < MIN_PROMPTS:
        return [Estimate(n, float(mean), np.nan, np.nan) for mean in means]
    # Deviations keep their digits whatever the offset, and a constant column gets an interval of no width.
    errors = np.sqrt(((values - means) ** 2).sum(axis=0) / (n * (n - 1)))
    margins = t_quantile((1 + CONFIDENCE) / 2, n - 1) * errors
    ratios = np.divide(np.abs(means), errors, out=np.where(means == 0, 0.0, np.inf), where=errors > 0)
    return _estimates(n, means, means - margins, means + margins, 2 * t_tail(ratios, n - 1))


def _studentised(values: Numbers, seed: int) -> list[Estimate]:
    n = len(values)
    if n < MIN_PROMPTS:
        return _student(values)
    # Columns become rows: the resamples of one mean lie side by side, as they are sorted.
    draws = np.concatenate(list(prompt_resamples(n, seed))).T
    n_resamples = draws.shape[1]
    rank = int((n_resamples + 1) * (1 - CONFIDENCE) / 2)
    estimates = []
    for start in range(0, values.shape[1], step := max(1, _BOUNDS_AT_ONCE // n_resamples)):
        scores = values[:, start : start + step].T
        means = scores.mean(axis=1, keepdims=True)
        deviations = scores - means
        variances = (deviations**2).mean(axis=1, keepdims=True)
        shifts = deviations @ draws / n
        spreads = np.maximum((deviations**2) @ draws / n - shifts**2, variances / n)
        bounds = means - shifts * np.sqrt(np.divide(variances, spreads, out=np.ones_like(spreads), where=spreads > 0))
        # Scores of few values put many a bound at zero itself, which the sum of floats may miss by a rounding.
        bounds[np.abs(bounds) <= 1e-12 * np.abs(means)] = 0.0
        ordered = np.partition(bounds, [rank - 1, n_resamples - rank], axis=1)
        beyond = np.minimum((bounds <= 0).sum(axis=1), (bounds >= 0).sum(axis=1))
        # With half a resample added the p-value is never zero, and 0.05 falls between the ranks of the bounds.
        p_values = np.minimum(1.0, (2 * beyond + 1) / (n_resamples + 1))
        estimates += _estimates(n, means[:, 0], ordered[:, rank - 1], ordered[:, n_resamples - rank], p_values)
    return estimates


def _estimates(n: int, means: Numbers, lows: Numbers, highs: Numbers, p_values: Numbers) -> list[Estimate]:
    bounds = (column.tolist() for column in (means, lows, highs, p_values))
    return [Estimate(n, *numbers) for numbers in zip(*bounds, strict=True)]
