"""From ratings to comparison tables: what each system reached, how two differ, and what was not scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evals.rating.comparison import PairedDifference, SystemMean
from evals.rating.ratings import Ratings
from evals.reporting import formatting
from metrics.specification import Better


@dataclass(frozen=True, slots=True)
class Cell:
    """What one system reached in one metric and suite."""

    system: str
    mean: str
    interval: str
    prompts: str
    coverage: str
    reasons: dict[str, int]

    @property
    def missing(self) -> tuple[str, ...]:
        """Every reason for no value, with its count."""
        return tuple(f"{formatting.reason(code)} ({n:,})" for code, n in sorted(self.reasons.items()))


@dataclass(frozen=True, slots=True)
class Difference:
    """How two systems differ in one metric and suite: first minus second over their common prompts, no verdict."""

    system_a: str
    system_b: str
    mean: str
    interval: str
    prompts: str


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric in one suite: a cell a system, in the report's order of systems, and the differences."""

    metric: str
    title: str
    unit: str
    better: Better
    encoders: tuple[str, ...]
    cells: tuple[Cell, ...]
    differences: tuple[Difference, ...]

    @property
    def direction(self) -> str:
        """Which way is better, in words; empty where neither is."""
        return formatting.direction(self.better)

    @property
    def heading(self) -> str:
        """Title, unit and direction in one line."""
        return f"{self.title} ({', '.join(filter(None, (self.unit, self.direction)))})"


@dataclass(frozen=True, slots=True)
class Missing:
    """How often one reason stands in place of a value of one metric, by system."""

    reason: str
    title: str
    suites: tuple[str, ...]
    counts: tuple[int, ...]


def dimension_of(metric_id: str) -> str:
    """Return the part of a metric id before the dot."""
    return metric_id.split(".", 1)[0]


def metric_lines(rows: Sequence[SystemMean], ratings: Ratings) -> tuple[MetricLine, ...]:
    """Return a line for each metric of the given rows of the ratings, which are all of one suite."""
    lines = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        by_system = {row["system"]: row for row in rows if row["metric"] == metric}
        first = next(iter(by_system.values()))
        lines.append(
            MetricLine(
                metric,
                first["title"],
                formatting.unit_label(first["unit"]),
                first["better"],
                tuple(sorted({row["encoder"] for row in by_system.values() if row["encoder"]})),
                tuple(_cell(system, by_system.get(system), first["unit"]) for system in ratings["systems"]),
                tuple(difference(row, first["unit"]) for row in differences_of(first, ratings)),
            )
        )
    return tuple(lines)


def _cell(system: str, row: SystemMean | None, unit: str) -> Cell:
    if row is None:
        return Cell(system, "not measured", "", "", "", {})
    mean, interval = formatting.estimate(row["mean"], row["low"], row["high"], unit)
    coverage = f"{row['n_scored']:,} of {row['n_scored'] + row['n_unscored']:,} scored"
    prompts = formatting.pluralize(row["n_prompts"], "prompt") if row["n_scored"] else ""
    return Cell(system, mean or "not scored", interval, prompts, coverage, row["reasons"])


def differences_of(row: SystemMean, ratings: Ratings) -> list[PairedDifference]:
    """Return the differences between systems in a row's metric and suite."""
    key = (row["metric"], row["suite"])
    return [pair for pair in ratings["differences"] if (pair["metric"], pair["suite"]) == key]


def difference(row: PairedDifference, unit: str) -> Difference:
    """Return one paired difference as a reader sees it."""
    mean, interval, prompts = "", "", "no common prompt"
    if row["mean"] is not None:
        mean, interval = formatting.difference(row["mean"], row["low"], row["high"], unit)
        prompts = f"over {formatting.pluralize(row['n_prompts'], 'common prompt')}"
    return Difference(row["system_a"], row["system_b"], mean, interval, prompts)


def missing(ratings: Ratings) -> list[Missing]:
    """Return every reason with its count by system, most frequent first, of the metrics that have any value."""
    measured = {row["metric"] for row in ratings["rows"] if row["mean"] is not None}
    counts: dict[tuple[str, str], Counter[str]] = {}
    suites: dict[tuple[str, str], dict[str, None]] = {}
    for row in ratings["rows"]:
        for code, n in row["reasons"].items() if row["metric"] in measured else ():
            key = (formatting.reason(code), row["title"])
            counts.setdefault(key, Counter())[row["system"]] += n
            suites.setdefault(key, {})[formatting.suite_name(row["suite"])] = None
    reasons = [
        Missing(*key, tuple(suites[key]), tuple(by_system[system] for system in ratings["systems"]))
        for key, by_system in counts.items()
    ]
    return sorted(reasons, key=lambda item: (-sum(item.counts), item.reason, item.title))
