"""The renderer: one prompt item, seed and repeat in, the picture that a simulated system answers with out."""

from __future__ import annotations

import numpy as np
import PIL.Image

from evals.definition import SimulatedSystem
from evals.generation.simulated.defects import as_understood, has_defect
from evals.suites.drawing.backdrops import draw_backdrop
from evals.suites.drawing.brands import LAYOUTS, draw_piece
from evals.suites.drawing.faces import CHARACTERS, draw_portrait
from evals.suites.drawing.pictograms import PICTOGRAMS, draw_pictogram
from evals.suites.drawing.randomness import generator
from evals.suites.drawing.settings import setting_of
from evals.suites.drawing.text import draw_label, draw_sign
from evals.suites.suite import PromptItem, SceneObject

NOISE_LEVELS = 6
"""The largest change of a channel by ``add_noise``, of 255 levels: a fine grain in every pixel."""

_GROUND = 0.88
_SLOT_X = {"left": 0.27, "centre": 0.5, "right": 0.73}
_VARIED = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")


def draw(item: PromptItem, seed: int, repeat: int, system: SimulatedSystem, side: int = 512) -> PIL.Image.Image:
    """Draw an item as a system does, its scripted defects included: an RGB picture, the same for the same arguments.

    ``seed`` fixes the composition, unless the script lets the system compose every repeat anew. ``repeat`` says which
    of the requests with that seed this is, from 0; it changes pixels only where the script says so. ``side`` is width
    and height in pixels, at least 256.
    """
    anew = ("anew", repeat) if has_defect(item, system, "recompose") else ()
    random = generator("composition", system.name, item.suite, item.id, seed, *anew)
    picture = draw_backdrop(setting_of(item.prompt), system.tint, side, random)
    drawn = as_understood(item, system, tuple(CHARACTERS))
    if drawn.palette:
        layout = next((tag for tag in drawn.tags if tag in LAYOUTS), LAYOUTS[(drawn.shot or 1) % len(LAYOUTS) - 1])
        draw_piece(picture, layout, drawn.palette, drawn.expected_text, random)
    elif drawn.sequence_id is not None:
        draw_portrait(picture, drawn.sequence_id, random)
    elif drawn.expected_text and drawn.objects:
        _draw_labelled(picture, drawn, random)
    elif drawn.expected_text:
        draw_sign(picture, drawn.expected_text, random)
    else:
        _draw_objects(picture, drawn.objects, random)
    if has_defect(item, system, "add_noise"):
        picture = _noisy(picture, generator("noise", system.name, item.suite, item.id, seed, repeat))
    return picture


def _draw_labelled(picture: PIL.Image.Image, item: PromptItem, random: np.random.Generator) -> None:
    thing = item.objects[0]
    label = PICTOGRAMS[thing.name].label
    if label is None:
        raise ValueError(f"{item.suite}, item {item.id!r}: a {thing.name} has no label to write on")
    size = round(picture.width * random.uniform(0.7, 0.76))
    left = round((picture.width - size) / 2 + random.uniform(-0.05, 0.05) * picture.width)
    top = round(picture.height * 0.93) - size
    pictogram = draw_pictogram(thing.name, thing.colour, size)
    picture.paste(pictogram, (left, top), pictogram)
    x0, y0, x1, y1 = (edge / 100 * size for edge in label)
    draw_label(picture, item.expected_text, (left + x0, top + y0, left + x1, top + y1), random)


def _draw_objects(picture: PIL.Image.Image, objects: tuple[SceneObject, ...], random: np.random.Generator) -> None:
    side = picture.width
    free = ["left", "right"] if len(objects) == 2 else ["left", "centre", "right"] if len(objects) > 2 else ["centre"]
    free = [slot for slot in free if slot not in {scene_object.position for scene_object in objects}]
    random.shuffle(free)
    for number, scene_object in enumerate(objects):
        slot = scene_object.position if scene_object.position in _SLOT_X else free.pop() if free else "centre"
        # A thing that is alone because another one was dropped stays as small as beside it.
        alone = len(objects) == 1 and scene_object.position is None
        share = (0.62 if alone else 0.42) * random.uniform(0.94, 1.04)
        colour = scene_object.colour
        if colour is None and scene_object.position is None and not PICTOGRAMS[scene_object.name].grown:
            colour = _VARIED[int(random.integers(len(_VARIED)))]
        middle = (_SLOT_X[str(slot)] + random.uniform(-0.03, 0.03)) * side
        _draw_group(picture, scene_object, colour, middle, share * side, random, number)


def _draw_group(
    picture: PIL.Image.Image,
    scene_object: SceneObject,
    colour: str | None,
    middle: float,
    width: float,
    random: np.random.Generator,
    number: int,
) -> None:
    each = (
        width if scene_object.count == 1 else width * (1.5 if width > 0.5 * picture.width else 1.1) / scene_object.count
    )
    size = round(each)
    pictogram = draw_pictogram(scene_object.name, colour, size)
    if random.random() < 0.5 and scene_object.name not in ("book", "clock"):
        pictogram = pictogram.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    floats = PICTOGRAMS[scene_object.name].floats
    base = random.uniform(0.5, 0.62) if floats and size < picture.width * 0.5 else _GROUND + random.uniform(-0.02, 0.04)
    if scene_object.position == "top":
        base = 0.45
    for place in range(scene_object.count):
        x = middle + (place - (scene_object.count - 1) / 2) * each * 1.06 - size / 2
        y = base * picture.height - size + (place % 2) * each * 0.12
        picture.paste(pictogram, (round(x), round(y)), pictogram)


def _noisy(picture: PIL.Image.Image, random: np.random.Generator) -> PIL.Image.Image:
    pixels = np.asarray(picture, dtype=np.int16)
    noise = random.integers(-NOISE_LEVELS, NOISE_LEVELS + 1, pixels.shape, dtype=np.int16)
    return PIL.Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
