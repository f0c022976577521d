import base64
import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from evals.reporting.thumbnails import LONGEST_SIDE, Thumbnail, difference_map, read_thumbnail, webp_address


def pixels_of(address: str) -> np.ndarray:
    content = base64.b64decode(address.removeprefix("data:image/webp;base64,"))
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))


def thumbnail(path: Path) -> Thumbnail:
    found = read_thumbnail(path)
    assert isinstance(found, Thumbnail)
    return found


def flat(level: int, size: tuple[int, int] = (8, 6)) -> Thumbnail:
    pixels = np.full((size[1], size[0], 3), level, np.uint8)
    return Thumbnail(pixels, webp_address(pixels), *size)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_thumbnail_keeps_the_shape_and_knows_the_full_size(tmp_path: Path, suffix: str) -> None:
    PIL.Image.new("RGB", (1280, 640), (200, 30, 30)).save(tmp_path / f"a.{suffix}")
    found = thumbnail(tmp_path / f"a.{suffix}")
    assert found.pixels.shape == (LONGEST_SIDE // 2, LONGEST_SIDE, 3)
    assert (found.full_width, found.full_height) == (1280, 640)
    assert np.abs(pixels_of(found.address).astype(int) - (200, 30, 30)).max() < 10


def test_a_small_image_is_not_enlarged(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    assert thumbnail(tmp_path / "a.png").pixels.shape == (20, 30, 3)


def test_a_turned_photo_is_shown_upright(tmp_path: Path) -> None:
    turned = PIL.Image.new("RGB", (64, 32))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif)
    found = thumbnail(tmp_path / "a.jpg")
    assert found.pixels.shape == (64, 32, 3)
    assert (found.full_width, found.full_height) == (32, 64)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "CMYK", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    PIL.Image.new(mode, (400, 300)).save(tmp_path / f"a.{suffix}")
    found = thumbnail(tmp_path / f"a.{suffix}")
    assert found.pixels.shape == (240, 320, 3)
    assert found.pixels.dtype == np.uint8


def test_transparency_is_white(tmp_path: Path) -> None:
    PIL.Image.new("RGBA", (400, 400), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (thumbnail(tmp_path / "a.png").pixels == 255).all()


def test_a_file_that_is_gone_or_broken_has_a_sentence(tmp_path: Path) -> None:
    assert read_thumbnail(None) == "The image file is no longer there."
    assert read_thumbnail(tmp_path / "gone.png") == "The image file is no longer there."
    whole = tmp_path / "whole.png"
    PIL.Image.effect_noise((64, 64), 50).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:900])
    assert "The image file cannot be decoded" in str(read_thumbnail(tmp_path / "cut.png"))


def test_equal_pictures_have_a_black_map() -> None:
    found = difference_map(flat(40), flat(40))
    assert found is not None
    assert (found.largest, found.mean) == (0, 0.0)
    assert pixels_of(found.address).max() < 12


def test_a_difference_does_not_wrap_around() -> None:
    for first, second in ((250, 5), (5, 250)):
        found = difference_map(flat(first), flat(second))
        assert found is not None
        assert (found.largest, found.mean) == (245, 245.0)
        assert pixels_of(found.address).min(axis=(0, 1))[1] > 240


def test_a_greater_difference_is_brighter() -> None:
    maps = [difference_map(flat(0), flat(level)) for level in (0, 16, 32, 48, 64)]
    brightness = [pixels_of(found.address).astype(float).mean() for found in maps if found]
    assert brightness == sorted(brightness)
    assert len(set(brightness)) == 5


def test_other_sizes_have_no_map() -> None:
    assert difference_map(flat(0, (8, 6)), flat(0, (6, 8))) is None
