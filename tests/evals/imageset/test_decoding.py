"""Decoding: upright RGB whatever the file says, one hash for equal pixels, one clause for each kind of damage."""

import contextlib
import io

import numpy as np
import PIL.Image
import pytest

from evals.imageset.decoding import UnreadableImage, check_header, decode_bytes, decode_file, upright_rgb


def encoded(picture: PIL.Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def noise(width: int = 64, height: int = 48) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def test_transparency_is_composited_on_white():
    clear_red = PIL.Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (upright_rgb(clear_red) == 255).all()


def test_palette_transparency_is_composited_on_white():
    picture = PIL.Image.new("P", (4, 4), 0)
    picture.putpalette([255, 0, 0] + [0] * 765)
    content = encoded(picture, "PNG", transparency=0)
    assert (decode_bytes(content).pixels == 255).all()


def test_exif_rotation_is_applied():
    picture = noise(64, 48)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    assert decode_bytes(encoded(picture, "PNG", exif=exif)).pixels.shape == (64, 48, 3)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    wide = PIL.Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16))
    assert (decode_bytes(encoded(wide, "PNG")).pixels == 0x80).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_formats_share_the_pixel_hash(kind):
    content = encoded(noise(), kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert decode_bytes(content).pixel_sha256 == decode_bytes(encoded(noise(), "BMP")).pixel_sha256


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_truncated_file_is_told_by_its_header_check_and_by_decoding(tmp_path, kind):
    content = encoded(noise(256, 256), kind)
    path = tmp_path / "cut"
    path.write_bytes(content[: len(content) // 2])
    assert "truncated" in (check_header(path) or "")
    with pytest.raises(UnreadableImage):
        decode_file(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_whole_file_passes_the_header_check(tmp_path, kind):
    path = tmp_path / "whole"
    path.write_bytes(encoded(noise(), kind))
    assert check_header(path) is None


@pytest.mark.parametrize(("content", "what"), [(b"", "empty"), (b"not an image at all", "not an image")])
def test_what_is_no_image_is_told(tmp_path, content, what):
    path = tmp_path / "file.png"
    path.write_bytes(content)
    assert what in (check_header(path) or "")
    with pytest.raises(UnreadableImage):
        decode_file(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_follows_the_end_of_an_image_is_its_own_business(tmp_path, kind):
    path = tmp_path / "motion"
    path.write_bytes(encoded(noise(), kind) + b"\0" * 100_000)
    assert check_header(path) is None
    assert decode_file(path).pixels.shape == (48, 64, 3)


def test_damaged_exif_costs_the_rotation_not_the_image():
    content = encoded(noise(), "PNG", exif=b"Exif\0\0garbage that is no TIFF")
    assert decode_bytes(content).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_of_32_bits_are_refused_because_their_white_is_unknown(mode):
    with pytest.raises(UnreadableImage, match="32-bit"):
        decode_bytes(encoded(PIL.Image.new(mode, (4, 4), 1), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_damage_anywhere_is_told_or_harmless_but_never_anything_else(tmp_path, kind):
    whole, random = encoded(noise(), kind), np.random.default_rng(0)
    for _ in range(40):
        content = bytearray(whole)
        for place in random.integers(0, len(content), 5):
            content[place] = random.integers(0, 256)
        path = tmp_path / "damaged"
        path.write_bytes(content)
        check_header(path)
        with contextlib.suppress(UnreadableImage):
            decode_bytes(bytes(content))


def test_just_below_200_megapixels_is_allowed(tmp_path):
    path = tmp_path / "large.png"
    PIL.Image.new("1", (14_100, 14_100)).save(path)
    assert check_header(path) is None


@pytest.mark.parametrize("side", [14_200, 60_000])
def test_over_200_megapixels_is_refused_from_the_header(tmp_path, side):
    # A header is enough: 60,000 squared is a bomb even to Pillow, 14,200 squared is only over our limit.
    content = bytearray(encoded(PIL.Image.new("1", (8, 8)), "BMP"))
    content[18:26] = side.to_bytes(4, "little") * 2
    path = tmp_path / "huge.bmp"
    path.write_bytes(content)
    assert "megapixels" in (check_header(path) or "")
    with pytest.raises(UnreadableImage, match="megapixels"):
        decode_file(path)


def test_missing_file_is_told():
    from pathlib import Path

    with pytest.raises(UnreadableImage, match="cannot be read"):
        decode_file(Path("/nowhere/at/all.png"))
