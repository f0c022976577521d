"""More than two systems on one scale: who does better on how many prompts, whatever rows these are of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.stars.table import RatedRow
from evals.rating.stars.totals import prompts_of
from evals.rating.statistics.bradley_terry import BradleyTerry, bradley_terry


class SystemStrength(TypedDict):
    """The log-strength of one system with its 95 % interval; all of them sum to zero."""

    system: str
    log_strength: float | None
    low: float | None
    high: float | None


class BradleyTerryStrengths(TypedDict):
    """Bradley-Terry strengths over all prompts of a star table that two systems or more were rated on.

    ``note`` says why a strength has no bound or why there are none.
    """

    n_prompts: int
    systems: list[SystemStrength]
    note: str | None


def bradley_terry_strengths(
    rated: Sequence[RatedRow], systems: Sequence[str], seed: int = 0
) -> BradleyTerryStrengths | None:
    """Return the strengths of three systems or more, None for fewer, whose paired difference says it all.

    Every prompt is one meeting of all systems that were rated on it: rows that share it are averaged inside it first,
    so that no prompt counts twice. Two systems meet where they have at least 5 prompts in common; where such meetings,
    through others too, do not join all systems, there are no strengths. Rows that drift with the hour are no meetings:
    who was asked at a better one has won nothing.

    Parameters
    ----------
    rated
        The rows, as `evals.rating.stars.table.rate_rows` returns them.
    systems
        In the order of the table.
    seed
        Of the bootstrap over prompts.
    """
    if len(systems) < 3:
        return None
    tables = []
    for one in rated:
        if one.prompt_scores is not None and one.prompt_scores.asked_at is None:
            places = one.prompt_scores.shares.reindex(columns=list(systems))
            places.index = pd.MultiIndex.from_tuples(prompts_of(one, places.index), names=["suite", "prompt"])
            tables.append(places)
    if not tables:
        return BradleyTerryStrengths(n_prompts=0, systems=[], note="no row has stars that do not drift with the hour")
    meetings = pd.concat(tables).groupby(level=[0, 1]).mean()
    meetings = meetings[meetings.count(axis=1) > 1]
    try:
        fitted = bradley_terry(meetings.to_numpy(np.float64), list(systems), seed)
    except ValueError as error:
        return BradleyTerryStrengths(n_prompts=len(meetings), systems=[], note=str(error))
    return BradleyTerryStrengths(
        n_prompts=len(meetings),
        systems=strengths_of(fitted),
        note=fitted.unbounded,
    )


def strengths_of(fitted: BradleyTerry) -> list[SystemStrength]:
    """Return the log-strengths of a fit as they are stored."""
    return [
        SystemStrength(
            system=system,
            log_strength=number_or_none(estimate.value),
            low=number_or_none(estimate.low),
            high=number_or_none(estimate.high),
        )
        for system, estimate in zip(fitted.systems, fitted.log_strengths, strict=True)
    ]
