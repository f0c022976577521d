"""Sources of editing items as the renderer draws them: where each thing stands, and the scene after the edit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import PIL.Image

from evals.imageset.columns import SceneObject
from evals.suites.drawing.backdrops import draw_backdrop
from evals.suites.drawing.pictograms import COLOURS, PICTOGRAMS, draw_pictogram
from evals.suites.drawing.randomness import generator
from evals.suites.drawing.settings import SETTINGS, setting_of
from evals.suites.drawing.text import draw_label
from evals.suites.items import DrawnSource, PromptItem

Box = tuple[float, float, float, float]
Pixels = npt.NDArray[np.bool_]

_GROUND = 0.88
_IN_THE_AIR = 0.62
_TINT = "#e4e4e4"
_SLOTS = ("left", "centre", "right")
_ALONE = (0.56, {"centre": 0.5})
_PAIR = (0.4, {"left": 0.27, "right": 0.73})
_ROW = (0.28, {"left": 0.18, "centre": 0.5, "right": 0.82})
"""Size of each thing and where its middle is, in fractions of the picture's side: apart, so that masks can be."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing and the square that it is drawn into, in fractions of the picture's side."""

    thing: SceneObject
    left: float
    top: float
    size: float

    @property
    def box(self) -> Box:
        """Return left, top, right, bottom."""
        return self.left, self.top, self.left + self.size, self.top + self.size

    @property
    def label(self) -> Box | None:
        """Return the box of the place for text, if the thing has one."""
        label = PICTOGRAMS[self.thing.name].label
        if label is None:
            return None
        x0, y0, x1, y1 = (edge / 100 * self.size for edge in label)
        return self.left + x0, self.top + y0, self.left + x1, self.top + y1


@dataclass(frozen=True, slots=True)
class Scene:
    """A drawn source: its setting, its side in pixels, the things in it, and the place kept free for one to be added.

    ``free`` is None where the edit adds nothing; its thing may be one that the renderer does not know.
    """

    item: PromptItem
    setting: str
    side: int
    things: tuple[Placed, ...]
    free: Placed | None = None


def scene_of(item: PromptItem) -> Scene:
    """Return the source scene of an editing item.

    Raises ValueError if the item's source is not one that the renderer draws.
    """
    source, edit = item.source, item.edit
    if not isinstance(source, DrawnSource):
        raise ValueError(f"{item.suite}, item {item.id!r}: there is no source to draw")
    positions = [thing.position for thing in source.objects]
    free = [slot for slot in (_SLOTS if len(positions) != 1 else ("centre",)) if slot not in positions]
    if len(positions) == 2 and "centre" not in positions:
        free = [slot for slot in free if slot != "centre"]
    slots = [str(position or free.pop(0)) for position in positions]
    added = None
    if edit is not None and edit.does == "add":
        new = edit_result(item)
        free = [slot for slot in ("right", "left", "centre") if slot not in slots]
        slot = new.position if new.position in free else next(iter(free), "centre")
        added = new.model_copy(update={"position": slot})
    used = {*slots, *([added.position] if added else [])}
    layout = _ALONE if used == {"centre"} else _ROW if "centre" in used else _PAIR
    things = tuple(_placed(thing, slot, layout) for thing, slot in zip(source.objects, slots, strict=True))
    return Scene(
        item, source.setting, source.side, things, _placed(added, str(added.position), layout) if added else None
    )


def edit_result(item: PromptItem) -> SceneObject:
    """Return what the edit brings into the picture, as the item's objects describe it."""
    name = (item.edit.to if item.edit else None) or ""
    return next((thing for thing in item.objects if thing.name == name), SceneObject(name=name))


def edited(scene: Scene) -> Scene:
    """Return the scene after its edit; the same scene where the renderer cannot draw that."""
    edit = scene.item.edit
    if edit is None:
        return scene
    others = tuple(placed for placed in scene.things if placed.thing.name != edit.target)
    targets = [placed for placed in scene.things if placed.thing.name == edit.target]
    if edit.does == "remove":
        return replace(scene, things=others)
    if edit.does == "recolour" and edit.to in COLOURS:
        changed = {p: replace(p, thing=p.thing.model_copy(update={"colour": edit.to})) for p in targets}
        return replace(scene, things=tuple(changed.get(placed, placed) for placed in scene.things))
    if edit.does == "background" and any(edit.to in setting.words for setting in SETTINGS):
        return replace(scene, setting=str(edit.to))
    new = edit_result(scene.item)
    if new.name not in PICTOGRAMS or new.colour not in (None, *COLOURS):
        return scene
    if edit.does == "replace":
        changed = {p: replace(p, thing=new) for p in targets}
        return replace(scene, things=tuple(changed.get(placed, placed) for placed in scene.things))
    if edit.does == "add" and scene.free is not None:
        return replace(scene, things=(*scene.things, scene.free))
    return scene


def draw_source(item: PromptItem) -> PIL.Image.Image:
    """Return the picture that is to be edited, RGB; the same for every system, seed and repeat."""
    return _drawn(scene_of(item))


def draw_edited(item: PromptItem) -> PIL.Image.Image:
    """Return the picture after the edit, RGB; every pixel that the edit does not concern is the source's."""
    return _written(_drawn(edited(scene_of(item))), item)


def draw_spilled(item: PromptItem) -> PIL.Image.Image:
    """Return the picture after an edit that was not kept where it belongs, RGB: what had to stay is another one.

    The setting is composed anew; where it is the setting that was to change, the things have other colours.
    """
    scene = edited(scene_of(item))
    if item.edit is not None and item.edit.does == "background":
        things = (replace(placed, thing=_in_other_colour(placed)) for placed in scene.things)
        scene = replace(scene, things=tuple(things))
    return _written(_drawn(scene, "spilled"), item)


def _in_other_colour(placed: Placed) -> SceneObject:
    colours = list(COLOURS)
    colour = placed.thing.colour or PICTOGRAMS[placed.thing.name].colour
    other = colours[(colours.index(colour) + len(colours) // 2) % len(colours)]
    return placed.thing.model_copy(update={"colour": other})


def _written(picture: PIL.Image.Image, item: PromptItem) -> PIL.Image.Image:
    if item.edit is not None and item.edit.does == "write":
        for placed in scene_of(item).things:
            if placed.thing.name == item.edit.target and placed.label is not None:
                left, top, right, bottom = (edge * picture.width for edge in placed.label)
                lines = item.expected_text or (str(item.edit.to),)
                draw_label(picture, lines, (left, top, right, bottom), generator("written", item.suite, item.id))
    return picture


def pixels_of(things: Iterable[Placed], side: int) -> Pixels:
    """Return which pixels of a picture things cover, if only a little; True is covered."""
    alpha = PIL.Image.new("L", (side, side))
    for placed in things:
        pictogram, place = _pictogram(placed, side)
        alpha.paste(255, place, pictogram.getchannel("A").point(lambda level: 255 * (level > 0)))
    return np.asarray(alpha) > 0


def _drawn(scene: Scene, *anew: str) -> PIL.Image.Image:
    random = generator("source", scene.item.suite, scene.item.id, *anew)
    side = scene.side
    picture = draw_backdrop(setting_of(scene.setting), _TINT, side, random)
    for placed in scene.things:
        pictogram, place = _pictogram(placed, side)
        picture.paste(pictogram, place, pictogram)
    return picture


def _pictogram(placed: Placed, side: int) -> tuple[PIL.Image.Image, tuple[int, int]]:
    pictogram = draw_pictogram(placed.thing.name, placed.thing.colour, round(placed.size * side))
    return pictogram, (round(placed.left * side), round(placed.top * side))


def _placed(thing: SceneObject, slot: str, layout: tuple[float, dict[str, float]]) -> Placed:
    size, middles = layout
    pictogram = PICTOGRAMS.get(thing.name)
    base = _IN_THE_AIR if pictogram is not None and pictogram.floats else _GROUND
    return Placed(thing, middles[slot] - size / 2, max(0.04, base - size), size)
