"""Rows of what drifts with the hour: places on the scale in the order of time, and pairs that were asked together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evals.rating.statistics.estimates import Range
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers, estimate_differences
from evals.rating.statistics.over_time import in_stretches
from evals.rating.statistics.proportions import smallest_p_value

TOGETHER_S = 600.0
"""How far apart two systems may be asked the same prompt, so that the hour is not taken for a difference."""

UNKNOWN = "when each was asked is not known, and what differs may be the hour"
_PAIRED = "it holds for the hours in which both were asked, prompt by prompt"


def mean_over_time(shares: Numbers, moments: Numbers, value_range: Range) -> Estimate | None:
    """Return the mean with an interval that allows for drift (`in_stretches`), None where no time is known.

    Parameters
    ----------
    shares, moments
        One a prompt: its place on the scale, NaN where it has none, and when it was asked, in seconds. Those of which
        no time is known follow the others.
    value_range
        Of the scale.
    """
    known = np.isfinite(shares)
    if not np.isfinite(moments[known]).any():
        return None
    ordered = shares[known][np.argsort(moments[known], kind="stable")]
    (estimate,) = estimate_differences(in_stretches(ordered)[:, None])
    lowest, highest = value_range
    cut = estimate.within(-np.inf if lowest is None else lowest, np.inf if highest is None else highest)
    return replace(cut, n_prompts=len(ordered))


def difference_over_time(stretches: Numbers, n_prompts: int) -> Estimate:
    """Return the mean of paired differences of places from 0 to 1 with an interval that allows for drift.

    ``stretches`` are the differences in the order of time as `in_stretches` returns them. No difference is surer than
    that of two rates on so many prompts, and nothing is compared below 5 of them.
    """
    if n_prompts < MIN_PROMPTS:
        return Estimate(n_prompts, np.nan, np.nan, np.nan)
    (estimate,) = estimate_differences(stretches[:, None])
    p_value = max(estimate.p_value, smallest_p_value(n_prompts))
    return replace(estimate.within(-1.0, 1.0), n_prompts=n_prompts, p_value=p_value)


def asked_together(first: Numbers, last: Numbers) -> tuple[npt.NDArray[np.intp], str | None]:
    """Return which pairs count, in the order of time, and what to know: a drift of the day is no difference of systems.

    A prompt counts where all requests that either system was rated on lie within ten minutes, and the time of each is
    known.

    Parameters
    ----------
    first, last
        When each prompt was first and last asked, in seconds: one row a prompt, one column a system, NaN where the time
        of a request is not known.

    Returns
    -------
    places, caution
        The places of the pairs that count.

    Examples
    --------
    >>> asked = np.array([[0.0, 5.0], [60.0, 7_200.0], [90.0, np.nan]])
    >>> asked_together(asked, asked + 1.0)[0].tolist()
    [0]
    """
    spans = last.max(axis=1) - first.min(axis=1)
    places = np.flatnonzero(spans <= TOGETHER_S)
    n, n_unknown, n_apart = len(spans), int(np.isnan(spans).sum()), int((spans > TOGETHER_S).sum())
    if n and n_unknown == n:
        return places, UNKNOWN
    parts = [_PAIRED] if len(places) else []
    if n_apart:
        parts.append(f"{n_apart} of {n} prompts were asked of them more than ten minutes apart and do not count")
    if n_unknown:
        parts.append(f"{n_unknown} of {n} prompts were asked at a time that is not known and do not count")
    return places[np.argsort((first + last).sum(axis=1)[places], kind="stable")], "; ".join(parts) or None
