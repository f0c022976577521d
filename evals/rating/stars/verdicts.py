"""Verdicts: which system is better in a row, a total, a use case, all of them being one family of tests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from evals.rating.comparison import number_or_none
from evals.rating.stars.cells import FEWEST, MOST, StarDifference
from evals.rating.stars.table import RatedRow
from evals.rating.stars.totals import TotalDifference, Totals
from evals.rating.statistics.families import holm
from evals.rating.statistics.intervals import MIN_PROMPTS
from evals.rating.statistics.power import ALPHA

_Hypothesis = tuple[frozenset[str], frozenset[tuple[str, float]]]
"""That two systems are equal in rows with these weights."""


def settle(rated: Sequence[RatedRow], weighed: Sequence[Totals] = ()) -> int:
    """Correct the p-values of all that may name a better system together (Holm) and say who is better, in place.

    The family is every row, every total and every use case, each for every two systems. Whatever hangs together in it
    (totals and use cases are made of the rows), at most 5 % of evals without any difference name a system anywhere.
    What tests the same, a use case that weighs the rows as the total does, or one of a single row, counts once.

    Parameters
    ----------
    rated
        The rows of an eval.
    weighed
        Its total and those of the use cases that may name a system.

    Returns
    -------
    int
        How many comparisons the family has: those that could be made.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
    """
    family: dict[_Hypothesis, list[StarDifference | TotalDifference]] = {}
    for hypothesis, difference in _hypotheses(rated, weighed):
        family.setdefault(hypothesis, []).append(difference)
    p_values = [_or_nan(same[0]["p_value"]) for same in family.values()]
    for same, p_holm in zip(family.values(), holm(p_values), strict=True):
        for difference in same:
            difference["p_holm"] = number_or_none(p_holm)
            difference["better_system"] = None if difference.get("problem") else _better_system(difference)
    for one in rated:
        for row in one.row["differences"]:
            row["verdict"] = _verdict(row)
    return sum(not math.isnan(p_value) for p_value in p_values)


def _hypotheses(
    rated: Sequence[RatedRow], weighed: Sequence[Totals]
) -> Iterator[tuple[_Hypothesis, StarDifference | TotalDifference]]:
    for one in rated:
        for row in one.row["differences"]:
            yield _hypothesis(row, {one.row["id"]: 1.0}), row
    for totals in weighed:
        # Rows that count as one star for everyone make every difference smaller, and none another hypothesis.
        weights = {row: w for row, w in totals["weights"].items() if row not in totals["indistinguishable_rows"]}
        for total in totals["differences"]:
            yield _hypothesis(total, weights), total


def _hypothesis(difference: StarDifference | TotalDifference, weights: Mapping[str, float]) -> _Hypothesis:
    whole = sum(weights.values())
    shares = frozenset((row, round(weight / whole, 9)) for row, weight in weights.items())
    return frozenset((difference["system_a"], difference["system_b"])), shares


def _or_nan(number: float | None) -> float:
    return float("nan") if number is None else number


def _better_system(difference: StarDifference | TotalDifference) -> str | None:
    stars, p_holm = difference["stars"], difference["p_holm"]
    if stars is None or p_holm is None or p_holm >= ALPHA:
        return None
    return difference["system_a"] if stars > 0 else difference["system_b"]


def _verdict(row: StarDifference) -> str:
    stars, n_prompts = row["stars"], row["n_prompts"]
    if n_prompts == 0:
        return f"not comparable: {row['caution'] or 'no prompt was rated for both'}"
    if stars is None:
        in_common = f"{n_prompts} prompt{'s' if n_prompts > 1 else ''} in common"
        return f"not comparable: {in_common}, and nothing is compared below {MIN_PROMPTS}"
    if row["better_system"] is not None:
        return f"{row['better_system']} is ahead by {_amount(abs(stars))}"
    could = ""
    if row["detectable"] is not None:
        most = _amount(row["detectable"]) if row["detectable"] <= MOST - FEWEST else "no difference on the scale"
        could = f"; in a row alone {most} would have been seen"
    alone = row["p_value"] is not None and row["p_value"] < ALPHA
    among = " among so many comparisons (alone its interval excludes zero)" if alone else ""
    equal = f", equal within {_amount(row['equal_within'])}" if row["equal_within"] is not None else ""
    return f"not separable{among}{equal}{could}"


def _amount(stars: float) -> str:
    return f"{stars:.1f} stars" if stars >= 0.1 else f"{stars:.1g} stars"
