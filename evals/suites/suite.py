"""Reads and checks suites: named, versioned lists of prompt items with one purpose, each a YAML file."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from evals.data_files import data_path
from evals.suites.items import PromptItem, Relation, SceneObject, read_item
from evals.yaml_files import Section, meant, read_section

__all__ = ["PromptItem", "Relation", "SceneObject", "Suite", "SuiteError", "read_suite", "suite_names"]


class SuiteError(ValueError):
    """A suite was refused; the message is one sentence with file, line, field and what was meant."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as read: what it is for, how it was made, what it cannot show, and its prompt items.

    ``seeds`` and ``repeats`` say how often each prompt is asked where the suite's purpose needs more than one picture:
    with that many seeds, and that many times with each seed. With ``first_shot_as_reference`` the picture of a
    sequence's first shot is sent along when the later ones are asked for.
    """

    name: str
    version: int
    purpose: str
    made: str
    limits: str
    items: tuple[PromptItem, ...]
    seeds: int = 1
    repeats: int | None = None
    first_shot_as_reference: bool = False

    def item(self, item_id: str) -> PromptItem:
        """Return the item of that id.

        Raises
        ------
        KeyError
            If there is none.
        """
        return {item.id: item for item in self.items}[item_id]


def suite_names() -> list[str]:
    """Return the names of all suites that come with TwinLens."""
    return sorted(path.stem for path in data_path("suites").glob("*.yaml"))


def read_suite(name_or_path: str | Path) -> Suite:
    """Read and check one suite, by its name or from a file of one's own.

    Raises
    ------
    SuiteError
        If there is no such suite, or something in it is missing, unknown, of the wrong kind or given twice.

    Examples
    --------
    >>> read_suite("demo-signs").item("bakery").expected_text
    ('FRESH BREAD',)
    """
    given = str(name_or_path)
    if Path(given).suffix in (".yaml", ".yml"):
        return _read(Path(given))
    if given not in suite_names():
        raise SuiteError(f"there is no suite {given!r}; {meant(given, suite_names())}")
    path = data_path(f"suites/{given}.yaml")
    file = path.stat()
    return _read_once(path, file.st_mtime_ns, file.st_size)


@functools.lru_cache(maxsize=256)
def _read_once(path: Path, mtime_ns: int, n_bytes: int) -> Suite:
    """Read a suite that comes with TwinLens, again only when its file has changed."""
    return _read(path)


def _read(path: Path) -> Suite:
    top = read_section(path, SuiteError).only(
        "name",
        "version",
        "purpose",
        "made",
        "limits",
        "seeds",
        "repeats",
        "first_shot_as_reference",
        "items",
    )
    name = top.text("name")
    if name != path.stem:
        raise top.refuse("name", f"{name!r} is not the file's name; call the suite {path.stem!r}")
    return Suite(
        name=name,
        version=top.integer("version", least=1),
        purpose=top.text("purpose"),
        made=top.text("made"),
        limits=top.text("limits"),
        items=_items(top, name),
        seeds=top.integer("seeds", 1, least=1),
        repeats=top.integer("repeats", least=1) if top.has("repeats") else None,
        first_shot_as_reference=top.flag("first_shot_as_reference"),
    )


def _items(top: Section, suite: str) -> tuple[PromptItem, ...]:
    sections = top.sections("items")
    if not sections:
        raise top.refuse("items", "a suite has at least one prompt item")
    items = [read_item(section, suite) for section in sections]
    lines_by_id: dict[str, int] = {}
    lines_by_shot: dict[tuple[str, int | None], int] = {}
    for section, item in zip(sections, items, strict=True):
        if item.id in lines_by_id:
            raise section.refuse("id", f"{item.id!r} was given before, in line {lines_by_id[item.id]}")
        lines_by_id[item.id] = section.lines["id"]
        if item.sequence_id is not None:
            key = (item.sequence_id, item.shot)
            if key in lines_by_shot:
                raise section.refuse(
                    "shot", f"shot {item.shot} of {item.sequence_id!r} was given before, in line {lines_by_shot[key]}"
                )
            lines_by_shot[key] = section.lines["shot"]
    return tuple(items)
