"""What the rows of an image set have to be together: one type a column, paths of files that are there."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.files.addresses import FolderCopy
from evals.imageset.columns import misspelt
from evals.imageset.contract import METADATA
from evals.imageset.prompts import words_of_prompt

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

    @classmethod
    def of(cls, row: int, sentence: str, file: str = METADATA) -> Problem:
        """Return the problem that a sentence tells; it ends with the remedy where it has a semicolon."""
        what, _, remedy = sentence.rpartition("; ")
        return cls(row, what, remedy, file) if what else cls(row, sentence, "correct it or take the row out", file)


def _type_of(value: Any) -> str:
    """Return the JSON type of a value as a word, the element type of a list included."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**64 else "integer beyond 64 bits"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        if None in value:
            return "list with null"
        inner = {"list" if isinstance(item, list) else _type_of(item) for item in value}
        return f"list of {inner.pop()}" if len(inner) == 1 else ("list" if not inner else "list of mixed types")
    return "object"


def mixed_columns(rows: Iterable[tuple[int, Mapping[str, Any]]]) -> list[Problem]:
    """Find the values whose type is not their column's, one a row: loaders read a column as one type or fail."""
    where: dict[str, dict[str, list[int]]] = {}
    for number, row in rows:
        for column, value in row.items():
            if value is not None:
                where.setdefault(column, {}).setdefault(_type_of(value), []).append(number)
    problems: dict[int, Problem] = {}
    for column, kinds in where.items():
        lists = [kind for kind in kinds if kind.startswith("list ")]
        if lists:
            kinds.pop("list", None)  # an empty one is of any type
        usual = max(kinds, key=lambda kind: len(kinds[kind]))
        for kind, numbers in kinds.items():
            if kind not in _NEVER_ONE_TYPE and (kind == usual or {kind, usual} <= {"integer", "number"}):
                continue
            expected = "plain value" if usual in _NEVER_ONE_TYPE else usual
            what = f"column {column!r} holds {_article(kind)} where {_article(expected)} is expected"
            for number in numbers:
                problems.setdefault(number, Problem(number, what, "give the column one type in every row"))
    return list(problems.values())


def unholdable_seeds(rows: Iterable[tuple[int, Mapping[str, Any]]], file: str = METADATA) -> list[Problem]:
    """Find the seeds below 0 of a file that has some from 2^63 on as well: no type of integer holds both."""
    seeds = [(number, row["seed"]) for number, row in rows if row.get("seed") is not None]
    if all(seed < 2**63 for _, seed in seeds):
        return []
    what = "column 'seed' holds one below 0, other rows one from 2^63 on, and no type of integer holds both"
    return [Problem(number, what, "write null for a random seed", file) for number, seed in seeds if seed < 0]


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


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


class ListedFolder(FolderIndex):
    """What the folders of a set at an address contain: there are files and no links."""

    def __init__(self, copy: FolderCopy) -> None:
        """Look into the folder at the copy's address."""
        super().__init__(copy.path)
        self.copy = copy

    def _entries(self, parent: str) -> dict[str, bool] | None:
        return dict.fromkeys(self.copy.entries(parent), False)


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
    """Return sentences about what works here and trips other loaders, and about columns that may be misspelt."""
    warnings = [
        f"column {name!r} is read by nothing; did you mean {meant!r}?"
        for name, meant in misspelt({column for row in rows for column in row}).items()
    ]
    for row in rows:
        if match := _SPLIT_NAME.search(row["file_name"]):
            word = match.group(1)
            warnings.append(f"{row['file_name']!r}: Hugging Face reads {word!r} in a path as a split name; rename it")
            break
    texts: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        texts.setdefault((row["suite"], row["prompt_id"]), set()).add(row["prompt"])
    several = [
        prompt_id
        for (_, prompt_id), prompts in texts.items()
        if len(prompts) > 1 and len(set(map(words_of_prompt, prompts))) > 1
    ]
    if several:
        warnings.append(
            f"prompt_id {several[0]!r} stands for different prompts ({len(several)} such ids): systems are compared "
            "prompt by prompt, by prompt_id"
        )
    warnings += _sequence_warnings(rows)
    if any((row.get("seed") or 0) >= 2**63 for row in rows):
        warnings.append(
            "seeds from 2^63 on: Hugging Face reads them as floating-point numbers, which are not exact; here they are"
        )
    late = sorted(column for column in set().union(*rows) if sum(column in row for row in rows) < len(rows))
    if late:
        warnings.append(
            f"not every row has {', '.join(late)}: write null where there is no value, loaders want all columns"
        )
    return warnings


def _sequence_warnings(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is said of shots that belong to no sequence, and of those that are in one several times."""
    halves = [row for row in rows if bool(row.get("sequence_id")) != (row.get("shot") is not None)]
    if halves:
        given, missing = ("sequence_id", "shot") if halves[0].get("sequence_id") else ("shot", "sequence_id")
        yield (
            f"{halves[0]['file_name']!r} has a {given} and no {missing} ({len(halves)} such rows), so it belongs to no "
            "sequence: give both, or neither"
        )
    shots = Counter(
        (row["system"], row["suite"], row["sequence_id"], row["shot"], row.get("repeat") or 0)
        for row in rows
        if row.get("sequence_id") and row.get("shot") is not None
    )
    several = [shot for shot, n in shots.items() if n > 1]
    if several:
        system, _, sequence, shot, _ = several[0]
        yield (
            f"shot {shot} of {sequence!r} by {system} is there {shots[several[0]]} times ({len(several)} such shots): "
            "each of its pictures is held against all other shots; number whole sequences that were made anew in a "
            "repeat column"
        )
