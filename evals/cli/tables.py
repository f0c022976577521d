"""The one writer for the terminal; text of a run is never read as markup, nor obeyed (see `evals.imageset.visible`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from evals.imageset.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def one_line(text: str) -> str:
    """Return a text as the terminal may show it, in one line: a name can write no second one."""
    return visible(" ".join(text.splitlines()))


def say(*lines: str, err: bool = False) -> None:
    """Print lines on standard output, or on standard error; what cannot be written there costs no run."""
    for line in lines:
        try:
            click.echo(one_line(line), err=err)
        except OSError:
            if not err:
                raise


def console() -> Console:
    """Return standard output, as wide as COLUMNS or the terminal says, else 80 columns."""
    from rich.console import Console

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich itself would end with code 1, which commands give a meaning

    return OurConsole(highlight=False, emoji=False)


def table(
    title: str,
    headings: Iterable[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    whole: Collection[str] = (),
    ratios: Mapping[str, int | None] | None = None,
    last_apart: bool = False,
    **style: Any,
) -> Table:
    """Return a table of plain texts for the terminal; ``style`` are more keywords of `rich.table.Table`.

    ``right`` and ``whole`` are the headings of the columns that are aligned to the right and never wrapped, ``ratios``
    tell by heading how the width is shared; with ``last_apart`` a line is drawn above the last row.
    """
    from rich.markup import escape
    from rich.table import Table

    def literal(text: str) -> str:
        return escape(visible(text))  # titles, headings and most cells are laid out in lines of ours

    made = Table(title=literal(title), title_justify="left", **style)
    for heading in headings:
        justify: Any = "right" if heading in right else "left"
        made.add_column(literal(heading), justify=justify, no_wrap=heading in whole, ratio=(ratios or {}).get(heading))
    cells = list(rows)
    for n, (first, *others) in enumerate(cells, start=1):
        # Where a line begins, a name writes no second one.
        made.add_row(*map(literal, (one_line(first), *others)), end_section=last_apart and n == len(cells) - 1)
    return made


def print_table(*arguments: Any, **options: Any) -> None:
    """Print what `table` makes of the same arguments."""
    console().print(table(*arguments, **options))


def print_lines(lines: Iterable[str], wrap: bool = True) -> None:
    """Print lines of plain text, wrapped at the width of the terminal."""
    out = console()
    for line in lines:
        out.print(one_line(line), markup=False, soft_wrap=not wrap)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print on standard error what to know before money is spent."""
    say(*(f"note: {warning}" for warning in warnings), err=True)
