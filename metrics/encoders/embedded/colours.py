"""The colours of a picture and the colour words of a text, in the eleven basic colour terms of English."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import PIL.Image

Floats = npt.NDArray[np.float32]

# Berlin and Kay 1969, Basic Color Terms; a typical RGB of each
COLOURS = {
    "red": (200, 30, 30),
    "orange": (240, 140, 30),
    "yellow": (240, 220, 50),
    "green": (60, 150, 60),
    "blue": (50, 90, 200),
    "purple": (120, 50, 150),
    "pink": (245, 150, 190),
    "brown": (115, 75, 45),
    "black": (15, 15, 15),
    "white": (245, 245, 245),
    "gray": (128, 128, 128),
}
_SPELLINGS = {"grey": "gray"}
_SIDE = 64
_WIDTH = 400.0
"""Squared distance in CIELAB over which a pixel's share of a colour falls to 1/e."""


def colour_shares(pictures: Sequence[PIL.Image.Image]) -> Floats:
    """Return the logarithm of how much of each picture is of each colour, shape (n, 11).

    Every pixel, of the picture squashed to 64 a side, is divided among the colours by its distance in CIELAB; 0.01 is
    added to the shares.

    Examples
    --------
    >>> shares = colour_shares([PIL.Image.new("RGB", (90, 60), (220, 20, 20))])
    >>> list(COLOURS)[int(shares[0].argmax())]
    'red'
    """
    from skimage.color import rgb2lab

    centres = rgb2lab(np.array([list(COLOURS.values())], np.uint8))[0]
    shares = []
    for picture in pictures:
        small = np.asarray(picture.resize((_SIDE, _SIDE), PIL.Image.Resampling.BOX, reducing_gap=2.0))
        lab = rgb2lab(small).reshape(-1, 3)
        distance = ((lab[:, None] - centres) ** 2).sum(-1)
        near = np.exp(-(distance - distance.min(1, keepdims=True)) / _WIDTH)
        shares.append((near / near.sum(1, keepdims=True)).mean(0))
    return np.log(np.stack(shares) + 0.01, dtype=np.float32)


def colour_words(texts: Sequence[str]) -> Floats:
    """Return which colours each text names, as vectors of unit length (zero for none), shape (n, 11).

    Examples
    --------
    >>> named = colour_words(["A red fox on white snow", "a fox"])
    >>> [[colour for colour, share in zip(COLOURS, row) if share] for row in named]
    [['red', 'white'], []]
    """
    named = np.zeros((len(texts), len(COLOURS)), np.float32)
    for row, text in zip(named, texts, strict=True):
        words = {_SPELLINGS.get(word, word) for word in re.findall(r"[a-z]+", text.lower())}
        row[:] = [colour in words for colour in COLOURS]
    result: Floats = (named / np.maximum(1, np.linalg.norm(named, axis=1, keepdims=True))).astype(np.float32)
    return result
