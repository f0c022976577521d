"""What a row of an image set must look like: types, paths, and the sentence for each thing that is wrong."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.imageset.contract import COLUMN_TYPES, METADATA, REQUIRED

_ENTRIES: Mapping[str, tuple[str, ...]] = {"objects": ("name",), "relations": ("first", "relation", "second")}
"""What every entry of a list of objects names, as a text."""

# What no column type of a loader holds, however many rows have it.
_NEVER_ONE_TYPE = ("list of mixed types", "list with null", "integer beyond 64 bits")

# The words that Hugging Face reads as split names when they stand alone in a path.
_SPLIT_NAME = re.compile(
    r"(?:^|[\W_])(train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?=[\W_]|$)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an image set: where, what, and what to do about it."""

    row: int | None
    what: str
    remedy: str
    file: str = METADATA

    def __str__(self) -> str:
        """Return one sentence."""
        where = self.file if self.row is None else f"{self.file} row {self.row}"
        return f"{where}: {self.what}; {self.remedy}"


def _type_of(value: Any) -> str:
    """Return the JSON type of a value as a word, the element type of a list included."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "integer beyond 64 bits"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        if None in value:
            return "list with null"
        inner = {_type_of(item) for item in value}
        return f"list of {inner.pop()}" if len(inner) == 1 else ("list" if not inner else "list of mixed types")
    return "object"


def mixed_columns(parsed: list[tuple[int, dict[str, Any]]]) -> list[Problem]:
    """Find the values whose type is not their column's: loaders read a column as one type or fail."""
    types: dict[str, Counter[str]] = {}
    where: dict[tuple[str, str], list[int]] = {}
    for number, row in parsed:
        for column, value in row.items():
            if value is None:
                continue
            kind = _type_of(value)
            types.setdefault(column, Counter())[kind] += 1
            where.setdefault((column, kind), []).append(number)
    problems = []
    for column, counts in types.items():
        allowed = COLUMN_TYPES.get(column)
        usual = counts.most_common(1)[0][0]
        for kind in counts:
            if kind == "list" and any(other.startswith("list") for other in (*counts, *(allowed or ()))):
                continue
            numeric = {kind, usual} <= {"integer", "number"}
            fits = kind in allowed if allowed else (kind == usual or numeric) and kind not in _NEVER_ONE_TYPE
            mixed_known = allowed is not None and kind != usual and not numeric
            if fits and not mixed_known:
                continue
            expected = " or ".join(allowed) if allowed and not fits else usual
            expected = "plain value" if expected in _NEVER_ONE_TYPE else expected
            what = f"column {column!r} holds {_article(kind)} where {_article(expected)} is expected"
            problems += [Problem(n, what, "give the column one type in every row") for n in where[column, kind]]
    unique: dict[int, Problem] = {}
    for problem in problems:
        unique.setdefault(problem.row or 0, problem)
    return list(unique.values())


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def row_problem(number: int, row: Mapping[str, Any]) -> Problem | None:
    """Return what is missing from a row, or None."""
    for column in REQUIRED:
        if row.get(column) is None:
            return Problem(number, f"has no {column!r}", f"every row needs {', '.join(REQUIRED)}")
        if not row[column].strip():
            return Problem(number, f"has an empty {column!r}", "fill it in or take the row out")
    for column, keys in _ENTRIES.items():
        for entry in row.get(column) or ():
            missing = next((key for key in keys if not isinstance(entry.get(key), str) or not entry[key].strip()), None)
            if missing is not None:
                return Problem(number, f"has an entry of {column!r} without a {missing!r}", "write it as a text")
    return None


class FolderIndex:
    """What the folders of the set contain, each listed once, so that 100,000 rows cost no 100,000 look-ups."""

    def __init__(self, folder: Path) -> None:
        self.root = os.path.realpath(folder)
        self.folder = folder
        self._listed: dict[str, dict[str, bool] | None] = {}

    def _entries(self, parent: str) -> dict[str, bool] | None:
        """Return file name -> is a link, or None if the parent lies outside the set or does not exist."""
        if parent not in self._listed:
            real = os.path.realpath(self.folder / parent)
            inside = real == self.root or real.startswith(self.root + os.sep)
            try:
                entries = {e.name: e.is_symlink() for e in os.scandir(real) if e.is_symlink() or e.is_file()}
            except OSError:
                entries = {}
            self._listed[parent] = entries if inside else None
        return self._listed[parent]

    def problem(self, name: str) -> tuple[str, str] | None:
        """Return what is wrong with a relative file name and the remedy, or None."""
        if name.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:", name):
            return f"{name!r} is an absolute path", "write the path relative to the folder"
        parts = name.replace("\\", "/").split("/")
        if ".." in parts:
            return f"{name!r} leads out of the folder", "copy the file into the folder"
        if "\\" in name or "\0" in name or "" in parts or "." in parts:
            return f"{name!r} is not a portable path", "write it as folder/name.png"
        parent, _, base = name.rpartition("/")
        entries = self._entries(parent)
        if entries is None:
            return f"{name!r} leads out of the folder through a link", "copy the file into the folder"
        if base not in entries:
            return f"the file {name!r} does not exist", "add the file or take the row out"
        if entries[base]:
            real = os.path.realpath(self.folder / name)
            if not real.startswith(self.root + os.sep):
                return f"{name!r} leads out of the folder through a link", "copy the file into the folder"
            if not os.path.isfile(real):
                return f"the file {name!r} does not exist", "add the file or take the row out"
        return None


def path_problem(number: int, row: Mapping[str, Any], files: FolderIndex) -> Problem | None:
    """Return what is wrong with the first bad path of a row, or None."""
    for name in file_names(row):
        if trouble := files.problem(name):
            return Problem(number, *trouble)
    return None


def file_names(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield every file that a row names: the image, its references, its mask."""
    yield row["file_name"]
    yield from row.get("reference_images") or ()
    if row.get("mask"):
        yield row["mask"]


def loader_warnings(rows: list[dict[str, Any]]) -> list[str]:
    """Return sentences about what works here and trips other loaders."""
    warnings = []
    for row in rows:
        if match := _SPLIT_NAME.search(row["file_name"]):
            word = match.group(1)
            warnings.append(f"{row['file_name']!r}: Hugging Face reads {word!r} in a path as a split name; rename it")
            break
    texts: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        texts.setdefault((row["suite"], row["prompt_id"]), set()).add(row["prompt"])
    several = [prompt_id for (_, prompt_id), prompts in texts.items() if len(prompts) > 1]
    if several:
        warnings.append(
            f"prompt_id {several[0]!r} stands for different prompts ({len(several)} such ids): systems are compared "
            "prompt by prompt, by prompt_id"
        )
    late = sorted(column for column in set().union(*rows) if sum(column in row for row in rows) < len(rows))
    if late:
        warnings.append(
            f"not every row has {', '.join(late)}: write null where there is no value, loaders want all columns"
        )
    return warnings
