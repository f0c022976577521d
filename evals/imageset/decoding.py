"""From an image file to upright sRGB pixels and their hash: the one way in which TwinLens decodes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, cast

import numpy as np
import numpy.typing as npt

from evals.files.regular_files import LARGEST_FILE, open_regular, read_regular
from evals.imageset.colour import MAX_PROFILE_BYTES, UnusableProfile, has_alpha, in_srgb
from evals.imageset.transparency import ground_of

if TYPE_CHECKING:
    import PIL.Image

DECODING_VERSION = "srgb8-6"
"""Part of every cache key: change it when the same file would give other pixels, or none."""

RASTER_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""The only formats that are opened, whatever a file is called, by Pillow's names.

Pillow goes by content, and what it opens is not always a picture: of EPS it has Ghostscript execute the program that
the file holds, and other plugins read scripts, documents and tables of other files.
"""

MAX_PIXELS = 200_000_000
_TAIL_BYTES = 4096

_STRIP_ROWS = 256
_BLOCK_BYTES = 64 << 20
"""Pillow's blocks of 16 MB stay with the process when a large picture is gone; larger ones go back to the system."""

_HEADER_BYTES, _HEADER_READS = 2 * MAX_PROFILE_BYTES + (2 << 20), 10_000
"""Of metadata before the pixels: the largest colour profile, which Pillow reads twice, and a few MiB of all else."""

_ORIENTATION, _SWAPPED_SIDES = 0x0112, (5, 6, 7, 8)
_DAMAGED_EXIF = (SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error)
"""What Pillow raises for damaged EXIF beside good pixels: there is no rotation to be known."""

_LARGE_PIXELS = 512 * 512
_END_OF_IMAGE, _FILLER = 0xD9, 0xFF
_WITHOUT_SEGMENT = (0x00, 0x01, *range(0xD0, 0xD9))
_STRETCH = bytes(7 * n % 251 for n in range(256))
_OTHER_DATA = _STRETCH + b"".join(bytes((0xFF, 0xD0 + n)) + _STRETCH for n in range(8))
"""Data of no picture, and again behind each of the eight restart markers, for which a decoder may be waiting."""

Pixels = npt.NDArray[np.uint8]


class UnreadableImage(ValueError):
    """The file is not an image that can be decoded; the message is a clause such as 'is truncated'."""

    reason: ClassVar[str] = "unreadable_image"
    """The reason (of `metrics.measurement.REASONS`) of what cannot be measured for it."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image in memory: sRGB uint8 pixels (height, width, 3) with the hash of the pixels and of the file.

    ``colour_note`` says why its embedded colour profile was not applied, None where it was or there is none.
    """

    pixels: Pixels
    pixel_sha256: str
    file_sha256: str
    colour_note: str | None = None


def upright_rgb(opened: PIL.Image.Image) -> Pixels:
    """Return the pixels as sRGB uint8 (height, width, 3): EXIF rotation applied, alpha composited (see `ground_of`).

    An embedded colour profile is applied (see `evals.imageset.colour.in_srgb`); where that fails, and where there is
    none, the numbers are taken to be sRGB. 16-bit greyscale is scaled to 8 bits (Pillow alone would clip it). Of an
    animation this is the first frame. Raises UnreadableImage if the pixels have 32 bits: what is white in them is not
    defined.
    """
    return _upright_rgb(opened)[0]


def _upright_rgb(opened: PIL.Image.Image) -> tuple[Pixels, str | None]:
    """Return the pixels of `upright_rgb`, and why their colour profile was not applied."""
    import PIL.Image

    picture = upright(opened)
    if picture.mode in ("F", "I"):
        raise UnreadableImage("has 32-bit pixels; save it with 8 or 16 bits a channel")
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture, dtype=np.int64)
        picture = PIL.Image.fromarray((wide >> 8).astype(np.uint8))
    note = None
    if "icc_profile" in opened.info:
        try:
            picture = in_srgb(picture, opened.info["icc_profile"] or b"")  # None: Pillow could not put it together
        except UnusableProfile as error:
            note = f"has a colour profile that {error}"
    return _srgb(picture), note


def _srgb(picture: PIL.Image.Image) -> Pixels:
    """Return the pixels of a picture as RGB, its alpha composited, in strips: Pillow would copy the whole first."""
    import PIL.Image

    ground = ground_of(picture.convert("RGBA")) if has_alpha(picture) else None
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top, strip in _strips(picture):
        if ground is not None:
            layer = strip.convert("RGBA")
            strip = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, ground), layer)
        pixels[top : top + strip.height] = np.asarray(strip.convert("RGB"))
    return pixels


def _strips(picture: PIL.Image.Image) -> Iterator[tuple[int, PIL.Image.Image]]:
    for top in range(0, picture.height, _STRIP_ROWS):
        yield top, picture.crop((0, top, picture.width, min(top + _STRIP_ROWS, picture.height)))


def upright(opened: PIL.Image.Image) -> PIL.Image.Image:
    """Apply the EXIF rotation of a picture to it, and return it."""
    import PIL.ImageOps

    with contextlib.suppress(*_DAMAGED_EXIF):
        PIL.ImageOps.exif_transpose(opened, in_place=True)  # else it would be copied whole, rotated or not
    return opened


def upright_size(opened: PIL.Image.Image) -> tuple[int, int]:
    """Return width and height that a picture has when it is `upright`.

    Nothing is decoded but a PNG without EXIF before its pixels: what may come behind them is found no other way.
    """
    width, height = opened.size
    with contextlib.suppress(*_DAMAGED_EXIF):
        if opened.getexif().get(_ORIENTATION) in _SWAPPED_SIDES:
            return height, width
    return width, height


def pixel_sha256(pixels: Pixels) -> str:
    """Return the SHA-256 of decoded, colour-managed pixels with their size, so that a reshaped array does not collide.

    Examples
    --------
    >>> a = np.zeros((2, 3, 3), np.uint8)
    >>> pixel_sha256(a) == pixel_sha256(a.reshape(3, 2, 3))
    False
    """
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"RGB8|{width}|{height}|".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def check_header(path: Path) -> str | None:
    """Return what is wrong with an image file as far as its header and its end mark tell, or None.

    Reads little and decodes nothing: decoding, once, comes later.
    """
    try:
        with open_regular(path, LARGEST_FILE) as file:
            if _ends_early(file):
                return "is truncated"
            file.seek(0)
            with open_picture(file):
                return None
    except OSError as error:
        return _unread(error)
    except UnreadableImage as error:
        return str(error)


def _ends_early(file: BinaryIO) -> bool:
    """Tell whether the end mark is missing: an interrupted download keeps a good beginning."""
    head = file.read(12)
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return int.from_bytes(head[4:8], "little") + 8 > file.seek(0, io.SEEK_END)
    mark = b"IEND" if head.startswith(b"\x89PNG") else b"\xff\xd9" if head.startswith(b"\xff\xd8") else b""
    file.seek(max(0, file.seek(0, io.SEEK_END) - _TAIL_BYTES))
    if mark in file.read():
        return False
    # Something follows the end of the image, a video or a manifest, say: the mark stands further in front.
    file.seek(0)
    return mark not in file.read()


def pixel_bytes(path: Path) -> int:
    """Return how many bytes the decoded pixels of a file will have, by its header; 0 if it is no picture."""
    try:
        with open_regular(path) as file, open_picture(file) as opened:
            return 3 * opened.width * opened.height
    except (OSError, UnreadableImage):
        return 0


class _Header:
    """A file of which little is read until ``is_read``: what Pillow puts together of a header takes the square of it.

    WebP and AVIF are read as a whole, and taken apart by their libraries.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.is_read, self._file, self._bytes, self._reads = False, file, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        if not self.is_read and size >= 0:
            self._bytes, self._reads = self._bytes + size, self._reads + 1
            if self._bytes > _HEADER_BYTES or self._reads > _HEADER_READS:
                raise UnreadableImage(
                    f"has over {_HEADER_BYTES >> 20} MiB of metadata before its pixels, or too many pieces of it"
                )
        return self._file.read(size)


@contextlib.contextmanager
def open_picture(source: bytes | BinaryIO) -> Iterator[PIL.Image.Image]:
    """Open a picture of one of `RASTER_FORMATS`: the only door to Pillow for pictures that come from outside.

    Raises UnreadableImage if it is no such picture, has over 200 megapixels, or is damaged; in the block too, where
    pixels are decoded.
    """
    import PIL.Image
    import PIL.PngImagePlugin

    PIL.Image.core.set_block_size(_BLOCK_BYTES)  # type: ignore[attr-defined]
    PIL.Image.MAX_IMAGE_PIXELS = None  # our own limit, below, is the one that is told
    PIL.PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES  # Pillow refuses a PNG with a profile above 1 MiB
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    if not file.read(1):
        raise UnreadableImage("is empty")
    file.seek(0)
    header = _Header(file)
    try:
        with PIL.Image.open(cast("BinaryIO", header), formats=RASTER_FORMATS) as opened:
            header.is_read = True
            width, height = opened.size
            if width * height > MAX_PIXELS:
                limit = MAX_PIXELS // 1_000_000
                raise UnreadableImage(f"has {width} x {height} pixels, over the limit of {limit} megapixels")
            yield opened
    except UnreadableImage:
        raise
    except PIL.UnidentifiedImageError:
        *most, last = RASTER_FORMATS
        raise UnreadableImage(f"is not an image that can be read ({', '.join(most)} or {last})") from None
    except MemoryError:
        raise UnreadableImage("needs more memory than the decoder may use") from None
    except Exception as error:  # the plugins raise what they trip over; it becomes the file's reason
        raise UnreadableImage(f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})") from None


@contextlib.contextmanager
def open_whole_picture(content: bytes) -> Iterator[PIL.Image.Image]:
    """Open a picture as `open_picture` does, and refuse half a JPEG with an end mark, which Pillow takes for whole."""
    with open_picture(content) as opened:
        if opened.format in ("JPEG", "MPO") and _lacks_jpeg_data(content, opened):
            raise UnreadableImage("is truncated: it has an end mark, but not the data of the whole picture before it")
        yield opened


def _lacks_jpeg_data(content: bytes, opened: PIL.Image.Image) -> bool:
    """Tell whether the data of a JPEG end before its picture does, which libjpeg fills up with grey and no error.

    It is decoded once more with other data in front of its end mark: where the picture is whole, nobody reads them,
    else they become part of it. Of a large one an eighth of the size shows it, but not of a progressive file, of which
    finer details may be what is missing.
    """
    end = _jpeg_end(content)
    if end is None:
        return False
    in_full = "progressive" in opened.info or opened.width * opened.height < _LARGE_PIXELS

    def hash_of(picture: PIL.Image.Image) -> bytes:
        digest = hashlib.sha256()
        for _, strip in _strips(picture):
            digest.update(np.asarray(strip).data)
        return digest.digest()

    def decoded(source: bytes) -> bytes:
        with open_picture(source) as picture:
            if not in_full:
                picture.draft(None, (picture.width // 8, picture.height // 8))
            return hash_of(picture)

    # The changed one first: it is gone from memory when the picture itself is loaded.
    with_other_data = decoded(content[:end] + _OTHER_DATA + content[end:])
    return with_other_data != (hash_of(opened) if in_full else decoded(content))


def _jpeg_end(content: bytes) -> int | None:
    """Return where the end mark of a JPEG stands, None if there is none: not that of a thumbnail, nor of what follows.

    A marker is 0xFF and a byte that is neither 0 (a 0xFF of the data) nor 0xFF (a filler). Most are followed by the
    length of their segment; data lie between segments (ITU-T T.81, annex B).
    """
    place = 2
    while (place := content.find(b"\xff", place)) >= 0 and place + 1 < len(content):
        marker = content[place + 1]
        if marker == _END_OF_IMAGE:
            return place
        if marker == _FILLER:
            place += 1
        elif marker in _WITHOUT_SEGMENT:
            place += 2
        else:
            place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return None


def file_suffix(opened: PIL.Image.Image) -> str:
    """Return the extension of an open picture's real format, without a dot."""
    return (opened.format or "png").lower().replace("jpeg", "jpg")


def picture_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a picture as its header tells (see `open_picture`)."""
    with open_picture(content) as opened:
        return opened.size


def decode_file(path: Path) -> DecodedImage:
    """Read, hash and decode one file.

    Raises UnreadableImage if it is missing, not an image, truncated, or over 200 megapixels.
    """
    return decode_bytes(content_of(path))


def content_of(path: Path) -> bytes:
    """Return the bytes of a file; raises UnreadableImage if it cannot be read."""
    try:
        return read_regular(path)
    except OSError as error:
        raise UnreadableImage(_unread(error)) from None


def _unread(error: OSError) -> str:
    what = str(error.strerror or error)
    return what if error.errno == errno.EFBIG else f"cannot be read ({what})"


def decode_bytes(content: bytes) -> DecodedImage:
    """Decode the bytes of an image file (see `decode_file`)."""
    with open_whole_picture(content) as opened:
        pixels, colour_note = _upright_rgb(opened)
    return DecodedImage(pixels, pixel_sha256(pixels), hashlib.sha256(content).hexdigest(), colour_note)
