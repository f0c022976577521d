"""Reference pictures as requests carry them, base64 or data URIs, and their sizes."""

from __future__ import annotations

import base64
import binascii
import re

from evals.imageset.decoding import UnreadableImage, picture_size

_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,", re.ASCII)


def decoded(text: str) -> bytes | None:
    """Return the bytes of base64 (standard or URL-safe, with or without ``data:image/png;base64,``), else None.

    Examples
    --------
    >>> decoded("data:image/png;base64,aGk="), decoded("aGk"), decoded("what?")
    (b'hi', b'hi', None)
    """
    prefix = _DATA_URI.match(text)
    plain = (text[prefix.end() :] if prefix else text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def size_if_picture(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture, None if the bytes are no picture that opens."""
    try:
        return picture_size(content)
    except UnreadableImage:
        return None
