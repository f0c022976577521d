"""The picture that an editing item sends along, the mask of what may change in it, and all references of an item."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evals.files.regular_files import read_regular
from evals.imageset.columns import Edit
from evals.imageset.decoding import open_picture
from evals.suites.items import SOURCE_SIDE, PackageSource, PromptItem

if TYPE_CHECKING:
    import PIL.Image

    from evals.suites.edit_scenes import Box, Pixels, Scene

_MADE_AS = 1
"""Counts what changes the pixels of sources: requests with other sources are other requests."""

_DILATION = 0.03
_SEAM_PX = 4
_WIDENING = 0.1


def reference_contents(item: PromptItem) -> list[bytes]:
    """Return every reference picture of an item as a file: its reference images, then the picture to be edited."""
    files = [read_regular(path) for path in item.reference_images]
    return [*files, source_picture(item)] if item.source is not None else files


def n_references(item: PromptItem) -> int:
    """Return how many reference pictures an item has, without making one."""
    return len(item.reference_images) + (item.source is not None)


def reference_hashes(item: PromptItem) -> list[str]:
    """Return a hash of each reference picture, without drawing one.

    A source is known by what it is made from: drawing takes a second for a few, and another version of an imaging
    library, whose pixels differ by a level, must not make paid requests unknown.
    """
    hashes = [_sha256(read_regular(path)) for path in item.reference_images]
    if isinstance(item.source, PackageSource):
        hashes.append(_sha256(f"{_MADE_AS} {_sha256(_package_file(item.source).read_bytes())}".encode()))
    elif item.source is not None:
        # What an edit adds decides where the other things stand.
        parts = [item.source, item.edit, *item.objects]
        described = [part.model_dump() for part in parts if part is not None]
        if item.source.side == SOURCE_SIDE:
            # Requests that were made before a suite could ask for smaller sources keep their names.
            del described[0]["side"]
        hashes.append(_sha256(json.dumps([_MADE_AS, item.suite, item.id, described]).encode()))
    return hashes


@functools.lru_cache(maxsize=64)
def source_picture(item: PromptItem) -> bytes:
    """Return the picture that an item edits, as a square PNG with a side of at most 1024 pixels.

    Pictures are asked for as squares, so that of a package's file the middle is taken: the edit of an oblong picture
    would be another detail of it. Raises ValueError if the item has no source, FileNotFoundError if the package that
    ships it is not installed, or ships it no more.
    """
    from evals.suites.edit_scenes import draw_source

    if isinstance(item.source, PackageSource):
        return _png(_from_package(item.source))
    return _png(draw_source(item))


@functools.lru_cache(maxsize=64)
def edit_mask(item: PromptItem) -> bytes | None:
    """Return what the edit may change as a PNG of the source's size: white may change, black must stay.

    None where nothing must stay (``restyle``), and for an item without a source or a mask.

    * ``recolour`` and ``remove``: the target's own pixels, dilated by 3 % of the picture's side,
    * ``replace``: the target's box, widened, since what comes has another shape,
    * ``add``: the column in which there is room for the new thing,
    * ``write``: the box of the label, or the target where it has none,
    * ``background``: everything but the things, whose outlines may change too,
    * a picture of a package: the box that the suite gives,
    * a reference picture: the file that the suite gives.

    No region but ``background`` reaches into another thing.
    """
    if item.mask is not None:
        return read_regular(item.mask)
    if item.source is None or item.edit is None or item.edit.does == "restyle":
        return None
    import PIL.Image

    if isinstance(item.source, PackageSource):
        mask = _package_mask(item.source)
    else:
        from evals.suites.edit_scenes import scene_of

        mask = _drawn_mask(scene_of(item), item.edit)
    return _png(PIL.Image.fromarray(mask.astype(np.uint8) * 255))


def _drawn_mask(scene: Scene, edit: Edit) -> Pixels:
    from evals.suites.edit_scenes import pixels_of

    side = scene.side
    if edit.does == "background":
        return _dilated(~pixels_of(scene.things, side), _SEAM_PX)
    targets = [placed for placed in scene.things if placed.thing.name == edit.target]
    others = [placed for placed in scene.things if placed.thing.name != edit.target]
    mask = np.zeros((side, side), bool)
    if edit.does == "add" and scene.free is not None:
        left, _, right, _ = scene.free.box
        margin = _WIDENING * scene.free.size
        mask |= _inside((left - margin, _WIDENING, right + margin, 1.0), side)
    elif edit.does == "replace":
        for placed in targets:
            margin = _WIDENING * placed.size
            left, top, right, bottom = placed.box
            mask |= _inside((left - margin, top - margin, right + margin, bottom + margin), side)
    elif edit.does == "write" and all(placed.label for placed in targets):
        for placed in targets:
            if placed.label is not None:
                mask |= _inside(placed.label, side)
    else:
        mask |= _dilated(pixels_of(targets, side), _DILATION * side)
    return mask & ~_dilated(pixels_of(others, side), _SEAM_PX)


def _inside(box: Box, side: int) -> Pixels:
    left, top, right, bottom = (edge * side for edge in box)
    across = np.arange(side) + 0.5
    pixels: Pixels = ((across >= top) & (across <= bottom))[:, None] & ((across >= left) & (across <= right))[None, :]
    return pixels


def _dilated(pixels: Pixels, reach_px: float) -> Pixels:
    """Return the pixels and all that lie no further from them than this."""
    from scipy.ndimage import distance_transform_edt

    if not pixels.any():
        return pixels
    dilated: Pixels = distance_transform_edt(~pixels) <= reach_px
    return dilated


def _package_file(source: PackageSource) -> Path:
    """Find a package's file without importing the package."""
    spec = importlib.util.find_spec(source.package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / source.file if folders else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"the picture {source.file} is not in the package {source.package}; install the package again"
        )
    return path


def _from_package(source: PackageSource) -> PIL.Image.Image:
    import PIL.Image

    with _package_file(source).open("rb") as file, open_picture(file) as opened:
        picture = opened.convert("RGB").crop(_middle(*opened.size))
    side = min(picture.width, SOURCE_SIDE)
    return picture if picture.width == side else picture.resize((side, side), PIL.Image.Resampling.LANCZOS)


def _package_mask(source: PackageSource) -> Pixels:
    import PIL.Image
    import PIL.ImageDraw

    with _package_file(source).open("rb") as file, open_picture(file) as opened:
        width, height = opened.size
    mask = PIL.Image.new("L", (width, height))
    left, top, right, bottom = source.box
    box = (round(left * width), round(top * height), round(right * width) - 1, round(bottom * height) - 1)
    PIL.ImageDraw.Draw(mask).rectangle(box, 255)
    mask = mask.crop(_middle(width, height))
    side = min(mask.width, SOURCE_SIDE)
    return np.asarray(mask.resize((side, side), PIL.Image.Resampling.NEAREST)) > 0


def _middle(width: int, height: int) -> tuple[int, int, int, int]:
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _png(picture: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
