"""Stars: places on the scale from 0 to 1 as 1 to 5 stars, with intervals, and every two systems compared in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.stars.asked_at import UNKNOWN, asked_together, difference_over_time, mean_over_time
from evals.rating.stars.prompt_scores import PromptScores
from evals.rating.statistics.coverage import coverage_caution, difference_caution
from evals.rating.statistics.equivalence import smallest_equivalence_margin, smallest_equivalence_margin_of_rates
from evals.rating.statistics.estimates import score_differences, score_means
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers, paired_differences
from evals.rating.statistics.over_time import in_stretches
from evals.rating.statistics.power import prompts_needed, smallest_detectable_difference
from evals.rating.statistics.proportions import is_rate, smallest_p_value
from evals.rating.statistics.wins import count_wins, sign_test

FEWEST, MOST = 1.0, 5.0

_STARS = MOST - FEWEST
"""Stars from chance to the ceiling of the scale."""

HALF_A_STAR = 0.5

_SCALE = (0.0, 1.0)

ROUNDING = 1e-12
"""What two places on the scale differ by at least, to be more than the rounding of floats."""


class StarCell(TypedDict):
    """What one system gets in one row.

    ``stars`` from 1 to 5 with the 95 % interval ``low`` to ``high``, ``shown`` in halves; all None where there are no
    stars, as there are none below 5 prompts, and ``reason`` says why. ``n_scored``, ``n_failed`` (counted as 0) and
    ``n_left_out`` are outcomes, ``reasons`` counts why. ``lowest`` and ``highest`` are the stars if everything that was
    left out had been worst or best, ``without_failures`` those if the system's failures were left out as well: what
    other policies would give. ``value`` is the plain number behind the stars, in the row's unit, ``caution`` what to be
    wary of in the interval.
    """

    system: str
    stars: float | None
    shown: float | None
    low: float | None
    high: float | None
    n_prompts: int
    n_scored: int
    n_failed: int
    n_left_out: int
    reasons: dict[str, int]
    lowest: float | None
    highest: float | None
    without_failures: float | None
    value: float | None
    caution: str | None
    reason: str | None


class StarDifference(TypedDict):
    """System A minus system B in stars, over the prompts that both were asked.

    There is no number below 5 common prompts. ``p_value`` is the pair's own; ``p_holm``, ``better_system`` and
    ``verdict`` are what `evals.rating.stars.verdicts.settle` makes of all that is compared in an eval, empty before.
    ``detectable`` is the smallest difference that so many prompts show with 80 % power in a row alone,
    ``prompts_for_half_a_star`` how many would show half a star, ``equal_within`` the margin within which the two are
    equal by two one-sided tests. ``wins``, ``ties`` and ``losses`` are A's by prompt, with the p-value of the
    ``sign_test``.
    """

    system_a: str
    system_b: str
    n_prompts: int
    stars: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    better_system: str | None
    detectable: float | None
    prompts_for_half_a_star: int | None
    equal_within: float | None
    wins: int
    ties: int
    losses: int
    sign_test: float | None
    caution: str | None
    verdict: str


def star_cells(
    scores: PromptScores, systems: Sequence[str], seed: int, values: pd.Series[float] | None = None
) -> list[StarCell]:
    """Return the stars of every system, in the order given; a system that was not asked has a reason instead.

    ``values`` are the plain numbers behind the stars, by system, where the row has one unit.
    """
    shares = scores.shares.reindex(columns=list(systems)).to_numpy(np.float64)
    plain = pd.Series(dtype=float) if values is None else values
    estimates = score_means(shares, _SCALE, seed, scores.rates)
    if scores.asked_at is not None:
        moments = scores.asked_at.reindex(columns=list(systems)).to_numpy(np.float64)
        estimates = [
            mean_over_time(column, asked_at, _SCALE) or estimate
            for column, asked_at, estimate in zip(shares.T, moments.T, estimates, strict=True)
        ]
    return [
        _cell(system, column, estimate, scores, float(plain.get(system, np.nan)))
        for system, column, estimate in zip(systems, shares.T, estimates, strict=True)
    ]


def _cell(system: str, shares: Numbers, estimate: Estimate, scores: PromptScores, value: float) -> StarCell:
    counts = scores.counts.reindex([system], fill_value=0).to_dict("records")[0]
    stars = in_stars(estimate.value, scores.chance) if estimate.n_prompts >= MIN_PROMPTS else None
    return StarCell(
        system=system,
        stars=stars,
        shown=in_halves(stars),
        low=in_stars(estimate.low, scores.chance),
        high=in_stars(estimate.high, scores.chance),
        n_prompts=estimate.n_prompts,
        n_scored=counts["n_scored"],
        n_failed=counts["n_failed"],
        n_left_out=counts["n_left_out"],
        reasons=scores.reasons.get(system, {}),
        lowest=_mean_stars(scores.lowest, system, scores.chance),
        highest=_mean_stars(scores.highest, system, scores.chance),
        without_failures=_mean_stars(scores.complete_case, system, scores.chance),
        value=number_or_none(value),
        caution=scores.cautions.get(system) or coverage_caution(shares, _SCALE, scores.rates),
        reason=None if stars is not None else _without_stars(estimate.n_prompts),
    )


def _without_stars(n_prompts: int) -> str:
    if n_prompts == 0:
        return "nothing of it could be measured for this system"
    return f"{n_prompts} prompt{'s' if n_prompts > 1 else ''}, and there are no stars below {MIN_PROMPTS}"


def in_stars(share: float, chance: float = 0.0) -> float | None:
    """Return a mean place on the scale as stars, ``1 + 4 (x - m) / (1 - m)`` above the chance m, clipped; None for NaN.

    Examples
    --------
    >>> in_stars(0.5), in_stars(1.2), in_stars(float("nan")), in_stars(0.6, chance=0.2), in_stars(0.1, chance=0.2)
    (3.0, 5.0, None, 3.0, 1.0)
    """
    above = (float(share) - chance) / (1 - chance)
    return FEWEST + _STARS * min(max(above, 0.0), 1.0) if np.isfinite(above) else None


def in_halves(stars: float | None) -> float | None:
    """Return stars rounded to halves, as they are drawn.

    Examples
    --------
    >>> in_halves(3.74), in_halves(3.76)
    (3.5, 4.0)
    """
    return None if stars is None else float(np.floor(2 * stars + 0.5) / 2)


def _mean_stars(table: pd.DataFrame, system: str, chance: float) -> float | None:
    known = table[system].dropna() if system in table else pd.Series(dtype=float)
    return in_stars(float(known.mean()), chance) if len(known) >= MIN_PROMPTS else None


def star_differences(scores: PromptScores, systems: Sequence[str], are_prices: bool = False) -> list[StarDifference]:
    """Return the paired difference of every two systems; `evals.rating.stars.verdicts.settle` gives the verdicts.

    Parameters
    ----------
    scores
        Of a row.
    systems
        In the order of the table.
    are_prices
        Whether they are prices, which are known and not measured.
    """
    present = [system for system in systems if system in scores.shares]
    sides = {system: scores.shares[system].to_numpy(np.float64) for system in present}
    return [_difference(a, b, sides[a], sides[b], scores, are_prices) for a, b in combinations(present, 2)]


def paired_estimate(first: Numbers, second: Numbers, are_prices: bool, rates: bool = False) -> Estimate:
    """Return the first system's mean place minus the second's, with the interval and p-value that a row gives them.

    A difference of prices that is the same on every prompt is a fact (p = 0). Of what is measured, no difference is
    surer than that of two rates, one of them 1 and one 0 on every prompt. Below 5 prompts nothing is compared.

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
    (estimate,) = score_differences(first[:, None], second[:, None], _SCALE, rates)
    return replace(estimate, p_value=max(estimate.p_value, smallest_p_value(n)))


def _difference(
    a: str, b: str, first: Numbers, second: Numbers, scores: PromptScores, are_prices: bool
) -> StarDifference:
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    caution = None
    if scores.asked_at is not None:
        moments = (scores.asked_at[system].to_numpy(np.float64)[both] for system in (a, b))
        together, caution = asked_together(*moments)
        first, second = first[together], second[together]
    n_prompts, differences, wins = len(first), paired_differences(first, second), count_wins(first, second)
    if caution is None or caution == UNKNOWN:
        estimate = paired_estimate(first, second, are_prices, scores.rates)
    else:
        differences = in_stretches(differences)
        estimate = difference_over_time(differences, n_prompts)
    stars_per_unit = _STARS / (1 - scores.chance)
    rates = is_rate(np.stack([first, second]), scores.rates)
    margin = smallest_equivalence_margin_of_rates(first, second) if rates else smallest_equivalence_margin(differences)
    detectable = smallest_detectable_difference(differences)
    return StarDifference(
        system_a=a,
        system_b=b,
        n_prompts=n_prompts,
        stars=_scaled(estimate.value, stars_per_unit),
        low=_scaled(estimate.low, stars_per_unit),
        high=_scaled(estimate.high, stars_per_unit),
        p_value=number_or_none(estimate.p_value),
        p_holm=None,
        better_system=None,
        detectable=stars_per_unit * detectable if np.isfinite(detectable) else None,
        prompts_for_half_a_star=(
            prompts_needed(
                HALF_A_STAR / stars_per_unit, float(differences.std(ddof=1) * np.sqrt(n_prompts / len(differences)))
            )
            if np.isfinite(detectable)
            else None
        ),
        equal_within=_scaled(margin, stars_per_unit),
        wins=wins.wins,
        ties=wins.ties,
        losses=wins.losses,
        sign_test=number_or_none(sign_test(wins)),
        caution=caution or difference_caution(first, second, _SCALE, scores.rates),
        verdict="",
    )


def _scaled(difference: float, stars_per_unit: float) -> float | None:
    """Return a difference of places in stars, at most what lies between the fewest and the most."""
    return min(max(stars_per_unit * float(difference), -_STARS), _STARS) if np.isfinite(difference) else None
