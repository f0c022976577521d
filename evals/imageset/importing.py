"""Makes an image set of folders of pictures, one a system: what belongs together, and what stands alone, is told."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from rapidfuzz import fuzz, process

from evals.files.atomic_files import staged_path, write_atomically
from evals.files.regular_files import read_regular
from evals.imageset.columns import RequestColumns, SampleColumns, check_columns
from evals.imageset.contract import REQUESTS
from evals.imageset.copying import copy_picture
from evals.imageset.decoding import UnreadableImage
from evals.imageset.folders import PictureFolder, files_of, name_key, read_picture_folder
from evals.imageset.imageset import ImageSetError, read_requests, write_image_set
from evals.imageset.prompt_table import read_prompt_table
from evals.imageset.prompts import id_of_prompt
from evals.imageset.tables import Entry, TableError
from evals.imageset.validation import FolderIndex, Problem, mixed_columns

_ANEW = ("file_name", "system", "sample_id", "width", "height", "file_sha256", "pixel_sha256")
"""Columns that are found out anew, or are not the same in the set that is written."""

_OF_THE_PICTURE = (
    *("seed", "repeat", "model", "model_version", "host", "size", "created_at", "simulated", "cost_usd", "latency_s"),
    *("in_flight", "queue_s", "generation_s", "download_s"),
)
"""Columns that say nothing about the picture of the same name by another system."""

_OF_A_REQUEST = frozenset(RequestColumns.model_fields) - {"file_name", "sample_id"}

_NEAR = 70
"""How alike two names are (rapidfuzz's ratio, to 100) of which one is told as what may be meant by the other."""

_SOUGHT = 10
"""For so many names another is sought, those that are printed: for all it would take the square of their number."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A picture of another system that a system has no counterpart of; ``near`` is one of its own that may be meant."""

    name: str
    near: str | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made: the set, how much of it can be compared, and what cannot.

    ``pictures`` counts by system, ``common_prompts`` are those of which all systems have a picture, ``lacks`` what each
    system has none of. ``without_prompt`` pictures have their file's name for a prompt, which says nothing about them.
    ``skipped`` could not be used, ``others`` are no pictures; ``unused_prompts`` are rows of the prompts' table that no
    picture belongs to.
    """

    folder: Path
    pictures: Mapping[str, int]
    common_prompts: int
    lacks: Mapping[str, Sequence[Lack]]
    without_prompt: int
    skipped: Sequence[Problem]
    others: Sequence[str]
    unused_prompts: Sequence[str]
    near_sought: int = _SOUGHT
    """For so many of each system's ``lacks``, the first ones, ``near`` was sought; it says nothing in the others."""


@dataclass(slots=True)
class _Picture:
    system: str
    folder: PictureFolder
    name: str
    row: dict[str, Any]
    files_in: Path
    """Where the files that its columns name are looked for."""

    @property
    def prompt(self) -> tuple[str, str]:
        """What it is compared by."""
        return self.row.get("suite") or "", self.row.get("prompt_id") or id_of_prompt(str(self.row["prompt"]))


@dataclass(slots=True)
class _PromptRows:
    """What is known of pictures besides themselves: rows by name, of one system or of all."""

    rows: dict[tuple[str | None, str], tuple[Entry, Path]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def add(self, system: str | None, key: str, entry: Entry, files_in: Path) -> None:
        if (system, key) in self.rows and self.rows[system, key][0] is not entry:
            raise entry.refuse(f"{key!r} was given before, in {self.rows[system, key][0].where}; take one row out")
        self.rows[system, key] = (entry, files_in)

    def find(self, system: str | None, *names: str) -> tuple[Entry, Path] | None:
        """Return the row of the first of some names, with their folders or without them."""
        for key in map(name_key, (*names, PurePosixPath(names[0]).name)):
            for of in dict.fromkeys((system, None)):
                if found := self.rows.get((of, key)):
                    self.used.add(found[0].where)
                    return found
        return None


def import_folders(
    folders: Mapping[str, Path],
    out: Path,
    prompts: Path | None = None,
    skip_bad: bool = False,
    progress: Callable[[str, int, int], None] = lambda label, done, total: None,
) -> Imported:
    """Copy the pictures of several folders into one image set and say what belongs together.

    Pictures are of one prompt if they have the same ``prompt_id``, or else the same prompt, or else the same name. What
    is known of a picture stands in a ``metadata.jsonl`` or ``metadata.csv`` of its folder, or of another one under the
    same name, or in the table ``prompts``, by ``file_name`` or by the name as ``prompt_id``. Where no prompt is known,
    the name stands in for it, and the column ``prompt_is_file_name`` says so.

    Parameters
    ----------
    folders
        The folder of each system.
    out
        The set's folder; not there yet, or empty.
    prompts
        A table of prompts (see `read_prompt_table`), with any columns of the contract.
    skip_bad
        Leave out what cannot be used and list it, instead of refusing all.
    progress
        Called with a label, the number of pictures that were copied, and the total.

    Raises
    ------
    ImageSetError
        If there are no two folders with pictures, ``out`` is taken, or a file cannot be used.
    TableError
        If a table is refused.
    """
    _check_places(folders, out)
    picture_folders = {system: read_picture_folder(path) for system, path in folders.items()}
    table = _table(prompts)
    shared = _PromptRows()
    for folder in picture_folders.values():
        for name, entry in folder.columns.items():
            shared.rows.setdefault((None, name_key(name)), (entry, folder.path))
    pictures = [
        picture for system, folder in picture_folders.items() for picture in _pictures(system, folder, table, shared)
    ]
    for folder in picture_folders.values():
        _refuse_same_names(folder, pictures)
    refused = {problem.file for folder in picture_folders.values() for problem in folder.problems}
    pictures = [each for each in pictures if str(each.folder.path / each.name) not in refused]
    pictures = _with_good_rows(pictures)
    problems = [problem for folder in picture_folders.values() for problem in folder.problems]
    if problems and not skip_bad:
        raise ImageSetError(Path(problems[0].file), *problems)
    written = _write(pictures, picture_folders, out, skip_bad, progress)
    by_system: dict[str, dict[tuple[str, str], str]] = {system: {} for system in folders}
    for each in written:
        by_system[each.system].setdefault(each.prompt, each.name)
    return Imported(
        folder=out,
        pictures=dict(Counter(each.system for each in written)),
        common_prompts=len(set.intersection(*map(set, by_system.values()))),
        lacks={system: _lacks(system, by_system) for system in by_system},
        without_prompt=sum("prompt_is_file_name" in each.row for each in written),
        skipped=[problem for folder in picture_folders.values() for problem in folder.problems],
        others=[str(folder.path / name) for folder in picture_folders.values() for name in folder.others],
        unused_prompts=[entry.where for entry, _ in table.rows.values() if entry.where not in table.used],
    )


def _check_places(folders: Mapping[str, Path], out: Path) -> None:
    if len(folders) < 2:
        raise ImageSetError(out, Problem(None, "one system is compared with nothing", "name two folders", str(out)))
    places: dict[Path, str] = {}
    for system, path in folders.items():
        if (first := places.setdefault(path.resolve(), system)) != system:
            what = f"it is given for {first} and for {system}"
            raise ImageSetError(path, Problem(None, what, "name the folder of each system", str(path)))
        if out.resolve() == path.resolve() or path.resolve() in out.resolve().parents:
            what = f"it lies in the pictures of {system}"
            raise ImageSetError(out, Problem(None, what, "choose another folder for --out", str(out)))
        for other, earlier in places.items():
            if other in path.resolve().parents or path.resolve() in other.parents:
                what = f"it and the pictures of {earlier} lie one within the other"
                raise ImageSetError(path, Problem(None, what, "give each system a folder of its own", str(path)))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ImageSetError(out, Problem(None, "already exists", "choose a new folder for --out", str(out)))
    if out.is_symlink() or out.name in ("", ".."):
        what = "it is a link" if out.is_symlink() else "it has no name of its own"
        raise ImageSetError(out, Problem(None, what, "choose a new folder for --out", str(out)))


def _nothing_in(folder: PictureFolder) -> Problem:
    lies = f"{len(folder.others)} other files" if folder.others else "nothing"
    what = "none of its pictures can be used" if folder.problems else f"it holds {lies} and no picture"
    return Problem(None, what, "check the path", str(folder.path))


def _table(path: Path | None) -> _PromptRows:
    """Return the rows of a table of prompts by every name that a picture of theirs may have."""
    prompt_rows = _PromptRows()
    if path is None:
        return prompt_rows
    if path.suffix.casefold() == ".txt":
        raise TableError(f"{path.name}: lines of text name no pictures; write a table with file_name or prompt_id")
    for entry in read_prompt_table(path, "file_name", "prompt_id"):
        system = entry.text("system") if "system" in entry.values else None
        column = "file_name" if "file_name" in entry.values else "prompt_id"
        prompt_rows.add(system, name_key(entry.text(column)), entry, path.parent)
    return prompt_rows


def _pictures(system: str, folder: PictureFolder, table: _PromptRows, shared: _PromptRows) -> Iterator[_Picture]:
    for name in folder.pictures:
        row: dict[str, Any] = {}
        files_in = folder.path
        if name in folder.columns:
            row |= folder.columns[name].values
        elif other := shared.find(None, name):
            row |= {column: value for column, value in other[0].values.items() if column not in _OF_THE_PICTURE}
            files_in = other[1]
        # A picture may also lie in a folder that has the name of its prompt.
        parents = [str(parent) for parent in PurePosixPath(name).parents if parent.name]
        if of_table := table.find(system, name, f"{folder.path.name}/{name}", f"{system}/{name}", *parents):
            row = {"prompt_id": name_key(name), **row, **of_table[0].values}
            files_in = of_table[1] if any(files_of(of_table[0].values)) else files_in
        row = {column: value for column, value in row.items() if column not in _ANEW}
        if not row.get("prompt"):
            row |= {"prompt": name_key(name), "prompt_is_file_name": True}
            row.setdefault("prompt_id", name_key(name))
        yield _Picture(system, folder, name, row, files_in)


def _refuse_same_names(folder: PictureFolder, pictures: Sequence[_Picture]) -> None:
    """Refuse the pictures of a folder whose names alone would tell them apart, and do not."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for each in pictures:
        if each.folder is folder and each.name not in folder.columns:
            by_name[name_key(each.name).casefold()].append(each.name)
    for names in by_name.values():
        for n, name in enumerate(names):
            if len(names) > 1:
                remedy = "rename one, or go on without both with --skip-bad"
                folder.refuse(name, f"has the name of {names[n - 1]!r}", remedy)


def _with_good_rows(pictures: Sequence[_Picture]) -> list[_Picture]:
    """Return the pictures whose rows are not refused, numbered where they would be one sample several times."""
    good: list[_Picture] = []
    repeats: dict[tuple[Any, ...], list[_Picture]] = defaultdict(list)
    for each in pictures:
        checked = check_columns({**each.row, "file_name": each.name, "system": each.system}, SampleColumns)
        if isinstance(checked, str):
            each.folder.refuse(each.name, *_halves(checked))
            continue
        good.append(each)
        each.row = {column: value for column, value in checked.items() if column not in _ANEW}
        if isinstance(each.row.get("expected_text"), str):  # a table has a list where metadata may have a text
            each.row["expected_text"] = [each.row["expected_text"]]
        rest = (each.row.get(column) for column in ("seed", "repeat", "sequence_id", "shot"))
        repeats[(each.system, each.prompt, *rest)].append(each)
    for same in repeats.values():
        if len(same) > 1 and same[0].row.get("repeat") is None:
            for number, each in enumerate(same):
                each.row["repeat"] = number
    mixed = {problem.row: problem for problem in mixed_columns((n, each.row) for n, each in enumerate(good))}
    for n, each in enumerate(good):
        if n in mixed:
            each.folder.refuse(each.name, mixed[n].what, mixed[n].remedy)
    return [each for n, each in enumerate(good) if n not in mixed]


def _halves(sentence: str) -> tuple[str, str]:
    what, _, remedy = sentence.rpartition("; ")
    return (what, remedy) if what else (sentence, "correct it or take the row out")


def _write(
    pictures: Sequence[_Picture],
    folders: Mapping[str, PictureFolder],
    out: Path,
    skip_bad: bool,
    progress: Callable[[str, int, int], None],
) -> list[_Picture]:
    """Write the set beside its place and move it there when it is whole; return what was written."""
    staged = staged_path(out)
    written: list[_Picture] = []
    indices: dict[Path, FolderIndex] = {}

    def refuse(what: str) -> None:
        each = written.pop()
        each.folder.refuse(each.name, what)
        if not skip_bad:
            raise ImageSetError(each.folder.path / each.name, each.folder.problems[-1])

    def samples() -> Iterator[tuple[bytes, Mapping[str, Any]]]:
        for done, each in enumerate(pictures):
            progress("pictures", done, len(pictures))
            written.append(each)
            try:
                index = indices.setdefault(each.files_in, FolderIndex(each.files_in))
                row = {"system": each.system, **each.row, **_copied(each, index, staged)}
                content = read_regular(each.folder.path / each.name)
            except (UnreadableImage, OSError) as error:
                refuse(str(error) if isinstance(error, UnreadableImage) else f"cannot be read ({error.strerror})")
                continue
            yield content, row
        for system, folder in folders.items():
            if not any(each.system == system for each in written):
                raise ImageSetError(folder.path, _nothing_in(folder))

    try:
        write_image_set(staged, samples(), lambda row, what: refuse(what))
        _write_requests(staged, folders, written)
        if out.is_dir():
            out.rmdir()
        os.replace(staged, out)
    except ImageSetError as error:
        if staged.name in str(error):
            raise ImageSetError(out, *error.problems) from None
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return written


def _write_requests(staged: Path, folders: Mapping[str, PictureFolder], written: Sequence[_Picture]) -> None:
    """Take along the requests that a folder lists, refusals among them; a folder without a list had only pictures."""
    listed = {system: read_requests(folder.path) for system, folder in folders.items()}
    if not any(listed.values()):
        return
    lines = []
    for system, requests in listed.items():
        answered = [{**each.row, "outcome": "ok"} for each in written if each.system == system]
        for row in answered if requests is None else requests:
            kept = {column: value for column, value in row.items() if column in _OF_A_REQUEST}
            lines.append(json.dumps({**kept, "system": system}, ensure_ascii=False) + "\n")
    write_atomically(staged / REQUESTS, "".join(lines).encode())


def _copied(each: _Picture, index: FolderIndex, staged: Path) -> dict[str, Any]:
    """Copy the files that a row names, and return its columns with their names in the set."""
    copies: dict[str, str] = {}
    for below, names in (("references", each.row.get("reference_images") or ()), ("masks", [each.row.get("mask")])):
        for name in filter(None, names):
            if trouble := index.problem(name):
                raise UnreadableImage(f"names a file that is not taken: {trouble[0]}")
            try:
                copies[name] = copy_picture(staged, below, read_regular(each.files_in / name))
            except UnreadableImage as error:
                raise UnreadableImage(f"names {name!r}, which {error}") from None
    columns: dict[str, Any] = {}
    if each.row.get("reference_images"):
        columns["reference_images"] = [copies[name] for name in each.row["reference_images"]]
    if each.row.get("mask"):
        columns["mask"] = copies[each.row["mask"]]
    return columns


def _lacks(system: str, by_system: Mapping[str, Mapping[tuple[str, str], str]]) -> list[Lack]:
    others = {prompt: name for other in by_system.values() for prompt, name in other.items()}
    of_system = by_system[system]
    alone = {
        name_key(name).casefold(): name
        for prompt, name in of_system.items()
        if not all(prompt in other for other in by_system.values())
    }
    lacks: list[Lack] = []
    for prompt, name in sorted(others.items(), key=lambda pair: pair[1]):
        if prompt not in of_system:
            key = name_key(name).casefold()
            near = (
                process.extractOne(key, list(alone), scorer=fuzz.ratio, score_cutoff=_NEAR)
                if len(lacks) < _SOUGHT
                else None
            )
            lacks.append(Lack(name, alone[near[0]] if near else None))
    return lacks
