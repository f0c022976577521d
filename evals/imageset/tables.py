"""Reads files of prompts and of columns (tables, JSON, plain text) into entries that know their line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evals.files.regular_files import LARGEST_TABLE, read_regular
from evals.files.yaml_files import suggestion


class TableError(ValueError):
    """A file was refused; the message is one sentence with file, line and what was meant."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a file; ``where`` names its place there in sentences."""

    where: str
    values: Mapping[str, Any]

    def refuse(self, problem: str) -> TableError:
        """Return the error that says where and what."""
        return TableError(f"{self.where}: {problem}")

    def text(self, field: str) -> str:
        """Return a field that is a text of at least one character."""
        value = self.values.get(field)
        if not isinstance(value, str) or not value.strip():
            raise self.refuse(f"{field!r} holds no text")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise self.refuse(f"{field!r} holds half a character; save the file as UTF-8")
        return value.strip()

    def name(self, field: str) -> str:
        """Return a field that is a text or a whole number, as a text."""
        value = self.values.get(field)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(field)

    def tags(self, *fields: str) -> tuple[str, ...]:
        """Return the words in some fields as tags, without those that are missing or empty."""
        values = (self.values.get(field) for field in fields)
        words = (slug(value) for value in values if isinstance(value, str))
        return tuple(dict.fromkeys(word for word in words if word not in ("", "none", "nan")))


def slug(text: str) -> str:
    """Return a text in small letters with hyphens between its words, for ids and tags.

    Examples
    --------
    >>> slug("Food & Beverage")
    'food-beverage'
    """
    return "-".join(re.findall(r"[^\W_]+", text.casefold()))


def text_of(path: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises TableError if there is none; the message names the line that is not UTF-8.
    """
    try:
        return read_regular(path, LARGEST_TABLE).decode("utf-8-sig")
    except FileNotFoundError:
        raise TableError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise TableError(f"{path} is a folder; name the file in it") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TableError(f"{path.name}, line {line}: it is not UTF-8 text") from None


def text_files(folder: Path) -> list[Path]:
    """Return the ``.txt`` files of a folder in the order of their names."""
    return sorted(file for file in folder.iterdir() if file.suffix == ".txt")


def read_table(path: Path, columns: Sequence[str], delimiter: str = ",") -> Iterator[tuple[int, Entry]]:
    """Yield the rows of a table with the line in which each begins; column names may be written in capitals."""
    # A table separated by tabs quotes nothing: a quotation mark is part of the prompt.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    rows = csv.reader(io.StringIO(text_of(path), newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    header: list[str] = []
    line = 1
    try:
        for row in rows:
            first_line, line = line, rows.line_num + 1
            if not header:
                header = [name.strip().casefold() for name in row]
                if twice := [name for name, n in Counter(header).items() if name and n > 1]:
                    raise TableError(f"{path.name}, line {first_line}: two columns are called {twice[0]!r}; rename one")
                for column in columns:
                    if column not in header:
                        problem = f"there is no column {column!r}; {suggestion(column, header)}"
                        raise TableError(f"{path.name}, line {first_line}: {problem}")
            elif any(cell.strip() for cell in row):
                entry = Entry(f"{path.name}, line {first_line}", dict(zip(header, row, strict=False)))
                if len(row) > len(header):
                    raise entry.refuse(f"it has {len(row)} cells for {len(header)} columns; check the separator")
                yield first_line, entry
    except csv.Error as error:
        raise TableError(f"{path.name}, line {rows.line_num}: not a table that can be read: {error}") from None


def read_json_lines(path: Path) -> Iterator[Entry]:
    """Yield the objects of a file with one in each line."""
    for line, text in enumerate(text_of(path).split("\n"), 1):
        if text.strip():
            yield _json_entry(f"{path.name}, line {line}", _json(path, text, line))


def read_json_list(path: Path) -> list[Entry]:
    """Return the objects of a file that is a list of them."""
    values = _json(path, text_of(path), 1)
    if not isinstance(values, list):
        raise TableError(f"{path.name}, line 1: it is no list of prompts")
    return [_json_entry(f"{path.name}, entry {number}", value) for number, value in enumerate(values, 1)]


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of a JSON object; ValueError where one is given twice, of which JSON would keep the last."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"{twice!r} is given twice")
    return fields


def _json_entry(where: str, value: Any) -> Entry:
    if not isinstance(value, dict):
        raise TableError(f"{where}: it holds no fields such as 'prompt'")
    return Entry(where, value)


def _json(path: Path, text: str, first_line: int) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=without_repetition)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        problem = "it holds half a character (a lone surrogate); write the text as UTF-8"
        raise TableError(f"{path.name}, line {first_line}: {problem}") from None
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise TableError(f"{path.name}, line {line}: not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except (RecursionError, ValueError) as error:
        raise TableError(f"{path.name}, line {first_line}: not JSON that can be read ({error})") from None
