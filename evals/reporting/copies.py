"""Display copies: the pictures behind a report, reduced and without metadata, in a folder beside its pages."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from evals.files.atomic_files import write_atomically
from evals.imageset.decoding import DECODING_VERSION
from evals.imageset.imageset import picture_sha256
from evals.reporting.exhibits import Exhibit, Pair
from evals.reporting.thumbnails import (
    THREADS,
    Pixels,
    difference_levels,
    heat,
    read_thumbnail,
    scored_sha256,
    webp,
)
from evals.run import Run

FOLDER = "pictures"

LONGEST_SIDE = 768
"""Pixels of a copy's longer side: what a screen shows well, a tenth of what a picture of 2048 px weighs."""

MAP_SIDE = 480
"""The same of a map of differences."""

_VERSION = f"1 {DECODING_VERSION} {LONGEST_SIDE} {MAP_SIDE}"
"""Part of every copy's name: another version is another file."""

ADDRESS = re.compile(rf"{FOLDER}/[0-9a-f]{{32}}\.webp")
"""What the address of a copy looks like."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy in the folder: its name, and its width and height in pixels."""

    name: str
    width: int
    height: int

    @property
    def address(self) -> str:
        """Where a page beside the folder finds it."""
        return f"{FOLDER}/{self.name}"


class Copies:
    """The copies of a run's pictures in the folder of a report, made when first asked for and kept from then on.

    A copy is named by the hash of the original's bytes, so that one that is there is never made again, and shows the
    picture that was scored whatever has become of the file.
    """

    def __init__(self, run: Run, out: Path) -> None:
        """Open the folder of copies in ``out``; it is made with the first copy."""
        self._run, self._folder = run, out / FOLDER
        if self._folder.is_symlink():
            raise OSError(0, "it is a link; remove it, or choose another folder for --out", str(self._folder))
        self._pictures: dict[str, Copy | str] = {}
        self._maps: dict[Pair, Copy | None] = {}
        self._writing = threading.Lock()

    def make(self, exhibits: Iterable[Exhibit]) -> None:
        """Make the copies of all that these exhibits show."""
        columns = [(exhibit, column) for exhibit in exhibits for column in exhibit.columns]
        samples = dict.fromkeys(picture.sample_id for _, column in columns for picture in column.pictures)
        sources = dict.fromkeys(name for exhibit, _ in columns for name in exhibit.sources)
        pairs = dict.fromkeys(column.pair for _, column in columns if column.pair is not None)
        with ThreadPoolExecutor(THREADS) as pool:
            self._pictures |= zip(samples, pool.map(self._copy_of_sample, samples), strict=True)
            self._pictures |= zip(sources, pool.map(self._copy_of_source, sources), strict=True)
            self._maps |= zip(pairs, pool.map(self._map_of, pairs), strict=True)

    def picture(self, name: str) -> Copy | str:
        """Return the copy of a sample, or of a source by its file name; or the sentence that stands in its place."""
        return self._pictures[name]

    def difference(self, pair: Pair) -> Copy | None:
        """Return the map of a pair's difference, None where there is none: they differ in size, or one is gone."""
        return self._maps[pair]

    def pixels(self, copy: Copy, side: int) -> Pixels:
        """Return the pixels of a copy, its longer side reduced to ``side``."""
        with PIL.Image.open(self._folder / copy.name, formats=("WEBP",)) as opened:
            opened.thumbnail((side, side), PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)
            return np.asarray(opened.convert("RGB"))

    @property
    def addresses(self) -> set[str]:
        """Where the copies lie that this report shows, relative to its pages."""
        every = (*self._pictures.values(), *self._maps.values())
        return {copy.address for copy in every if isinstance(copy, Copy)}

    def _copy_of_sample(self, sample_id: str) -> Copy | str:
        return self._copy_of(self._run.image_path(sample_id), scored_sha256(self._run, sample_id))

    def _copy_of_source(self, name: str) -> Copy | str:
        return self._copy_of(self._run.source_path(name), None)

    def _copy_of(self, path: Path | None, sha256: str | None) -> Copy | str:
        sha256 = sha256 or _sha256_of(path)
        name = _name(sha256)
        if sha256 and (kept := self._kept(name)):
            return kept
        read = read_thumbnail(path, sha256 or None, LONGEST_SIDE)
        return read if isinstance(read, str) else self._write(name, read.pixels)

    def _map_of(self, pair: Pair) -> Copy | None:
        files = [(self._run.image_path(sample), scored_sha256(self._run, sample)) for sample in pair.samples]
        if pair.source:
            files.insert(0, (self._run.source_path(pair.source), None))
        hashes = [sha256 or _sha256_of(path) for path, sha256 in files]
        name = _name(" against ".join(hashes))
        if all(hashes) and (kept := self._kept(name)):
            return kept
        first, second = (read_thumbnail(path, sha256, MAP_SIDE) for path, sha256 in files)
        if isinstance(first, str) or isinstance(second, str):
            return None
        levels = difference_levels(first, second)
        return None if levels is None else self._write(name, heat(levels))

    def _kept(self, name: str) -> Copy | None:
        try:
            with PIL.Image.open(self._folder / name, formats=("WEBP",)) as opened:
                return Copy(name, *opened.size)
        except (OSError, PIL.UnidentifiedImageError):
            return None

    def _write(self, name: str, pixels: Pixels) -> Copy:
        content = webp(pixels)
        with self._writing:  # two samples may be one picture
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / name, content)
        return Copy(name, pixels.shape[1], pixels.shape[0])


def _name(sha256: str) -> str:
    return hashlib.sha256(f"{_VERSION} {sha256}".encode()).hexdigest()[:32] + ".webp"


def _sha256_of(path: Path | None) -> str:
    """Return the hash of a file's bytes, nothing where it cannot be read."""
    with contextlib.suppress(OSError):
        return (path and picture_sha256(path)) or ""
    return ""
