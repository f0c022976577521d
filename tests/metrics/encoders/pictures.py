"""Pictures and edits of them for tests of pixels."""

from io import BytesIO

import numpy as np
from PIL import Image as Picture
from skimage import data

ASTRONAUT = data.astronaut()


def square_mask(shape, rows, columns):
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 255
    return mask


SQUARE = square_mask(ASTRONAUT.shape, slice(64, 192), slice(64, 192))


def _inverted_square():
    edited = ASTRONAUT.copy()
    edited[64:192, 64:192] = 255 - edited[64:192, 64:192]
    return np.clip(edited.astype(int) + np.random.default_rng(1).integers(-2, 3, edited.shape), 0, 255).astype(np.uint8)


INVERTED_SQUARE = _inverted_square()
"""The astronaut with an inverted square, and noise of two levels everywhere."""

for _shared in (ASTRONAUT, SQUARE, INVERTED_SQUARE):
    _shared.setflags(write=False)


def cut_out(dx, dy, side=320):
    """Return a part of a photograph, and the part that a camera moved by (-dx, -dy) shows."""
    parts = [ASTRONAUT[64 - y : 64 - y + side, 96 - x : 96 - x + side].copy() for x, y in ((0, 0), (dx, dy))]
    for part in parts:
        part.setflags(write=False)
    return tuple(parts)


def resized(image, width, height):
    return np.asarray(Picture.fromarray(image).resize((width, height), Picture.Resampling.BICUBIC))


def as_jpeg(image, quality):
    file = BytesIO()
    Picture.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Picture.open(file))


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
