"""Reads and checks suites: named, versioned lists of prompt items with one purpose, each a YAML file."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationInfo, model_validator

from evals.files.data_files import data_path
from evals.files.yaml_files import DistinctEntries, FileModel, Text, read_yaml, refused, suggestion
from evals.imageset.columns import Relation, SceneObject
from evals.imageset.tables import TableError
from evals.suites.items import PromptItem

__all__ = [
    "PromptItem", "Relation", "SceneObject", "Suite", "SuiteError", "is_suite_file", "read_suite", "suite_names",
]  # fmt: skip


MOST_REPEATS = 1000
"""With how many seeds, and how often with each, a prompt is asked at most."""


class SuiteError(TableError):
    """A suite was refused; the message is one sentence with file, line, field and what was meant."""


class Suite(FileModel):
    """A suite as read: what it is for, how it was made, what it cannot show, and its prompt items.

    ``seeds`` and ``repeats`` say how often each prompt is asked where the suite's purpose needs more than one picture:
    with that many seeds, and that many times with each seed. With ``first_shot_as_reference`` the picture of a
    sequence's first shot is sent along when the later ones are asked for.
    """

    name: Text
    version: Annotated[int, Field(ge=1)]
    purpose: Text
    made: Text
    limits: Text
    seeds: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] | None = None
    first_shot_as_reference: bool = False
    items: DistinctEntries[PromptItem]

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Self:
        if info.context and self.name != (stem := info.context["path"].stem):
            raise refused(f"{self.name!r} is not the file's name; call the suite {stem!r}", "name")
        first: dict[tuple[str, int | None], int] = {}
        for n, item in enumerate(self.items):
            if item.sequence_id is None:
                continue
            shot = (item.sequence_id, item.shot)
            if first.setdefault(shot, n) != n:
                problem = f"shot {item.shot} of {item.sequence_id!r} is listed twice"
                raise refused(problem, "items", n, "shot", first=("items", first[shot]))
        return self

    def item(self, item_id: str) -> PromptItem:
        """Return the item of that id.

        Raises KeyError if there is none.
        """
        return {item.id: item for item in self.items}[item_id]


def suite_names() -> list[str]:
    """Return the names of all suites that come with TwinLens."""
    return sorted(path.stem for path in data_path("suites").glob("*.yaml"))


def is_suite_file(name_or_path: str | Path) -> bool:
    """Return whether a suite is given as a file of one's own, and not by the name of one that comes with TwinLens."""
    return Path(name_or_path).suffix in (".yaml", ".yml")


def read_suite(name_or_path: str | Path) -> Suite:
    """Read and check one suite, by its name or from a file of one's own.

    Raises SuiteError if there is no such suite, or something in it is missing, unknown, of the wrong kind or given
    twice.

    Examples
    --------
    >>> read_suite("demo-signs").item("bakery").expected_text
    ('FRESH BREAD',)
    """
    name = str(name_or_path)
    if is_suite_file(name):
        return read_yaml(Path(name), Suite, SuiteError, suite=Path(name).stem)
    if name not in suite_names():
        raise SuiteError(f"there is no suite {name!r}; {suggestion(name, suite_names())}")
    path = data_path(f"suites/{name}.yaml")
    file = path.stat()
    return _read_once(path, file.st_mtime_ns, file.st_size)


@functools.lru_cache(maxsize=256)
def _read_once(path: Path, mtime_ns: int, n_bytes: int) -> Suite:
    """Read a suite that comes with TwinLens, again only when its file has changed."""
    return read_yaml(path, Suite, SuiteError, suite=path.stem)
