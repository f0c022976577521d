"""Pieces of a brand as the demo shows them: poster, package and sign, in the brand's colours and with its lettering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageColor
import PIL.ImageDraw

from evals.suites.drawing.text import FONTS, write

LAYOUTS = ("poster", "package", "sign")
"""What a piece can be."""

_LARGEST_LETTERS = 0.16
"""Of the picture's side, from which the room for a line follows."""


def draw_piece(
    picture: PIL.Image.Image,
    layout: str,
    palette: Sequence[str],
    lines: Sequence[str],
    random: np.random.Generator,
) -> None:
    """Draw a piece of a brand into a picture, so that every one of its colours fills a good part of it.

    The first colour is the ground, the one that stands out most from it the lettering's, all others are stripes. A
    brand of one colour writes in white or black. ``picture`` is square; around a poster nothing of it stays, around a
    package and a sign its edges do. ``layout`` is one of `LAYOUTS`, ``palette`` is written ``#rrggbb``, ``lines`` are
    the lettering. Place and proportions follow ``random``; lettering and colours do not.
    """
    side = picture.width
    ground, ink, stripes = _roles(palette)
    left, top, right, bottom = _place(layout, side, random)
    pen = PIL.ImageDraw.Draw(picture)
    if layout == "sign":
        for post in (0.2, 0.76):
            x = left + post * (right - left)
            pen.rectangle((x, bottom, x + 0.04 * side, side), "#6b4a2c")
    pen.rectangle((left, top, right, bottom), ground)
    height = bottom - top
    band = height * float(random.uniform(0.14, 0.18))
    for number, colour in enumerate(stripes):
        y = bottom - (number + 1) * band - 0.04 * height
        pen.rectangle((left, y, right, y + band), colour)
    frame = round(0.018 * side)
    pen.rectangle((left + frame, top + frame, right - frame, bottom - frame), None, ink, frame)
    free = bottom - len(stripes) * band - 0.06 * height
    row = min(_LARGEST_LETTERS * side, (free - top - 4 * frame) / max(1, len(lines)))
    middle = (top + 3 * frame + free) / 2
    box = (left + 4 * frame, middle - row * len(lines) / 2, right - 4 * frame, middle + row * len(lines) / 2)
    if lines:
        write(picture, lines, box, ink, FONTS[0])


def _place(layout: str, side: int, random: np.random.Generator) -> tuple[float, float, float, float]:
    x, y = (float(shift) * side for shift in random.uniform(-0.02, 0.02, 2))
    if layout == "poster":
        return 0, 0, side, side
    if layout == "package":
        return 0.12 * side + x, 0.2 * side + y, 0.88 * side + x, 0.94 * side + y
    return 0.05 * side + x, 0.14 * side + y, 0.95 * side + x, 0.62 * side + y


def _roles(palette: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """Return ground, lettering and stripes: the lettering is the colour that stands out most from the ground."""
    ground, *others = palette
    if not others:
        return ground, "#ffffff" if _luma(ground) < 128 else "#000000", ()
    ink = max(others, key=lambda colour: abs(_luma(colour) - _luma(ground)))
    return ground, ink, tuple(colour for colour in others if colour != ink)


def _luma(colour: str) -> float:
    red, green, blue = PIL.ImageColor.getrgb(colour)[:3]
    return 0.299 * red + 0.587 * green + 0.114 * blue
