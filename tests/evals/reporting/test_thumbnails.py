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


def test_a_small_image_is_not_enlarged_and_transparency_is_white(tmp_path: Path) -> None:
    PIL.Image.new("RGBA", (30, 20), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (thumbnail(tmp_path / "a.png").pixels == np.full((20, 30, 3), 255)).all()


def test_a_turned_photo_is_shown_upright(tmp_path: Path) -> None:
    turned = PIL.Image.new("RGB", (64, 32))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif)
    found = thumbnail(tmp_path / "a.jpg")
    assert (found.pixels.shape, found.full_width, found.full_height) == ((64, 32, 3), 32, 64)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "CMYK", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    PIL.Image.new(mode, (400, 300)).save(path)
    found = thumbnail(path)
    assert (found.pixels.shape, found.pixels.dtype) == ((240, 320, 3), np.uint8)


def test_a_file_that_is_gone_or_broken_has_a_sentence(tmp_path: Path) -> None:
    for path in (None, tmp_path / "gone.png"):
        assert read_thumbnail(path) == "The image file is no longer there."
    whole = tmp_path / "whole.png"
    PIL.Image.effect_noise((64, 64), 50).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:900])
    assert "The image file cannot be decoded" in str(read_thumbnail(tmp_path / "cut.png"))


@pytest.mark.parametrize(("first", "second"), [(40, 40), (250, 5), (5, 250)])
def test_a_map_shows_the_difference_without_wrapping_around(first: int, second: int) -> None:
    found = difference_map(flat(first), flat(second))
    assert found is not None
    assert (found.largest, found.mean) == (abs(first - second), abs(first - second))
    green = pixels_of(found.address)[..., 1]
    assert green.min() > 240 if found.largest else green.max() < 12


def test_a_greater_difference_is_brighter_and_other_sizes_have_no_map() -> None:
    maps = [difference_map(flat(0), flat(level)) for level in (0, 16, 32, 48, 64)]
    brightness = [pixels_of(found.address).astype(float).mean() for found in maps if found]
    assert brightness == sorted(set(brightness))
    assert len(brightness) == 5
    assert difference_map(flat(0, (8, 6)), flat(0, (6, 8))) is None
