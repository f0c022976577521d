"""Clean renderings of a text: what an OCR engine can read at best, and so the control of every text metric."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont, features

from metrics.encoders.catalogue import Image
from metrics.encoders.ocr import TextLine
from metrics.encoders.scripts import scripts_of
from metrics.text.accuracy import MIN_SCORE, Text, expected_lines
from metrics.text.normalisation import cuts

SIDE = 1200
"""The side of the page if nothing says how large the picture is: engines read it without shrinking it."""

FONT_SIZES = (512, 384, 256, 192, 128, 96, 64, 52, 44, 36, 30, 24, 20, 16, 12)
"""In pixels. Renderings are drawn in these alone, so that pictures much alike share one."""

_USUAL_SIZE = 64
_LEAST_USUAL_SIZE = 24

_SIZE_PER_BOX = 0.85
"""Font size over the height of the box that a detector draws around a line of it."""

_LINE_HEIGHT = 1.7
_MARGIN = 40

_FONT_PACKAGES = (
    ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf"),
    ("pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf"),
)
"""Fonts under free licences in Python packages: European and many other scripts; Chinese and Japanese (OFL-1.1)."""

_SHAPED_SCRIPTS = frozenset(
    {"Arabic", "Syriac", "Thaana", "Hebrew", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil"}
    | {"Telugu", "Kannada", "Malayalam", "Sinhala", "Khmer", "Myanmar", "Tibetan", "Lao", "Thai"}
)
"""Scripts that are wrong without a shaping engine: letters join, stack, or run from the right."""


def render_text(text: Text, size: tuple[int, int] = (SIDE, SIDE), letters: float | None = None) -> Image | None:
    """Draw a text in black on white, each expected line on a row of its own, long ones wrapped between words.

    ``size`` is the width and height of the page in pixels, that of the picture which the rendering is the control of;
    ``letters`` is the font size there (see `letter_size`), 64 pixels if it is not known. Where a text does not fit
    its letters are smaller, as small as 12 pixels (24 if the size is not known); what does not fit then makes the page
    larger. The picture is RGB, uint8; None if nothing is to be drawn or no font at hand has all its characters (see
    `font_for`).
    """
    lines = [" ".join(line.split()) for line in expected_lines(text)]
    path = font_for("".join(lines))
    if path is None or not lines:
        return None
    largest = min(FONT_SIZES, key=lambda pixels: abs(math.log(pixels / (letters or _USUAL_SIZE))))
    least = _LEAST_USUAL_SIZE if letters is None else 0
    margin = min(_MARGIN, min(size) // 16)
    for pixels in (pixels for pixels in FONT_SIZES if least <= pixels <= largest):
        font = ImageFont.truetype(path, pixels)
        rows = [row for line in lines for row in _wrapped(line, font, size[0] - 2 * margin)]
        width = math.ceil(max(map(font.getlength, rows))) + 2 * margin
        height = math.ceil(len(rows) * pixels * _LINE_HEIGHT) + 2 * margin
        if width <= size[0] and height <= size[1]:
            break
    page = PillowImage.new("RGB", (max(size[0], width), max(size[1], height)), "white")
    draw = ImageDraw.Draw(page)
    for i, row in enumerate(rows):
        draw.text((margin, margin + i * pixels * _LINE_HEIGHT), row, font=font, fill="black")
    return np.asarray(page)


def letter_size(boxes: Sequence[TextLine]) -> float | None:
    """Return the usual size of the letters that were read in a picture, as a font size in pixels; None if none were.

    Examples
    --------
    >>> line = TextLine(text="OPEN", score=0.99, box=[[0, 0], [90, 0], [90, 30], [0, 30]])
    >>> letter_size([line]), letter_size([])
    (25.5, None)
    """
    legible = [np.array(box["box"]) for box in boxes if box["score"] >= MIN_SCORE]
    sides = [np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1) for corners in legible]
    return _SIZE_PER_BOX * float(np.median([side.min() for side in sides])) if sides else None


def font_for(text: str) -> Path | None:
    """Return the first font at hand that has every character of the text: from Python packages, then the system's.

    None if there is none, or if the script needs shaping and Pillow was built without it.

    Examples
    --------
    >>> font_for("Grüße").name
    'DejaVuSans.ttf'
    """
    needed = {ord(character) for character in text if not character.isspace()}
    if scripts_of(text) & _SHAPED_SCRIPTS and not features.check("raqm"):
        return None
    return next((path for path in (*_package_fonts(), *_system_fonts()) if needed <= _characters_of(path)), None)


def _package_fonts() -> list[Path]:
    paths = []
    for package, file in _FONT_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            paths.append(Path(spec.submodule_search_locations[0]) / file)
    return [path for path in paths if path.is_file()]


@cache
def _system_fonts() -> Sequence[Path]:
    from matplotlib.font_manager import findSystemFonts

    paths = [Path(path) for path in findSystemFonts()]
    # Noto first: the family that covers most scripts in a plain style. Emoji are bitmaps that Pillow cannot scale.
    plain = [path for path in paths if "Emoji" not in path.name and "LastResort" not in path.name]
    return sorted(plain, key=lambda path: ("Noto" not in path.name, "Regular" not in path.name, str(path)))


@cache
def _characters_of(path: Path) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(path)).get_charmap())
    except RuntimeError:
        return frozenset()


def _wrapped(line: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    rows = []
    while font.getlength(line) > width:
        fitting = [cut for cut in cuts(line) if font.getlength(cut[0]) <= width]
        if not fitting:
            break
        row, line = fitting[-1]
        rows.append(row)
    return [*rows, line]
