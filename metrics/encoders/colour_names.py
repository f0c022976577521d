"""Names the colour of a part of a picture in the eleven basic colour terms of English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import Image

ANCHORS: dict[str, tuple[str, ...]] = {
    "black": ("#000000", "#1e1e1e"),
    "white": ("#ebebeb", "#ffffff"),
    "grey": ("#464646", "#6e6e6e", "#969696", "#bebebe"),
    "red": ("#9a0242", "#9a1c08", "#c83e46", "#f62a0e", "#fa2243"),
    "orange": ("#d05514", "#e18733", "#fa7806", "#fd4b0b", "#feae08"),
    "yellow": ("#c9b608", "#ccfd14", "#f7f22b", "#fcf473", "#feb90f"),
    "green": ("#3e5b16", "#54a25d", "#5dfa28", "#7cad1b", "#96f592"),
    "blue": ("#00084b", "#3724e2", "#3f72a0", "#4d74ee", "#91e1e2"),
    "purple": ("#54064d", "#835d7e", "#a11eef", "#a647c5", "#c89be5"),
    "pink": ("#d68691", "#e965d2", "#f62491", "#f65e77", "#ffc6d6"),
    "brown": ("#45201a", "#705507", "#974208", "#a38105", "#a78357"),
}
"""What each basic colour term (Berlin and Kay 1969) looks like, in sRGB.

The eight chromatic terms: five k-means centres in CIELAB of the colours whose popular name ends in the term, of the
949 names of the xkcd colour survey (Munroe 2010, CC0), where people named what they saw. Black, white and grey, whose
few names there say little, are a ramp of neutrals. One shade a term would call a light blue white and a dark green
black.
"""

COLOURS_VERSION = "xkcd-5/1"
"""Changes with the table, the middle and the sampling: features of an older one are not read again."""

MIDDLE = 0.5
"""The middle of a box is this share of its width and of its height; towards the edges a box shows its background."""

_SAMPLES = 32


class Colour(TypedDict):
    """The colour of a part of a picture.

    ``rgb`` is the mean over its pixels in 0..255; ``name`` the basic colour term that most of its pixels are nearest
    to (the first in the order of ``ANCHORS``, where two are equally frequent); ``share`` how many of them, 0..1.
    """

    rgb: list[float]
    name: str
    share: float


def name_colours(pixels: npt.NDArray[np.uint8]) -> list[str]:
    """Return the basic colour term of each pixel: that of the nearest of ``ANCHORS`` in CIELAB (CIE 1976, D65).

    ``pixels`` are sRGB, uint8, of shape (n, 3).

    Examples
    --------
    >>> name_colours(np.array([[250, 20, 30], [130, 190, 235], [20, 70, 30]], np.uint8))
    ['red', 'blue', 'green']
    """
    return [_TERMS[n] for n in _nearest(pixels)]


def middle_colour(image: Image, box: Sequence[float]) -> Colour:
    """Return the colour of the middle of a box.

    The middle is the central half of the box's width and height, read at a grid of at most 32 x 32 of its pixels: as
    exact as all of them for a name, and as quick for a face as for a sky. It never is empty. The box
    ``[x0, y0, x1, y1]`` is in fractions of the picture's width and height.

    Examples
    --------
    >>> picture = np.full((40, 60, 3), 255, np.uint8)
    >>> picture[10:30, 10:50] = (30, 60, 220)
    >>> middle_colour(picture, [10 / 60, 10 / 40, 50 / 60, 30 / 40])
    {'rgb': [30.0, 60.0, 220.0], 'name': 'blue', 'share': 1.0}
    """
    height, width = image.shape[:2]
    columns, rows = _grid(box[0], box[2], width), _grid(box[1], box[3], height)
    pixels = image[np.ix_(rows, columns)].reshape(-1, 3)
    counts = np.bincount(_nearest(pixels), minlength=len(_TERMS))
    most = int(counts.argmax())
    rgb = [round(float(level), 2) for level in pixels.mean(axis=0, dtype=np.float64)]
    return {"rgb": rgb, "name": _TERMS[most], "share": round(float(counts[most] / len(pixels)), 4)}


_TERMS = tuple(ANCHORS)
_SHADES = np.array([[*bytes.fromhex(shade[1:])] for shades in ANCHORS.values() for shade in shades], np.uint8)
_TERM_OF_SHADE = np.repeat(np.arange(len(_TERMS)), [len(shades) for shades in ANCHORS.values()])


def _nearest(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    from skimage.color import rgb2lab

    lab = rgb2lab(np.concatenate([pixels, _SHADES])[None])[0]
    distance = ((lab[: len(pixels), None] - lab[None, len(pixels) :]) ** 2).sum(-1)
    nearest: npt.NDArray[np.intp] = _TERM_OF_SHADE[distance.argmin(axis=1)]
    return nearest


def _grid(start: float, end: float, side: int) -> npt.NDArray[np.intp]:
    """Return the pixels of one side that are read, from the middle of the span ``start..end``."""
    centre, reach = (start + end) / 2 * side, (end - start) / 2 * side * MIDDLE
    first = min(max(int(np.floor(centre - reach)), 0), side - 1)
    last = min(max(int(np.ceil(centre + reach)) - 1, first), side - 1)
    return np.unique(np.linspace(first, last, _SAMPLES).round().astype(np.intp))
