"""Decoding: upright RGB whatever the file says, one hash for equal pixels, one clause for each kind of damage."""

import contextlib
import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from evals.imageset.decoding import UnreadableImage, check_header, decode_bytes, decode_file, upright_rgb
from evals.imageset.imageset import ImageSetError, write_image_set
from evals.imageset.masks import decode_mask


def encoded(picture: PIL.Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def noise(width: int = 64, height: int = 48) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def stored(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content: bytes | bytearray) -> Path:
        (tmp_path / "file").write_bytes(content)
        return tmp_path / "file"

    return write


def test_transparency_also_of_a_palette_is_composited_on_white():
    assert (upright_rgb(PIL.Image.new("RGBA", (4, 4), (255, 0, 0, 0))) == 255).all()
    picture = PIL.Image.new("P", (4, 4), 0)
    picture.putpalette([255, 0, 0] + [0] * 765)
    assert (decode_bytes(encoded(picture, "PNG", transparency=0)).pixels == 255).all()


def test_exif_rotation_is_applied_and_damaged_exif_costs_the_rotation_not_the_image():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for exif_data, shape in ((exif, (64, 48, 3)), (b"Exif\0\0garbage that is no TIFF", (48, 64, 3))):
        assert decode_bytes(encoded(noise(), "PNG", exif=exif_data)).pixels.shape == shape


def with_comment(gif: bytes, n_pieces: int) -> bytes:
    assert gif[10] & 0x80  # a palette of all pictures, behind 13 bytes
    end = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    return gif[:end] + b"\x21\xfe" + (b"\xff" + b"c" * 255) * n_pieces + b"\0" + gif[end:]


def test_metadata_is_bounded_before_it_is_put_together_at_the_square_of_its_size(stored):
    jpeg, gif = encoded(noise(), "JPEG"), encoded(noise(), "GIF")
    exif = b"\xff\xe1\xff\xffExif\0\0" + bytes(65527)
    for content, is_read in (
        (jpeg[:2] + 100 * exif + jpeg[2:], True),
        (jpeg[:2] + 300 * exif + jpeg[2:], False),
        (with_comment(gif, 1_000), True),
        (with_comment(gif, 20_000), False),
        (encoded(noise(2600, 2600), "WEBP", lossless=True, method=0), True),  # 17 MiB that Pillow reads as a header
    ):
        problem = check_header(stored(content))
        assert problem is None if is_read else "of metadata before its pixels" in problem
        with contextlib.nullcontext() if is_read else pytest.raises(UnreadableImage, match="of metadata"):
            decode_bytes(content)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    wide = PIL.Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16))
    assert (decode_bytes(encoded(wide, "PNG")).pixels == 0x80).all()


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_share_the_pixel_hash(kind, options):
    content = encoded(noise(), kind, **options)
    assert decode_bytes(content).pixel_sha256 == decode_bytes(encoded(noise(), "BMP")).pixel_sha256


def huge(side: int) -> bytearray:
    """Return a BMP whose header says that it has sides as long: a header is enough to refuse it."""
    content = bytearray(encoded(PIL.Image.new("1", (8, 8)), "BMP"))
    content[18:26] = side.to_bytes(4, "little") * 2
    return content


def half(kind: str) -> bytes:
    content = encoded(noise(256, 256), kind)
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("content", "problem", "when_decoded"),
    [
        *[(half(kind), "truncated", None) for kind in ("PNG", "JPEG", "WEBP")],
        (b"", "empty", None),
        (b"not an image at all", "not an image", None),
        (huge(14_200), "megapixels", "megapixels"),  # only over our limit
        (huge(60_000), "megapixels", "megapixels"),  # a bomb even to Pillow
    ],
    ids=["half a PNG", "half a JPEG", "half a WebP", "empty", "text", "over 200 megapixels", "a bomb"],
)
def test_what_is_no_whole_image_is_refused_by_the_header_check_and_by_decoding(stored, content, problem, when_decoded):
    path = stored(content)
    assert problem in (check_header(path) or "")
    with pytest.raises(UnreadableImage, match=when_decoded):
        decode_file(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_whole_file_passes_the_header_check(stored, kind):
    assert check_header(stored(encoded(noise(), kind))) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_follows_the_end_of_an_image_is_its_own_business(stored, kind):
    path = stored(encoded(noise(), kind) + b"\0" * 100_000)
    assert check_header(path) is None
    assert decode_file(path).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 5}, {"keep_rgb": True}])
@pytest.mark.parametrize("size", [(161, 99), (600, 500), (1, 1)])
def test_half_a_jpeg_with_an_end_mark_is_refused_and_a_whole_one_with_anything_behind_it_is_not(options, size):
    content = encoded(noise(*size), "JPEG", quality=90, **options)
    assert decode_bytes(content + b"\xff\xd8 and so on \xff\xd9").pixels.shape == (size[1], size[0], 3)
    begin = content.index(b"\xff\xda") + 14
    for share in (0.1, 0.5, 0.9) if size != (1, 1) else ():
        with pytest.raises(UnreadableImage, match="truncated: it has an end mark"):
            decode_bytes(content[: begin + int(share * (len(content) - begin - 2))] + b"\xff\xd9")


def test_half_a_jpeg_with_an_end_mark_is_no_mask_and_is_not_written(stored, tmp_path):
    content = encoded(noise(256, 256), "JPEG")[:20_000] + b"\xff\xd9"
    with pytest.raises(UnreadableImage, match="truncated"):
        decode_mask(stored(content))
    with pytest.raises(ImageSetError, match="truncated"):
        write_image_set(tmp_path / "set", [(content, {"system": "a", "prompt": "p"})])


def test_a_jpeg_whose_lower_half_is_grey_is_whole():
    pixels = np.array(noise())
    pixels[20:] = 128
    assert (decode_bytes(encoded(PIL.Image.fromarray(pixels), "JPEG")).pixels[40:] == 128).all()


@pytest.mark.parametrize(
    ("kind", "mark"), [("PNG", b"\0\0\0\0IEND\xaeB`\x82"), ("GIF", b"\0;"), ("BMP", b""), ("TIFF", b"")]
)
def test_half_a_picture_of_another_format_is_refused_whatever_end_mark_it_has(kind, mark):
    with pytest.raises(UnreadableImage):
        decode_bytes(half(kind) + mark)


def test_half_a_webp_of_the_size_that_it_says_is_refused():
    body = half("WEBP")[20:]
    content = b"RIFF" + (len(body) + 12).to_bytes(4, "little") + half("WEBP")[8:16] + len(body).to_bytes(4, "little")
    with pytest.raises(UnreadableImage):
        decode_bytes(content + body)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_of_32_bits_are_refused_because_their_white_is_unknown(mode):
    with pytest.raises(UnreadableImage, match="32-bit"):
        decode_bytes(encoded(PIL.Image.new(mode, (4, 4), 1), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_damage_anywhere_is_told_or_harmless_but_never_anything_else(stored, kind):
    whole, random = encoded(noise(), kind), np.random.default_rng(0)
    for _ in range(40):
        content = bytearray(whole)
        for place in random.integers(0, len(content), 5):
            content[place] = random.integers(0, 256)
        check_header(stored(content))
        with contextlib.suppress(UnreadableImage):
            decode_bytes(bytes(content))


def test_just_below_200_megapixels_is_allowed(tmp_path):
    path = tmp_path / "large.png"
    PIL.Image.new("1", (14_100, 14_100)).save(path)
    assert check_header(path) is None


def test_a_missing_file_is_told():
    with pytest.raises(UnreadableImage, match="cannot be read"):
        decode_file(Path("/nowhere/at/all.png"))
