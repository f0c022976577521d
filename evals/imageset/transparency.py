"""On which ground a picture with transparency is seen: white, unless it would vanish there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import PIL.Image

Ground = Literal["white", "black", "gray"]

_LUMINANCE: dict[Ground, float] = {"white": 1.0, "black": 0.0, "gray": 0.5}
_LUMA = (0.2126, 0.7152, 0.0722)

LEAST_CONTRAST = 0.15
"""What differs by less than this from the ground, on a scale from black 0 to white 1, is lost on it."""

MOST_LOST = 0.05
"""Another ground than white is taken only where more than this share is lost on white, and no more on the other."""


def ground_of(layer: PIL.Image.Image) -> Ground:
    """Return the ground that an RGBA picture is composited on: white, unless black or grey shows it and white does not.

    White lettering on transparency is meant for a dark page and would be an empty picture on a white one. What has
    all shades, a photograph that was cut out, loses some of them on any ground and stays on white.
    """
    pixels = np.asarray(layer).reshape(-1, 4)
    pixels = pixels[:: 1 + len(pixels) // 4_000_000]
    opacity = pixels[:, 3].astype(np.float64)
    total = opacity.sum()
    if total == 0:
        return "white"
    luminance = pixels[:, :3] @ np.array(_LUMA) / 255
    lost = {
        ground: opacity[np.abs(luminance - level) < LEAST_CONTRAST].sum() / total
        for ground, level in _LUMINANCE.items()
    }
    best = min(lost, key=lambda ground: lost[ground])
    return best if lost["white"] > MOST_LOST >= lost[best] else "white"
