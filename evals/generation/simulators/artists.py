"""Who draws for simulated models: the demo's renderer, and one that costs next to nothing."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import PIL.Image

if TYPE_CHECKING:
    from evals.definition import SimulatedSystem
    from evals.generation.simulators.service import Artist
    from evals.suites import PromptItem

_LEAST_SIDE = 256
_CELLS = 8


def demo_artist(simulated: SimulatedSystem, suites: Sequence[str]) -> Artist:
    """Return the artist that draws the prompt items of suites as a simulated system does, its defects included.

    A prompt that no suite holds is drawn as a scene without things, a person whom the renderer does not know as one of
    those it knows. Reference pictures change nothing.
    """
    from evals.generation.simulators.drawing import draw
    from evals.suites import PromptItem, read_suite

    items = {item.prompt: _drawable(item) for suite in suites for item in read_suite(suite).items}

    def artist(
        prompt: str, seed: int | None, nth: int, width: int, height: int, references: Sequence[bytes]
    ) -> PIL.Image.Image:
        item = items.get(prompt)
        if item is None:
            digest = hashlib.sha256(prompt.encode()).hexdigest()[:12]
            item = PromptItem(suite="", id=digest, prompt=prompt)
        side = max(width, height, _LEAST_SIDE)
        # Without a seed every picture is a new one.
        drawn = draw(item, seed, nth, simulated, side) if seed is not None else draw(item, -1 - nth, 0, simulated, side)
        return drawn if drawn.size == (width, height) else drawn.resize((width, height), PIL.Image.Resampling.LANCZOS)

    return artist


def _drawable(item: PromptItem) -> PromptItem:
    """Return an item with a character of the renderer's own for any other, without things that it cannot draw."""
    from evals.generation.simulators.drawing_faces import CHARACTERS
    from evals.generation.simulators.drawing_pictograms import PICTOGRAMS

    character = item.sequence_id
    if character is not None and character not in CHARACTERS:
        character = list(CHARACTERS)[hashlib.sha256(character.encode()).digest()[0] % len(CHARACTERS)]
    objects = tuple(thing for thing in item.objects if thing.name in PICTOGRAMS)
    if item.expected_text and objects and PICTOGRAMS[objects[0].name].label is None:
        objects = ()
    return replace(item, sequence_id=character, objects=objects)


def plain_artist(
    prompt: str, seed: int | None, nth: int, width: int, height: int, references: Sequence[bytes]
) -> PIL.Image.Image:
    """Draw a few coloured cells, another picture for each prompt, seed and set of references; without a seed, for each
    drawing.
    """
    named = hashlib.sha256(repr((prompt, seed, nth if seed is None else 0)).encode())
    for reference in references:
        named.update(hashlib.sha256(reference).digest())
    cells = random.Random(named.digest()).randbytes(3 * _CELLS * _CELLS)
    small = PIL.Image.frombytes("RGB", (_CELLS, _CELLS), cells)
    return small.resize((width, height), PIL.Image.Resampling.NEAREST)
