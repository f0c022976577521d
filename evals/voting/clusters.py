"""The mean of votes with an interval that knows two kinds of clusters: prompts, and voters across them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from evals.rating.statistics.intervals import CONFIDENCE, MIN_PROMPTS, Estimate, Numbers
from evals.rating.statistics.proportions import wilson_interval


def clustered_share(
    values: Numbers, prompts: npt.NDArray[np.intp], voters: npt.NDArray[np.intp], level: float = 0.5
) -> Estimate:
    r"""Return the mean over prompts of what voters said, from 0 to 1, with its 95 % interval.

    A prompt counts once, however many voted on it. With :math:`e_i = w_i (y_i - \bar y)` and :math:`w_i` one over the
    prompts and the votes on the prompt, the variance is that between P prompts and that between K voters together:

    .. math:: V = \frac{P}{P-1} \sum_p \Big(\sum_{i \in p} e_i\Big)^2
        + \frac{K}{K-1} \sum_v \Big(\sum_{i \in v} e_i\Big)^2

    These are the two-way clusters of Cameron, Gelbach and Miller (2011) without the term that they take away for what
    both have in common: with few voters it leaves intervals too narrow. The interval is Student's t with
    Satterthwaite's degrees of freedom.

    Parameters
    ----------
    values
        One a vote, 0 to 1.
    prompts, voters
        The prompt and the voter of each vote, as codes from 0.
    level
        What the p-value holds the mean against.

    Notes
    -----
    In simulations of 24 prompts it held the truth in 95 to 97 % of runs with six voters, and in 92 to 97 % with three,
    the less the more these differ (``pytest -s tests/evals/voting/test_people.py -k covers``); two voters who differ
    much are too few for any interval (88 %). Of one voter alone it says nothing of other voters.
    Where all votes on all prompts are the same there is no variance, and the interval is Wilson's over prompts. Below
    5 prompts there is none.
    """
    n_prompts, n_voters = int(prompts.max()) + 1, int(voters.max()) + 1
    weights = 1 / (n_prompts * np.bincount(prompts)[prompts])
    mean = float(weights @ values)
    if n_prompts < MIN_PROMPTS:
        return Estimate(n_prompts, mean, np.nan, np.nan)
    errors = weights * (values - mean)
    of_prompts = n_prompts / (n_prompts - 1) * float((np.bincount(prompts, errors) ** 2).sum())
    of_voters = 0.0
    if n_voters > 1:
        of_voters = n_voters / (n_voters - 1) * float((np.bincount(voters, errors) ** 2).sum())
    variance = of_prompts + of_voters
    if variance < 1e-18:
        low, high = wilson_interval(round(mean, 9), n_prompts)
        return Estimate(n_prompts, mean, low, high, np.nan)
    freedom = variance**2 / (of_prompts**2 / (n_prompts - 1) + of_voters**2 / max(n_voters - 1, 1))
    freedom = min(freedom, n_prompts - 1)
    error = float(np.sqrt(variance))
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(mean - level) / error, freedom))
    return replace(Estimate(n_prompts, mean, mean - margin, mean + margin).within(0.0, 1.0), p_value=p_value)


def more_prompts(estimate: Estimate, level: float = 0.5, most: int = 10_000) -> int | None:
    """Return about how many more prompts, with as many votes each, would part an estimate from a level.

    An interval narrows with the root of the prompts. 0 where it is parted already, None where there is no interval, or
    more than ``most`` would not do: then it may well be at the level.

    Examples
    --------
    >>> more_prompts(Estimate(20, 0.6, 0.4, 0.8)), more_prompts(Estimate(20, 0.6, 0.55, 0.65))
    (60, 0)
    """
    distance, half_width = abs(estimate.value - level), (estimate.high - estimate.low) / 2
    if not np.isfinite(half_width) or not distance:
        return None
    if not estimate.low <= level <= estimate.high:
        return 0
    more = int(np.ceil(round(estimate.n_prompts * ((half_width / distance) ** 2 - 1), 6)))
    return max(more, 1) if more <= most else None
