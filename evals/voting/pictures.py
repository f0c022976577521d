"""What a voter sees of a side: its pictures in one frame, encoded anew, so that shape and size tell nothing."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from evals.imageset.decoding import UnreadableImage, content_of, open_picture, upright_rgb

SIDE = 768
"""Pixels of the frame's side on the page."""

FULL_SIDE = 1536
"""The same where a voter looks closer."""

GROUND = (118, 118, 118)
"""The grey around a picture that is not square: 18 % of the light, as photographers judge colours before."""

_GAP = 0.01
_QUALITY = 88


def framed(paths: Sequence[Path | None], side: int) -> bytes:
    """Return pictures in one square frame as a WebP image without metadata.

    One picture fills the frame as far as its shape allows, several stand in rows in their order. All are brought to
    the size of their place, so that resolution does not show; one that cannot be read is a crossed place.
    """
    frame = PIL.Image.new("RGB", (side, side), GROUND)
    columns = math.ceil(math.sqrt(len(paths)))
    rows = math.ceil(len(paths) / columns)
    gap = round(side * _GAP) if len(paths) > 1 else 0
    place = (side - gap * (columns - 1)) // columns
    top = (side - rows * place - gap * (rows - 1)) // 2
    for n, path in enumerate(paths):
        picture = _picture(path, place)
        x, y = (n % columns) * (place + gap), top + (n // columns) * (place + gap)
        frame.paste(picture, (x + (place - picture.width) // 2, y + (place - picture.height) // 2))
    buffer = io.BytesIO()
    frame.save(buffer, format="WEBP", quality=_QUALITY, method=2)
    return buffer.getvalue()


def _picture(path: Path | None, side: int) -> PIL.Image.Image:
    try:
        if path is None:
            raise FileNotFoundError
        with open_picture(content_of(path)) as opened:
            picture = PIL.Image.fromarray(upright_rgb(opened))
    except (OSError, UnreadableImage):
        return _crossed(side)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, PIL.Image.Resampling.LANCZOS)


def _crossed(side: int) -> PIL.Image.Image:
    pixels = np.full((side, side, 3), 60, np.uint8)
    line = np.arange(side)
    pixels[line, line] = pixels[line, side - 1 - line] = 200
    return PIL.Image.fromarray(pixels)
