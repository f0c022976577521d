"""Reads and checks suites: named, versioned lists of prompt items with one purpose, each a YAML file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from evals.data_files import data_path
from evals.fields import Section, meant, read_section

POSITIONS = ("left", "centre", "right", "top", "bottom")
"""Where in the picture an object of a prompt item can be asked for."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")


class SuiteError(ValueError):
    """A suite was refused; the message is one sentence with file, line, field and what was meant."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One thing that the picture must show: what, how many, in which colour, where."""

    name: str
    count: int = 1
    colour: str | None = None
    position: str | None = None


@dataclass(frozen=True, slots=True)
class PromptItem:
    """One prompt with everything that the metrics need to know about it.

    ``expected_text`` holds the lines that the picture must show, ``sequence_id`` and ``shot`` (from 1) say which
    pictures must show the same character, ``reference_images`` are files that are sent along with the prompt.
    """

    suite: str
    id: str
    prompt: str
    expected_text: tuple[str, ...] = ()
    language: str | None = None
    objects: tuple[SceneObject, ...] = ()
    sequence_id: str | None = None
    shot: int | None = None
    reference_images: tuple[Path, ...] = ()


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
        path = Path(given)
    elif given in suite_names():
        path = data_path(f"suites/{given}.yaml")
    else:
        raise SuiteError(f"there is no suite {given!r}; {meant(given, suite_names())}")
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
    items = [_item(section, suite) for section in sections]
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


def _item(section: Section, suite: str) -> PromptItem:
    section.only("id", "prompt", "expected_text", "language", "objects", "sequence_id", "shot", "reference_images")
    item_id = section.text("id")
    section = section.named(f"item {item_id!r}")
    language = section.text("language") if section.has("language") else None
    if language and not _LANGUAGE.fullmatch(language):
        raise section.refuse("language", f"{language!r} is not a language code such as 'en' or 'zh-Hans'")
    if section.has("sequence_id") != section.has("shot"):
        missing = "shot" if section.has("sequence_id") else "sequence_id"
        raise section.refuse(missing, "it is missing; sequence_id and shot belong together")
    return PromptItem(
        suite=suite,
        id=item_id,
        prompt=section.text("prompt"),
        expected_text=section.texts("expected_text", ()),
        language=language,
        objects=_objects(section),
        sequence_id=section.text("sequence_id") if section.has("sequence_id") else None,
        shot=section.integer("shot", least=1) if section.has("shot") else None,
        reference_images=_reference_images(section),
    )


def _reference_images(item: Section) -> tuple[Path, ...]:
    paths = tuple(item.path.parent / name for name in item.names("reference_images", ()))
    for path in paths:
        if not path.is_file():
            raise item.refuse("reference_images", f"there is no file {path}; write paths relative to the suite's file")
    return paths


def _objects(item: Section) -> tuple[SceneObject, ...]:
    objects: list[SceneObject] = []
    for section in item.sections("objects"):
        section.only("name", "count", "colour", "position")
        position = section.text("position") if section.has("position") else None
        if position is not None and position not in POSITIONS:
            raise section.refuse("position", f"there is no position {position!r}; {meant(position, POSITIONS)}")
        colour = section.text("colour") if section.has("colour") else None
        objects.append(SceneObject(section.text("name"), section.integer("count", 1, least=1), colour, position))
    return tuple(objects)
