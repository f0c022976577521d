"""Colour profiles: what looks alike has one hash, sRGB costs nothing, and what cannot be applied is said."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from evals.generation.pictures import Pictures
from evals.imageset import colour
from evals.imageset.colour import MAX_PROFILE_BYTES
from evals.imageset.decoding import DecodedImage, decode_bytes
from evals.imageset.imageset import read_image_set, write_image_set
from evals.reporting.thumbnails import Thumbnail, read_thumbnail
from tests.evals.imageset.icc import (
    DISPLAY_P3,
    SRGB,
    SRGB_CURVE,
    cmyk_profile,
    gamma,
    grey_profile,
    rgb_profile,
    sampled_srgb_curve,
)

BRAND = [(227, 6, 19), (0, 149, 58), (255, 255, 255), (40, 40, 40)]
IN_P3 = [(208, 46, 38), (65, 147, 69), (255, 255, 255), (40, 40, 40)]
"""The same four colours in Display P3, to the nearest level."""


def card(colours=IN_P3, mode: str = "RGB") -> PIL.Image.Image:
    return PIL.Image.fromarray(np.array(colours, np.uint8)[None].repeat(16, axis=0).repeat(8, axis=1)).convert(mode)


def encoded(picture: PIL.Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(picture: PIL.Image.Image, profile: bytes | None, kind: str = "PNG", **options) -> DecodedImage:
    return decode_bytes(encoded(picture, kind, icc_profile=profile, **options))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("JPEG", {"quality": 100}), ("AVIF", {})],
)
def test_one_card_in_two_colour_spaces_is_one_colour(kind, options):
    shown = decoded(card(), rgb_profile(), kind, **options)
    assert shown.colour_note is None
    difference = deltaE_ciede2000(rgb2lab(shown.pixels[8, 4::8]), rgb2lab(np.array(BRAND, np.uint8)))
    assert difference.max() < 1.5
    untagged = decoded(card(), None, kind, **options)
    assert untagged.colour_note is None
    assert shown.pixel_sha256 != untagged.pixel_sha256, "they look different"


@pytest.mark.parametrize(
    "curve", [SRGB_CURVE, *map(sampled_srgb_curve, (26, 256, 4096))], ids=["formula", "26 points", "256", "4096"]
)
def test_a_profile_of_srgb_changes_no_bit_in_whatever_words(curve):
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert decoded(noise, rgb_profile(SRGB, curve)).pixel_sha256 == decoded(noise, None).pixel_sha256


def test_a_picture_without_a_profile_pays_nothing(monkeypatch):
    monkeypatch.setattr("evals.imageset.decoding.in_srgb", None)
    assert decode_bytes(encoded(card())).colour_note is None


def test_other_curves_on_the_same_primaries_are_applied():
    assert np.ptp(decoded(card(), rgb_profile(SRGB, gamma(1.8))).pixels.astype(int) - np.asarray(card())) > 5


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA", "1"])
def test_palettes_transparency_and_grey_keep_their_form(mode):
    picture = card(IN_P3, mode)
    if mode == "RGBA":
        picture.putalpha(PIL.Image.fromarray(np.arange(512, dtype=np.uint16).reshape(16, 32).astype(np.uint8)))
    shown, plain = decoded(picture, rgb_profile()), decoded(picture, None)
    assert shown.colour_note is None
    if mode in ("L", "LA", "1"):
        assert np.array_equal(shown.pixels, plain.pixels), "Display P3 has the greys of sRGB"
    else:
        assert np.array_equal(shown.pixels[:, 16:24], plain.pixels[:, 16:24]), "white is white"
        assert not np.array_equal(shown.pixels, plain.pixels)


def test_grey_profiles_apply_to_grey_of_8_and_16_bits_with_and_without_alpha():
    mid = PIL.Image.new("L", (4, 4), 128)
    linear = round(255 * (1.055 * (128 / 255) ** (1 / 2.4) - 0.055))
    deep = PIL.Image.fromarray(np.full((4, 4), 128 * 257, np.uint16))
    for picture in (mid, mid.convert("LA"), deep):
        shown = decoded(picture, grey_profile(gamma(1.0)))
        assert shown.colour_note is None
        assert np.abs(shown.pixels.astype(int) - linear).max() <= 1
    assert (decoded(mid, grey_profile(SRGB_CURVE)).pixels == 128).all()


def test_inks_are_shown_as_their_profile_says():
    inks = PIL.Image.merge("CMYK", [PIL.Image.new("L", (16, 16), level) for level in (0, 0, 0, 128)])
    shown = decoded(inks, cmyk_profile(), "TIFF")
    assert shown.colour_note is None
    assert np.abs(shown.pixels.astype(int) - 118).max() <= 2, "half of the lightness, which is 118 or 119 in sRGB"
    assert decoded(inks, None, "TIFF").pixels[0, 0].tolist() == [127] * 3


@pytest.mark.parametrize(
    ("profile", "note"),
    [
        (b"garbage" * 40, "is damaged"),
        (rgb_profile()[:200], "is damaged"),
        (rgb_profile().replace(b"rXYZ", b"zzzz"), "is damaged"),
        (rgb_profile().replace(b"RGB ", b"6CLR"), "neither RGB"),
        (cmyk_profile(), "is for CMYK pixels and these are RGB"),
        (grey_profile(gamma(2.2)), "is for GRAY pixels and these are RGB"),
        (rgb_profile() + bytes(MAX_PROFILE_BYTES), "over the limit of 8 MiB"),
    ],
    ids=["garbage", "cut", "no red", "six inks", "inks for RGB", "grey for RGB", "huge"],
)
def test_what_cannot_be_applied_is_said_and_the_pixels_stay(profile, note):
    shown = decoded(card(), profile, "TIFF")
    assert note in shown.colour_note
    assert shown.pixel_sha256 == decoded(card(), None).pixel_sha256


def test_a_profile_of_2_mib_is_applied_in_a_png_too_and_one_that_cannot_be_unpacked_is_said():
    large = decoded(card(), rgb_profile() + bytes(2 << 20))
    assert large.pixel_sha256 == decoded(card(), rgb_profile()).pixel_sha256
    content = encoded(card(), icc_profile=rgb_profile())
    start = content.index(b"iCCP")
    (length,) = struct.unpack(">I", content[start - 4 : start])
    broken = b"iCCP" + content[start + 4 : start + 4 + length - 40] + bytes(40)
    checksum = struct.pack(">I", zlib.crc32(broken))
    shown = decode_bytes(content[:start] + broken + checksum + content[start + 8 + length :])
    assert "is damaged" in shown.colour_note
    assert shown.pixel_sha256 == decoded(card(), None).pixel_sha256


def test_any_damage_to_a_profile_ends_in_a_picture():
    random = np.random.default_rng(0)
    for profile in (rgb_profile(), cmyk_profile()):
        for _ in range(20):
            broken = bytearray(profile)
            for place in random.integers(0, len(broken), 4):
                broken[place] = random.integers(0, 256)
            assert decoded(card(), bytes(broken), "TIFF").pixels.shape == (16, 32, 3)


def test_a_stored_hash_is_that_of_the_pixels_that_are_measured(tmp_path):
    tagged = card()
    tagged.info["icc_profile"] = rgb_profile()
    content = encoded(card(), icc_profile=rgb_profile())
    pictures = {"picture": tagged, "bytes": content}
    folder = write_image_set(
        tmp_path / "set", [(each, {"system": "a", "prompt": name}) for name, each in pictures.items()]
    )
    for row in read_image_set(folder).rows:
        measured = decode_bytes((folder / row["file_name"]).read_bytes())
        assert row["pixel_sha256"] == measured.pixel_sha256 != decode_bytes(encoded(card())).pixel_sha256
    assert Pictures(tmp_path / "run", {}).store("s", content).pixel_sha256 == measured.pixel_sha256


def test_thumbnails_show_the_colours_that_were_measured(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(card(), icc_profile=rgb_profile()))
    thumbnail = read_thumbnail(tmp_path / "a.png")
    assert isinstance(thumbnail, Thumbnail)
    assert np.array_equal(thumbnail.pixels, decode_bytes((tmp_path / "a.png").read_bytes()).pixels)


def test_one_profile_is_read_once(monkeypatch):
    colour._transform_of.cache_clear()
    for _ in range(3):
        decoded(card(), rgb_profile(DISPLAY_P3))
    assert colour._transform_of.cache_info().misses == 1
