"""Technical measures: exact values of drawn arrays, known noise, damage in order, and independent implementations."""

import math

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as Picture
from skimage.measure import blur_effect
from skimage.restoration import estimate_sigma

from metrics.encoders.technical import (
    bars_share,
    colourfulness,
    jpeg_blockiness,
    luma,
    noise_sigma,
    sharpness,
    technical_measures,
)
from tests.metrics.encoders.pictures import as_jpeg


def grey(plane):
    return np.repeat(np.clip(np.rint(plane), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def checkerboard(side, cell=1):
    rows, columns = np.mgrid[:side, :side] // cell
    return grey(255.0 * ((rows + columns) % 2))


def with_noise(image, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape[:2])
    return np.clip(np.rint(image + noise[:, :, None]), 0, 255).astype(np.uint8)


def blurred(image, sigma):
    return np.rint(scipy.ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0))).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures(photographs):
    """Photographs of well under 1024 pixels that never were a JPEG of strong compression."""
    return photographs[:3]


@pytest.mark.parametrize("level", [0, 1, 77, 128, 255])
def test_a_flat_image_has_no_detail_no_noise_no_colour_and_no_grid(level):
    measures = technical_measures(np.full((1024, 768, 3), level, np.uint8))
    assert measures["sharpness"] == pytest.approx(0, abs=1e-6)
    assert measures["mean_luma"] == pytest.approx(level / 255)
    assert measures["contrast"] == pytest.approx(0, abs=1e-6)
    assert (measures["colourfulness"], measures["noise"], measures["blockiness"]) == (0, 0, 1)
    assert (measures["shadows_clipped"], measures["highlights_clipped"]) == (float(level <= 2), float(level >= 253))
    assert measures["bars"] == float(level <= 16)


def test_luma_weighs_red_green_and_blue_as_pillow_does(pictures):
    primaries = np.diag([255, 255, 255]).astype(np.uint8)[None]
    np.testing.assert_allclose(luma(primaries), [[76.245, 149.685, 29.07]], atol=1e-4)
    for image in pictures:
        np.testing.assert_allclose(luma(image), np.asarray(Picture.fromarray(image).convert("L")), atol=1.01)


def test_a_checkerboard_of_pixels_has_the_largest_contrast_and_sharpness_of_all():
    measures = technical_measures(checkerboard(1024))
    assert measures["contrast"] == pytest.approx(0.5)
    assert measures["sharpness"] == pytest.approx(1020**2, rel=1e-6)
    assert measures["mean_luma"] == pytest.approx(0.5)
    assert (measures["shadows_clipped"], measures["highlights_clipped"]) == (0.5, 0.5)
    assert measures["blockiness"] == pytest.approx(1)


def test_blocks_of_eight_pixels_are_all_blockiness_and_of_seven_or_off_the_grid_none():
    assert jpeg_blockiness(luma(checkerboard(112, cell=8))) == pytest.approx((255 + 0.1) / 0.1, rel=1e-5)
    assert jpeg_blockiness(luma(checkerboard(112, cell=8))[3:, 3:]) < 0.1
    assert jpeg_blockiness(luma(checkerboard(112, cell=7))) < 0.1


def test_a_grid_of_known_strength_and_none_for_a_strong_edge_on_one_of_its_lines():
    # steps of 3 between blocks and of 1 inside them, in both directions
    steps = np.cumsum(np.where(np.arange(64) % 8 == 0, 3.0, 1.0))
    assert jpeg_blockiness((steps + steps[:, None]).astype(np.float32)) == pytest.approx(3.1 / 1.1, rel=1e-5)
    plane = np.arange(128.0) + np.arange(128.0)[:, None]
    plane[:, 64:] += 100
    assert jpeg_blockiness(plane.astype(np.float32)) == pytest.approx(1, abs=1e-5)


def test_colourfulness_equals_its_formula_in_double_precision(pictures):
    # red and cyan are opponents, (255, 127.5) and (-255, -127.5): no mean, the whole spread
    red_and_cyan = np.array([[(255, 0, 0), (0, 255, 255)]], np.uint8)
    assert colourfulness(red_and_cyan) == pytest.approx(math.hypot(255, 127.5))
    for image in pictures:
        red, green, blue = np.moveaxis(image.astype(np.float64), 2, 0)
        rg, yb = red - green, 0.5 * (red + green) - blue
        by_hand = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
        assert colourfulness(image) == pytest.approx(by_hand, rel=1e-9)


def test_bars_are_counted_in_opposite_pairs():
    frame = np.full((100, 200), 90, np.float32)
    assert bars_share(frame) == 0
    letterbox = frame.copy()
    letterbox[:12] = letterbox[-12:] = 16
    assert bars_share(letterbox) == pytest.approx(0.24)
    night = frame.copy()
    night[:40] = 0
    assert bars_share(night) == 0
    window = letterbox.copy()
    window[:, :50] = window[:, -50:] = 0
    assert bars_share(window) == pytest.approx(1 - 0.76 * 0.5)


def test_the_bars_of_a_cinema_format_survive_jpeg(pictures):
    image = np.array(Picture.fromarray(pictures[0]).resize((1024, 576)))
    bar = round((576 - 1024 / 2.39) / 2)
    image[:bar], image[-bar:] = 0, 0
    assert bars_share(luma(as_jpeg(image, 75))) == pytest.approx(2 * bar / 576, abs=4 / 576)


@pytest.mark.parametrize("sigma", [1, 2, 5, 10, 25])
def test_noise_of_known_deviation_is_found_within_5_percent(sigma):
    flat = np.full((512, 512, 3), 128, np.uint8)
    ramp_with_edges = np.tile(np.linspace(60, 190, 512), (512, 1))
    ramp_with_edges[::32] += 20
    for image in (flat, grey(ramp_with_edges)):
        assert noise_sigma(luma(with_noise(image, sigma))) == pytest.approx(sigma, rel=0.05)
    # independent noise of the channels is two thirds as strong in luma
    channels = np.rint(128 + np.random.default_rng(1).normal(0, sigma, flat.shape)).clip(0, 255).astype(np.uint8)
    in_luma = sigma * math.sqrt(0.299**2 + 0.587**2 + 0.114**2)
    assert noise_sigma(luma(channels)) == pytest.approx(in_luma, rel=0.05)


@pytest.mark.parametrize("sigma", [3, 8, 20])
def test_on_pure_noise_the_estimate_is_that_of_immerkaer_and_of_scikit_image(sigma):
    plane = luma(with_noise(np.full((256, 256, 3), 128, np.uint8), sigma, seed=2)).astype(np.float64)
    mask = [[1, -2, 1], [-2, 4, -2], [1, -2, 1]]
    response = np.abs(scipy.ndimage.convolve(plane, mask)[1:-1, 1:-1])
    immerkaer = math.sqrt(math.pi / 2) * response.sum() / (6 * 254 * 254)
    ours = noise_sigma(plane.astype(np.float32))
    assert ours == pytest.approx(immerkaer, rel=0.03)
    assert ours == pytest.approx(estimate_sigma(plane), rel=0.03)


def test_photographs_rank_by_noise_as_scikit_image_ranks_them_and_texture_counts_little(pictures):
    planes = [luma(with_noise(image, sigma)) for image in pictures for sigma in (0, 10, 30)]
    ours, theirs = [noise_sigma(plane) for plane in planes], [estimate_sigma(plane) for plane in planes]
    assert scipy.stats.spearmanr(ours, theirs).statistic > 0.9
    for plane in planes[::3]:
        immerkaer = math.sqrt(math.pi / 2) * np.abs(np.diff(np.diff(plane, 2, axis=0), 2, axis=1)).mean() / 6
        assert noise_sigma(plane) < 0.8 * immerkaer


def test_added_noise_raises_the_estimate_and_jpeg_lowers_it(pictures):
    for image in pictures:
        plain, weak, strong = (noise_sigma(luma(with_noise(image, sigma))) for sigma in (0, 6, 20))
        assert plain < weak < strong
        assert noise_sigma(luma(as_jpeg(with_noise(image, 6), 50))) < weak


def test_stronger_jpeg_compression_is_blockier_unless_it_is_cropped_off_its_grid(pictures):
    for image in pictures:
        compressed = (as_jpeg(image, quality) for quality in (95, 50, 10))
        never, high, middle, low = (jpeg_blockiness(luma(one)) for one in (image, *compressed))
        assert never < 1.05
        assert never <= high + 0.01
        assert high < middle < low
        assert middle > 1.15
        assert low > 1.8
        assert jpeg_blockiness(luma(as_jpeg(image, 30))[3:, 5:]) < 1.02


def test_blurring_lowers_sharpness_as_the_blur_effect_of_scikit_image_rises(pictures):
    for image in pictures:
        steps = [image, *(blurred(image, sigma) for sigma in (0.7, 1.5, 3, 6))]
        ours = [sharpness(luma(one)) for one in steps]
        theirs = [blur_effect(one, channel_axis=2) for one in steps]
        assert ours == sorted(ours, reverse=True)
        assert theirs == sorted(theirs)


def test_sharpness_is_the_variance_of_scipys_laplacian():
    plane = np.random.default_rng(4).uniform(0, 255, (640, 1024)).astype(np.float32)
    expected = scipy.ndimage.laplace(plane.astype(np.float64))[1:-1, 1:-1].var()
    assert sharpness(plane) == pytest.approx(expected, rel=1e-6)


def test_sharpness_is_of_the_picture_and_not_of_its_file():
    rows, columns = np.mgrid[:2048, :2048]
    smooth = grey(128 + 100 * np.sin(columns / 6) * np.cos(rows / 8))
    detailed = np.random.default_rng(5).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    small_smooth, small_detailed = (
        np.asarray(Picture.fromarray(one).resize((side, side), Picture.Resampling.BOX))
        for one, side in ((smooth, 1024), (detailed, 512))
    )
    assert sharpness(luma(small_smooth)) == pytest.approx(sharpness(luma(smooth)), rel=0.1)
    assert sharpness(luma(small_detailed)) < sharpness(luma(detailed)) / 4, "detail that enlarging cannot bring back"


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 2), (3, 3), (8, 8), (11, 11), (12, 1)], ids=str)
def test_tiny_images_have_none_where_there_is_nothing_to_measure(shape):
    measures = technical_measures(np.random.default_rng(6).integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert (measures["noise"] is None) == (min(shape) < 3)
    assert (measures["blockiness"] is None) == (max(shape) < 12)
    assert (measures["sharpness"] is None) == (round(min(shape) * 1024 / max(shape)) < 3)


@settings(max_examples=60)
@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))))
def test_every_measure_is_a_finite_number_in_its_range(image):
    measures = technical_measures(image)
    limits = {"sharpness": 1020**2 * (1 + 1e-6), "contrast": 0.5, "noise": 8 * 255 / 6 / 0.6744, "blockiness": 2552}
    for name, value in measures.items():
        if value is not None:
            assert type(value) is float
            assert 0 <= value <= limits.get(name, 250 if name == "colourfulness" else 1)


@given(arrays(np.uint8, (13, 17, 3)))
def test_a_mirrored_image_has_the_same_measures_but_for_the_grid(image):
    measures, mirrored = technical_measures(image), technical_measures(np.ascontiguousarray(image[:, ::-1]))
    for name in measures:
        if name not in ("blockiness", "sharpness"):
            assert mirrored[name] == pytest.approx(measures[name], rel=1e-5, abs=1e-4)
