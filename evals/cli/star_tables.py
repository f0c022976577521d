"""The star table, the totals and the advice by use case as a terminal shows them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from evals.reporting.stars import Advice, Cell, StarSection, section


def print_stars(document: Mapping[str, Any] | None) -> None:
    """Print what ``ratings()["stars"]`` holds, nothing where the run has no stars."""
    stars = section(document)
    if stars is None:
        return
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(_table(stars))
    for total in stars.totals:
        console.print(f"all rows together: {total.system} {total.number or total.absent}", markup=False)
    for verdict in (*stars.total_verdicts, *stars.strengths):
        console.print(f"  {verdict}", markup=False)
    told = [case for case in stars.advice if case.is_rated]
    if told:
        console.print(_advice(told, stars.has_article))
    if stars.volumes:
        console.print(_costs(stars))
    if untold := [case.title for case in stars.advice if not case.is_rated]:
        console.print(f"too little was rated to recommend for: {'; '.join(untold)}", markup=False)


def _table(stars: StarSection) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Stars with 95% interval: 1 is the floor of a row, 5 its ceiling", title_justify="left")
    for heading in ("row", *stars.systems, "verdict", *(("article",) if stars.has_article else ())):
        table.add_column(escape(heading))
    for line in stars.lines:
        if line.problem:
            cells = [*("" for _ in stars.systems), f"no stars: {line.problem}"]
        else:
            told = "\n".join(line.verdicts) or ("declared, not measured" if line.kind == "declared" else "")
            cells = [*map(_cell, line.cells), told]
        if stars.has_article:
            cells.append(f"{line.article}\n{line.article_verdict}" if line.article else "")
        table.add_row(escape(line.title), *map(escape, cells))
    return table


def _cell(cell: Cell) -> str:
    if cell.absent:
        return cell.absent
    return f"{cell.glyphs} {cell.number}" + (f"\n{cell.interval}" if cell.interval else "")


def _costs(stars: StarSection) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="US dollars a month, without discounts", title_justify="left")
    for heading in ("system", *(f"{volume} pictures" for volume in stars.volumes), "price"):
        table.add_column(heading)
    for system, cells, basis in stars.costs:
        table.add_row(*map(escape, (system, *cells, basis)))
    return table


def _advice(cases: Sequence[Advice], has_article: bool) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="For whom", title_justify="left")
    headings = ("use case", "better system", "rated", "what would change it")
    for heading in (*headings, *(("article",) if has_article else ())):
        table.add_column(heading)
    for case in cases:
        cells = [case.title, case.verdict, case.rated, case.would_change]
        if has_article:
            cells.append(f"{case.article}\n{case.article_verdict}" if case.article else "")
        table.add_row(*map(escape, cells))
    return table
