"""Whole evals whose truth is known, with places on the scale as the rows of the main eval have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from evals.facts.use_cases import Requirements, read_use_cases
from evals.rating.stars.table import RatedRow
from evals.rating.statistics.estimates import score_differences
from evals.rating.statistics.proportions import newcombe_interval, smallest_p_value
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
    """A row of a simulated eval: its suite, the quantile function of its places, whether they are of a rate."""

    suite: str
    quantile: Callable[[Numbers], Numbers]
    rates: bool = False


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
    "logic": Row("logic", rate(0.6), rates=True),
    "latency": Row("logic", clipped(0.8, 0.15)),
    "lines": Row("typography", rate(0.85), rates=True),
}


Places = Mapping[str, Numbers]
"""By row, the places of many evals: systems, prompts, evals."""


def simulated_places(
    n_systems: int, n_evals: int, rng: np.random.Generator, leads: Mapping[str, float] | None = None
) -> Places:
    """Return the places of evals of equal systems, but for what the first one leads by in some rows.

    Of what decides a place two fifths are the prompt's, three tenths the system's on that prompt in all rows of the
    suite, three tenths the row's own.
    """

    def noise(share: float, *shape: int) -> Numbers:
        return np.sqrt(share) * rng.standard_normal((*shape, n_evals))

    by_suite = {suite: noise(0.4, 1, n) + noise(0.3, n_systems, n) for suite, n in SUITES.items()}
    places = {}
    for row_id, row in ROWS.items():
        shared = by_suite[row.suite]
        of_row = row.quantile(special.ndtr(shared + noise(0.3, *shared.shape[:2])))
        of_row[0] = np.clip(of_row[0] + (leads or {}).get(row_id, 0.0), 0, 1)
        places[row_id] = of_row
    return places


def rated_eval(places: Places, number: int) -> tuple[list[str], list[RatedRow]]:
    """Return the systems and the rated rows of one of the evals."""
    systems = [f"s{place}" for place in range(len(next(iter(places.values()))))]
    return systems, [
        rated_row(
            row_id, suite=row.suite, rates=row.rates, shares=dict(zip(systems, of_row[:, :, number], strict=True))
        )
        for row_id, (row, of_row) in ((row_id, (ROWS[row_id], of_row)) for row_id, of_row in places.items())
    ]


def use_cases():
    """Return the use cases that come with TwinLens, as if every system could do what they need."""
    return [case.model_copy(update={"requires": Requirements()}) for case in read_use_cases()]


def weight_profiles() -> list[dict[str, float]]:
    """Return the weights of the total and of each use case, as shares of 1."""
    profiles = [
        dict.fromkeys(ROWS, 1.0),
        *({r: w for r, w in case.weights.items() if r in ROWS} for case in use_cases()),
    ]
    return [{row: weight / sum(of.values()) for row, weight in of.items()} for of in profiles]


def p_values(places: Places, a: int, b: int) -> tuple[Numbers, Numbers]:
    """Return the p-values of two systems in all rows, and by all weight profiles, of shape (rows or profiles, evals).

    The arithmetic of rows and totals for many evals at once.
    """
    means, of_rows, deviations, least_more = {}, [], {}, {}
    for row_id, (first, second) in ((row_id, (of_row[a], of_row[b])) for row_id, of_row in places.items()):
        n, differences = len(first), first - second
        estimates = score_differences(first, second, (0, 1), ROWS[row_id].rates)
        of_rows.append([max(one.p_value, smallest_p_value(n)) for one in estimates])
        means[row_id] = differences.mean(axis=0)
        deviations[row_id] = (differences - means[row_id]) / np.sqrt(n * (n - 1))
        farther = np.abs(means[row_id]) * (1 - newcombe_interval(np.ones(n), np.zeros(n))[0])
        for place in range(first.shape[1]) if ROWS[row_id].rates else ():
            low, high = newcombe_interval(first[:, place], second[:, place])
            farther[place] = max(high - means[row_id][place], means[row_id][place] - low)
        least = (farther / stats.t.ppf(0.975, n - 1)) ** 2
        least_more[row_id] = np.maximum(least - (deviations[row_id] ** 2).sum(axis=0), 0)
    return np.array(of_rows), np.array([_of_profile(w, means, deviations, least_more) for w in weight_profiles()])


def _of_profile(weights: dict[str, float], means: Places, deviations: Places, least_more: Places) -> Numbers:
    by_suite: dict[str, Numbers] = {}
    for row, weight in weights.items():
        by_suite[ROWS[row].suite] = by_suite.get(ROWS[row].suite, 0.0) + weight * deviations[row]
    parts = [((of_suite**2).sum(axis=0), len(of_suite) - 1) for of_suite in by_suite.values()]
    parts += [(weight**2 * least_more[row], len(deviations[row]) - 1) for row, weight in weights.items()]
    variance = sum(part for part, _ in parts)
    degrees = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    mean = sum(weight * means[row] for row, weight in weights.items())
    return 2 * stats.t.sf(np.abs(mean) / np.sqrt(variance), degrees)
