"""Small pictures for figures and pages: read through the door for pictures, reduced, and laid over each other."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image

from evals.imageset.decoding import UnreadableImage, content_of, open_picture, upright_rgb, upright_size
from evals.run import Run

LONGEST_SIDE = 320
"""Pixels of the longer side in a figure."""

FULL_HEAT = 64
"""The difference, in levels of 255, at which the heat of a difference map is at its brightest."""

THREADS = min(8, os.cpu_count() or 1)

_LARGE_PIXELS, _LARGE_BYTES = 16_000_000, 48_000_000
_one_large_picture_at_a_time = threading.RLock()

# Black, purple, orange, pale yellow: lightness rises evenly, so it reads without colour vision and in print.
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], dtype=float)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A small version of an image: RGB pixels, and the size of the upright original."""

    pixels: Pixels
    full_width: int
    full_height: int


def webp(pixels: Pixels, quality: int = 76) -> bytes:
    """Return RGB pixels (height, width, 3) as a WebP image, which holds nothing else."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, format="WEBP", quality=quality, method=2)
    return buffer.getvalue()


def data_address(content: bytes) -> str:
    """Return a WebP image as a ``data:`` address."""
    return "data:image/webp;base64," + base64.b64encode(content).decode()


def read_thumbnail(path: Path | None, scored_sha256: str | None = None, side: int = LONGEST_SIDE) -> Thumbnail | str:
    """Return a thumbnail of an image file, or the sentence that stands in its place.

    ``scored_sha256`` is the hash that the file had when it was scored, where that is known; ``side`` the longer one.
    """
    if path is None or not path.is_file():
        return "The image file is no longer there, or is not the one that was scored."
    try:
        with _in_turn(path.stat().st_size >= _LARGE_BYTES):
            content = content_of(path)
            if scored_sha256 is not None and hashlib.sha256(content).hexdigest() != scored_sha256:
                return "The image file is not the one that was scored."
            with open_picture(content) as opened, _in_turn(opened.width * opened.height >= _LARGE_PIXELS):
                return _reduced(opened, side)
    except UnreadableImage as error:
        return f"The image file {error}."


def _in_turn(is_large: bool) -> contextlib.AbstractContextManager[object]:
    return _one_large_picture_at_a_time if is_large else contextlib.nullcontext()


def _reduced(opened: PIL.Image.Image, side: int) -> Thumbnail:
    width, height = upright_size(opened)
    if opened.mode in ("RGB", "L", "YCbCr", "CMYK", "RGBA"):
        # JPEG files are decoded at a fraction of their size this way, which is several times faster.
        opened.thumbnail((side, side), PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = upright_rgb(opened)
    else:
        small = PIL.Image.fromarray(upright_rgb(opened))
        small.thumbnail((side, side), PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = np.asarray(small)
    return Thumbnail(pixels, width, height)


def scored_sha256(run: Run, sample_id: str) -> str | None:
    """Return the hash that a sample's file had when it was scored, None where the run does not tell it."""
    hashes = run.samples.get("file_sha256", pd.Series(dtype=object))
    found = hashes.get(sample_id)
    return found if isinstance(found, str) else None


def sample_thumbnails(run: Run, sample_ids: Sequence[str], side: int = LONGEST_SIDE) -> dict[str, Thumbnail | str]:
    """Read the thumbnails of samples of a run; the key is the sample_id."""

    def read(sample_id: str) -> Thumbnail | str:
        return read_thumbnail(run.image_path(sample_id), scored_sha256(run, sample_id), side)

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(sample_ids, pool.map(read, sample_ids), strict=True))


def difference_levels(first: Thumbnail, second: Thumbnail) -> npt.NDArray[np.int16] | None:
    """Return the absolute difference of two thumbnails by pixel and channel, None if their originals differ in size."""
    if (first.full_width, first.full_height) != (second.full_width, second.full_height):
        return None
    if first.pixels.shape != second.pixels.shape:
        return None
    return np.abs(first.pixels.astype(np.int16) - second.pixels.astype(np.int16))


def heat(levels: npt.NDArray[np.int16]) -> Pixels:
    """Return differences as RGB pixels: black is none, pale yellow is ``FULL_HEAT`` levels of 255 or more.

    Each pixel shows the largest of its three channels' differences.
    """
    share = np.clip(levels.max(axis=2) / FULL_HEAT, 0, 1)
    stops = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(share, stops, _HEAT[:, channel]) for channel in range(3)], axis=2)
    return colours.round().astype(np.uint8)
