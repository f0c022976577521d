"""The demo's characters: heads cut from sample photographs that installed packages ship, set into drawn portraits."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageEnhance
import PIL.ImageFilter

from evals.imageset.decoding import open_picture

PHOTOGRAPHS: dict[str, tuple[str, str]] = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "group": ("insightface", "data/images/t1.jpg"),
}
"""The packages and files of the photographs: NASA's portrait of an astronaut, insightface's sample of six people."""

CHARACTERS: dict[str, tuple[str, tuple[int, int, int, int]]] = {
    "robin": ("astronaut", (179, 83, 266, 170)),
    "alex": ("group", (65, 284, 169, 388)),
    "kim": ("group", (275, 179, 362, 266)),
    "sam": ("group", (452, 300, 577, 424)),
    "charlie": ("group", (734, 365, 837, 469)),
    "jo": ("group", (883, 89, 987, 192)),
    "noor": ("group", (1114, 284, 1217, 388)),
}
"""Every character: the photograph and the box of the face in it. The names are invented."""

_CLOTHES = ("#31567f", "#7d3b3b", "#3e6b4a", "#5c4a7a", "#8a6d3b", "#444b55")
_FACE_SHARE = (0.30, 0.36)
_MARGIN = 0.5


def draw_portrait(picture: PIL.Image.Image, character: str, random: np.random.Generator) -> None:
    """Draw head and shoulders of a character; place, size, tilt and light follow the random numbers.

    Raises KeyError if there is no character of that name, FileNotFoundError if the package that ships the photograph is
    not installed.
    """
    side = picture.width
    face_side = random.uniform(*_FACE_SHARE) * side
    # Mirrored, two of the seven would come closer to each other than the face encoder's threshold.
    head = _head(character).rotate(float(random.uniform(-8, 8)), PIL.Image.Resampling.BICUBIC)
    head = PIL.ImageEnhance.Brightness(head).enhance(float(random.uniform(0.88, 1.12)))
    size = round(face_side * (1 + 2 * _MARGIN))
    head = head.resize((size, size), PIL.Image.Resampling.BICUBIC)
    middle = side * random.uniform(0.4, 0.6)
    top = side * random.uniform(0.08, 0.16)
    pen = PIL.ImageDraw.Draw(picture)
    shoulders = (middle - size * 0.85, top + size * 0.84, middle + size * 0.85, side * 1.5)
    pen.rounded_rectangle(shoulders, size * 0.4, _CLOTHES[int(random.integers(len(_CLOTHES)))])
    picture.paste(head, (round(middle - size / 2), round(top)), _oval(size))


def photograph(name: str) -> PIL.Image.Image:
    """Return one of the sample photographs as an RGB picture.

    Raises FileNotFoundError if the package that ships it is not installed or ships it no more.
    """
    package, relative = PHOTOGRAPHS[name]
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / relative if folders else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"the demo's sample photograph {relative} is not in the package {package}; reinstall it"
        )
    with path.open("rb") as file, open_picture(file) as opened:
        return opened.convert("RGB")


@lru_cache(maxsize=len(CHARACTERS))
def _head(character: str) -> PIL.Image.Image:
    name, (left, top, right, bottom) = CHARACTERS[character]
    margin = (right - left) * _MARGIN
    # Hair reaches higher above the face than the chin below it.
    lift = margin * 0.25
    box = (left - margin, top - margin - lift, right + margin, bottom + margin - lift)
    return photograph(name).crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _oval(size: int) -> PIL.Image.Image:
    mask = PIL.Image.new("L", (size, size))
    inset = size * 0.06
    PIL.ImageDraw.Draw(mask).ellipse((inset * 1.8, inset, size - inset * 1.8, size - inset), 255)
    return mask.filter(PIL.ImageFilter.GaussianBlur(size * 0.02))
