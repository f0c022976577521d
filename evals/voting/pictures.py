"""What a voter sees of a side: its pictures in one frame, encoded anew, so that shape and size tell nothing."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def framed(sides: Mapping[str, Sequence[Path | None]], side: int) -> dict[str, bytes]:
    """Return each side's pictures in one square frame as a WebP image without metadata.

    One picture fills the frame as far as its shape allows, several stand in rows in their order. All are brought to
    the size of their place, on the two sides that are compared by way of the smallest one's resolution: none is
    sharper for being larger.

    Parameters
    ----------
    sides
        The paths by the name of the side, ``left``, ``right`` and perhaps ``source``; None is a picture that is not
        there.
    side
        Pixels of the frame's side.

    Raises
    ------
    UnreadableImage
        If a picture cannot be shown: what was not seen is not judged.
    """
    places = {name: _place(len(paths), side) for name, paths in sides.items()}
    pictures = {name: [_picture(path, places[name]) for path in paths] for name, paths in sides.items()}
    detail = min(max(picture.size) for name in ("left", "right") for picture in pictures[name])
    return {
        name: _frame(several, side, places[name], side if name == "source" else detail)
        for name, several in pictures.items()
    }


def _place(n_pictures: int, side: int) -> int:
    columns = math.ceil(math.sqrt(n_pictures))
    return (side - round(side * _GAP) * (columns - 1)) // columns


def _frame(pictures: Sequence[PIL.Image.Image], side: int, place: int, detail: int) -> bytes:
    frame = PIL.Image.new("RGB", (side, side), GROUND)
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    gap = round(side * _GAP)
    top = (side - rows * place - gap * (rows - 1)) // 2
    for n, picture in enumerate(pictures):
        picture = _resized(_resized(picture, min(detail, place, max(picture.size))), place)
        x, y = (n % columns) * (place + gap), top + (n // columns) * (place + gap)
        frame.paste(picture, (x + (place - picture.width) // 2, y + (place - picture.height) // 2))
    buffer = io.BytesIO()
    frame.save(buffer, format="WEBP", quality=_QUALITY, method=2)
    return buffer.getvalue()


def _picture(path: Path | None, longest: int) -> PIL.Image.Image:
    """Return a picture, no larger than it will be shown."""
    if path is None:
        raise UnreadableImage("is not there any more")
    with open_picture(content_of(path)) as opened:
        picture = PIL.Image.fromarray(upright_rgb(opened))
    return _resized(picture, min(longest, max(picture.size)))


def _resized(picture: PIL.Image.Image, longest: int) -> PIL.Image.Image:
    scale = longest / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if size == picture.size else picture.resize(size, PIL.Image.Resampling.LANCZOS)
