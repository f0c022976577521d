"""Draws expected text where the demo shows it: on a sign with posts, or on the label of a thing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

FONTS = ("DejaVuSans-Bold.ttf", "DejaVuSans.ttf", "DejaVuSerif-Bold.ttf")
"""Free fonts that matplotlib ships."""

_BOARDS = (("#fdf6e3", "#3b2a1a"), ("#1f4e8c", "#ffffff"), ("#216b3a", "#fffbe6"), ("#ffffff", "#1a1a1a"))


def draw_sign(picture: PIL.Image.Image, lines: Sequence[str], random: np.random.Generator) -> None:
    """Draw a sign with these lines into the middle of a picture; font, colours and place follow the random numbers."""
    side = picture.width
    board, ink = _BOARDS[int(random.integers(len(_BOARDS)))]
    width, height = 0.88 * side, min(0.2 + 0.11 * len(lines), 0.64) * side
    left = (side - width) / 2 + random.uniform(-0.03, 0.03) * side
    top = random.uniform(0.18, 0.28) * side
    pen = PIL.ImageDraw.Draw(picture)
    for post in (0.18, 0.78):
        pen.rectangle((left + post * width, top + height, left + (post + 0.04) * width, side * 0.94), "#6b4a2c")
    edge = (left, top, left + width, top + height)
    pen.rounded_rectangle(edge, side // 40, board, ink, max(2, side // 128))
    inset = side * 0.04
    write(picture, lines, (left + inset, top + inset, left + width - inset, top + height - inset), ink, _font(random))


def draw_label(
    picture: PIL.Image.Image, lines: Sequence[str], box: tuple[float, float, float, float], random: np.random.Generator
) -> None:
    """Write these lines into the label of a thing, ``box`` in pixels."""
    inset = picture.width * 0.012
    place = (box[0] + inset, box[1] + inset, box[2] - inset, box[3] - inset)
    write(picture, lines, place, "#2a2320", _font(random))


def write(
    picture: PIL.Image.Image,
    lines: Sequence[str],
    box: tuple[float, float, float, float],
    ink: str,
    font_file: str,
) -> None:
    """Write lines centred into a box, as large as the box lets them be."""
    left, top, right, bottom = box
    row = (bottom - top) / len(lines)
    size = int(row * 0.78)
    while size > 8 and max(_font_of(font_file, size).getlength(line) for line in lines) > right - left:
        size -= 1
    pen = PIL.ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        middle = ((left + right) / 2, top + (number + 0.5) * row)
        pen.text(middle, line, ink, _font_of(font_file, size), anchor="mm")


def _font(random: np.random.Generator) -> str:
    return FONTS[int(random.integers(len(FONTS)))]


@lru_cache(maxsize=256)
def _font_of(name: str, size: int) -> PIL.ImageFont.FreeTypeFont:
    return PIL.ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
