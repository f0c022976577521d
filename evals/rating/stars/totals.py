"""Totals: the rows of a star table weighed together, how sure that is, and what other weights would change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.stars.cells import FEWEST, MOST
from evals.rating.stars.pairs import ROUNDING, Pair, compare
from evals.rating.stars.table import RatedRow
from evals.rating.statistics.distributions import t_quantile, t_tail
from evals.rating.statistics.intervals import CONFIDENCE, MIN_PROMPTS
from evals.rating.statistics.proportions import is_rate, newcombe_interval, smallest_p_value

_STARS = MOST - FEWEST

CONTRADICTED = "the prompts that both were rated on do not bear out the order of the totals"
"""Why nobody is named where the difference over common prompts and the totals, each over its own, have unlike signs."""


class SystemTotal(TypedDict):
    """The weighted mean of a system's stars, None where there is no total."""

    system: str
    stars: float | None


class TotalDifference(TypedDict):
    """System A minus system B in weighted stars, with the 95 % interval and the two-sided p-value.

    ``n_prompts`` are their common prompts in the row that has the fewest. ``p_holm`` and ``better_system`` are what
    `evals.rating.stars.verdicts.settle` makes of all that is compared in an eval, None before, and where it was not in
    the family. ``problem`` is None, or the sentence that says why nobody may be named. ``weight_to_move`` is the
    smallest share of all weight that must move between rows before the other system leads, None where no weights do
    that; ``decided_by`` are the rows, each with the factor by which its weight alone would have to change for a draw.
    """

    system_a: str
    system_b: str
    n_prompts: int
    stars: float
    low: float
    high: float
    p_value: float
    p_holm: float | None
    better_system: str | None
    problem: str | None
    weight_to_move: float | None
    decided_by: dict[str, float]


Difference = TypeVar("Difference", bound=Mapping[str, Any])


class Totals(TypedDict):
    """The totals over the rows in which every two systems have at least 5 prompts that compare them.

    ``weights`` are those of the rows that count, as shares of 1. ``indistinguishable_rows`` are those of them in which
    nobody has stars because nobody can be told from the control: they count as one star for everyone, since a row that
    dropped out there would reward being bad at it; ``most`` is therefore what a perfect system would have.
    ``left_out`` says of all other rows why they do not count; where nobody has stars in any row, none does.
    ``problem`` is None, or the sentence that says why nobody has a total.
    """

    weights: dict[str, float]
    most: float | None
    problem: str | None
    indistinguishable_rows: dict[str, str]
    left_out: dict[str, str]
    systems: list[SystemTotal]
    differences: list[TotalDifference]


def totals(rated: Sequence[RatedRow], systems: Sequence[str], weights: Mapping[str, float] | None = None) -> Totals:
    r"""Weigh the measured and computed rows of a star table together.

    .. math:: T_s = \sum_r w_r \bar u_{rs}, \qquad \sum_r w_r = 1,

    which no lower component can raise. Declared rows are never in it. A difference is made of those of the rows
    (`evals.rating.stars.pairs`). Rows may share their prompts, so its variance is summed over prompts, of what each of
    them adds in all rows together:

    .. math:: \sum_p \Big( \sum_r w_r \frac{d_{rp} - \bar d_r}{\sqrt{n_r (n_r - 1)}} \Big)^2,

    with degrees of freedom after Satterthwaite, the suites being the components. Rows that drift with the hour are a
    component of their own, whose prompts are the stretches of time behind the row's interval. A row of rates varies at
    least as much as Newcombe's interval of it says, and any other at least as much as that of two rates, one of them 1
    and one 0 on every prompt, so that a few prompts on which all agree are no certainty; prices are. The total of a
    single row is that row.

    Parameters
    ----------
    rated
        The rows, as `evals.rating.stars.table.rate_rows` returns them.
    systems
        In the order of the table; others have no say in which rows count. A single one has no total: it would be held
        against nothing.
    weights
        By row id, in place of the rows' own; rows that are not named have none.

    References
    ----------
    Satterthwaite 1946, An approximate distribution of estimates of variance components, Biometrics Bulletin 2.
    """
    row_weights = {one.row["id"]: one.row["weight"] for one in rated} if weights is None else dict(weights)
    counting, indistinguishable_rows, left_out = [], {}, {}
    for one in rated:
        row_id, weight = one.row["id"], row_weights.get(one.row["id"], 0.0)
        if weight > 0:
            if one.indistinguishable:
                indistinguishable_rows[row_id] = one.row["problem"] or ""
            elif why := _why_left_out(one, systems):
                left_out[row_id] = why
                continue
            counting.append((one, weight))
    if len(indistinguishable_rows) == len(counting):
        counting, indistinguishable_rows, left_out = [], {}, left_out | indistinguishable_rows
    whole = sum(weight for _, weight in counting)
    shares = [(one, weight / whole) for one, weight in counting]
    problem = _problem(systems, bool(shares), left_out)
    return Totals(
        weights={one.row["id"]: weight for one, weight in shares},
        most=MOST - _STARS * sum(weight for one, weight in shares if one.indistinguishable) if shares else None,
        problem=problem,
        indistinguishable_rows=indistinguishable_rows,
        left_out=left_out,
        systems=[SystemTotal(system=system, stars=None if problem else _total(shares, system)) for system in systems],
        differences=[] if problem else [_difference(shares, a, b) for a, b in combinations(systems, 2)],
    )


def select_totals(whole: Totals, systems: Sequence[str]) -> Totals:
    """Return the totals of some of the systems, over the rows that count for all of them: no number changes."""
    selected = whole.copy()
    selected["systems"] = [total for total in whole["systems"] if total["system"] in systems]
    selected["differences"] = select_pairs(whole["differences"], systems)
    return selected


def select_pairs(differences: Sequence[Difference], systems: Sequence[str]) -> list[Difference]:
    """Return the differences between two of the systems."""
    return [pair for pair in differences if pair["system_a"] in systems and pair["system_b"] in systems]


def _problem(systems: Sequence[str], any_counts: bool, left_out: Mapping[str, str]) -> str | None:
    if len(systems) < 2:
        return "a total is held against another system's, and there is none"
    if any_counts:
        return None
    return "no row counts" + "".join(f"; {row}: {why}" for row, why in list(left_out.items())[:1])


def _why_left_out(one: RatedRow, systems: Sequence[str]) -> str | None:
    if one.row["kind"] == "declared":
        return "declared, and declared rows are never mixed with measured ones"
    if one.prompt_scores is None:
        return one.row["problem"] or "it has no stars"
    with_stars = {cell["system"] for cell in one.row["cells"] if cell["stars"] is not None}
    if missing := [system for system in systems if system not in with_stars]:
        return f"it has no stars for {', '.join(missing)}"
    pairs = {names: compare(one.prompt_scores, *names) for names in combinations(systems, 2)}
    if too_few := {names: pair for names, pair in pairs.items() if len(pair.prompts) < MIN_PROMPTS}:
        (a, b), pair = min(too_few.items(), key=lambda found: len(found[1].prompts))
        n = len(pair.prompts)
        prompts = f"{n or 'no'} prompt{'' if n == 1 else 's'} in common there"
        why = f" ({pair.caution})" if pair.caution else ""
        return f"{a} and {b} have {prompts}{why}, and nothing is compared below {MIN_PROMPTS}"
    return None


def _total(shares: Sequence[tuple[RatedRow, float]], system: str) -> float:
    total = 0.0
    for one, weight in shares:
        stars = [cell["stars"] for cell in one.row["cells"] if cell["system"] == system]
        total += weight * (FEWEST if not stars or stars[0] is None else stars[0])
    return total


_OVER_TIME = "/"
"""In place of a suite: the stretches of time of the rows that drift with the hour."""


@dataclass
class _Spread:
    """What every prompt adds to the error of a weighted difference, by suite, and what few prompts add besides."""

    by_suite: dict[str, dict[str, float]] = field(default_factory=dict)
    of_few_prompts: list[tuple[float, int]] = field(default_factory=list)

    def add(self, one: RatedRow, weight: float, pair: Pair) -> None:
        """Add a row, in which two systems are compared."""
        differences, n, n_parts = pair.differences, len(pair.prompts), len(pair.differences)
        stretches = [(_OVER_TIME, str(place)) for place in range(n_parts)]
        prompts = stretches if pair.over_time else prompts_of(one, pair.prompts)
        additions = weight * (differences - differences.mean()) / np.sqrt(n_parts * (n_parts - 1))
        for (suite, prompt), addition in zip(prompts, additions, strict=True):
            of_suite = self.by_suite.setdefault(suite, {})
            of_suite[prompt] = of_suite.get(prompt, 0.0) + float(addition)
        if one.are_prices and np.ptp(differences) < ROUNDING:
            return
        scores = one.prompt_scores
        if pair.over_time:
            # As the row itself: no surer than two rates that differ on every prompt.
            farthest = abs(pair.lead.value) / -float(t_quantile(smallest_p_value(n) / 2, n_parts - 1))
            self.of_few_prompts.append((max(0.0, (weight * farthest) ** 2 - (additions**2).sum()), n_parts - 1))
            return
        if scores is not None and is_rate(np.stack([pair.first, pair.second]), scores.rates):
            low, high = newcombe_interval(pair.first, pair.second)
            mean = float((pair.first - pair.second).mean())
            farther = max(high - mean, mean - low) / (1 - scores.chance)
        else:
            farther = abs(pair.lead.value) * (1 - newcombe_interval(np.ones(n), np.zeros(n))[0])
        least = (weight * farther / t_quantile((1 + CONFIDENCE) / 2, n - 1)) ** 2
        self.of_few_prompts.append((max(0.0, float(least - (additions**2).sum())), n - 1))

    def interval(self, mean: float) -> tuple[float, float, float]:
        """Return the interval of the weighted mean difference and its p-value."""
        of_suites = [(math.fsum(a**2 for a in added.values()), len(added) - 1) for added in self.by_suite.values()]
        components = [
            (variance, max(degrees, 1)) for variance, degrees in [*of_suites, *self.of_few_prompts] if variance > 0
        ]
        variance = math.fsum(variance for variance, _ in components)
        # Rows that cancel leave the rounding of floats, not a lead.
        if math.sqrt(variance) < ROUNDING:
            return mean, mean, 1.0 if abs(mean) < ROUNDING else 0.0
        effective = variance**2 / math.fsum(part**2 / degrees for part, degrees in components)
        error = math.sqrt(variance)
        margin = float(t_quantile((1 + CONFIDENCE) / 2, effective)) * error
        return mean - margin, mean + margin, float(2 * t_tail(abs(mean) / error, effective))


def prompts_of(one: RatedRow, index: pd.Index[str]) -> list[tuple[str, str]]:
    """Return suite and prompt of a row's prompts; those of a suite at another size are the same prompts."""
    before = f"{one.row['suite']}/" if one.row["kind"] == "measured" else ""
    parts = (f"{before}{prompt}".partition("/") for prompt in index)
    return [(suite.partition("@")[0], prompt) for suite, _, prompt in parts]


def _difference(shares: Sequence[tuple[RatedRow, float]], a: str, b: str) -> TotalDifference:
    weights = {one.row["id"]: weight for one, weight in shares}
    by_row = dict.fromkeys(weights, 0.0)
    spread, pairs = _Spread(), []
    for one, weight in shares:
        if one.prompt_scores is not None:
            pair = compare(one.prompt_scores, a, b, one.are_prices)
            by_row[one.row["id"]] = pair.lead.value
            spread.add(one, weight, pair)
            pairs.append((pair, weight))
    mean = math.fsum(weights[row] * difference for row, difference in by_row.items())
    low, high, p_value = spread.interval(mean)
    if len(pairs) == 1:
        ((pair, weight),) = pairs
        low, high, p_value = weight * pair.lead.low, weight * pair.lead.high, pair.lead.p_value
    low, high = np.clip([low, high], -1, 1)
    shown = _total(shares, a) - _total(shares, b)
    return TotalDifference(
        system_a=a,
        system_b=b,
        n_prompts=min(len(pair.prompts) for pair, _ in pairs),
        stars=_STARS * mean,
        low=_STARS * float(low),
        high=_STARS * float(high),
        p_value=p_value,
        p_holm=None,
        better_system=None,
        problem=CONTRADICTED if min(abs(shown), abs(mean)) > ROUNDING and shown * mean < 0 else None,
        weight_to_move=weight_to_move(by_row, weights),
        decided_by=deciding_factors(by_row, weights),
    )


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
    factors = {}
    for row, difference in differences.items():
        others = sum(weights[other] * differences[other] for other in differences if other != row)
        if difference and (factor := -others / (weights[row] * difference)) > 0:
            factors[row] = factor
    return factors
