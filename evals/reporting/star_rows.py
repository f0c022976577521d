"""The star table as a figure: a line a row, every system's mark and interval on the scale from 1 to 5, the verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from evals.rating.stars.cells import FEWEST, MOST
from evals.rating.stars.document import Stars
from evals.rating.stars.table import TableRow
from evals.reporting.answer import Answer
from evals.reporting.groups import RowVerdict
from evals.reporting.system_labels import system_labels


@dataclass(frozen=True, slots=True)
class Mark:
    """A system in a row: its stars with the interval, and the letter of its group where a row has groups.

    ``place`` is the system's among all, which gives colour and shape. ``absent`` says why there are no stars. ``at``,
    ``begins`` and ``ends`` are percentages of the way from one star to five; a mark without an interval is hollow.
    """

    place: int
    label: str
    number: str = ""
    interval: str = ""
    letters: str = ""
    absent: str = ""
    at: float | None = None
    begins: float | None = None
    ends: float | None = None

    @property
    def stars(self) -> str:
        """The stars with group and interval."""
        group, interval = f" {self.letters}" if self.letters else "", f" ({self.interval})" if self.interval else ""
        return f"{self.number}{group}{interval}"

    @property
    def text(self) -> str:
        """All of it in words."""
        return f"{self.label} {self.absent or self.stars}"


@dataclass(frozen=True, slots=True)
class StarLine:
    """One line: the row, its marks, who is among the best (by the place of the system) and the doubt.

    ``people`` is what their votes say; ``article`` are an article's stars by the names that it uses.
    """

    id: str
    title: str
    marks: tuple[Mark, ...]
    verdict: str
    best: tuple[int, ...]
    prompts: str
    cautions: tuple[str, ...]
    people: str
    article: str
    article_verdict: str

    def cells(self, n_systems: int) -> list[str]:
        """Return the stars of each of so many systems as text, a dash where there are none."""
        texts = {mark.place: mark for mark in self.marks if not mark.absent}
        return [texts[place].stars if place in texts else "\N{EN DASH}" for place in range(n_systems)]


@dataclass(frozen=True, slots=True)
class StarLines:
    """The lines of the page: rated rows (those that a system leads first) and declared ones, with short names."""

    labels: tuple[str, ...]
    rated: tuple[StarLine, ...]
    declared: tuple[StarLine, ...]
    article_names: str
    has_letters: bool
    has_incomparable: bool


def star_lines(stars: Stars, answer: Answer, people: Mapping[str, str] = MappingProxyType({})) -> StarLines:
    """Return the lines of a star document whose verdicts are those of an answer, with what people say of each row.

    The rows of the best system, or group of systems, that has the most of them come first, by the size of the lead;
    after all of those the rows in which nobody can be told apart, and those in which nobody can be compared.
    """
    rated = [row for row in stars["rows"] if any(cell["stars"] is not None for cell in row["cells"])]
    declared = [row for row in stars["rows"] if any(cell["stars"] is not None for cell in row["declared_cells"])]
    n_of_group = Counter(frozenset(verdict.best) for verdict in answer.verdicts.values())
    rated.sort(key=lambda row: _order(row, answer.verdicts[row["id"]], n_of_group, stars["systems"]))
    lines = [_line(row, stars, answer.verdicts[row["id"]], people.get(row["id"], "")) for row in (*rated, *declared)]
    names = dict.fromkeys(name for article in stars["article_stars"].values() for name in article["stars"])
    return StarLines(
        labels=tuple(system_labels(stars["systems"]).values()),
        rated=tuple(lines[: len(rated)]),
        declared=tuple(lines[len(rated) :]),
        article_names=" : ".join(names),
        has_letters=any(mark.letters for line in lines for mark in line.marks),
        has_incomparable=any(line.article_verdict == "not comparable" for line in lines),
    )


def _order(
    row: TableRow, verdict: RowVerdict, n_of_group: Mapping[frozenset[str], int], systems: Sequence[str]
) -> tuple[int, int, list[int], float]:
    if not verdict.told:
        return 1 if verdict.compared else 2, 0, [], 0.0
    margins = [abs(pair["stars"] or 0.0) for pair in row["differences"] if pair["better_system"] in verdict.best]
    best = frozenset(verdict.best)
    return 0, -n_of_group[best], sorted(map(systems.index, best)), -min(margins)


def _line(row: TableRow, stars: Stars, verdict: RowVerdict, people: str) -> StarLine:
    labels = system_labels(stars["systems"])
    marks = [_mark(cell, stars, labels, verdict) for cell in (*row["cells"], *row["declared_cells"])]
    n_common = [pair["n_prompts"] for pair in row["differences"]] or [cell["n_prompts"] for cell in row["cells"]]
    article = stars["article_stars"].get(row["id"])
    cautions = [f"{labels[cell['system']]}: {cell['caution']}" for cell in row["cells"] if cell["caution"]]
    return StarLine(
        id=row["id"],
        title=row["title"],
        marks=tuple(marks),
        verdict=_kept_together(verdict.says),
        best=tuple(map(stars["systems"].index, verdict.best)),
        prompts=_span(n_common),
        cautions=tuple(cautions),
        people=people,
        article=" : ".join(f"{value:g}" for value in article["stars"].values()) if article else "",
        article_verdict=article["verdict"] if article else "",
    )


def _mark(cell: Mapping[str, Any], stars: Stars, labels: Mapping[str, str], verdict: RowVerdict) -> Mark:
    system = cell["system"]
    place, label = stars["systems"].index(system), labels[system]
    value, low, high = cell["stars"], cell.get("low"), cell.get("high")
    if value is None:
        return Mark(place, label, absent=str(cell["reason"] or "no stars"))
    return Mark(
        place,
        label,
        number=f"{value:.1f}",
        interval="" if low is None or high is None else f"{low:.1f} to {high:.1f}",
        letters=verdict.letters.get(system, ""),
        at=_percent(value),
        begins=_percent(low),
        ends=_percent(high),
    )


def _kept_together(verdict: str) -> str:
    """Return a verdict whose interval is not broken over two lines."""
    return re.sub(r"\([\d.]+ to [\d.]+\)", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), verdict)


def _percent(stars: float | None) -> float | None:
    return None if stars is None else round(100 * (stars - FEWEST) / (MOST - FEWEST), 2)


def _span(counts: Sequence[int]) -> str:
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,}\N{EN DASH}{high:,}"
