"""Draws the pictures that simulated systems answer with, item by item of an eval's suites."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import PIL.Image

from evals.imageset.decoding import open_picture

if TYPE_CHECKING:
    from evals.definition import SimulatedSystem
    from evals.generation.simulated.host import Renderer
    from evals.suites.suite import PromptItem, Suite

_LEAST_SIDE = 256
_LARGEST_SIDE = 1024
"""Larger pictures are enlarged ones: drawn at four times the size they would take seconds and gigabytes."""


def suite_renderer(simulated: SimulatedSystem, suites: Sequence[Suite]) -> Renderer:
    """Return the renderer that draws the prompt items of suites as a simulated system does, its defects included.

    A prompt that no suite holds is drawn as a scene without things, a person whom the renderer does not know as one of
    those it knows; things that it does not know are left out. An edit is answered with its source as it looks
    afterwards, where the renderer draws it, and with the unchanged picture where it does not. Other reference pictures
    change nothing, unless the script lets the system copy one.
    """
    from evals.generation.simulated.defects import another_step, has_defect
    from evals.generation.simulated.drawing import draw
    from evals.suites.suite import PromptItem

    items = {item.prompt: item for suite in suites for item in suite.items}

    def render(
        prompt: str, seed: int | None, nth: int, width: int, height: int, references: Sequence[bytes]
    ) -> PIL.Image.Image:
        item = items.get(prompt)
        if item is None:
            digest = hashlib.sha256(prompt.encode()).hexdigest()[:12]
            item = PromptItem(suite="", id=digest, prompt=prompt)
        if references and has_defect(item, simulated, "copy_reference"):
            return _fitted(_opened(references[0]), width, height)
        if item.source is not None:
            return _fitted(_edited(item, simulated, references), width, height)
        if has_defect(item, simulated, "show_other_step"):
            item = another_step(item, tuple(items.values()))
        item = _drawable(item)
        side = min(max(width, height, _LEAST_SIDE), _LARGEST_SIDE)
        # Without a seed every picture is a new one.
        drawn = draw(item, seed, nth, simulated, side) if seed is not None else draw(item, -1 - nth, 0, simulated, side)
        return _fitted(drawn, width, height)

    return render


def _edited(item: PromptItem, simulated: SimulatedSystem, references: Sequence[bytes]) -> PIL.Image.Image:
    """Return an editing item's picture in its source's size, in which what does not change stays to the pixel."""
    from evals.generation.simulated.defects import has_defect
    from evals.suites.edit_scenes import draw_edited, draw_source, draw_spilled
    from evals.suites.items import DrawnSource
    from evals.suites.references import source_picture

    if not isinstance(item.source, DrawnSource):
        return _opened(references[-1] if references else source_picture(item))
    if has_defect(item, simulated, "leave_unedited"):
        return draw_source(item)
    return draw_spilled(item) if has_defect(item, simulated, "spill_over") else draw_edited(item)


def _opened(content: bytes) -> PIL.Image.Image:
    with open_picture(content) as opened:
        return opened.convert("RGB")


def _fitted(picture: PIL.Image.Image, width: int, height: int) -> PIL.Image.Image:
    return picture if picture.size == (width, height) else picture.resize((width, height), PIL.Image.Resampling.LANCZOS)


def _drawable(item: PromptItem) -> PromptItem:
    """Return an item with a character of the renderer's own for any other, without things that it cannot draw.

    A sequence with things, texts or colours to show is a story or a brand, of which no portrait is drawn.
    """
    from evals.suites.drawing.faces import CHARACTERS
    from evals.suites.drawing.pictograms import COLOURS, PICTOGRAMS

    is_portrait = not (item.objects or item.expected_text or item.palette)
    character = item.sequence_id if is_portrait else None
    if character is not None and character not in CHARACTERS:
        character = list(CHARACTERS)[hashlib.sha256(character.encode()).digest()[0] % len(CHARACTERS)]
    objects = tuple(
        thing if thing.colour in COLOURS else thing.model_copy(update={"colour": None})
        for thing in item.objects
        if thing.name in PICTOGRAMS
    )
    if item.expected_text and objects and PICTOGRAMS[objects[0].name].label is None:
        objects = ()
    return item.model_copy(update={"sequence_id": character, "objects": objects})
