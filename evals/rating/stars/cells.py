"""Stars: places on the scale from 0 to 1 as 1 to 5 stars, with intervals, and every two systems compared in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.stars.prompt_scores import PromptScores
from evals.rating.statistics.coverage import coverage_caution, difference_caution
from evals.rating.statistics.equivalence import smallest_equivalence_margin, smallest_equivalence_margin_of_rates
from evals.rating.statistics.estimates import score_differences, score_means
from evals.rating.statistics.families import holm
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers, paired_differences
from evals.rating.statistics.power import ALPHA, prompts_needed, smallest_detectable_difference
from evals.rating.statistics.proportions import is_rate
from evals.rating.statistics.wins import count_wins, sign_test

FEWEST, MOST = 1.0, 5.0

_STARS = MOST - FEWEST
"""Stars per unit of the scale."""

HALF_A_STAR = 0.5 / _STARS

_SCALE = (0.0, 1.0)


class StarCell(TypedDict):
    """What one system gets in one row.

    ``stars`` from 1 to 5 with the 95 % interval ``low`` to ``high``, ``shown`` in halves; all None where there are no
    stars, and ``reason`` says why. ``n_scored``, ``n_failed`` (counted as 0) and ``n_left_out`` are outcomes,
    ``reasons`` counts why. ``lowest`` and ``highest`` are the stars if everything that was left out had been worst or
    best, ``without_failures`` those if the system's failures were left out as well: what other policies would give.
    ``value`` is the plain number behind the stars, in the row's unit, ``caution`` what to be wary of in the interval.
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

    ``p_value`` is the pair's own, ``p_holm`` corrected over all rows and pairs of the table; ``better_system`` is
    named only where the corrected one is below 0.05. ``detectable`` is the smallest difference that so many prompts
    show with 80 % power, ``prompts_for_half_a_star`` how many would show half a star, ``equal_within`` the margin
    within which the two are equal by two one-sided tests. ``wins``, ``ties`` and ``losses`` are A's by prompt, with the
    p-value of the ``sign_test``.
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
    return [
        _cell(system, column, estimate, scores, float(plain.get(system, np.nan)))
        for system, column, estimate in zip(systems, shares.T, score_means(shares, _SCALE, seed), strict=True)
    ]


def _cell(system: str, shares: Numbers, estimate: Estimate, scores: PromptScores, value: float) -> StarCell:
    counts = scores.counts.reindex([system], fill_value=0).to_dict("records")[0]
    stars = in_stars(estimate.value)
    return StarCell(
        system=system,
        stars=stars,
        shown=in_halves(stars),
        low=in_stars(estimate.low),
        high=in_stars(estimate.high),
        n_prompts=estimate.n_prompts,
        n_scored=counts["n_scored"],
        n_failed=counts["n_failed"],
        n_left_out=counts["n_left_out"],
        reasons=scores.reasons.get(system, {}),
        lowest=_mean_stars(scores.lowest, system),
        highest=_mean_stars(scores.highest, system),
        without_failures=_mean_stars(scores.complete_case, system),
        value=number_or_none(value),
        caution=coverage_caution(shares, _SCALE),
        reason=None if stars is not None else "nothing of it could be measured for this system",
    )


def in_stars(share: float) -> float | None:
    """Return a place on the scale as stars, ``1 + 4 x``, clipped; None for NaN.

    Examples
    --------
    >>> in_stars(0.5), in_stars(1.2), in_stars(float("nan"))
    (3.0, 5.0, None)
    """
    return FEWEST + _STARS * min(max(float(share), 0.0), 1.0) if np.isfinite(share) else None


def in_halves(stars: float | None) -> float | None:
    """Return stars rounded to halves, as they are drawn.

    Examples
    --------
    >>> in_halves(3.74), in_halves(3.76)
    (3.5, 4.0)
    """
    return None if stars is None else float(np.floor(2 * stars + 0.5) / 2)


def _mean_stars(table: pd.DataFrame, system: str) -> float | None:
    return in_stars(float(table[system].mean())) if system in table else None


def star_differences(scores: PromptScores, systems: Sequence[str]) -> list[StarDifference]:
    """Return the paired difference of every two systems; `settle` gives them their verdicts.

    Parameters
    ----------
    scores
        Of a row.
    systems
        In the order of the table.
    """
    present = [system for system in systems if system in scores.shares]
    sides = {system: scores.shares[system].to_numpy(np.float64) for system in present}
    return [_difference(a, b, sides[a], sides[b]) for a, b in combinations(present, 2)]


def _difference(a: str, b: str, first: Numbers, second: Numbers) -> StarDifference:
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    (estimate,) = score_differences(first[:, None], second[:, None], _SCALE)
    differences, wins = paired_differences(first, second), count_wins(first, second)
    rates = is_rate(np.concatenate([first, second]))
    margin = smallest_equivalence_margin_of_rates(first, second) if rates else smallest_equivalence_margin(differences)
    detectable = smallest_detectable_difference(differences)
    return StarDifference(
        system_a=a,
        system_b=b,
        n_prompts=estimate.n_prompts,
        stars=_scaled(estimate.value),
        low=_scaled(estimate.low),
        high=_scaled(estimate.high),
        p_value=number_or_none(estimate.p_value),
        p_holm=None,
        better_system=None,
        detectable=_scaled(detectable),
        prompts_for_half_a_star=(
            prompts_needed(HALF_A_STAR, float(differences.std(ddof=1))) if np.isfinite(detectable) else None
        ),
        equal_within=_scaled(margin),
        wins=wins.wins,
        ties=wins.ties,
        losses=wins.losses,
        sign_test=number_or_none(sign_test(wins)),
        caution=difference_caution(first, second, _SCALE),
        verdict="",
    )


def _scaled(difference: float) -> float | None:
    return _STARS * float(difference) if np.isfinite(difference) else None


def settle(families: Sequence[StarDifference]) -> None:
    """Correct the p-values of all differences of a table together (Holm) and write each verdict, in place."""
    nothing = float("nan")
    corrected = holm([nothing if row["p_value"] is None else row["p_value"] for row in families])
    for row, p_holm in zip(families, corrected, strict=True):
        row["p_holm"] = number_or_none(p_holm)
        row["better_system"], row["verdict"] = _verdict(row)


def _verdict(row: StarDifference) -> tuple[str | None, str]:
    stars, p_holm = row["stars"], row["p_holm"]
    if stars is None:
        return None, "not comparable: no prompt was rated for both"
    if p_holm is None:
        return (
            None,
            f"not separable: {row['n_prompts']} prompts in common, and there is no interval below {MIN_PROMPTS}",
        )
    if p_holm < ALPHA:
        better = row["system_a"] if stars > 0 else row["system_b"]
        return better, f"{better} is ahead by {_amount(abs(stars))}"
    could = ""
    if row["detectable"] is not None:
        could = f"; {_amount(row['detectable'])}" if row["detectable"] <= _STARS else "; no difference on the scale"
        could += " would have been seen"
    alone = row["p_value"] is not None and row["p_value"] < ALPHA
    among = " among so many rows (alone its interval excludes zero)" if alone else ""
    equal = f", equal within {_amount(row['equal_within'])}" if row["equal_within"] is not None else ""
    return None, f"not separable{among}{equal}{could}"


def _amount(stars: float) -> str:
    return f"{stars:.1f} stars" if stars >= 0.1 else f"{stars:.1g} stars"
