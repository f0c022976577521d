"""Seed reproducibility against a table of reference values, and what it does with pairs that cannot be compared."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from metrics import reproducibility
from metrics.catalogue import METRICS
from metrics.encoders.pixels import load_pixels
from metrics.measurement import Subject
from tests.metrics.contract import assert_contract, measure

ASTRONAUT = data.astronaut()
ENCODER = load_pixels("rgb8", "cpu")


def with_noise(image):
    added = np.random.default_rng(0).integers(-10, 11, image.shape, dtype=np.int16)
    return np.clip(image + added, 0, 255).astype(np.uint8)


def one_level_changed(image):
    changed = image.copy()
    changed[100, 200, 0] ^= 1
    return changed


def as_jpeg(image):
    file = BytesIO()
    Picture.fromarray(image).save(file, "JPEG", quality=75, subsampling=0)
    return np.asarray(Picture.open(file))


# name: changed image, largest difference, mean difference, mean squared error, PSNR (capped at 100), SSIM, hash bits.
REFERENCE = {
    "identical": (lambda a: a.copy(), 0, 0.0, 0.0, 100.0, 1.0, 0),
    "one level": (one_level_changed, 1, 1 / 786432, 1 / 786432, 100.0, 1.0, 0),
    "noise": (with_noise, 10, 4.846503, 33.648833, 32.8611, 0.787083, 0),
    "shift 1": (lambda a: np.roll(a, 1, axis=1), 222, 7.364428, 271.913984, 23.7865, 0.830523, 0),
    "shift 8": (lambda a: np.roll(a, 8, axis=1), 255, 30.324768, 2868.605998, 13.5541, 0.403481, 6),
    "brighter": (
        lambda a: np.clip(a.astype(int) + 20, 0, 255).astype(np.uint8), 20, 19.728017, 393.305893, 22.1835, 0.834074, 0,
    ),
    "jpeg": (as_jpeg, 60, 2.763821, 18.707752, 35.4106, 0.946326, 0),
    "inverted": (lambda a: 255 - a, 255, 145.737404, 27059.233, 3.8076, -0.137848, 62),
    "flipped": (lambda a: np.ascontiguousarray(a[:, ::-1]), 255, 86.364731, 12145.149, 7.2868, 0.159505, 32),
}  # fmt: skip


def pair(first, second):
    hashes = ENCODER.encode([first, second])
    (difference,) = ENCODER.encode([(first, second)])
    return Subject(
        sample_ids=("a", "b"),
        rows=({"seed": 1, "repeat": 0}, {"seed": 1, "repeat": 1}),
        images=tuple({"phash": digits} for digits in hashes),
        context={"difference": difference, "lpips": 0.25},
        details={"seed": 1},
    )


@pytest.fixture(scope="module")
def cases():
    return {name: pair(ASTRONAUT, row[0](ASTRONAUT)) for name, row in REFERENCE.items()}


@pytest.mark.parametrize("case", REFERENCE)
def test_reference_values(cases, case):
    change, largest, mean, mse, decibels, similarity, bits = REFERENCE[case]

    def value(metric):
        return measure(getattr(reproducibility, metric), cases[case]).value

    assert value("max_difference") == largest
    assert value("mean_difference") == pytest.approx(mean, abs=1e-6)
    assert cases[case].context["difference"]["mse"] == pytest.approx(mse, rel=1e-6)
    assert value("psnr") == pytest.approx(decibels, abs=1e-4)
    assert value("ssim") == pytest.approx(similarity, abs=1e-5)
    assert value("phash_distance") == bits
    assert value("pixel_identical") == (case == "identical")
    assert value("lpips") == 0.25
    if mse > 2:
        assert value("psnr") == pytest.approx(peak_signal_noise_ratio(ASTRONAUT, change(ASTRONAUT)), abs=1e-9)


def test_hash_distance_of_two_different_pictures():
    camera = np.repeat(data.camera()[:, :, None], 3, axis=2)
    assert measure(reproducibility.phash_distance, pair(ASTRONAUT, camera)).value == 36


def test_a_pair_of_different_sizes_is_not_identical_and_has_no_distance():
    subject = pair(ASTRONAUT, ASTRONAUT[:-8])
    identical = measure(reproducibility.pixel_identical, subject)
    assert (identical.value, identical.details["same_size"]) == (0.0, False)
    without_lpips = Subject(("a", "b"), ({}, {}), context={**subject.context, "lpips": None})
    for metric in ("max_difference", "mean_difference", "psnr", "ssim", "lpips"):
        measured = measure(getattr(reproducibility, metric), without_lpips)
        assert (measured.value, measured.reason) == (None, "size_differs")


def test_a_pair_of_tiny_images_has_a_difference_but_no_ssim():
    subject = pair(ASTRONAUT[:8, :8], ASTRONAUT[:8, :8])
    assert measure(reproducibility.ssim, subject).reason == "image_too_small"
    assert measure(reproducibility.mean_difference, subject).value == 0.0


@pytest.mark.parametrize("row", [row for row in METRICS if row.dimension == "reproducibility"], ids=lambda row: row.id)
def test_every_metric_keeps_the_contract(row, cases):
    assert_contract(row.load(), [*cases.values(), pair(ASTRONAUT, ASTRONAUT[:-8])], row.range)


@given(st.floats(0, 255**2), st.floats(0, 255**2))
def test_psnr_never_rises_with_the_error(first, second):
    smaller, larger = sorted((first, second))
    ratio = reproducibility.peak_signal_to_noise_ratio
    assert 0 <= ratio(larger) <= ratio(smaller) <= 100


def test_hashes_of_different_length_are_not_compared():
    with pytest.raises(ValueError, match="16 and 4 digits"):
        reproducibility.hamming_distance("c2924c5532bddfc8", "c292")
