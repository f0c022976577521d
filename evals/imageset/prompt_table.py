"""Reads a table of prompts (text, CSV or JSON): its columns are those of the contract, its cells become their types."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals.imageset.columns import misspelt
from evals.imageset.tables import (
    Entry,
    TableError,
    read_json_lines,
    read_json_list,
    read_table,
    text_of,
    without_repetition,
)

TABLE_SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".json")
"""The files that a table of prompts can be, in small letters."""

LISTS = ("expected_text", "tags", "palette", "objects", "absent", "reference_images")
"""Columns of lists: in a CSV a JSON list, or entries separated by ``|``; of ``objects`` their names."""

OBJECTS = ("relations", "edit")
"""Columns that are JSON in a CSV too."""

NUMBERS = (
    *("seed", "repeat", "shot", "width", "height", "in_flight", "latency_s", "cost_usd"),
    *("attempts", "may_have_cost_usd", "queue_s", "generation_s", "download_s"),
)
BOOLEANS = ("text_is_complete", "prompt_is_file_name", "simulated")
_SPELLINGS = {"id": "prompt_id", "prompts": "prompt"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_prompt_table(path: Path, *columns: str, misspelt_too: bool = False) -> list[Entry]:
    """Return the rows of a file by the contract's columns; null and blank cells are left out.

    A text file has a prompt a line. A table has at least one of ``columns`` (``id`` is taken for ``prompt_id``), and
    columns that the contract does not know stay as they are; one that is nearly a known one is refused, but with
    ``misspelt_too``. Raises TableError, with file and line.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise TableError(f"{path}: no table of prompts; let it end in {', '.join(TABLE_SUFFIXES)}")
    if suffix == ".txt":
        lines = enumerate(text_of(path).splitlines(), 1)
        entries = [Entry(f"{path.name}, line {n}", {"prompt": line.strip()}) for n, line in lines if line.strip()]
    elif suffix in (".csv", ".tsv"):
        rows = read_table(path, (), _delimiter(path, columns))
        entries = [Entry(entry.where, _renamed(entry, _of_cells(entry))) for _, entry in rows]
    else:
        listed = list(read_json_lines(path)) if suffix == ".jsonl" else read_json_list(path)
        given = [(entry, {key: value for key, value in entry.values.items() if value is not None}) for entry in listed]
        entries = [Entry(entry.where, _renamed(entry, values)) for entry, values in given]
    if not entries:
        raise TableError(f"{path.name}: it holds no rows; write one prompt a row")
    looked_at = set() if misspelt_too else {column for entry in entries for column in entry.values}
    for name, meant in misspelt(looked_at).items():
        entry = next(entry for entry in entries if name in entry.values)
        raise entry.refuse(f"column {name!r} is read by nothing; did you mean {meant!r}?")
    for entry in entries:
        if not any(column in entry.values for column in columns):
            raise entry.refuse(f"it has no {' and no '.join(columns)}; fill in that column")
    return entries


def _delimiter(path: Path, columns: Sequence[str]) -> str:
    """Return what separates the cells: the sign that makes a column of the heading line one that is looked for."""
    heading = (text_of(path).splitlines() or [""])[0].casefold()
    known = {*columns, *(other for other, name in _SPELLINGS.items() if name in columns)}
    for sign in (",", ";", "\t"):
        if known.intersection(cell.strip().strip('"') for cell in heading.split(sign)):
            return sign
    raise TableError(f"{path.name}, line 1: there is no column {' or '.join(map(repr, columns))} in the heading line")


def _renamed(entry: Entry, values: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in values.items():
        name = _SPELLINGS.get(key, key)
        if name in fields:
            raise entry.refuse(f"{name!r} is given twice; leave out {key!r} or its other spelling")
        fields[name] = str(value) if name == "prompt_id" and type(value) is int else value
    return fields


def _of_cells(entry: Entry) -> dict[str, Any]:
    return {column: _value(entry, column, cell) for column, cell in entry.values.items() if column and cell.strip()}


def _value(entry: Entry, column: str, cell: str) -> Any:
    """Return what a cell of a CSV says, as the type of its column."""
    if column in OBJECTS or (column in LISTS and re.match(r'\s*\[\s*["{]', cell)):
        try:
            return json.loads(cell, object_pairs_hook=without_repetition)
        except (ValueError, RecursionError):
            raise entry.refuse(f"column {column!r}: {cell[:80]!r} is not JSON; write it as in JSON lines") from None
    if column in LISTS:
        names = [name for part in cell.split("|") for line in part.splitlines() if (name := line.strip())]
        return [{"name": name} for name in names] if column == "objects" else names
    if column in BOOLEANS:
        if cell.strip().casefold() not in _TRUTH:
            raise entry.refuse(f"column {column!r}: {cell[:80]!r} is not true or false")
        return _TRUTH[cell.strip().casefold()]
    if column in NUMBERS:
        try:
            # A table tool writes whole numbers beside an empty cell as 3.0.
            return int(re.sub(r"\.0+$", "", cell.strip()))
        except ValueError:
            pass
        try:
            return float(cell)
        except ValueError:
            raise entry.refuse(f"column {column!r}: {cell[:80]!r} is not a number") from None
    return cell.strip()
