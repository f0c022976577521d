"""Whole evals whose truth is known, with places on the scale as the rows of the main eval have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from evals.facts.use_cases import Requirements, read_use_cases
from evals.rating.stars.recommendations import recommend, weigh
from evals.rating.stars.table import RatedRow
from evals.rating.stars.totals import totals
from evals.rating.stars.verdicts import settle
from tests.evals.rating.stars.rated_rows import rated_row

Numbers = np.ndarray


def clipped(mean: float, sd: float) -> Callable[[Numbers], Numbers]:
    """Return normal places of which some lie beyond an end of the scale."""
    return lambda level: np.clip(mean + sd * special.ndtri(level), 0, 1)


def rate(share: float) -> Callable[[Numbers], Numbers]:
    return lambda level: (level > 1 - share).astype(float)


def skewed(power: float) -> Callable[[Numbers], Numbers]:
    """Return places most of which lie near 1, with a long tail below."""
    return lambda level: level ** (1 / power)


def read_or_not(share: float) -> Callable[[Numbers], Numbers]:
    """Return 1 for a share of the prompts, anything below for the others, as texts are read."""
    return lambda level: np.where(level > 1 - share, 1.0, level / (1 - share))


def steps(number: int) -> Callable[[Numbers], Numbers]:
    """Return shares of a few things that were asked for."""
    return lambda level: np.floor(level * (number + 1)) / number


def all_or_little(level: Numbers) -> Numbers:
    """Return places in two heaps, as faces are the same or another's."""
    return np.where(level > 0.3, 0.85 + 0.1 * level, 0.1 + 0.2 * level)


@dataclass(frozen=True)
class Row:
    """A row of a simulated eval: the suite that it is about and the quantile function of its places."""

    suite: str
    quantile: Callable[[Numbers], Numbers]


SUITES = {
    "cinematic": 30, "imprecise": 30, "precise": 40, "scenes": 40, "identity": 12, "identity-reference": 12,
    "editing": 30, "typography": 48, "repeatability": 16, "realism": 20, "stories": 12, "brands": 12, "logic": 20,
}  # fmt: skip
"""The prompts of the main eval, sequences counted once."""

ROWS = {
    "cinematic": Row("cinematic", clipped(0.5, 0.2)),
    "editing": Row("editing", clipped(0.7, 0.25)),
    "imprecise": Row("imprecise", clipped(0.6, 0.3)),
    "precise": Row("precise", clipped(0.6, 0.3)),
    "identity": Row("identity", skewed(5)),
    "scenes": Row("scenes", steps(4)),
    "speed-4k": Row("logic", clipped(0.3, 0.1)),
    "cost": Row("logic", clipped(0.6, 0.02)),
    "identity-reference": Row("identity-reference", all_or_little),
    "text": Row("typography", read_or_not(0.6)),
    "reproducibility": Row("repeatability", skewed(20)),
    "realism": Row("realism", clipped(0.5, 0.2)),
    "stories": Row("stories", steps(2)),
    "brands": Row("brands", steps(3)),
    "logic": Row("logic", rate(0.6)),
    "latency": Row("logic", clipped(0.8, 0.15)),
    "lines": Row("typography", rate(0.85)),
}


def simulated_rows(n_systems: int, rng: np.random.Generator, leads: Mapping[str, float] | None = None):
    """Return the rated rows of an eval of equal systems, but for what the first one leads by in some rows.

    Of what decides a place two fifths are the prompt's, three tenths the system's on that prompt in all rows of the
    suite, three tenths the row's own.
    """
    systems = [f"s{place}" for place in range(n_systems)]
    by_suite = {
        suite: np.sqrt(0.4) * rng.standard_normal(n) + np.sqrt(0.3) * rng.standard_normal((n_systems, n))
        for suite, n in SUITES.items()
    }
    rated = []
    for row_id, row in ROWS.items():
        shared = by_suite[row.suite]
        level = special.ndtr(shared + np.sqrt(0.3) * rng.standard_normal(shared.shape))
        places = row.quantile(level)
        places[0] = np.clip(places[0] + (leads or {}).get(row_id, 0.0), 0, 1)
        rated.append(rated_row(row_id, suite=row.suite, shares=dict(zip(systems, places, strict=True))))
    return systems, rated


def use_cases():
    """Return the use cases that come with TwinLens, as if every system could do what they need."""
    return [case.model_copy(update={"requires": Requirements()}) for case in read_use_cases()]


@dataclass(frozen=True)
class Named:
    """Who is named in an eval: the rows and the use cases in which, and the totals by which."""

    rows: frozenset[str]
    totals: int
    use_cases: int

    def __bool__(self) -> bool:
        return bool(self.rows) or self.totals + self.use_cases > 0


def named(systems: list[str], rated: list[RatedRow]) -> Named:
    """Return who is named in an eval, all of it settled together as `award_stars` does."""
    total, weighed = totals(rated, systems), [weigh(case, rated, systems) for case in use_cases()]
    settle(rated, [total, *(one.totals for one in weighed if one.may_name)])
    return Named(
        rows=frozenset(one.row["id"] for one in rated if any(row["better_system"] for row in one.row["differences"])),
        totals=sum(row["better_system"] is not None for row in total["differences"]),
        use_cases=sum(recommend(one)["system"] is not None for one in weighed),
    )
