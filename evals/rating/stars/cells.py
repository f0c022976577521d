"""Stars: places on the scale from 0 to 1 as 1 to 5 stars, with intervals, and every two systems compared in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.stars.asked_at import mean_over_time
from evals.rating.stars.pairs import Pair, compare
from evals.rating.stars.prompt_scores import PromptScores
from evals.rating.statistics.coverage import coverage_caution, difference_caution
from evals.rating.statistics.equivalence import smallest_equivalence_margin, smallest_equivalence_margin_of_rates
from evals.rating.statistics.estimates import score_means
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers
from evals.rating.statistics.power import prompts_needed, smallest_detectable_difference
from evals.rating.statistics.proportions import is_rate
from evals.rating.statistics.wins import count_wins, sign_test

FEWEST, MOST = 1.0, 5.0

_STARS = MOST - FEWEST
"""Stars from chance to the ceiling of the scale."""

HALF_A_STAR = 0.5

_SCALE = (0.0, 1.0)


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
    """System A minus system B in stars, over the prompts that both were asked (`evals.rating.stars.pairs`).

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
        ends = [pd.MultiIndex.from_product([("first", "last"), (system,)]) for system in systems]
        moments = [scores.asked_at.reindex(columns=of).to_numpy(np.float64).mean(axis=1) for of in ends]
        estimates = [
            mean_over_time(column, asked_at, _SCALE) or estimate
            for column, asked_at, estimate in zip(shares.T, moments, estimates, strict=True)
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
    return [_difference(a, b, compare(scores, a, b, are_prices), scores) for a, b in combinations(present, 2)]


def _difference(a: str, b: str, pair: Pair, scores: PromptScores) -> StarDifference:
    n_prompts, lead, wins = len(pair.prompts), pair.lead, count_wins(pair.first, pair.second)
    if is_rate(np.stack([pair.first, pair.second]), scores.rates):
        margin = smallest_equivalence_margin_of_rates(pair.first, pair.second, pair.lift) / (1 - scores.chance)
    else:
        margin = smallest_equivalence_margin(pair.differences)
    detectable = smallest_detectable_difference(pair.differences)
    return StarDifference(
        system_a=a,
        system_b=b,
        n_prompts=n_prompts,
        stars=number_or_none(_STARS * lead.value),
        low=number_or_none(_STARS * lead.low),
        high=number_or_none(_STARS * lead.high),
        p_value=number_or_none(lead.p_value),
        p_holm=None,
        better_system=None,
        detectable=_STARS * detectable if np.isfinite(detectable) else None,
        prompts_for_half_a_star=(
            prompts_needed(
                HALF_A_STAR / _STARS,
                float(pair.differences.std(ddof=1) * np.sqrt(n_prompts / len(pair.differences))),
            )
            if np.isfinite(detectable)
            else None
        ),
        equal_within=number_or_none(min(_STARS * margin, _STARS)),
        wins=wins.wins,
        ties=wins.ties,
        losses=wins.losses,
        sign_test=number_or_none(sign_test(wins)),
        caution=pair.caution or difference_caution(pair.first, pair.second, _SCALE, scores.rates),
        verdict="",
    )
