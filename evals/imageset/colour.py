"""Colour management: a picture with an embedded ICC profile as the sRGB pixels that a viewer would show."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageCms

MAX_PROFILE_BYTES = 8 << 20
"""Printer profiles take up to 3 MB. What is larger is not parsed; a PNG that packs more is refused as it is opened."""

SAME_COLOUR_LEVELS = 1
"""A profile that moves no colour by more levels of 255 than this is sRGB in other words: the pixels stay untouched."""

ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")

_GREY_MODES = ("1", "L", "LA", "La")


class UnusableProfile(ValueError):
    """The colour profile cannot be applied; the message is a clause such as 'is damaged'."""


def has_alpha(picture: PIL.Image.Image) -> bool:
    """Tell whether a picture has an alpha channel, or a colour or palette entries that stand for transparency."""
    return picture.mode in ALPHA_MODES or "transparency" in picture.info


def in_srgb(picture: PIL.Image.Image, profile: bytes) -> PIL.Image.Image:
    """Return a picture whose numbers mean what its embedded ICC ``profile`` says as one in sRGB (IEC 61966-2-1).

    By littlecms with the relative colorimetric intent and black point compensation: a colour that sRGB can show comes
    out as itself, and only what it cannot show is clipped. The perceptual intent would move all colours of a picture
    to make room for a few. A profile of sRGB itself, in whatever words, returns the picture untouched. Alpha is kept.

    A profile for RGB is applied to grey pictures and palettes too, one for grey only to grey ones, one for CMYK only to
    CMYK. PNG's ``cHRM``, ``gAMA`` and ``cICP`` and what EXIF says of colour are not looked at: writers put ``gAMA`` and
    ``cHRM`` of sRGB in by habit, Pillow does not read ``cICP``, and what means another colour space brings a profile.

    Raises
    ------
    UnusableProfile
        If the profile is larger than 8 MiB, damaged, or of another kind than the picture.
    """
    import PIL.ImageCms

    space, transform = _transform_of(profile)
    is_cmyk, is_grey = picture.mode == "CMYK", picture.mode in _GREY_MODES
    if (space == "CMYK") != is_cmyk or (space == "GRAY" and not is_grey) or picture.mode in ("LAB", "HSV"):
        raise UnusableProfile(f"is for {space} pixels and these are {picture.mode}")
    if transform is None:
        return picture
    layer = picture.convert("RGBA") if has_alpha(picture) else picture
    # ImageCms returns a new picture, never None, unless it is told to work in place.
    converted = PIL.ImageCms.applyTransform(layer.convert(_MODES[space]), transform)
    assert converted is not None
    if layer.mode == "RGBA":
        converted.putalpha(layer.getchannel("A"))
    return converted


_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


@lru_cache(maxsize=8)
def _transform_of(profile: bytes) -> tuple[str, PIL.ImageCms.ImageCmsTransform | None]:
    """Return the colour space of a profile and its way to sRGB, None where that changes nothing."""
    if len(profile) > MAX_PROFILE_BYTES:
        raise UnusableProfile(f"takes {len(profile)} bytes, over the limit of {MAX_PROFILE_BYTES >> 20} MiB")
    import PIL.ImageCms as cms

    try:
        opened = cms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
        if space not in _MODES:
            raise UnusableProfile("is for neither RGB nor grey nor CMYK")
        transform = cms.buildTransform(
            opened,
            cms.createProfile("sRGB"),
            _MODES[space],
            "RGB",
            cms.Intent.RELATIVE_COLORIMETRIC,
            cms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (cms.PyCMSError, OSError, ValueError, TypeError) as error:
        if isinstance(error, UnusableProfile):
            raise
        raise UnusableProfile("is damaged") from None
    return space, None if _is_srgb(space, transform) else transform


def _is_srgb(space: str, transform: PIL.ImageCms.ImageCmsTransform) -> bool:
    """Tell whether a transform leaves a grid of colours, and every grey, where they are."""
    import PIL.Image
    import PIL.ImageCms

    if space == "CMYK":
        return False
    ramp = np.arange(256, dtype=np.uint8)
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    probe = ramp[None] if space == "GRAY" else np.concatenate([grid, ramp[:, None].repeat(3, axis=1)])[None]
    shown = PIL.ImageCms.applyTransform(PIL.Image.fromarray(probe), transform)
    moved = np.asarray(shown, np.int16) - (probe[..., None] if space == "GRAY" else probe)
    return bool(np.abs(moved).max() <= SAME_COLOUR_LEVELS)
