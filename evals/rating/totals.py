"""Totals: the rows of a star table weighed together, how sure that is, and what other weights would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypedDict

import numpy as np
from scipy import stats

from evals.rating.comparison import number_or_none
from evals.rating.intervals import CONFIDENCE, MIN_PROMPTS, Numbers, paired_differences
from evals.rating.stars import FEWEST, MOST
from evals.rating.table import RatedRow

_STARS = MOST - FEWEST


class SystemTotal(TypedDict):
    """The weighted mean of a system's stars, None where a row gives it none."""

    system: str
    stars: float | None


class TotalDifference(TypedDict):
    """System A minus system B in weighted stars, with the 95 % interval and the two-sided p-value.

    ``better_system`` is named where the interval excludes zero. ``weight_to_move`` is the smallest share of all weight
    that must move between rows before the other system leads, None where no weights do that; ``decided_by`` are the
    rows, each with the factor by which its weight alone would have to change for a draw.
    """

    system_a: str
    system_b: str
    stars: float | None
    low: float | None
    high: float | None
    p_value: float | None
    better_system: str | None
    weight_to_move: float | None
    decided_by: dict[str, float]


class Totals(TypedDict):
    """The totals over the rows that every system has stars in.

    ``weights`` are those of the rows that count, as shares of 1; ``left_out`` says of the others why they do not.
    """

    weights: dict[str, float]
    left_out: dict[str, str]
    systems: list[SystemTotal]
    differences: list[TotalDifference]


def totals(rated: Sequence[RatedRow], systems: Sequence[str], weights: Mapping[str, float] | None = None) -> Totals:
    r"""Weigh the measured and computed rows of a star table together.

    .. math:: T_s = \sum_r w_r \bar u_{rs}, \qquad \sum_r w_r = 1,

    which no lower component can raise. Declared rows are never in it. Rows on the same suite share their prompts, so
    the variance of a difference is summed over prompts of what each of them adds to it,
    :math:`\sum_p (\sum_r w_r (d_{rp} - \bar d_r) / n_r)^2 \, n / (n - 1)`, over all suites; degrees of freedom after
    Satterthwaite.

    Parameters
    ----------
    rated
        The rows, as `evals.rating.table.rate_rows` returns them.
    systems
        In the order of the table.
    weights
        By row id, in place of the rows' own; rows that are not named have none.

    References
    ----------
    Satterthwaite 1946, An approximate distribution of estimates of variance components, Biometrics Bulletin 2.
    """
    wanted = {one.row["id"]: one.row["weight"] for one in rated} if weights is None else dict(weights)
    counting, left_out = [], {}
    for one in rated:
        weight = wanted.get(one.row["id"], 0.0)
        if weight > 0:
            why = _why_left_out(one, systems)
            if why is None:
                counting.append((one, weight))
            else:
                left_out[one.row["id"]] = why
    whole = sum(weight for _, weight in counting)
    shares = [(one, weight / whole) for one, weight in counting]
    return Totals(
        weights={one.row["id"]: weight for one, weight in shares},
        left_out=left_out,
        systems=[SystemTotal(system=system, stars=_total(shares, system)) for system in systems],
        differences=[_difference(shares, a, b) for a, b in combinations(systems, 2)] if shares else [],
    )


def _why_left_out(one: RatedRow, systems: Sequence[str]) -> str | None:
    if one.row["kind"] == "declared":
        return "declared, and declared rows are never mixed with measured ones"
    if one.outcomes is None:
        return one.row["problem"] or "it has no stars"
    missing = [cell["system"] for cell in one.row["cells"] if cell["stars"] is None]
    return f"it has no stars for {', '.join(missing)}" if missing else None


def _total(shares: Sequence[tuple[RatedRow, float]], system: str) -> float | None:
    if not shares:
        return None
    return sum(weight * cell["stars"] for one, weight in shares for cell in one.row["cells"]
               if cell["system"] == system and cell["stars"] is not None)  # fmt: skip


def _difference(shares: Sequence[tuple[RatedRow, float]], a: str, b: str) -> TotalDifference:
    by_row: dict[str, float] = {}
    added: dict[str, dict[str, float]] = {}
    too_few = False
    for one, weight in shares:
        table = one.outcomes.shares if one.outcomes is not None else None
        assert table is not None
        first, second = table[a].to_numpy(np.float64), table[b].to_numpy(np.float64)
        known = np.isfinite(first) & np.isfinite(second)
        differences = paired_differences(first[known], second[known])
        by_row[one.row["id"]] = float(differences.mean()) if len(differences) else np.nan
        if len(differences) < MIN_PROMPTS:
            too_few = True
            continue
        of_suite = added.setdefault(one.row["suite"] or one.row["id"], {})
        for prompt, addition in zip(
            table.index[known], weight * (differences - differences.mean()) / len(differences), strict=True
        ):
            of_suite[str(prompt)] = of_suite.get(str(prompt), 0.0) + float(addition)
    weights = {one.row["id"]: weight for one, weight in shares}
    mean = sum(weights[row] * difference for row, difference in by_row.items())
    low = high = p_value = np.nan
    if not too_few:
        low, high, p_value = _interval(mean, [np.array(list(prompts.values())) for prompts in added.values()])
    separable = np.isfinite(p_value) and p_value < 1 - CONFIDENCE
    return TotalDifference(
        system_a=a,
        system_b=b,
        stars=number_or_none(_STARS * mean),
        low=number_or_none(_STARS * low),
        high=number_or_none(_STARS * high),
        p_value=number_or_none(p_value),
        better_system=(a if mean > 0 else b) if separable else None,
        weight_to_move=weight_to_move(by_row, weights) if np.isfinite(mean) else None,
        decided_by=deciding_factors(by_row, weights) if np.isfinite(mean) else {},
    )


def _interval(mean: float, additions: Sequence[Numbers]) -> tuple[float, float, float]:
    """Return the interval of a weighted mean difference and its p-value, from what each prompt adds, suite by suite."""
    variances = np.array([(added**2).sum() * len(added) / (len(added) - 1) for added in additions])
    degrees = np.array([len(added) - 1 for added in additions])
    variance = variances.sum()
    if variance == 0:
        return mean, mean, 1.0 if mean == 0 else 0.0
    effective = variance**2 / (variances**2 / degrees).sum()
    error = float(np.sqrt(variance))
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, effective)) * error
    return mean - margin, mean + margin, float(2 * stats.t.sf(abs(mean) / error, effective))


def weight_to_move(differences: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """Return the smallest share of all weight that must move between rows for the totals to draw.

    Weight goes from the rows that speak most for the leader to the row that speaks most against it.

    Parameters
    ----------
    differences
        First system minus second on the scale, by row.
    weights
        Of the rows, summing to 1.

    Returns
    -------
    float or None
        From 0 to 1; None where no weights make the other system lead, because no row speaks for it.

    Examples
    --------
    >>> weight_to_move({"adherence": 0.5, "cost": -0.5}, {"adherence": 0.75, "cost": 0.25})
    0.25
    >>> weight_to_move({"adherence": 0.5, "cost": 0.1}, {"adherence": 0.5, "cost": 0.5}) is None
    True
    """
    lead = sum(weights[row] * difference for row, difference in differences.items())
    sign = 1.0 if lead >= 0 else -1.0
    against = min(sign * difference for difference in differences.values())
    if against >= 0:
        return None if lead != 0 else 0.0
    left, moved = abs(lead), 0.0
    for row in sorted(differences, key=lambda row: -sign * differences[row]):
        gain = sign * differences[row] - against
        if gain <= 0:
            break
        step = min(weights[row], left / gain)
        moved, left = moved + step, left - step * gain
        if left <= 1e-15:
            break
    return moved


def deciding_factors(differences: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Return by which factor the weight of each row alone would have to change for the totals to draw.

    Rows for which no factor does that are left out.

    Examples
    --------
    >>> deciding_factors({"adherence": 0.5, "cost": -0.5}, {"adherence": 0.8, "cost": 0.2})
    {'adherence': 0.25, 'cost': 4.0}
    """
    found = {}
    for row, difference in differences.items():
        others = sum(weights[other] * differences[other] for other in differences if other != row)
        if difference and (factor := -others / (weights[row] * difference)) > 0:
            found[row] = factor
    return found
