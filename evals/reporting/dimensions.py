"""The dimensions of a report: what each of them has measured, suite by suite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.rating.comparison import SystemMean
from evals.rating.ratings import Ratings
from evals.reporting import formatting
from evals.reporting.comparison import MetricLine, dimension_of, metric_lines
from evals.reporting.controls import seed_ratios
from evals.reporting.not_measured import most_frequent_reason
from metrics.catalogue import primary_metrics
from metrics.features import FEATURES


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of the report: its tables by suite, and those of suites that asked nothing of it.

    ``absent`` says why nothing of it was measured, empty where something was.
    """

    id: str
    title: str
    question: str
    absent: str
    notes: tuple[str, ...]
    suites: tuple[tuple[str, tuple[MetricLine, ...]], ...]
    incidental: tuple[tuple[str, tuple[MetricLine, ...]], ...]

    @property
    def encoders(self) -> list[str]:
        """The encoders behind its numbers."""
        named = {
            name for _, lines in self.suites for line in lines for names in line.encoders for name in names.split(", ")
        }
        return sorted(named)

    @property
    def relevant_suites(self) -> frozenset[str]:
        """The names of the suites that its figures and first table show."""
        return frozenset(suite for suite, _ in self.suites)

    @property
    def compared(self) -> bool:
        """Whether any two systems are compared in it."""
        return any(line.differences for _, lines in self.suites for line in lines)


def dimensions(ratings: Ratings, provenance: Mapping[str, Any], columns: Collection[str] = ()) -> list[Dimension]:
    """Return the dimensions in the report's order: the named ones always, others where they were measured.

    ``columns`` are those that the image set fills; they tell why a dimension was not measured.
    """
    order = dict.fromkeys([*formatting.DIMENSIONS, *(dimension_of(row["metric"]) for row in ratings["rows"])])
    return [_dimension(name, ratings, provenance, columns) for name in order]


def _dimension(name: str, ratings: Ratings, provenance: Mapping[str, Any], columns: Collection[str]) -> Dimension:
    title, question = formatting.DIMENSIONS.get(name, (name.replace("_", " ").capitalize(), ""))
    rows = [row for row in ratings["rows"] if dimension_of(row["metric"]) == name]
    # A metric without any value in the run is said to be missing once, and not in the tables of every suite.
    measured = {row["metric"] for row in rows if row["mean"] is not None}
    by_suite: dict[str | None, list[SystemMean]] = {}
    for row in rows:
        if row["metric"] in measured:
            by_suite.setdefault(row["suite"], []).append(row)
    absent = "" if any(row["mean"] is not None for row in rows) else _why_absent(name, rows, provenance, columns)
    tables = [(formatting.suite_name(suite), metric_lines(of_suite, ratings)) for suite, of_suite in by_suite.items()]
    asked = {formatting.suite_name(suite) for suite, of_suite in by_suite.items() if _asks(name, of_suite)}
    relevant = asked or {suite for suite, _ in tables}
    first, rest = (tuple(table for table in tables if (table[0] in relevant) == shown) for shown in (True, False))
    return Dimension(name, title, question, absent, seed_ratios(name, ratings), first, rest)


def _asks(name: str, rows: Sequence[SystemMean]) -> bool:
    """Return whether a suite asks something of a dimension: whether it has one of its primary metrics."""
    directed = {row["metric"] for row in rows if row["better"] != "neither"}
    primary = {spec.id for spec in primary_metrics(name)}
    return bool(directed & primary if primary else directed)


def _why_absent(name: str, rows: Sequence[SystemMean], provenance: Mapping[str, Any], columns: Collection[str]) -> str:
    if unavailable := _unavailable(name, provenance):
        return unavailable
    if reason := most_frequent_reason(rows):
        return formatting.reason(reason)
    if any(set(row.columns) <= set(columns) for row in primary_metrics(name) if not row.on_request):
        return "it was not measured in this run"
    return formatting.NOTHING_TO_MEASURE.get(name, "nothing was measured")


def _unavailable(name: str, provenance: Mapping[str, Any]) -> str:
    """Return the note of the encoder that the dimension needs, if none for its role was on the machine."""
    roles = {FEATURES[feature].role for row in primary_metrics(name) for feature in row.features}
    encoders = [encoder for encoder in provenance.get("encoders", ()) if encoder["role"] in roles]
    if any(encoder["status"] == "used" for encoder in encoders):
        return ""
    return next((encoder["note"] or formatting.reason("encoder_unavailable") for encoder in encoders), "")
