"""Looks through a folder of pictures that somebody brings: its pictures, its metadata, and what cannot be used."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from evals.imageset.contract import METADATA, REQUESTS
from evals.imageset.decoding import check_header
from evals.imageset.imageset import ImageSetError
from evals.imageset.prompt_table import read_prompt_table
from evals.imageset.tables import Entry
from evals.imageset.validation import FolderIndex, Problem

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")
"""What a picture's name ends in, in small letters."""

METADATA_CSV = "metadata.csv"

_FILE_COLUMNS = ("reference_images", "mask")
_REPLACE = "replace the file or take it away, or go on without it with --skip-bad"


@dataclass(slots=True)
class PictureFolder:
    """What lies in a folder: its pictures by relative name, what is known of each, and what is not taken.

    ``problems`` are what should be a picture and cannot be one, ``others`` files that are no pictures by their names.
    """

    path: Path
    pictures: list[str] = field(default_factory=list)
    columns: dict[str, Entry] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, name: str, what: str, remedy: str = _REPLACE) -> None:
        """Keep a problem with one of its files."""
        self.problems.append(Problem(None, what, remedy, str(self.path / name)))


def read_picture_folder(path: Path) -> PictureFolder:
    """Look through a folder and the folders below it; no link is followed out of it, and no picture decoded.

    Raises
    ------
    ImageSetError
        If there is no such folder.
    evals.imageset.tables.TableError
        If its metadata cannot be read.
    """
    if not path.is_dir():
        raise ImageSetError(path, Problem(None, "there is no folder of that name", "check the path", str(path)))
    folder = PictureFolder(path)
    index = FolderIndex(path)
    for name in (METADATA, METADATA_CSV, REQUESTS):
        if (path / name).is_symlink() and (trouble := index.problem(name)):
            raise ImageSetError(path, Problem(None, *trouble, str(path)))
    metadata = _metadata_of(path)
    named = {name for entry in metadata.values() for name in files_of(entry.values)}
    for name, file in _files(folder):
        if name in (METADATA, METADATA_CSV, REQUESTS) or name in named - metadata.keys():
            continue
        if PurePosixPath(name).suffix.casefold() not in SUFFIXES:
            folder.others.append(name)
        elif trouble := _trouble(index, name, file):
            folder.refuse(name, *trouble)
        else:
            folder.pictures.append(name)
    there = {*folder.pictures, *(Path(problem.file).relative_to(path).as_posix() for problem in folder.problems)}
    for name, entry in metadata.items():
        if name in there:
            folder.columns[name] = entry
        else:
            problem = f"{entry.where}: the file {name!r} does not exist"
            folder.problems.append(Problem(None, problem, "add the file or take the row out", str(path)))
    return folder


def files_of(columns: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files besides the picture that some columns name."""
    for column in _FILE_COLUMNS:
        value = columns.get(column)
        yield from (name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str))


def name_key(name: str) -> str:
    """Return what pictures are paired by: the name without extension, in one Unicode form, underscores as spaces.

    Examples
    --------
    >>> name_key("signs/fresh_bread.png"), name_key("cafe\\u0301.jpg") == name_key("caf\\u00e9.png")
    ('signs/fresh bread', True)
    """
    path = PurePosixPath(name)
    stem = str(path.with_suffix("")) if path.suffix.casefold() in SUFFIXES else name
    return " ".join(unicodedata.normalize("NFC", stem).replace("_", " ").split())


def _files(folder: PictureFolder) -> Iterator[tuple[str, Path]]:
    """Yield every file below a folder in the order of names, but what file managers and version control leave."""

    def failed(error: OSError) -> None:
        raise error

    for parent, below, files in os.walk(folder.path, onerror=failed):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in below:
            if (Path(parent) / name).is_symlink():
                folder.refuse(_relative(folder, parent, name), "is a link to a folder, which is not followed")
        for name in sorted(files):
            if not name.startswith(".") and name not in ("Thumbs.db", "desktop.ini"):
                yield _relative(folder, parent, name), Path(parent) / name


def _relative(folder: PictureFolder, parent: str, name: str) -> str:
    return (Path(parent) / name).relative_to(folder.path).as_posix()


def _trouble(index: FolderIndex, name: str, file: Path) -> tuple[str, str] | None:
    """Return why a file can be no picture of a set, as far as its size and its header tell, and the remedy."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8 text", "rename it"
    if not (file.is_symlink() or stat.S_ISREG(file.stat().st_mode)):
        return "is no regular file", _REPLACE
    if trouble := index.problem(name):
        return trouble
    what = check_header(file)
    return (what, _REPLACE) if what else None


def _metadata_of(path: Path) -> dict[str, Entry]:
    """Return the rows of a folder's metadata by the file that each is of."""
    rows: dict[str, Entry] = {}
    for name in (METADATA, METADATA_CSV):
        if (path / name).is_file():
            # Whoever scores the set is warned of misspelt columns: a folder has columns of its owner's, too.
            for entry in read_prompt_table(path / name, "file_name", misspelt_too=True):
                file = entry.text("file_name")
                if file in rows:
                    raise entry.refuse(f"the file {file!r} was given before; take one of the rows out")
                rows[file] = entry
    return rows
