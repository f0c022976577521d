"""What a simulated system makes of a prompt item: the scripted defects, applied before anything is drawn."""

from __future__ import annotations

import colorsys
import string
from collections.abc import Sequence

import PIL.ImageColor

from evals.definition import Defect, SimulatedSystem
from evals.suites.drawing.pictograms import PICTOGRAMS
from evals.suites.drawing.randomness import generator
from evals.suites.suite import PromptItem, SceneObject

# Pairs that a text engine may take for each other would make a misspelling invisible.
_UNLIKE: dict[str, str] = {
    **dict(zip(string.ascii_uppercase, "XKTXMXKMRMXTXXXKXKXXXXKHXK", strict=True)),
    **dict(zip(string.digits, "4857284359", strict=True)),
}


def defects_of(item: PromptItem, system: SimulatedSystem) -> tuple[Defect, ...]:
    """Return the defects that a system shows in an item."""
    return tuple(
        defect
        for defect in system.defects
        if defect.suite == item.suite and (not defect.items or item.id in defect.items)
    )


def has_defect(item: PromptItem, system: SimulatedSystem, does: str) -> bool:
    """Return whether the script lets a system do one thing wrong in an item."""
    return any(defect.does == does for defect in defects_of(item, system))


def as_understood(item: PromptItem, system: SimulatedSystem, characters: Sequence[str] = ()) -> PromptItem:
    """Return the item as the system will draw it: letters, things, person and colours changed where scripted.

    ``characters`` are all sequence ids of the suite, in order; another face is that of the next one.
    """
    for defect in defects_of(item, system):
        if defect.does == "misspell":
            item = item.model_copy(update={"expected_text": misspelt(item.expected_text, defect.characters, item.id)})
        elif defect.does == "drop_object":
            # The last thing goes, or one of several of the same kind; a single one leaves the scene empty.
            item = item.model_copy(update={"objects": item.objects[:-1]})
        elif defect.does == "swap_object":
            item = item.model_copy(update={"objects": (*item.objects[:-1], _another(item))})
        elif defect.does == "other_face" and item.sequence_id in characters:
            place = characters.index(item.sequence_id)
            item = item.model_copy(update={"sequence_id": characters[(place + 1) % len(characters)]})
        elif defect.does == "off_colours":
            item = item.model_copy(update={"palette": off_colours(item.palette, item.id)})
    return item


def another_step(item: PromptItem, items: Sequence[PromptItem]) -> PromptItem:
    """Return the item as it looks if the step after it is shown in its place, and the first one in the last one's.

    ``items`` hold all steps of its sequence.
    """
    story = sorted(
        (step for step in items if (step.suite, step.sequence_id) == (item.suite, item.sequence_id)),
        key=lambda step: step.shot or 0,
    )
    return story[(story.index(item) + 1) % len(story)].model_copy(update={"id": item.id})


def off_colours(palette: Sequence[str], item_id: str) -> tuple[str, ...]:
    """Return the colours turned by a third to two thirds of the colour circle, another turn for every item.

    What has no hue (white, black, greys) stays.

    Examples
    --------
    >>> off_colours(["#ffffff"], "x")
    ('#ffffff',)
    """
    turn = float(generator("off colours", item_id).uniform(1 / 3, 2 / 3))
    turned: list[str] = []
    for colour in palette:
        red, green, blue = (channel / 255 for channel in PIL.ImageColor.getrgb(colour)[:3])
        hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
        channels = colorsys.hls_to_rgb((hue + turn) % 1, lightness, saturation)
        turned.append("#" + "".join(f"{round(channel * 255):02x}" for channel in channels))
    return tuple(turned)


def misspelt(lines: Sequence[str], characters: int, item_id: str) -> tuple[str, ...]:
    """Return the lines with that many letters wrong: the first exchanged, the next lost, and so on in turn.

    No letter is added and no two wrong letters stand side by side, so the character error rate is
    ``characters / letters`` and nothing counts as inserted.

    Examples
    --------
    >>> misspelt(["OPEN"], 1, "x")
    ('OKEN',)
    """
    places = [(i, j) for i, line in enumerate(lines) for j, letter in enumerate(line) if letter in _UNLIKE]
    random = generator("misspelt", item_id)
    wrong: list[tuple[int, int]] = []
    for index in random.permutation(len(places)):
        row, column = places[int(index)]
        if len(wrong) < characters and all(row != i or abs(column - j) > 1 for i, j in wrong):
            wrong.append((row, column))
    changed = [list(line) for line in lines]
    for number, (row, column) in enumerate(wrong):
        changed[row][column] = _UNLIKE[changed[row][column]] if number % 2 == 0 else ""
    return tuple("".join(line) for line in changed)


def _another(item: PromptItem) -> SceneObject:
    present = {scene_object.name for scene_object in item.objects}
    others = [name for name, pictogram in PICTOGRAMS.items() if name not in present and not pictogram.label]
    old = item.objects[-1]
    name = others[int(generator("another", item.id).integers(len(others)))]
    return SceneObject(name=name, count=old.count, position=old.position)
