"""Prompt items: what one prompt of a suite asks for, as it stands in the suite's file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, model_validator

from evals.files.yaml_files import Entries, FileModel, Names, Text, Texts, check_known, refused, suggestion
from evals.imageset.columns import OF_WHOLE_PICTURE, Edit, HexColour, Relation, SceneObject, check_absent

SOURCE_SIDE = 1024
"""Side of a drawn source in pixels where the suite gives no smaller one, and the most that one from a package has."""

_SLOTS = ("left", "centre", "right")
_SMALLEST_SOURCE = 256


class DrawnSource(FileModel):
    """A picture to be edited that the renderer draws: one to three things, one of each, in a setting.

    ``side`` is its width and height in pixels.
    """

    setting: Text
    objects: Entries[SceneObject]
    side: Annotated[int, Field(ge=_SMALLEST_SOURCE, le=SOURCE_SIDE)] = SOURCE_SIDE

    @model_validator(mode="after")
    def _check(self) -> Self:
        from evals.suites.drawing.pictograms import COLOURS, PICTOGRAMS
        from evals.suites.drawing.settings import SETTINGS

        check_known(self.setting, [word for setting in SETTINGS for word in setting.words], "setting", "setting")
        if not 1 <= len(self.objects) <= len(_SLOTS):
            raise refused(f"{len(self.objects)} things cannot be drawn side by side; name one to three", "objects")
        for n, thing in enumerate(self.objects):
            if thing.name not in PICTOGRAMS:
                meant = suggestion(thing.name, PICTOGRAMS)
                raise refused(f"the renderer cannot draw a {thing.name!r}; {meant}", "objects", n, "name")
            if thing.count > 1 or thing.material:
                field = "count" if thing.count > 1 else "material"
                raise refused("things are drawn once, as they are; leave it out", "objects", n, field)
            if thing.colour is not None:
                check_known(thing.colour, COLOURS, "colour", "objects", n, "colour")
            if thing.position is not None:
                check_known(thing.position, _SLOTS, "position", "objects", n, "position")
                if thing.position in [earlier.position for earlier in self.objects[:n]]:
                    problem = f"two things cannot stand {thing.position}; give each its own place"
                    raise refused(problem, "objects", n, "position")
        return self


def _check_package(name: str) -> str:
    if not name.isidentifier():
        raise refused(f"{name!r} is not the name of a package such as 'skimage'")
    return name


def _check_package_file(file: str) -> str:
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts or "\\" in file:
        raise refused(f"{file!r} leads out of the package; write the path below it, as in data/cat.png")
    return file


def _as_box(edges: Any) -> tuple[float, ...]:
    match edges:
        case [int() | float(), int() | float(), int() | float(), int() | float()]:
            left, top, right, bottom = edges
            if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
                return tuple(float(edge) for edge in edges)
    raise refused("write [left, top, right, bottom] as fractions of width and height, from 0 to 1")


class PackageSource(FileModel):
    """A picture to be edited that an installed package ships.

    ``box`` (left, top, right, bottom in fractions of the file's width and height) holds what the edit may change.
    """

    package: Annotated[Text, AfterValidator(_check_package)]
    file: Annotated[Text, AfterValidator(_check_package_file)]
    box: Annotated[tuple[float, float, float, float], BeforeValidator(_as_box)]


def _check_language(code: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]{2,4})?", code):
        raise refused(f"{code!r} is not a language code such as 'en' or 'zh-Hans'")
    return code


def _beside_file(name: Any, info: ValidationInfo) -> Any:
    """Return the path of a picture, which a file of prompts names relative to its own folder and below that."""
    from evals.imageset.decoding import check_header
    from evals.imageset.validation import FolderIndex

    if not isinstance(name, str) or not info.context:
        return name
    folder: Path = info.context["path"].parent
    # What such a file names is copied and sent to others: nothing that lies elsewhere on this machine.
    files: FolderIndex = info.context.setdefault("files", FolderIndex(folder))
    inside = name.removeprefix("./")
    if trouble := files.problem(inside):
        raise refused(f"{trouble[0]}; {trouble[1]}")
    path = folder / inside
    if problem := check_header(path):
        raise refused(f"{path.name} {problem}; replace the file")
    return path


def _kind_of_source(source: Any) -> str:
    is_shipped = "package" in source if isinstance(source, Mapping) else isinstance(source, PackageSource)
    return "PackageSource" if is_shipped else "DrawnSource"


class PromptItem(FileModel):
    """One prompt with everything that the metrics need to know about it.

    ``suite`` and ``id`` together are its name. ``expected_text`` are the lines that the picture must show,
    ``text_is_complete`` that no other text may stand there, so that other text counts as an error; ``objects``
    and ``relations`` what must be seen and how things stand to each other, ``absent`` the names of what must not be
    seen, all of an edit afterwards. ``sequence_id`` and ``shot`` say which pictures belong to one character, story or
    brand, and their order from 1. ``reference_images`` are sent along with the prompt. ``caption`` is a long prompt in
    few words, for encoders that read no more; of an edit, the picture afterwards. ``tags`` group the items of a suite.
    ``palette`` are colours that must be seen, ``#rrggbb``. ``answer`` is what the right picture shows where the prompt
    does not say it. ``source`` is the picture to be edited, which is sent along, ``source_caption`` that picture in
    words, ``edit`` what the prompt does to it; ``mask`` shows in white what it may change of a reference picture.
    """

    from_context = ("suite",)

    suite: str
    id: Text
    prompt: Text
    tags: Names[Text] = ()
    expected_text: Texts = ()
    text_is_complete: bool | None = None
    language: Annotated[Text, AfterValidator(_check_language)] | None = None
    objects: Entries[SceneObject] = ()
    sequence_id: Text | None = None
    shot: Annotated[int, Field(ge=1)] | None = None
    reference_images: Names[Annotated[Path, BeforeValidator(_beside_file)]] = ()
    caption: Text | None = None
    absent: Names[Text] = ()
    relations: Entries[Relation] = ()
    palette: Names[HexColour] = ()
    answer: Text | None = None
    source_caption: Text | None = None
    source: (
        Annotated[
            Annotated[DrawnSource, Tag("DrawnSource")] | Annotated[PackageSource, Tag("PackageSource")],
            Discriminator(_kind_of_source),
        ]
        | None
    ) = None
    edit: Edit | None = None
    mask: Annotated[Path, BeforeValidator(_beside_file)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.sequence_id is None) != (self.shot is None):
            missing = "shot" if self.shot is None else "sequence_id"
            raise refused("it is missing; sequence_id and shot belong together", missing)
        names = [thing.name for thing in self.objects]
        check_absent(self.absent, self.objects)
        for n, relation in enumerate(self.relations):
            for end, name in (("first", relation.first), ("second", relation.second)):
                if name not in names:
                    problem = f"{name!r} is not among the item's objects; {suggestion(name, names)}"
                    raise refused(problem, "relations", n, end)
        if self.mask is not None and not self.reference_images:
            raise refused("it is missing; a mask says what may change of a reference picture", "reference_images")
        if self.edit is None:
            if self.source is not None:
                raise refused("it is missing; a source is there to be edited", "edit")
        elif self.source is None and not self.reference_images:
            raise refused("it is missing; an edit needs a source or reference_images", "source")
        elif isinstance(self.source, DrawnSource) and self.edit.does not in OF_WHOLE_PICTURE:
            names = [thing.name for thing in self.source.objects]
            if self.edit.target not in names:
                meant = suggestion(self.edit.target, names)
                raise refused(f"there is no {self.edit.target!r} in the source; {meant}", "edit", "target")
        return self
