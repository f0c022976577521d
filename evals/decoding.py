"""From an image file to upright RGB pixels and their hash: the one way in which TwinLens decodes."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import PIL.Image

DECODING_VERSION = "rgb8-1"
"""Part of every cache key: change it when the same file would give other pixels."""

MAX_PIXELS = 200_000_000

Pixels = npt.NDArray[np.uint8]


class UnreadableImage(ValueError):
    """The file is not an image that can be decoded; the message is a clause such as 'is truncated'."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image in memory: RGB uint8 pixels (height, width, 3) with the hash of the pixels and of the file."""

    pixels: Pixels
    pixel_sha256: str
    file_sha256: str


def upright_rgb(opened: PIL.Image.Image) -> Pixels:
    """Return the pixels as RGB uint8 (height, width, 3): EXIF rotation applied, alpha composited on white.

    16-bit greyscale is scaled to 8 bits (Pillow alone would clip it).
    """
    import PIL.Image
    import PIL.ImageOps

    picture = PIL.ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I;16") or picture.mode == "I":
        wide = np.asarray(picture, dtype=np.int64)
        picture = PIL.Image.fromarray(np.clip(wide >> 8, 0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, "white"), layer)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def pixel_sha256(pixels: Pixels) -> str:
    """Return the SHA-256 of the decoded pixels with their size, so that a reshaped array does not collide.

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
    """Return what is wrong with an image file as far as its header and its end tell, or None. Decodes nothing."""
    import PIL.Image

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            if _ends_early(file):
                return "is truncated"
            file.seek(0)
            with PIL.Image.open(file) as opened:
                width, height = opened.size
    except PIL.Image.DecompressionBombError:
        return f"is over the limit of {MAX_PIXELS // 1_000_000} megapixels"
    except PIL.UnidentifiedImageError:
        return "is empty" if path.stat().st_size == 0 else "is not an image that can be read"
    except (OSError, ValueError, SyntaxError) as error:
        return f"cannot be read ({error})"
    if width * height > MAX_PIXELS:
        return f"has {width} x {height} pixels, over the limit of {MAX_PIXELS // 1_000_000} megapixels"
    return None


def _ends_early(file: io.BufferedReader) -> bool:
    """Tell whether the end mark is missing: an interrupted download keeps a good beginning."""
    head = file.read(12)
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 65536))
    tail = file.read()
    if head.startswith(b"\x89PNG"):
        return b"IEND" not in tail
    if head.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in tail
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return int.from_bytes(head[4:8], "little") + 8 > size
    return False


def decode_file(path: Path) -> DecodedImage:
    """Read, hash and decode one file.

    Raises
    ------
    UnreadableImage
        If it is missing, not an image, truncated, or over 200 megapixels.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(f"cannot be read ({error.strerror})") from None
    return decode_bytes(content)


def decode_bytes(content: bytes) -> DecodedImage:
    """Decode the bytes of an image file (see `decode_file`)."""
    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(content)) as opened:
                if opened.size[0] * opened.size[1] > MAX_PIXELS:
                    raise UnreadableImage(f"is over the limit of {MAX_PIXELS // 1_000_000} megapixels")
                pixels = upright_rgb(opened)
    except UnreadableImage:
        raise
    except PIL.Image.DecompressionBombError:
        raise UnreadableImage(f"is over the limit of {MAX_PIXELS // 1_000_000} megapixels") from None
    except PIL.UnidentifiedImageError:
        raise UnreadableImage("is not an image that can be read") from None
    except MemoryError:
        raise UnreadableImage("needs more memory than the decoder may use") from None
    # Pillow's format plugins raise all of these on damaged files.
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, OverflowError) as error:
        raise UnreadableImage(f"cannot be decoded ({error})") from None
    return DecodedImage(pixels, pixel_sha256(pixels), hashlib.sha256(content).hexdigest())
