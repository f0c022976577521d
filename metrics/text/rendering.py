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
from metrics.encoders.scripts import scripts_of
from metrics.text.accuracy import Text, expected_lines
from metrics.text.normalisation import cuts

SIDE = 1200
"""The rendering is this wide and about this high at most: engines read it without shrinking it."""

FONT_SIZES = (64, 52, 44, 36, 30, 24)
"""Tried from the largest; the first at which the lines fit is taken, or else the last."""

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


def render_text(text: Text) -> Image | None:
    """Draw a text in black on white, each expected line on a row of its own, long ones wrapped between words.

    The picture is RGB, uint8; None if nothing is to be drawn or no font at hand has all its characters (see
    `font_for`).
    """
    lines = expected_lines(text)
    path = font_for("".join(lines))
    if path is None or not lines:
        return None
    for size in FONT_SIZES:
        font = ImageFont.truetype(path, size)
        rows = [row for line in lines for row in _wrapped(" ".join(line.split()), font)]
        if len(rows) * size * _LINE_HEIGHT + 2 * _MARGIN <= SIDE:
            break
    height = math.ceil(len(rows) * size * _LINE_HEIGHT) + 2 * _MARGIN
    # Rarely, a word without a place to wrap is wider than the page.
    width = max(SIDE, *(math.ceil(font.getlength(row)) + 2 * _MARGIN for row in rows))
    page = PillowImage.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    for i, row in enumerate(rows):
        draw.text((_MARGIN, _MARGIN + i * size * _LINE_HEIGHT), row, font=font, fill="black")
    return np.asarray(page)


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


def _wrapped(line: str, font: ImageFont.FreeTypeFont) -> list[str]:
    rows = []
    while font.getlength(line) > SIDE - 2 * _MARGIN:
        fitting = [cut for cut in cuts(line) if font.getlength(cut[0]) <= SIDE - 2 * _MARGIN]
        if not fitting:
            break
        row, line = fitting[-1]
        rows.append(row)
    return [*rows, line]
