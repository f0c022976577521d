"""Masks: one region in every usual form is one region, and what can be read in several ways is refused."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFilter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.imageset.decoding import UnreadableImage
from evals.imageset.masks import UnclearMask, decode_mask, may_change

SIDE = 96
REGION = np.zeros((SIDE, SIDE), bool)
REGION[20:50, 30:80] = True
PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def levels(region, lower: int, upper: int, kind=np.uint8) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.where(region, upper, lower).astype(kind))


def palette(region, *colours: tuple[int, int, int]) -> PIL.Image.Image:
    classes = levels(region, 0, 1)
    classes.putpalette([level for each in colours for level in each])  # makes a palette of a grey picture
    return classes


def layered(shown, opaque, alpha: int = 255) -> PIL.Image.Image:
    colours = np.zeros((*opaque.shape, 3), np.uint8)
    colours[...] = shown
    return PIL.Image.fromarray(np.dstack([colours, np.where(opaque, alpha, 0).astype(np.uint8)]))


def through(picture: PIL.Image.Image, kind: str, **options) -> PIL.Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return PIL.Image.open(io.BytesIO(buffer.getvalue()))


FORMS: dict[str, Callable[[np.ndarray], PIL.Image.Image]] = {
    "0/255": lambda region: levels(region, 0, 255),
    "0/1": lambda region: levels(region, 0, 1),
    "0/128": lambda region: levels(region, 0, 128),
    "1 bit": lambda region: PIL.Image.fromarray(region),
    "RGB": lambda region: levels(region, 0, 255).convert("RGB"),
    "RGB 0/1": lambda region: levels(region, 0, 1).convert("RGB"),
    "red on black": lambda region: palette(region, (0, 0, 0), (255, 0, 0)).convert("RGB"),
    "video range": lambda region: levels(region, 16, 235),
    "16 bit": lambda region: levels(region, 0, 65535, np.uint16),
    "16 bit, 0/1": lambda region: levels(region, 0, 1, np.uint16),
    "classes": lambda region: palette(region, (0, 0, 0), (128, 0, 0)),
    "palette of greys, white first": lambda region: palette(~region, (255, 255, 255), (0, 0, 0)),
    "hole in a picture": lambda region: layered(PHOTOGRAPH[: len(region), : region.shape[1]], ~region),
    "hole in black": lambda region: layered(0, ~region),
    "hole in black, grey and alpha": lambda region: layered(0, ~region).convert("LA"),
    "white strokes": lambda region: layered(255, region),
    "red strokes, half transparent": lambda region: layered((255, 0, 0), region, 128),
    "opaque alpha": lambda region: levels(region, 0, 255).convert("RGBA"),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_region_is_the_same_in_every_form(form):
    assert np.array_equal(may_change(through(FORMS[form](REGION), "PNG")), REGION)


@given(st.integers(0, 2**32), st.integers(3, 40), st.integers(3, 40), st.sampled_from(sorted(FORMS)))
def test_so_is_any_region(seed, height, width, form):
    region = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(bool)
    region[0, :3], region[1, 0] = (True, False, False), False
    if form == "video range":  # scattered pixels of two levels above 0 are no areas, and need none
        return
    assert np.array_equal(may_change(FORMS[form](region)), region)


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 30}), ("JPEG", {"quality": 90}), ("WEBP", {"quality": 50})], ids=str
)
def test_lossy_formats_keep_the_region_but_for_its_edge(kind, options):
    read = may_change(through(levels(REGION, 0, 255).convert("RGB"), kind, **options))
    assert (read != REGION).mean() < 0.005


def test_soft_edges_are_cut_at_half_of_white():
    soft = levels(REGION, 0, 255).filter(PIL.ImageFilter.GaussianBlur(4))
    assert np.array_equal(may_change(soft), np.asarray(soft) > 127)


@pytest.mark.parametrize(
    ("mask", "share"),
    [(np.full((8, 8), level, np.uint8), float(level > 0)) for level in (0, 1, 255)]
    + [(np.array([[254, 255, 253], [255, 254, 255]], np.uint8), 1.0)],
    ids=["black", "one class", "white", "nearly white"],
)
def test_empty_and_full_masks_are_masks(mask, share):
    assert may_change(PIL.Image.fromarray(mask)).mean() == share


def stripes(*values: int, kind=np.uint8) -> np.ndarray:
    return np.repeat(np.array(values, kind), SIDE // len(values))[None].repeat(SIDE, axis=0)


def with_alpha(colours, alpha) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.dstack([*[colours] * 3, alpha]).astype(np.uint8))


RAMP = np.linspace(0, 255, SIDE).astype(np.uint8)[None].repeat(SIDE, axis=0)


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        (PIL.Image.fromarray(stripes(0, 1, 2)), r"3 levels \(0, 1, 2\)"),
        (PIL.Image.fromarray(stripes(0, 1, 255)), "3 levels"),
        (PIL.Image.fromarray(stripes(*range(11), 255)), "12 levels"),
        (PIL.Image.fromarray(stripes(0, 85, 170, 255)), "4 levels"),
        (through(PIL.Image.fromarray(stripes(0, 128, 255)), "JPEG"), "3 levels"),
        (PIL.Image.fromarray(stripes(0, 1, 2, kind=np.uint16)), "3 levels"),
        (PIL.Image.fromarray(stripes(1, 2)), "no white"),
        (PIL.Image.fromarray(stripes(64, 192)), "half-tones"),
        (PIL.Image.fromarray(RAMP), "half-tones"),
        (PIL.Image.fromarray(PHOTOGRAPH), "several colours"),
        (palette(REGION, (255, 255, 255), (255, 0, 0)), "several colours"),
        (with_alpha(stripes(0, 255), RAMP), "half transparent"),
        (with_alpha(stripes(0, 255), stripes(255, 128)), "half transparent"),
        (with_alpha(RAMP, stripes(0)), "transparent everywhere"),
        (with_alpha(stripes(0, 255, 0), stripes(255, 255, 0)), "black, white and transparency"),
    ],
)
def test_what_can_be_read_in_several_ways_is_refused_with_what_to_do(mask, what):
    with pytest.raises(UnclearMask, match=f"{what}.*; save it black and white, white where the picture may change"):
        may_change(mask)


def test_a_mask_of_32_bits_is_unreadable():
    with pytest.raises(UnreadableImage, match="32-bit"):
        may_change(levels(REGION, 0, 1, np.int32))


def test_a_mask_file_is_decoded_upright_in_black_and_white_whatever_its_form(tmp_path: Path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 3  # turned by half
    FORMS["0/1"](REGION).save(tmp_path / "classes.png")
    FORMS["hole in a picture"](REGION[::-1, ::-1]).save(tmp_path / "hole.png", exif=exif)
    classes, hole = decode_mask(tmp_path / "classes.png"), decode_mask(tmp_path / "hole.png")
    assert np.array_equal(classes.pixels, np.uint8(255) * REGION[:, :, None].repeat(3, axis=2))
    assert classes.pixel_sha256 == hole.pixel_sha256
