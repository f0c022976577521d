"""Pixel differences and structural similarity against scikit-image and numpy."""

import hashlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo
from skimage.metrics import structural_similarity as skimage_ssim

from metrics.encoders.pixels import perceptual_hash, pixel_difference, structural_similarity
from tests.metrics.encoders.pictures import ASTRONAUT, noise


def reference_ssim(first, second):
    return skimage_ssim(
        first, second, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


@pytest.mark.parametrize(
    "shape", [(11, 11, 3), (12, 40, 3), (63, 97, 3), (522, 50, 3), (523, 50, 3), (1040, 30, 3)], ids=str
)
def test_ssim_equals_scikit_image_at_every_shape_and_strip_border(shape):
    first, second = noise(shape, 1), noise(shape, 2)
    half = ((first.astype(int) + second) // 2).astype(np.uint8)
    assert structural_similarity(first, half) == pytest.approx(reference_ssim(first, half), abs=1e-9)


def test_ssim_equals_scikit_image_on_flat_bright_pictures_where_rounding_is_worst():
    flat = np.full((64, 64, 3), 254, np.uint8)
    speckled = flat - np.random.default_rng(3).integers(0, 2, flat.shape, dtype=np.uint8)
    assert structural_similarity(flat, speckled) == pytest.approx(reference_ssim(flat, speckled), abs=1e-9)


@pytest.mark.parametrize("shape", [(10, 64, 3), (64, 10, 3), (1, 1, 3)], ids=str)
def test_images_smaller_than_the_window_have_a_difference_and_no_ssim(shape):
    difference = pixel_difference(noise(shape, 1), noise(shape, 1))
    assert difference["ssim"] is None
    assert difference["identical"]
    assert difference["mean"] == 0


def test_the_difference_of_unsigned_bytes_does_not_wrap():
    dark, light = np.full((16, 16, 3), 10, np.uint8), np.full((16, 16, 3), 15, np.uint8)
    assert np.abs(dark - light).max() == 251, "numpy wraps here, so the trap is real"
    for pair in [(dark, light), (light, dark)]:
        difference = pixel_difference(*pair)
        assert (difference["max"], difference["mean"], difference["mse"]) == (5, 5.0, 25.0)


def test_the_sums_of_a_large_picture_do_not_overflow():
    black = np.zeros((4096, 4096, 3), np.uint8)
    black.setflags(write=False)
    white = np.full_like(black, 255)
    difference = pixel_difference(black[:, :2048], white[:, :2048])
    assert (difference["max"], difference["mean"], difference["mse"]) == (255, 255.0, 255.0**2)


def test_sizes_that_differ_are_a_finding_with_no_numbers():
    row = np.arange(12, dtype=np.uint8)
    for pair in [(ASTRONAUT, ASTRONAUT[:-1]), (row.reshape(1, 4, 3), row.reshape(4, 1, 3))]:
        numbers = dict.fromkeys(("max", "mean", "mse", "ssim"))
        assert pixel_difference(*pair) == {"same_size": False, "identical": False, **numbers}


def test_identity_is_of_pixels_not_of_files():
    def encoded(**options):
        file = BytesIO()
        Picture.fromarray(ASTRONAUT[:128, :128]).save(file, "PNG", **options)
        return file.getvalue()

    note = PngInfo()
    note.add_text("prompt", "an astronaut")
    files = [encoded(compress_level=9), encoded(compress_level=0), encoded(pnginfo=note)]
    assert len({hashlib.sha256(file).hexdigest() for file in files}) == 3
    first, *others = [np.asarray(Picture.open(BytesIO(file))) for file in files]
    assert all(pixel_difference(first, other)["identical"] for other in others)


def test_perceptual_hashes_of_imagehash():
    assert perceptual_hash(ASTRONAUT) == "c2924c5532bddfc8"
    assert len(perceptual_hash(np.zeros((5, 7, 3), np.uint8))) == 16
