"""A table as a reader sees it, and its writer for Markdown; the terminal and notebooks show the same tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows of plain texts, as many in each row as there are headings."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table as Markdown, what is empty as a dash.

        Examples
        --------
        >>> print(Table("", ("Row", "Stars"), (("a|b", ""),)).markdown())
        | Row | Stars |
        |---|---|
        | a&#124;b | – |
        """
        lines = [markdown_row(self.headings), "|" + "---|" * len(self.headings), *map(markdown_row, self.rows)]
        return "\n".join(lines)


def markdown_row(cells: Sequence[str]) -> str:
    """Return the cells of a line of a table as Markdown, what is empty as a dash."""
    return f"| {' | '.join(markdown_text(cell) or '–' for cell in cells)} |"


def markdown_text(text: Any) -> str:
    """Return a text as Markdown that shows it literally, also inside a table."""
    flat = " ".join(str(text).split())
    for mark in "\\`*_[]#~<>|":
        flat = flat.replace(mark, f"&#{ord(mark)};" if mark in "<>|" else f"\\{mark}")
    return flat
