"""Pictures and edits of them for tests of pixels."""

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


def cut_out(dx, dy, side=320):
    """Return a part of a photograph, and the part that a camera moved by (-dx, -dy) shows."""
    return (
        np.ascontiguousarray(ASTRONAUT[64 : 64 + side, 96 : 96 + side]),
        np.ascontiguousarray(ASTRONAUT[64 - dy : 64 - dy + side, 96 - dx : 96 - dx + side]),
    )


def resized(image, width, height):
    return np.asarray(Picture.fromarray(image).resize((width, height), Picture.Resampling.BICUBIC))


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
