"""Masks of edits: which pixels an edit may change, by one rule for every usual form of a mask file.

============================================================  ============================================
what the file holds                                           what may change
============================================================  ============================================
black and one other value: 0/255, 0/1, 1 bit, 16 bit, grey    what is not black
128, a palette or RGB of black and one class colour
grey with soft edges or JPEG noise, from near black (at most  what is brighter than half of white
25 % of white) to near white (at least 75 %)
a picture with a transparent hole, or black around the hole   the hole, as OpenAI's image edits have it
strokes of one colour other than black on transparency        the strokes
alpha that is opaque everywhere                               as above, without the alpha
black everywhere                                              nothing
one other value everywhere                                    everything
three classes or more, a trimap, several colours, mostly      refused: nobody can tell, and a guess would
half-tones, no white; transparent or half transparent         become a number
everywhere; black, white and transparency
============================================================  ============================================

White may change, black must stay: most tools write it so. A mask that was saved the other way round looks no different
and is read as it stands. Black strokes on transparency look like black around OpenAI's hole, and are read as that. A
mask's numbers are no colours: an embedded colour profile is not applied to them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from evals.imageset.colour import has_alpha
from evals.imageset.decoding import (
    DecodedImage,
    UnreadableImage,
    content_of,
    open_whole_picture,
    pixel_sha256,
    upright,
)

if TYPE_CHECKING:
    import PIL.Image

Mask = npt.NDArray[np.bool_]
Levels = npt.NDArray[np.unsignedinteger]

DARK, BRIGHT = 0.25, 0.75
"""Shares of white: up to the first a grey must stay, from the second on it may change for certain."""

MAX_HALF_TONES = 1 / 3
"""Soft edges have some pixels between dark and bright; where more than this are, there is no edge."""

CLASS_SHARE = 0.01
"""A level that fills so much of the mask with areas, not lines, is a class of its own."""

FEW_LEVELS, RARE_SHARE = 64, 0.001
"""With more levels than this, or one of a smaller share, a mask is soft or lossy, and neighbouring levels are one
class: a map of classes has few, and each of them stands for a thing."""

SAME_LEVELS = 32
"""Pixels of one colour differ by this many levels of 255 at most: lossy formats move them."""

_REMEDY = "save it black and white, white where the picture may change"


class UnclearMask(UnreadableImage):
    """The file is a picture, but nobody can tell which part of it may change."""

    reason: ClassVar[str] = "unclear_mask"

    def __init__(self, what: str) -> None:
        super().__init__(f"is no clear mask: it {what}; {_REMEDY}")


def decode_mask(path: Path) -> DecodedImage:
    """Read, hash and decode a mask as a picture in black and white: white may change.

    Raises UnreadableImage as `evals.imageset.decoding.decode_file` does, and UnclearMask.
    """
    content = content_of(path)
    with open_whole_picture(content) as opened:
        pixels = np.repeat(np.uint8(255) * may_change(upright(opened))[:, :, None], 3, axis=2)
    return DecodedImage(pixels, pixel_sha256(pixels), hashlib.sha256(content).hexdigest())


def may_change(mask: PIL.Image.Image) -> Mask:
    """Return which pixels an edit may change, of shape (height, width); the rule is the table of this module.

    Raises UnclearMask if the mask can be read in more than one way, UnreadableImage if its pixels have 32 bits.

    Examples
    --------
    >>> import PIL.Image
    >>> classes = PIL.Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    >>> may_change(classes).tolist()
    [[False, True], [True, False]]
    """
    if mask.mode in ("F", "I"):
        raise UnreadableImage("has 32-bit pixels; save it with 8 or 16 bits a channel")
    if mask.mode.startswith("I;16"):
        return _upper(np.asarray(mask).astype(np.uint16)[:, :, None], 65535)
    if has_alpha(mask):
        layer = np.asarray(mask.convert("RGBA"))
        return _by_alpha(layer[:, :, :3], layer[:, :, 3])
    if mask.mode in ("1", "L"):
        return _upper(np.asarray(mask.convert("L"))[:, :, None], 255)
    return _upper(np.asarray(mask.convert("RGB")), 255)


def _upper(values: Levels, white: int) -> Mask:
    """Return the upper of the two classes of pixels of shape (height, width, channels)."""
    import cv2

    painted: Mask = np.asarray(values.any(axis=2))
    colours = values[painted]
    if (colours == colours[:1]).all():
        return painted
    if values.shape[2] > 1 and np.ptp(values, axis=2).max() > SAME_LEVELS:
        raise UnclearMask("holds several colours")
    grey: Levels = (
        values[:, :, 0] if values.shape[2] == 1 else np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2GRAY), np.uint8)
    )
    classes = _classes(grey, white)
    if len(classes) > 2:
        shown = ", ".join(map(str, classes[:5])) + (" ..." if len(classes) > 5 else "")
        raise UnclearMask(f"has {len(classes)} levels ({shown})")
    dark, bright = grey <= DARK * white, grey >= BRIGHT * white
    if 1 - dark.mean() - bright.mean() > MAX_HALF_TONES:
        raise UnclearMask("is mostly half-tones")
    if not bright.any():
        raise UnclearMask("has shades of black and no white")
    upper: Mask = grey > white / 2
    return upper


def _classes(grey: Levels, white: int) -> list[int]:
    """Return the levels that fill areas: edges and slopes, however soft, hold no 3 x 3 pixels of one level for long."""
    import cv2

    square = np.ones((3, 3), np.uint8)
    is_flat = cv2.erode(grey, square) == cv2.dilate(grey, square)
    levels = np.flatnonzero(np.bincount(grey[is_flat]) >= CLASS_SHARE * grey.size)
    counts = np.bincount(grey.ravel())
    counts = counts[counts > 0]
    if len(counts) > FEW_LEVELS or counts.min() < RARE_SHARE * grey.size:
        levels = levels[np.diff(levels, prepend=-white) > white / 32]
    classes: list[int] = levels.tolist()
    return classes


def _by_alpha(colours: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> Mask:
    if alpha.min() >= BRIGHT * 255:
        return _upper(colours, 255)
    try:
        opaque = _upper(alpha[:, :, None], 255)
    except UnclearMask:
        raise UnclearMask("is half transparent") from None
    if opaque.all() or not opaque.any():
        raise UnclearMask("is transparent everywhere")
    shown = colours[alpha == alpha.max()]
    if np.ptp(shown, axis=0).max() <= SAME_LEVELS:
        return opaque if shown.max() > DARK * 255 else ~opaque
    is_grey = np.ptp(shown, axis=1).max() <= SAME_LEVELS
    if is_grey and ((shown.max(axis=1) <= DARK * 255) | (shown.min(axis=1) >= BRIGHT * 255)).mean() > 1 - CLASS_SHARE:
        raise UnclearMask("holds black, white and transparency")
    return ~opaque
