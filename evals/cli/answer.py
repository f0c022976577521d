"""The answer of a run on one screen: who leads, a line a row, what to be wary of, and where the page is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals.cli.tables import console, print_lines, table

if TYPE_CHECKING:
    from evals.rating.stage import RunRatings
    from evals.rating.stars.table import TableRow
    from evals.reporting.answer import Answer
    from evals.reporting.groups import RowVerdict
    from evals.reporting.stars import Cell

_GAP = 2
_NARROWEST_TITLE, _NARROWEST_LABEL = 20, 8
_LETTERS = "Systems that share a letter cannot be told apart; in a measured row without letters nobody can."
_FACT = " (fact)"


def print_answer(ratings: RunRatings, provenance: Mapping[str, Any], *last_lines: str) -> None:
    """Print the answer: at 80 columns at most 40 lines for two systems, 60 for four.

    ``last_lines`` say what was scored, and where the page is or which command makes it.
    """
    from evals.reporting.answer import answer, overall

    summary = answer(ratings, provenance)
    print_lines([*filter(None, [f"{summary.title}.", summary.rehearsal]), ""])
    _print_rows(ratings, summary)
    print_lines(_not_rated(summary))
    if ratings["stars"]["own_weights"]:
        print_lines([*ratings["scope"], overall(ratings["stars"])])
    print_lines(f"caution: {caution.says} {caution.remedy}" for caution in summary.cautions)
    print_lines(last_lines, wrap=False)


def _print_rows(ratings: RunRatings, summary: Answer) -> None:
    """Print a line a row: of two systems with intervals and who is ahead, of more with the letters of their groups."""
    from rich import box

    from evals.reporting.stars import section
    from evals.reporting.system_labels import system_labels

    stars = ratings["stars"]
    without_stars = {row_id for group in summary.not_rated for row_id, _ in group.rows}
    rows = [row for row in stars["rows"] if row["id"] not in without_stars]
    if not rows:
        return
    labels = system_labels(stars["systems"])
    cells_of = {line.id: line.cells for line in section(stars).lines}
    ahead = [[_ahead(row, summary.verdicts[row["id"]], labels)] if len(labels) == 2 else [] for row in rows]
    for with_interval in (True, False):
        body = [
            [*(_cell(cell, with_interval, summary.verdicts[row["id"]].letters) for cell in cells_of[row["id"]]), *last]
            for row, last in zip(rows, ahead, strict=True)
        ]
        widths = [max(map(len, column)) for column in zip(*body, strict=True)]
        headings = [*_headings(list(labels.values()), widths), *(["ahead"] if ahead[0] else [])]
        widths = [max(width, *map(len, head.split("\n"))) for width, head in zip(widths, headings, strict=True)]
        # What is left is for the titles, so that a row stays a line.
        left = console().width - sum(widths) - _GAP * len(widths)
        if left >= _NARROWEST_TITLE:
            break
    marks = [_FACT if row["kind"] == "declared" and len(labels) > 2 else "" for row in rows]
    width = max(left, _NARROWEST_TITLE)
    titles = [_shortened(row["title"], width - len(mark)) + mark for row, mark in zip(rows, marks, strict=True)]
    headings = [f"stars, 1 to 5{' (95% interval)' if with_interval else ''}", *headings]
    body = [[title, *cells] for title, cells in zip(titles, body, strict=True)]
    style: dict[str, Any] = {
        "show_edge": False,
        "pad_edge": False,
        "padding": (0, _GAP - 1, 0, 0),
    }  # the box adds a space
    console().print(table("", headings, body, whole=headings, box=box.SIMPLE_HEAD, **style))
    if any(verdict.letters for verdict in summary.verdicts.values()):
        print_lines([_LETTERS])
    print_lines([""])


def _cell(cell: Cell, with_interval: bool, letters: Mapping[str, str]) -> str:
    interval = f" ({cell.interval.replace(' to ', '–')})" if cell.interval and with_interval else ""
    return f"{cell.number}{interval} {letters.get(cell.system, '')}".strip() or "–"


def _ahead(row: TableRow, verdict: RowVerdict, labels: Mapping[str, str]) -> str:
    if verdict.leader is not None:
        return labels[verdict.leader]
    if row["kind"] == "declared":
        return "a cited fact"
    return "cannot tell" if verdict.compared else "too few prompts"


def _headings(labels: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the labels, broken at their hyphens where the column is narrower."""
    for label, width in zip(labels, widths, strict=False):
        yield "\n".join(textwrap.wrap(label, max(width, _NARROWEST_LABEL), break_long_words=False))


def _shortened(title: str, width: int) -> str:
    return title if len(title) <= width else textwrap.shorten(title, width, placeholder=" …")


def _not_rated(summary: Answer) -> Iterator[str]:
    """Yield a line a reason for which rows have no stars, with what would change it."""
    for group in summary.not_rated:
        yield f"no stars: {'; '.join(title for _, title in group.rows)}: {group.reason}; {group.remedy}"
