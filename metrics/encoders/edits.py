"""What an edit changed: source and output of an image editor, pixel by pixel, inside and outside the mask."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import Image
from metrics.encoders.extractor import Extractor
from metrics.encoders.pixels import SSIM_WINDOW, local_similarity

Edit = tuple[Image, Image, Image | None]
"""Source, output and mask of one edit. The mask is a picture in black and white, and white is what may change (what a
file of any other form means is decided where it is decoded); None where no mask was given."""

Mask = npt.NDArray[np.bool_]

MASK_THRESHOLD = 127
"""A mask's pixels above this luma may change."""

CHANGED_LEVELS = 10
"""A pixel has changed if one of its channels differs by more levels than this; re-encoding as JPEG rarely does it."""

MAX_SHIFT = 8
"""Editors that re-encode move a picture by a pixel or a few; a larger offset is taken for what the edit did."""

LOCAL_WINDOW = 32
"""Side in pixels of the window that looks for the place with the largest difference."""

_EROSION = SSIM_WINDOW // 2
_STRIP_ROWS = 64
_MIN_SIDE_FOR_SHIFT = 4 * MAX_SHIFT
_MASK_BLUR = 8.0


class RegionDifference(TypedDict):
    """How source and output differ over one region.

    ``mae`` is the mean absolute difference over pixels and channels in levels of 255, ``mse`` the mean square,
    ``changed`` the share of pixels of which a channel differs by more than 10 levels, ``ssim`` the mean structural
    similarity, None where no window of it fits.
    """

    mae: float
    mse: float
    changed: float
    ssim: float | None


class EditDifference(TypedDict):
    """The feature ``edit_difference``; ``outside`` and ``inside`` are None without a mask, or where they are empty."""

    resized: bool
    """Whether the output was resized to the source's size, which costs it detail that is not the editor's doing."""
    source_size: list[int]
    """Width and height."""
    output_size: list[int]
    shift: list[int]
    """How far right and down the output lies of the source, in whole pixels: the estimate, undone or not."""
    aligned: bool
    """Whether the shift was undone."""
    mask_share: float | None
    """Share of the compared pixels that may change; None without a mask."""
    whole: RegionDifference
    outside: RegionDifference | None
    inside: RegionDifference | None
    local_mae: float
    """Largest mean absolute difference over any 32 x 32 window: finds an edit that is small in its picture."""


class AlignedEdit(NamedTuple):
    """Source and output of one size, pixel on pixel, with what may change."""

    source: Image
    output: Image
    inside: Mask | None
    resized: bool
    shift: tuple[int, int]
    aligned: bool


def align(source: Image, output: Image, mask: Image | None) -> AlignedEdit:
    """Bring the output of an edit onto its source, as a comparison of pixels needs it.

    An output of another size is resized to the source's with a Lanczos filter, a mask with nearest neighbours. Then the
    offset of the whole picture is estimated from what lies outside the mask. It is undone if it is at most 8 pixels
    each way and the outside matches better for it; the pixels at the border that have no partner are cut off. ``mask``
    is white where the picture may change, of any size; None for an edit without a mask. The pictures returned have one
    size: the source's, less the cut border.

    Examples
    --------
    >>> source = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> edit = align(source, np.roll(source, 3, axis=1), None)
    >>> edit.shift, edit.aligned, edit.output.shape, bool((edit.source == edit.output).all())
    ((3, 0), True, (64, 61, 3), True)
    """
    from PIL import Image as Picture

    height, width = source.shape[:2]
    resized = output.shape != source.shape
    if resized:
        output = np.asarray(Picture.fromarray(output).resize((width, height), Picture.Resampling.LANCZOS))
    inside = None
    if mask is not None:
        luma = Picture.fromarray(mask).convert("L").resize((width, height), Picture.Resampling.NEAREST)
        inside = np.asarray(luma) > MASK_THRESHOLD
    outside = np.ones((height, width), np.bool_) if inside is None or inside.all() else ~inside
    dx, dy = estimate_shift(source, output, outside)
    if (dx, dy) == (0, 0) or max(abs(dx), abs(dy)) > MAX_SHIFT:
        return AlignedEdit(source, output, inside, resized, (dx, dy), False)
    (rows, moved_rows), (columns, moved_columns) = _overlap(height, dy), _overlap(width, dx)
    kept, moved, weights = source[rows, columns], output[moved_rows, moved_columns], outside[rows, columns]
    if _total(kept, moved, weights) >= _total(kept, output[rows, columns], weights):
        return AlignedEdit(source, output, inside, resized, (dx, dy), False)
    return AlignedEdit(kept, moved, None if inside is None else inside[rows, columns], resized, (dx, dy), True)


def estimate_shift(source: Image, output: Image, outside: Mask) -> tuple[int, int]:
    """Return how far right and down the output lies of the source, in whole pixels, by phase correlation of luma.

    The picture fades out towards its border and towards what may change (a Hann window times the blurred outside), so
    that neither the frame nor the edit itself looks like a picture that did not move. Pictures of one colour and
    pictures with a side below 32 pixels are taken not to have moved. Source: Kuglin and Hines (1975, "The phase
    correlation image alignment method").
    """
    import cv2

    height, width = source.shape[:2]
    if min(height, width) < _MIN_SIDE_FOR_SHIFT:
        return 0, 0
    first, second = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (source, output))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0, 0
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    fade = cv2.multiply(window, cv2.GaussianBlur(outside.astype(np.float32), (0, 0), _MASK_BLUR))
    (dx, dy), _ = cv2.phaseCorrelate(first - first.mean(), second - second.mean(), fade)
    return round(dx), round(dy)


def _overlap(length: int, shift: int) -> tuple[slice, slice]:
    """Return the part of an axis of the source that the output still shows, and where the output shows it."""
    return slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length - max(0, -shift))


def _total(first: Image, second: Image, where: Mask) -> float:
    import cv2

    return float(cv2.norm(first, second, cv2.NORM_L1, where.astype(np.uint8)))


def similarity_map(first: Image, second: Image) -> npt.NDArray[np.float32]:
    """Return the structural similarity around every pixel, the mean of RGB, with pictures mirrored at their border.

    Parameters and formula are those of `metrics.encoders.pixels.structural_similarity`, which is the mean of this map
    less 5 pixels on each side. Equals the full map of scikit-image's ``structural_similarity``. The result has shape
    (height, width) and is in -1..1. Source: Wang, Bovik, Sheikh and Simoncelli (2004, "Image quality assessment: from
    error visibility to structural similarity").
    """
    height, width = first.shape[:2]
    similarity = np.empty((height, width), np.float32)
    # Strips stay in the processor's cache, and a 4K picture needs no gigabytes.
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, height)
        above, below = max(0, top - _EROSION), min(height, bottom + _EROSION)
        strip = local_similarity(first[above:below], second[above:below]).mean(axis=2)
        similarity[top:bottom] = strip[top - above : bottom - above]
    return np.minimum(similarity, 1.0, out=similarity)  # equal pictures come out a rounding error above it


def edit_difference(source: Image, output: Image, mask: Image | None) -> EditDifference:
    """Compare an edit with its source: over the whole picture and, with a mask, outside and inside of it.

    The pictures are aligned first (see `align`). Averages are over the pixels of the region and never over the whole
    frame with the rest set to zero, which would flatter. SSIM of the outside is averaged over pixels whose whole
    window of 11 x 11 lies outside, because windows at the mask's edge look inside.

    Examples
    --------
    >>> source = np.full((64, 64, 3), 100, np.uint8)
    >>> output, mask = source.copy(), np.zeros_like(source)
    >>> output[:16], mask[:32] = 200, 255
    >>> edit = edit_difference(source, output, mask)
    >>> edit["mask_share"], edit["inside"]["mae"], edit["inside"]["changed"], edit["outside"]["mae"]
    (0.5, 50.0, 0.5, 0.0)
    """
    import cv2

    edit = align(source, output, mask)
    difference = np.asarray(cv2.absdiff(edit.source, edit.output))
    changed = np.maximum.reduce([difference[:, :, channel] for channel in range(3)]) > CHANGED_LEVELS
    height, width = changed.shape
    similarity = similarity_map(edit.source, edit.output) if min(height, width) >= SSIM_WINDOW else None

    interior = np.zeros_like(changed)
    interior[_EROSION : height - _EROSION, _EROSION : width - _EROSION] = True

    def region(where: Mask, windows: Mask) -> RegionDifference:
        levels = 3 * int(where.sum())
        weights = where.astype(np.uint8)
        return RegionDifference(
            mae=_total(edit.source, edit.output, where) / levels,
            mse=round(cv2.norm(edit.source, edit.output, cv2.NORM_L2SQR, weights)) / levels,
            changed=float(changed[where].mean()),
            ssim=None if similarity is None or not windows.any() else float(similarity[windows].mean(dtype=np.float64)),
        )

    inside, outside = None, None
    if edit.inside is not None:
        reached = cv2.dilate(edit.inside.astype(np.uint8), np.ones((SSIM_WINDOW, SSIM_WINDOW), np.uint8))
        inside = region(edit.inside, edit.inside) if edit.inside.any() else None
        outside = None if edit.inside.all() else region(~edit.inside, np.asarray(reached) == 0)
    local = cv2.boxFilter(difference, cv2.CV_32F, (min(LOCAL_WINDOW, width), min(LOCAL_WINDOW, height)))
    return EditDifference(
        resized=edit.resized,
        source_size=[source.shape[1], source.shape[0]],
        output_size=[output.shape[1], output.shape[0]],
        shift=list(edit.shift),
        aligned=edit.aligned,
        mask_share=None if edit.inside is None else float(edit.inside.mean()),
        whole=region(np.ones_like(changed), interior),
        outside=outside,
        inside=inside,
        local_mae=float(np.asarray(local).mean(axis=2).max()),
    )


def _difference_of(edit: Edit) -> EditDifference:
    return edit_difference(*edit)


EDIT_PIXELS = Extractor(
    "edit_pixels:rgb8",
    version="1: Lanczos to the source's size; shift of at most 8 px undone",
    extract=_difference_of,
)


def load_edit_pixels(model: str, device: str) -> Extractor:
    """Return the extractor of `edit_difference`; ``rgb8`` is its only model."""
    return EDIT_PIXELS.of_model(model)
