"""Small pictures for a report: thumbnails as data addresses, and the difference map of two of them."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image

from evals.imageset.decoding import UnreadableImage, open_picture, upright_rgb
from evals.run import Run

LONGEST_SIDE = 320
"""Pixels of a thumbnail's longer side."""

FULL_HEAT = 64
"""The difference, in levels of 255, at which the heat of a difference map is at its brightest."""

# Black, purple, orange, pale yellow: lightness rises evenly, so it reads without colour vision and in print.
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], dtype=float)

_SWAPPED_SIDES = (5, 6, 7, 8)
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A small version of an image: RGB pixels, the same as a ``data:`` address, the size of the upright original."""

    pixels: npt.NDArray[np.uint8]
    address: str
    full_width: int
    full_height: int


@dataclass(frozen=True, slots=True)
class DifferenceMap:
    """Where two pictures differ: a heat image, and the largest and the mean difference in levels of 255."""

    address: str
    width: int
    height: int
    largest: int
    mean: float


def webp_address(pixels: npt.NDArray[np.uint8]) -> str:
    """Return RGB pixels (height, width, 3) as a ``data:`` address of a WebP image."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, format="WEBP", quality=76, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def read_thumbnail(path: Path | None, scored_sha256: str | None = None) -> Thumbnail | str:
    """Return a thumbnail of an image file, or the sentence that stands in its place.

    ``scored_sha256`` is the hash that the file had when it was scored, where that is known.
    """
    if path is None or not path.is_file():
        return "The image file is no longer there."
    try:
        content = path.read_bytes()
        if scored_sha256 is not None and hashlib.sha256(content).hexdigest() != scored_sha256:
            return "The image file is not the one that was scored."
        with open_picture(content) as opened:
            return _reduced(opened)
    except UnreadableImage as error:
        return f"The image file {error}."
    except OSError as error:
        return f"The image file cannot be read ({error.strerror or error})."


def _reduced(opened: PIL.Image.Image) -> Thumbnail:
    width, height = opened.size
    if opened.getexif().get(_EXIF_ORIENTATION) in _SWAPPED_SIDES:
        width, height = height, width
    side = (LONGEST_SIDE, LONGEST_SIDE)
    if opened.mode in ("RGB", "L", "YCbCr", "CMYK", "RGBA"):
        # JPEG files are decoded at a fraction of their size this way, which is several times faster.
        opened.thumbnail(side, PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = upright_rgb(opened)
    else:
        small = PIL.Image.fromarray(upright_rgb(opened))
        small.thumbnail(side, PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = np.asarray(small)
    return Thumbnail(pixels, webp_address(pixels), width, height)


def sample_thumbnails(run: Run, sample_ids: Sequence[str]) -> dict[str, Thumbnail | str]:
    """Read the thumbnails of samples of a run; the key is the sample_id."""
    scored = run.samples.get("file_sha256", pd.Series(dtype=object)).to_dict()
    hashes = [sha256 if isinstance(sha256 := scored.get(sample_id), str) else None for sample_id in sample_ids]
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(sample_ids, pool.map(read_thumbnail, map(run.image_path, sample_ids), hashes), strict=True))


def difference_map(first: Thumbnail, second: Thumbnail) -> DifferenceMap | None:
    """Return the heat image of the absolute difference of two thumbnails, or None if their originals differ in size."""
    levels = difference_levels(first, second)
    if levels is None:
        return None
    height, width = levels.shape[:2]
    return DifferenceMap(webp_address(heat(levels)), width, height, int(levels.max()), float(levels.mean()))


def difference_levels(first: Thumbnail, second: Thumbnail) -> npt.NDArray[np.int16] | None:
    """Return the absolute difference of two thumbnails by pixel and channel, None if their originals differ in size."""
    if (first.full_width, first.full_height) != (second.full_width, second.full_height):
        return None
    if first.pixels.shape != second.pixels.shape:
        return None
    return np.abs(first.pixels.astype(np.int16) - second.pixels.astype(np.int16))


def heat(levels: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Return differences as RGB pixels: black is none, pale yellow is ``FULL_HEAT`` levels of 255 or more.

    Each pixel shows the largest of its three channels' differences.
    """
    share = np.clip(levels.max(axis=2) / FULL_HEAT, 0, 1)
    stops = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(share, stops, _HEAT[:, channel]) for channel in range(3)], axis=2)
    return colours.round().astype(np.uint8)
