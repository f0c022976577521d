import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from evals.reporting.thumbnails import LONGEST_SIDE, Thumbnail, difference_levels, heat, read_thumbnail, webp


def thumbnail(path: Path) -> Thumbnail:
    found = read_thumbnail(path)
    assert isinstance(found, Thumbnail)
    return found


def flat(level: int, size: tuple[int, int] = (8, 6)) -> Thumbnail:
    pixels = np.full((size[1], size[0], 3), level, np.uint8)
    return Thumbnail(pixels, *size)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_thumbnail_keeps_the_shape_and_knows_the_full_size(tmp_path: Path, suffix: str) -> None:
    PIL.Image.new("RGB", (1280, 640), (200, 30, 30)).save(tmp_path / f"a.{suffix}")
    found = thumbnail(tmp_path / f"a.{suffix}")
    assert found.pixels.shape == (LONGEST_SIDE // 2, LONGEST_SIDE, 3)
    assert (found.full_width, found.full_height) == (1280, 640)
    with PIL.Image.open(io.BytesIO(webp(found.pixels))) as written:
        assert np.abs(np.asarray(written.convert("RGB")).astype(int) - (200, 30, 30)).max() < 10


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
        assert read_thumbnail(path) == "The image file is no longer there, or is not the one that was scored."
    whole = tmp_path / "whole.png"
    PIL.Image.effect_noise((64, 64), 50).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:900])
    assert "The image file cannot be decoded" in str(read_thumbnail(tmp_path / "cut.png"))


@pytest.mark.parametrize(("first", "second"), [(40, 40), (250, 5), (5, 250)])
def test_a_map_shows_the_difference_without_wrapping_around(first: int, second: int) -> None:
    levels = difference_levels(flat(first), flat(second))
    assert levels is not None
    assert set(levels.ravel()) == {abs(first - second)}
    green = heat(levels)[..., 1]
    assert green.min() > 240 if first != second else green.max() < 12


def test_a_greater_difference_is_brighter_and_other_sizes_have_no_map() -> None:
    differences = [difference_levels(flat(0), flat(level)) for level in (0, 16, 32, 48, 64)]
    brightness = [heat(levels).astype(float).mean() for levels in differences if levels is not None]
    assert brightness == sorted(set(brightness))
    assert len(brightness) == 5
    assert difference_levels(flat(0, (8, 6)), flat(0, (6, 8))) is None
