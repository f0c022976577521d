r"""Two systems in one row: the prompts that compare them, and how far one is ahead in what lies above chance.

Stars begin at chance, the place m that arrangements known to be wrong have (`evals.rating.stars.chance`), and a mean
below it has one star, as one at chance has. So a difference is, on the common prompts,

.. math:: \frac{\max(\bar u_a, m) - \max(\bar u_b, m)}{1 - m},

a system below chance being lifted to it as a whole, by the same amount on every prompt. The paired differences vary as
they did, and two systems at or below chance are not told apart. Rows and totals are made of this alone, so that a
difference is that of the stars shown, where these are of the same prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evals.rating.stars.asked_at import asked_together, difference_over_time
from evals.rating.stars.prompt_scores import PromptScores
from evals.rating.statistics.estimates import score_differences
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers, paired_differences
from evals.rating.statistics.over_time import in_stretches
from evals.rating.statistics.proportions import smallest_p_value

_SCALE = (0.0, 1.0)

ROUNDING = 1e-12
"""What two places on the scale differ by at least, to be more than the rounding of floats."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems on the prompts of a row that compare them.

    ``first`` and ``second`` are their places there, from 0 to 1. ``lead`` is the first system's minus the second's as a
    share of the scale above chance, from -1 to 1, without a number below 5 prompts; ``differences``, in the same unit,
    are what its interval is made of: one a prompt or, ``over_time``, what `in_stretches` makes of them. ``lift`` is
    what was added to every difference of places, since a system is below chance. ``caution`` says what to know where
    places drift with the hour.
    """

    prompts: pd.Index[str]
    first: Numbers
    second: Numbers
    differences: Numbers
    lead: Estimate
    lift: float
    over_time: bool
    caution: str | None


def compare(scores: PromptScores, a: str, b: str, are_prices: bool = False) -> Pair:
    """Compare two systems in a row, by name; ``are_prices`` says that its values are known and not measured."""
    first, second = (scores.shares[system].to_numpy(np.float64) for system in (a, b))
    places, caution = np.flatnonzero(np.isfinite(first) & np.isfinite(second)), None
    over_time = scores.asked_at is not None
    if scores.asked_at is not None:
        ends = (scores.asked_at[end][[a, b]].to_numpy(np.float64)[places] for end in ("first", "last"))
        together, caution = asked_together(*ends)
        places = places[together]
    first, second = first[places], second[places]
    lift = _below(first, scores.chance) - _below(second, scores.chance)
    differences = paired_differences(first, second) + lift
    if over_time:
        differences = in_stretches(differences)
        lead = difference_over_time(differences, len(places))
    else:
        lead = paired_estimate(first, second, are_prices, scores.rates, lift)
    if len(places) >= MIN_PROMPTS and max(first.mean(), second.mean()) <= scores.chance + ROUNDING:
        lead = replace(lead, value=0.0, p_value=1.0)
    above = 1 - scores.chance
    value, low, high = np.clip(np.array([lead.value, lead.low, lead.high]) / above, -1.0, 1.0).tolist()
    return Pair(
        prompts=scores.shares.index[places],
        first=first,
        second=second,
        differences=differences / above,
        lead=replace(lead, value=value, low=low, high=high),
        lift=lift,
        over_time=over_time,
        caution=caution,
    )


def _below(places: Numbers, chance: float) -> float:
    return max(chance - float(places.mean()), 0.0) if len(places) else 0.0


def paired_estimate(
    first: Numbers, second: Numbers, are_prices: bool, rates: bool = False, lift: float = 0.0
) -> Estimate:
    """Return the first system's mean place minus the second's, with the interval and p-value that a row gives them.

    A difference of prices that is the same on every prompt is a fact (p = 0). Of what is measured, no difference is
    surer than that of two rates, one of them 1 and one 0 on every prompt. Below 5 prompts nothing is compared.
    ``lift`` is added to the difference, which is as sure as without.

    Examples
    --------
    >>> steady = np.full(6, 0.5), np.full(6, 0.3)
    >>> round(paired_estimate(*steady, are_prices=False).p_value, 5), paired_estimate(*steady, are_prices=True).p_value
    (0.00014, 0.0)
    """
    differences, n = paired_differences(first, second), len(first)
    if n < MIN_PROMPTS:
        return Estimate(n, np.nan, np.nan, np.nan)
    if are_prices and np.ptp(differences) < ROUNDING:
        price = float(differences.mean())
        return Estimate(n, price, price, price, float(abs(price) < ROUNDING))
    (estimate,) = score_differences(first[:, None], second[:, None], _SCALE, rates, lift)
    return replace(estimate, p_value=max(estimate.p_value, smallest_p_value(n)))
