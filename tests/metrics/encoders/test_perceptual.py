"""Pixel differences against scikit-image and numpy, LPIPS against its published example."""

import hashlib
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo
from skimage import data
from skimage.metrics import structural_similarity as skimage_ssim

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.perceptual import (
    load_lpips,
    load_pixels,
    lpips_input,
    perceptual_hash,
    pixel_difference,
    structural_similarity,
)

ASTRONAUT = data.astronaut()


def reference_ssim(first, second):
    return skimage_ssim(
        first, second, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


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
    difference = pixel_difference(ASTRONAUT, ASTRONAUT[:-1])
    assert difference == {
        "same_size": False,
        "identical": False,
        "max": None,
        "mean": None,
        "mse": None,
        "ssim": None,
    }


def test_a_transposed_picture_with_the_same_bytes_is_not_identical():
    row = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert not pixel_difference(row.reshape(1, 4, 3), row.reshape(4, 1, 3))["identical"]


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


def test_features_are_plain_python_and_do_not_depend_on_the_batch():
    encoder = load_pixels("rgb8", "auto")
    images = [noise((40, 40, 3), seed) for seed in range(4)]
    pairs = list(pairwise(images))
    assert encoder.encode_images(images) == [encoder.encode_images([image])[0] for image in images]
    assert encoder.encode_pairs(pairs) == [encoder.encode_pairs([pair])[0] for pair in pairs]
    assert {type(value) for value in encoder.encode_pairs(pairs)[0].values()} == {bool, int, float}


def test_an_unknown_pixel_model_is_unavailable():
    with pytest.raises(EncoderUnavailable, match="pixels:rgb8"):
        load_pixels("rgb16", "cpu")


@pytest.fixture(scope="module")
def lpips_folder(shared):
    return shared("models/lpips")


@pytest.fixture(scope="module")
def lpips(lpips_folder):
    return load_lpips(str(lpips_folder / "lpips_alex.onnx"), "cpu")


@pytest.fixture(scope="module")
def example(lpips_folder):
    return {
        name: np.asarray(Picture.open(lpips_folder / f"ex_{name}.png").convert("RGB")) for name in ("ref", "p0", "p1")
    }


def test_lpips_gives_the_published_example(lpips, example):
    pairs = [(example["ref"], example["p0"]), (example["ref"], example["p1"]), (example["ref"], example["ref"])]
    assert lpips.encode_pairs(pairs) == pytest.approx([0.7219, 0.1376, 0.0], abs=1e-4)


def test_lpips_does_not_depend_on_the_batch(lpips, example):
    pairs = [(example["ref"], example["p0"]), (ASTRONAUT, ASTRONAUT[::-1]), (example["ref"], example["p1"])]
    assert lpips.encode_pairs(pairs) == [lpips.encode_pairs([pair])[0] for pair in pairs]


def test_lpips_is_given_minus_one_to_one():
    ramp = np.arange(256, dtype=np.uint8).repeat(64 * 3).reshape(256, 64, 3)
    given = lpips_input(ramp)
    assert (given.min(), given.max()) == (-1, 1)
    assert given[0, :, 51, 0] == pytest.approx([-0.6] * 3)


def test_lpips_is_given_red_first():
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, :, 0] = 255
    assert lpips_input(red)[0, :, 0, 0].tolist() == [1, -1, -1]


def test_lpips_of_different_sizes_is_none(lpips):
    assert lpips.encode_pairs([(ASTRONAUT, ASTRONAUT[:, :-1])]) == [None]


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 3), (30, 200, 3), (3, 5000, 3)], ids=str)
def test_lpips_survives_pictures_too_small_for_the_network(lpips, shape):
    (distance,) = lpips.encode_pairs([(noise(shape, 1), noise(shape, 2))])
    assert distance > 0


def test_pictures_are_reduced_for_lpips_only_beyond_the_largest_1k_format():
    assert lpips_input(np.zeros((768, 1376, 3), np.uint8)).shape == (1, 3, 768, 1376)
    _, _, height, width = lpips_input(np.zeros((4096, 4096, 3), np.uint8)).shape
    assert height * width <= 1_502_000


def test_the_lpips_encoder_names_its_weights_but_no_folder(lpips, lpips_folder):
    assert lpips.name == "lpips:lpips_alex.onnx"
    assert lpips.weights_sha256 == hashlib.sha256((lpips_folder / "lpips_alex.onnx").read_bytes()).hexdigest()
    assert lpips.licence == "BSD-2-Clause"


def test_absent_and_broken_lpips_files_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(EncoderUnavailable, match="give the path"):
        load_lpips(str(tmp_path / "absent.onnx"), "cpu")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(EncoderUnavailable, match="not an ONNX network"):
        load_lpips(str(tmp_path / "broken.onnx"), "cpu")


def test_lpips_is_looked_for_in_the_weights_folder(tmp_path, monkeypatch, lpips_folder):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path))
    with pytest.raises(EncoderUnavailable, match="TWINLENS_WEIGHTS"):
        load_lpips("alex", "cpu")
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(lpips_folder))
    assert load_lpips("alex", "cpu").name == "lpips:alex"


def test_a_network_that_is_no_lpips_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "identity.onnx")
    with pytest.raises(EncoderUnavailable, match="must take img0 and img1"):
        load_lpips(str(tmp_path / "identity.onnx"), "cpu")
