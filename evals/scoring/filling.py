"""Sources of edits of which only what may change is another picture: they keep what must stay and follow nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evals.imageset.decoding import DecodedImage, decode_file, pixel_sha256
from evals.imageset.masks import decode_mask

GREY = 128
"""The level of plain grey: what a picture shows that shows nothing."""


def decode_filled(source: Path, mask: Path, filling: Path | None = None) -> DecodedImage:
    """Decode a picture and fill its mask from another one, or with grey: not a pixel outside the mask changes.

    Mask and filling are brought to the size of the picture as `metrics.encoders.edits.align` brings them. The picture
    that comes of it is no file, so it has no hash of one. Raises UnreadableImage as
    `evals.imageset.decoding.decode_file` and `evals.imageset.masks.decode_mask` do.
    """
    from PIL import Image

    kept = decode_file(source).pixels
    size = kept.shape[1], kept.shape[0]
    inside = Image.fromarray(decode_mask(mask).pixels).resize(size, Image.Resampling.NEAREST)
    pixels = np.full_like(kept, GREY)
    if filling is not None:
        pixels = np.asarray(Image.fromarray(decode_file(filling).pixels).resize(size, Image.Resampling.LANCZOS))
    pixels = np.ascontiguousarray(np.where(np.asarray(inside) > GREY, pixels, kept))
    return DecodedImage(pixels, pixel_sha256(pixels), "")
