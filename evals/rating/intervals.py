"""95 % confidence intervals by a seeded bootstrap over prompts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Numbers = npt.NDArray[np.float64]

MIN_PROMPTS = 5
"""Below this many prompts no interval is given: no bootstrap of four values covers what it claims."""

CONFIDENCE = 0.95

MAX_RESAMPLES = 10_000
MIN_RESAMPLES = 1_000
_DRAWS_BUDGET = 10_000_000
_DRAWS_AT_ONCE = 500_000


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


@functools.lru_cache(maxsize=4)
def _draws(n_prompts: int, seed: int) -> npt.NDArray[np.uint8]:
    # Every metric of a suite is resampled over the same prompts, and drawing costs more than all their means.
    generator = np.random.default_rng(seed)
    draws = np.empty((resample_count(n_prompts), n_prompts), np.uint8)
    for row in draws:
        row[:] = np.bincount(generator.integers(n_prompts, size=n_prompts, dtype=np.int32), minlength=n_prompts)
    draws.setflags(write=False)
    return draws


def expanded_percentiles(n_prompts: int) -> tuple[float, float]:
    r"""Return the two probabilities whose quantiles of the bootstrap distribution bound the 95 % interval.

    The plain 2.5 % and 97.5 % are too narrow for few prompts, because the resamples' variance lacks the factor
    :math:`n/(n-1)` and no heavy tail of Student's t is in them. The expanded percentile interval puts both back:
    :math:`\Phi(\mp t_{n-1} \sqrt{n/(n-1)})`.

    Notes
    -----
    Simulated coverage of a mean: normal scores .91 with 5 prompts, .95 with 10, .95 with 20 and more; exponential ones
    .92 with 20, .94 with 100. Student's t does no better from 10 prompts on and leaves the range of bounded scores.
    (``pytest -m slow tests/evals/rating/test_intervals.py``)

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
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, n_prompts - 1) * np.sqrt(n_prompts / (n_prompts - 1))
    upper = float(stats.norm.cdf(quantile))
    return 1 - upper, upper


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic over ``n_prompts`` prompts and its 95 % interval; NaN where it or its interval is undefined."""

    n_prompts: int
    value: float
    low: float
    high: float


def bootstrap_estimate(statistic: Callable[[Numbers], Numbers], n_prompts: int, seed: int, size: int = 0) -> Estimate:
    """Return a statistic and its 95 % interval, from how often each prompt is drawn.

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
    value = statistic(np.ones((1, n_prompts)))[0]
    if n_prompts < MIN_PROMPTS:
        return Estimate(n_prompts, float(value), np.nan, np.nan)
    estimates = np.concatenate([statistic(draws) for draws in prompt_resamples(n_prompts, seed, size)])
    return Estimate(n_prompts, float(value), *_interval(estimates, n_prompts))


def estimate_means(values: Numbers, seed: int) -> list[Estimate]:
    """Return the mean of each column with its 95 % interval, all from the same resamples.

    Parameters
    ----------
    values
        One row a prompt, one column a mean that is asked for, NaN where a prompt has no value.
    seed
        Of the random generator.

    Examples
    --------
    >>> (estimate,) = estimate_means(np.arange(20.0)[:, None], seed=0)
    >>> estimate.value, bool(6 < estimate.low < 7.5), bool(11.5 < estimate.high < 13)
    (9.5, True, True)
    """
    scored = np.isfinite(values)
    n_prompts = [int(n) for n in scored.sum(axis=0)]
    with np.errstate(invalid="ignore"):
        means = np.where(scored, values, 0.0).sum(axis=0) / n_prompts
    # Deviations keep their digits whatever the offset, and a constant column gets an interval of no width.
    deviations, weights = np.where(scored, values - means, 0.0), scored.astype(np.float64)
    blocks = [np.empty((0, len(means)))]
    for draws in prompt_resamples(len(values), seed) if max(n_prompts, default=0) >= MIN_PROMPTS else ():
        with np.errstate(invalid="ignore"):
            blocks.append(means + (draws @ deviations) / (draws @ weights))
    resampled = np.concatenate(blocks)
    return [
        Estimate(n, float(mean), *_interval(resampled[:, column], n))
        for column, (n, mean) in enumerate(zip(n_prompts, means, strict=True))
    ]


def _interval(resampled: Numbers, n_prompts: int) -> tuple[float, float]:
    defined = resampled[np.isfinite(resampled)]
    if n_prompts < MIN_PROMPTS or not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, expanded_percentiles(n_prompts))
    return float(low), float(high)
