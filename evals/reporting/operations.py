"""What asking the systems was like, as a report prints it: outcomes, latency, cost and throughput by size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evals.facts.pricing import SIZES
from evals.rating.operations import SystemOperations, notes
from evals.rating.request_figures import MISSING, Figure
from evals.rating.stage import operations_by_size_of, operations_of
from evals.reporting import formatting
from evals.run import Run
from metrics.operations import OPERATIONS, OperationSpec

FIGURES: Mapping[str, OperationSpec] = {row.id: row for row in OPERATIONS}
"""Every figure by its id, in the order of the report."""

BY_SIZE = tuple(row.id for row in sorted(OPERATIONS, key=lambda row: row.by_size) if row.by_size)
"""The figures of small and large pictures side by side."""

_TIMED = ("s", "s per million pixels", "pictures per minute")
"""The units of figures that say nothing without the load and the hour in which they were measured."""

GREATER_OR_EQUAL = "\N{GREATER-THAN OR EQUAL TO}"


@dataclass(frozen=True, slots=True)
class OperationsCell:
    """One figure of one system and size: its value and interval, or why there is none. ``column`` is what varies.

    ``n`` is over how many requests, and of a time how many were in flight (``load``, where there were several) and in
    which hours.
    """

    column: str
    value: str
    interval: str
    n: str
    absent: str
    load: str = ""

    @property
    def text(self) -> str:
        """Value, interval, load and the reason for no value in one line."""
        interval = f" ({self.interval})" if self.interval else ""
        load = f", {self.load}" if self.load else ""
        return self.value + interval + load + (f": {self.absent}" if self.absent else "")


@dataclass(frozen=True, slots=True)
class OperationsLine:
    """One figure over all systems, in the section's order, or over all sizes, in theirs."""

    title: str
    unit: str
    direction: str
    in_summary: bool
    cells: tuple[OperationsCell, ...]

    @property
    def heading(self) -> str:
        """Title, unit and direction in one line."""
        return f"{self.title} ({', '.join(filter(None, (self.unit, self.direction)))})"


@dataclass(frozen=True, slots=True)
class SystemRequests:
    """How the requests of one system ended, and the reasons of those without a picture."""

    system: str
    requests: str
    outcomes: str
    reasons: str


@dataclass(frozen=True, slots=True)
class SizeOperations:
    """Everything about the requests for pictures of one size."""

    size: str
    systems: tuple[SystemRequests, ...]
    lines: tuple[OperationsLine, ...]


@dataclass(frozen=True, slots=True)
class SystemSizes:
    """What one system was like at each size, over the same prompts."""

    system: str
    prompts: str
    lines: tuple[OperationsLine, ...]


@dataclass(frozen=True, slots=True)
class OperationsSection:
    """The section: its systems, what to know before reading, each size, and the sizes (``columns``) side by side."""

    systems: tuple[str, ...]
    notes: tuple[str, ...]
    sizes: tuple[SizeOperations, ...]
    columns: tuple[str, ...]
    side_by_side: tuple[SystemSizes, ...]


def rows_of(run: Run) -> list[SystemOperations]:
    """Return the operations of a run without the folders of this computer, none where it does not know its requests."""
    return [_public(row) for row in operations_of(run)]


def compared_sizes(run: Run) -> list[SystemOperations]:
    """Return the operations over prompts that were asked at several sizes, none where there are no such prompts."""
    return [_public(row) for row in operations_by_size_of(run)]


def _public(row: SystemOperations) -> SystemOperations:
    # Requests may be brought from anywhere, and their reasons be whole messages.
    reasons: Counter[str] = Counter()
    for reason, n in row["reasons"].items():
        reasons[formatting.without_folders(reason)] += n
    size: str | None = formatting.without_folders(row["size"])
    return {**row, "size": size, "reasons": dict(reasons)}


def section(
    rows: Sequence[SystemOperations], systems: Sequence[str], compared: Sequence[SystemOperations] = ()
) -> OperationsSection | None:
    """Return the section of a report, None where no request is known.

    ``compared`` are the rows of `compared_sizes`. Systems that brought no picture at all follow the report's own.
    """
    if not rows:
        return None
    with_requests = {row["system"] for row in rows}
    ordered = [*(name for name in systems if name in with_requests), *sorted(with_requests - set(systems))]
    sizes = dict.fromkeys(row["size"] for row in sorted(rows, key=lambda row: ordered.index(row["system"])))
    columns = tuple(sorted({str(row["size"]) for row in compared}, key=lambda size: (SIZES.get(size, math.inf), size)))
    sized = {row["system"] for row in compared}
    by_size = {size: {row["system"]: row for row in rows if row["size"] == size} for size in sizes}
    return OperationsSection(
        tuple(ordered),
        tuple(notes(rows)),
        tuple(
            SizeOperations(
                size or "not told",
                tuple(_requests(by_system[system]) for system in ordered if system in by_system),
                tuple(_line(name, by_system, ordered) for name in FIGURES if _is_shown(name, by_system.values())),
            )
            for size, by_system in by_size.items()
        ),
        columns,
        tuple(_side_by_side(system, compared, columns) for system in ordered if system in sized),
    )


def _side_by_side(system: str, rows: Sequence[SystemOperations], sizes: Sequence[str]) -> SystemSizes:
    by_size = {str(row["size"]): row for row in rows if row["system"] == system}
    lines = tuple(_line(name, by_size, sizes) for name in BY_SIZE)
    n_prompts = max(row["n_prompts"] for row in by_size.values())
    return SystemSizes(system, formatting.pluralize(n_prompts, "prompt"), lines)


def _is_shown(name: str, rows: Iterable[SystemOperations]) -> bool:
    """Return whether a figure is to be shown: one under load only if something was asked for under load."""
    return not FIGURES[name].under_load or any(row["figures"][name]["value"] is not None for row in rows)


def _line(name: str, rows: Mapping[str, SystemOperations], columns: Sequence[str]) -> OperationsLine:
    spec = FIGURES[name]
    figures = {column: row["figures"][name] for column, row in rows.items()}
    cells = tuple(_cell(column, figures.get(column), spec.unit) for column in columns)
    unit, direction = formatting.unit_label(spec.unit), formatting.direction(spec.better)
    return OperationsLine(spec.title, unit, direction, spec.in_summary, cells)


def _cell(column: str, figure: Figure | None, unit: str) -> OperationsCell:
    if figure is None:
        return OperationsCell(column, "not asked", "", "", "")
    if figure["value"] is None:
        return OperationsCell(column, "not known", "", "", MISSING[figure["reason"] or ""])
    value, interval = formatting.estimate(figure["value"], figure["low"], figure["high"], unit)
    bound = f"{GREATER_OR_EQUAL} " if figure["at_least"] else ""
    n, load, hours = formatting.pluralize(figure["n"], "request"), "", _hours(figure["began"], figure["ended"])
    if unit in _TIMED:
        in_flight = figure["in_flight"]
        how = "in flight not known" if in_flight is None else "one at a time"
        if in_flight is not None and in_flight > 1:
            how = load = f"{in_flight:.0f} in flight"
        n = ", ".join(filter(None, (n, how, hours)))
    return OperationsCell(column, bound + value, interval, n, "", load)


def _hours(began: str | None, ended: str | None) -> str:
    """Return when something was measured, to the minute.

    Examples
    --------
    >>> _hours("2026-11-22T12:00:05+00:00", "2026-11-22T12:40:59+00:00")
    '2026-11-22 12:00 to 12:40 UTC'
    """
    if began is None or ended is None:
        return ""
    (day, start), (last_day, end) = (moment[:16].split("T") for moment in (began, ended))
    return f"{day} {start} to {'' if day == last_day else last_day + ' '}{end} UTC"


def _requests(row: SystemOperations) -> SystemRequests:
    unsent = row["n_requests"] - row["n_sent"]
    requests = f"{formatting.pluralize(row['n_sent'], 'request')} of {formatting.pluralize(row['n_prompts'], 'prompt')}"
    return SystemRequests(
        row["system"],
        requests + (f", {unsent:,} more never sent" if unsent else ""),
        _counts(row["outcomes"]),
        _counts({code.replace("_", " "): n for code, n in row["reasons"].items()}),
    )


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {name}" for name, n in ordered)
