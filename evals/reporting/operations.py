"""What asking the systems was like, as a report prints it: outcomes, latency, cost and throughput by size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from evals.rating.operations import MISSING, Figure, SystemOperations, notes
from evals.reporting import wording

SHARE = "share of requests"

FIGURES: Mapping[str, tuple[str, str, str]] = {
    "operations.latency_p50": ("Latency, median", "s", "lower"),
    "operations.latency_p95": ("Latency, 95th percentile", "s", "lower"),
    "operations.queue_p50": ("Time in the queue, median", "s", "lower"),
    "operations.generation_p50": ("Time of generation, median", "s", "lower"),
    "operations.download_p50": ("Time of download, median", "s", "lower"),
    "operations.seconds_per_megapixel": ("Latency per megapixel, median", "s per million pixels", "lower"),
    "operations.throughput": ("Throughput while in flight", "pictures per minute", "higher"),
    "operations.in_flight": ("Requests in flight at once, mean", "requests", "neither"),
    "operations.cost_per_image": ("Cost of a picture", "USD", "lower"),
    "operations.cost_per_accepted_image": ("All money per accepted picture", "USD", "lower"),
    "operations.cost_per_accepted_image_at_most": ("The same with all that may have been charged", "USD", "lower"),
    "operations.refusal_rate": ("Refused", SHARE, "lower"),
    "operations.filter_rate": ("Filtered", SHARE, "lower"),
    "operations.failure_rate": ("Failed or timed out", SHARE, "lower"),
    "operations.unknown_rate": ("Answer lost", SHARE, "lower"),
}
"""Title, unit and better direction of each figure, in the order of the report."""

GREATER_OR_EQUAL = "\N{GREATER-THAN OR EQUAL TO}"


@runtime_checkable
class AskedRun(Protocol):
    """A run that may know the requests behind its pictures; one whose pictures were brought from elsewhere need not."""

    def operations(self) -> list[SystemOperations]:
        """Return outcomes, latency, cost and throughput by system and size."""


@dataclass(frozen=True, slots=True)
class OperationsCell:
    """One figure of one system: its value and interval, or why there is none."""

    system: str
    value: str
    interval: str
    n: str
    absent: str


@dataclass(frozen=True, slots=True)
class OperationsLine:
    """One figure over all systems, in the section's order of systems."""

    title: str
    unit: str
    direction: str
    cells: tuple[OperationsCell, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """How the requests of one system ended, and the reasons of those without a picture."""

    system: str
    requests: str
    outcomes: str
    reasons: str


@dataclass(frozen=True, slots=True)
class SizeOperations:
    """Everything about the requests for pictures of one size."""

    size: str
    asked: tuple[Asked, ...]
    lines: tuple[OperationsLine, ...]


@dataclass(frozen=True, slots=True)
class OperationsSection:
    """The section: its systems, what to know before reading, and the sizes."""

    systems: tuple[str, ...]
    notes: tuple[str, ...]
    sizes: tuple[SizeOperations, ...]


def rows_of(run: object) -> list[SystemOperations]:
    """Return the operations of a run without the folders of this computer, none where it does not know its requests."""
    return [_public(row) for row in run.operations()] if isinstance(run, AskedRun) else []


def _public(row: SystemOperations) -> SystemOperations:
    # Requests may be brought from anywhere, and their reasons be whole messages.
    reasons: Counter[str] = Counter()
    for reason, n in row["reasons"].items():
        reasons[wording.without_folders(reason)] += n
    size: str | None = wording.without_folders(row["size"])
    return {**row, "size": size, "reasons": dict(reasons)}


def section(rows: Sequence[SystemOperations], systems: Sequence[str]) -> OperationsSection | None:
    """Return the section of a report, None where no request is known.

    Parameters
    ----------
    rows
        As ``evals.rating.operations.operations`` returns them.
    systems
        The report's systems, in its order; systems that brought no picture at all follow them.
    """
    if not rows:
        return None
    asked = {row["system"] for row in rows}
    ordered = [*(name for name in systems if name in asked), *sorted(asked - set(systems))]
    sizes = dict.fromkeys(row["size"] for row in sorted(rows, key=lambda row: ordered.index(row["system"])))
    by_size = {size: {row["system"]: row for row in rows if row["size"] == size} for size in sizes}
    return OperationsSection(
        tuple(ordered),
        tuple(notes(rows)),
        tuple(_size(size, by_system, ordered) for size, by_system in by_size.items()),
    )


def _size(size: str | None, by_system: Mapping[str, SystemOperations], systems: Sequence[str]) -> SizeOperations:
    lines = []
    for name, (title, unit, better) in FIGURES.items():
        figures = {system: row["figures"][name] for system, row in by_system.items()}
        cells = tuple(_cell(system, figures.get(system), unit) for system in systems)
        lines.append(OperationsLine(title, wording.unit_label(unit), wording.direction(better), cells))
    asked = tuple(_asked(by_system[system]) for system in systems if system in by_system)
    return SizeOperations(f"Size {size}" if size else "Size not told", asked, tuple(lines))


def _cell(system: str, figure: Figure | None, unit: str) -> OperationsCell:
    if figure is None:
        return OperationsCell(system, "not asked", "", "", "")
    if figure["value"] is None:
        return OperationsCell(system, "not known", "", "", MISSING[figure["reason"] or ""])
    value, interval = wording.estimate(figure["value"], figure["low"], figure["high"], unit)
    bound = f"{GREATER_OR_EQUAL} " if figure["at_least"] else ""
    return OperationsCell(system, bound + value, interval, wording.counted(figure["n"], "request"), "")


def _asked(row: SystemOperations) -> Asked:
    unsent = row["n_requests"] - row["n_sent"]
    requests = f"{wording.counted(row['n_sent'], 'request')} of {wording.counted(row['n_prompts'], 'prompt')}"
    return Asked(
        row["system"],
        requests + (f", {unsent:,} more never sent" if unsent else ""),
        _counts(row["outcomes"]),
        _counts({code.replace("_", " "): n for code, n in row["reasons"].items()}),
    )


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {name}" for name, n in ordered)
