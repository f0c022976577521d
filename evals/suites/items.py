"""Prompt items: what one prompt of a suite asks for, and how it is read from the suite's file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from evals.imageset.decoding import check_header
from evals.yaml_files import Section, meant

POSITIONS = ("left", "centre", "right", "top", "bottom")
"""Where in the picture an object of a prompt item can be asked for."""

RELATIONS = ("left of", "right of", "above", "below", "in front of", "behind", "inside", "on")
"""How one object can be asked for to stand to another, as the viewer sees it."""

EDITS = ("recolour", "remove", "replace", "add", "write", "background", "restyle")
"""What an edit can do."""

WHOLE_PICTURE = "picture"
"""The target of an edit that concerns no single thing."""

SOURCE_SIDE = 1024
"""Side of a drawn source in pixels where the suite gives no smaller one, and the most that one from a package has."""

_SLOTS = POSITIONS[:3]
_SMALLEST_SOURCE = 256
_OF_WHOLE_PICTURE = ("add", "background", "restyle")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")
_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One thing that the picture must show: what, how many, in which colour, where, of which material."""

    name: str
    count: int = 1
    colour: str | None = None
    position: str | None = None
    material: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """How one object stands to another, by their names; ``relation`` is one of `RELATIONS`."""

    first: str
    relation: str
    second: str


@dataclass(frozen=True, slots=True)
class DrawnSource:
    """A picture to be edited that the renderer draws: one to three things, one of each, in a setting.

    ``side`` is its width and height in pixels.
    """

    setting: str
    objects: tuple[SceneObject, ...]
    side: int = SOURCE_SIDE


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A picture to be edited that an installed package ships.

    ``box`` (left, top, right, bottom in fractions of the file's width and height) holds what the edit may change.
    """

    package: str
    file: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit does (one of `EDITS`), to which thing (or to the ``picture``), and what that becomes."""

    does: str
    target: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class PromptItem:
    """One prompt with everything that the metrics need to know about it.

    Attributes
    ----------
    suite, id
        Together its name.
    prompt
        What is sent.
    expected_text, language
        The lines that the picture must show.
    objects, absent, relations
        What must be seen, the names of what must not, and how things stand to each other; of an edit, afterwards.
    sequence_id, shot
        Which pictures belong to one character, story or brand, and their order from 1.
    reference_images
        Files that are sent along with the prompt.
    caption
        A long prompt in few words, for encoders that read no more; of an edit, the picture afterwards.
    tags
        Words to group the items of a suite by.
    palette
        Colours that must be seen, ``#rrggbb``.
    answer
        What the right picture shows where the prompt does not say it.
    source, source_caption, edit
        The picture to be edited, which is sent along, that picture in words, and what the prompt does to it.
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
    caption: str | None = None
    tags: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    palette: tuple[str, ...] = ()
    answer: str | None = None
    source_caption: str | None = None
    source: DrawnSource | PackageSource | None = None
    edit: Edit | None = None


def read_item(section: Section, suite: str) -> PromptItem:
    """Return the prompt item that an entry of a suite's ``items`` holds.

    Raises
    ------
    ValueError
        The section's error, if something is missing, unknown or of the wrong kind.
    """
    section.only(
        "id", "prompt", "caption", "tags", "expected_text", "language", "objects", "absent", "relations",
        "sequence_id", "shot", "palette", "answer", "reference_images", "source_caption", "source", "edit",
    )  # fmt: skip
    item_id = section.text("id")
    section = section.named(f"item {item_id!r}")
    language = _text(section, "language")
    if language and not _LANGUAGE.fullmatch(language):
        raise section.refuse("language", f"{language!r} is not a language code such as 'en' or 'zh-Hans'")
    if section.has("sequence_id") != section.has("shot"):
        missing = "shot" if section.has("sequence_id") else "sequence_id"
        raise section.refuse(missing, "it is missing; sequence_id and shot belong together")
    objects = _objects(section)
    source = _source(section)
    return PromptItem(
        suite=suite,
        id=item_id,
        prompt=section.text("prompt"),
        expected_text=section.texts("expected_text", ()),
        language=language,
        objects=objects,
        sequence_id=_text(section, "sequence_id"),
        shot=section.integer("shot", least=1) if section.has("shot") else None,
        reference_images=_reference_images(section),
        caption=_text(section, "caption"),
        tags=section.names("tags", ()),
        absent=_absent(section, objects),
        relations=_relations(section, objects),
        palette=_palette(section),
        answer=_text(section, "answer"),
        source_caption=_text(section, "source_caption"),
        source=source,
        edit=_edit(section, source),
    )


def _text(section: Section, key: str) -> str | None:
    return section.text(key) if section.has(key) else None


def _one_of(section: Section, key: str, known: tuple[str, ...], noun: str | None = None) -> str:
    given = section.text(key)
    if given not in known:
        raise section.refuse(key, f"there is no {noun or key} {given!r}; {meant(given, known)}")
    return given


def _reference_images(item: Section) -> tuple[Path, ...]:
    paths = tuple(item.path.parent / name for name in item.names("reference_images", ()))
    for path in paths:
        if not path.is_file():
            raise item.refuse("reference_images", f"there is no file {path}; write paths relative to the suite's file")
        if problem := check_header(path):
            raise item.refuse("reference_images", f"{path.name} {problem}; replace the file")
    return paths


def _objects(item: Section) -> tuple[SceneObject, ...]:
    objects: list[SceneObject] = []
    for section in item.sections("objects"):
        section.only("name", "count", "colour", "material", "position")
        name, count = section.text("name"), section.integer("count", 1, least=1)
        position = _one_of(section, "position", POSITIONS) if section.has("position") else None
        objects.append(SceneObject(name, count, _text(section, "colour"), position, _text(section, "material")))
    return tuple(objects)


def _absent(item: Section, objects: tuple[SceneObject, ...]) -> tuple[str, ...]:
    names = item.names("absent", ())
    for thing in objects:
        if thing.name in names:
            raise item.refuse("absent", f"{thing.name!r} is among the objects, which must be seen", thing.name)
    return names


def _relations(item: Section, objects: tuple[SceneObject, ...]) -> tuple[Relation, ...]:
    names = [thing.name for thing in objects]
    relations: list[Relation] = []
    for section in item.sections("relations"):
        section.only("first", "relation", "second")
        for end in ("first", "second"):
            name = section.text(end)
            if name not in names:
                raise section.refuse(end, f"{name!r} is not among the item's objects; {meant(name, names)}")
        first, second = section.text("first"), section.text("second")
        if first == second:
            raise section.refuse("second", f"{second!r} cannot stand to itself; name another object")
        relations.append(Relation(first, _one_of(section, "relation", RELATIONS), second))
    return tuple(relations)


def _palette(item: Section) -> tuple[str, ...]:
    colours = item.names("palette", ())
    for colour in colours:
        if not _HEX_COLOUR.fullmatch(colour):
            raise item.refuse("palette", f"{colour!r} is not a colour such as '#0a3d62'", colour)
    return tuple(colour.lower() for colour in colours)


def _source(item: Section) -> DrawnSource | PackageSource | None:
    if not item.has("source"):
        return None
    if not item.has("edit"):
        raise item.refuse("edit", "it is missing; a source is there to be edited")
    section = item.section("source")
    return _package_source(section) if section.has("package") else _drawn_source(section)


def _package_source(section: Section) -> PackageSource:
    section.only("package", "file", "box")
    package, file = section.text("package"), section.text("file")
    if not package.isidentifier():
        raise section.refuse("package", f"{package!r} is not the name of a package such as 'skimage'")
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts or "\\" in file:
        raise section.refuse("file", f"{file!r} leads out of the package; write the path below it, as in data/cat.png")
    node = section.nodes.get("box")
    entries = node.value if isinstance(node, yaml.SequenceNode) else ()
    try:
        edges = [float(entry.value) for entry in entries]
    except (TypeError, ValueError):
        edges = []
    if len(edges) != 4 or not (0 <= edges[0] < edges[2] <= 1 and 0 <= edges[1] < edges[3] <= 1):
        raise section.refuse("box", "write [left, top, right, bottom] as fractions of width and height, from 0 to 1")
    return PackageSource(package, file, (edges[0], edges[1], edges[2], edges[3]))


def _drawn_source(section: Section) -> DrawnSource:
    from evals.suites.drawing.backdrops import SETTINGS
    from evals.suites.drawing.pictograms import COLOURS, PICTOGRAMS

    section.only("setting", "objects", "side")
    settings = tuple(word for setting in SETTINGS for word in setting.words)
    things: list[SceneObject] = []
    for entry in section.sections("objects"):
        entry.only("name", "colour", "position")
        name = entry.text("name")
        if name not in PICTOGRAMS:
            raise entry.refuse("name", f"the renderer cannot draw a {name!r}; {meant(name, PICTOGRAMS)}")
        colour = _one_of(entry, "colour", tuple(COLOURS)) if entry.has("colour") else None
        position = _one_of(entry, "position", _SLOTS) if entry.has("position") else None
        if position is not None and position in [thing.position for thing in things]:
            raise entry.refuse("position", f"two things cannot stand {position}; give each its own place")
        things.append(SceneObject(name, 1, colour, position))
    if not 1 <= len(things) <= len(_SLOTS):
        raise section.refuse("objects", f"{len(things)} things cannot be drawn side by side; name one to three")
    side = section.integer("side", SOURCE_SIDE, least=_SMALLEST_SOURCE)
    if side > SOURCE_SIDE:
        raise section.refuse("side", f"{side} is too large; a source has at most {SOURCE_SIDE} pixels a side")
    return DrawnSource(_one_of(section, "setting", settings), tuple(things), side)


def _edit(item: Section, source: DrawnSource | PackageSource | None) -> Edit | None:
    if not item.has("edit"):
        return None
    if source is None and not item.has("reference_images"):
        raise item.refuse("source", "it is missing; an edit needs a source or reference_images")
    section = item.section("edit").only("does", "target", "to")
    does, target, to = _one_of(section, "does", EDITS, "edit"), section.text("target"), _text(section, "to")
    if (to is None) != (does == "remove"):
        raise section.refuse("to", "it is missing" if to is None else "what is removed becomes nothing; leave it out")
    if does in _OF_WHOLE_PICTURE and target != WHOLE_PICTURE:
        raise section.refuse("target", f"{does!r} concerns the whole picture; write {WHOLE_PICTURE!r}")
    if does not in _OF_WHOLE_PICTURE and isinstance(source, DrawnSource):
        names = [thing.name for thing in source.objects]
        if target not in names:
            raise section.refuse("target", f"there is no {target!r} in the source; {meant(target, names)}")
    return Edit(does, target, to)
