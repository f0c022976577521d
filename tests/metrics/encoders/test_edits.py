"""What an edit changed, against published reference values, scikit-image and plain numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture
from skimage import data
from skimage.metrics import structural_similarity as skimage_ssim
from skimage.registration import phase_cross_correlation

from metrics.encoders.edits import edit_difference, estimate_shift, similarity_map
from metrics.encoders.pixels import structural_similarity
from metrics.reproducibility import peak_signal_to_noise_ratio
from tests.metrics.encoders.pictures import ASTRONAUT, INVERTED_SQUARE, SQUARE, as_jpeg, cut_out, resized, square_mask


def test_reference_values_of_the_inverted_square():
    edit = edit_difference(ASTRONAUT, INVERTED_SQUARE, SQUARE)
    assert peak_signal_to_noise_ratio(edit["outside"]["mse"]) == pytest.approx(45.4108, abs=1e-4)
    assert peak_signal_to_noise_ratio(edit["inside"]["mse"]) == pytest.approx(5.4489, abs=1e-4)
    assert peak_signal_to_noise_ratio(edit["whole"]["mse"]) == pytest.approx(17.4835, abs=1e-4)
    assert edit["outside"]["ssim"] == pytest.approx(0.981501, abs=1e-6)
    assert edit["inside"]["ssim"] == pytest.approx(0.080105, abs=1e-6)
    assert edit["outside"]["changed"] == 0
    assert edit["inside"]["changed"] > 0.99
    assert edit["mask_share"] == 1 / 16
    assert (edit["resized"], edit["shift"], edit["aligned"]) == (False, [0, 0], False)


def test_windows_at_the_edge_of_the_mask_look_inside():
    outside = SQUARE[:, :, 0] == 0
    leaking = similarity_map(ASTRONAUT, INVERTED_SQUARE)[outside].mean(dtype=float)
    assert leaking == pytest.approx(0.976027, abs=1e-6)
    assert leaking < edit_difference(ASTRONAUT, INVERTED_SQUARE, SQUARE)["outside"]["ssim"]


@pytest.mark.parametrize("shape", [(11, 11, 3), (40, 12, 3), (64, 30, 3), (65, 30, 3), (131, 30, 3)], ids=str)
def test_the_map_equals_scikit_image_at_every_shape_and_strip_border(shape):
    random = np.random.default_rng(0)
    first, noise = (random.integers(0, 256, shape, dtype=np.uint8) for _ in range(2))
    second = ((first.astype(int) + noise) // 2).astype(np.uint8)
    settings = {"channel_axis": 2, "data_range": 255, "gaussian_weights": True, "sigma": 1.5}
    _, expected = skimage_ssim(first, second, full=True, use_sample_covariance=False, **settings)
    np.testing.assert_allclose(similarity_map(first, second), expected.mean(axis=2), atol=1e-6)
    whole = edit_difference(first, second, None)["whole"]
    assert whole["ssim"] == pytest.approx(structural_similarity(first, second), abs=1e-7)


def test_every_statistic_equals_plain_numpy():
    mask = square_mask(ASTRONAUT.shape, slice(30, 250), slice(100, 401))
    edit = edit_difference(ASTRONAUT, INVERTED_SQUARE, mask)
    difference = np.abs(ASTRONAUT.astype(float) - INVERTED_SQUARE)
    inside = mask[:, :, 0] > 0
    for name, where in [("inside", inside), ("outside", ~inside), ("whole", np.ones_like(inside))]:
        assert edit[name]["mae"] == pytest.approx(difference[where].mean(), rel=1e-12)
        assert edit[name]["mse"] == pytest.approx((difference[where] ** 2).mean(), rel=1e-12)
        assert edit[name]["changed"] == pytest.approx((difference[where].max(axis=1) > 10).mean(), rel=1e-12)
    windows = np.lib.stride_tricks.sliding_window_view(difference.mean(axis=2), (32, 32))
    assert edit["local_mae"] == pytest.approx(windows[::4, ::4].mean(axis=(2, 3)).max(), rel=0.02)


def test_ten_levels_are_no_change_and_eleven_are():
    grey = np.full((40, 40, 3), 100, np.uint8)
    for levels, share in [(10, 0.0), (11, 1.0)]:
        output = grey.copy()
        output[:, :, 2] += np.uint8(levels)
        assert edit_difference(grey, output, None)["whole"]["changed"] == share


def test_what_happens_inside_never_touches_what_is_said_of_the_outside():
    random = np.random.default_rng(2)
    source = random.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    mask = square_mask(source.shape, slice(20, 70), slice(30, 60))
    outsides = []
    for _ in range(3):
        output = np.clip(source.astype(int) + np.random.default_rng(3).integers(-4, 5, source.shape), 0, 255)
        output[20:70, 30:60] = random.integers(0, 256, (50, 30, 3))
        outsides.append(edit_difference(source, output.astype(np.uint8), mask)["outside"])
    assert outsides[0] == outsides[1] == outsides[2]


@pytest.mark.parametrize("offset", [(1, 0), (0, -1), (3, -2), (-8, 8), (0, 0), (20, 4)], ids=str)
def test_a_small_shift_is_found_and_undone_and_a_larger_one_reported_and_left(offset):
    source, moved = cut_out(*offset)
    edit = edit_difference(source, moved, None)
    assert edit["shift"] == list(offset)
    if offset == (20, 4):
        assert not edit["aligned"]
        assert edit["whole"]["mae"] > 20
    else:
        assert edit["aligned"] == any(offset)
        assert (edit["whole"]["mae"], edit["whole"]["ssim"]) == (0, 1)


def test_a_pixel_of_shift_left_alone_would_look_like_damage():
    source, moved = cut_out(1, 0)
    mask = square_mask(source.shape, slice(0, 20), slice(0, 20))
    edit = edit_difference(source, as_jpeg(moved, 90), mask)
    assert edit["aligned"]
    assert structural_similarity(source, moved) < 0.85 < edit["outside"]["ssim"]


@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_a_large_edit_does_not_hide_the_shift(share):
    source, moved = cut_out(3, -2)
    edited = moved.copy()
    columns = slice(0, round(share * source.shape[1]))
    edited[:, columns] = resized(data.coffee(), 320, 320)[:, columns]
    edit = edit_difference(source, edited, square_mask(source.shape, slice(None), columns))
    assert (edit["shift"], edit["aligned"]) == ([3, -2], True)


def test_the_shift_is_that_of_scikit_image():
    source, moved = cut_out(-5, 7)
    grey = [np.asarray(Picture.fromarray(image).convert("L"), float) for image in (source, moved)]
    window = np.outer(np.hanning(320), np.hanning(320))
    (down, right), _, _ = phase_cross_correlation(*[image * window for image in grey], normalization="phase")
    everywhere = np.ones(source.shape[:2], bool)
    assert estimate_shift(source, moved, everywhere) == (-right, -down) == (-5, 7)
    flat = np.full_like(source, 77)
    assert estimate_shift(flat, flat, everywhere) == estimate_shift(flat, moved, everywhere) == (0, 0)


def test_a_shift_that_makes_the_outside_worse_is_left():
    # inside moves, outside does not
    source, moved = cut_out(4, 0)
    output = source.copy()
    output[16:-16, 16:-16] = moved[16:-16, 16:-16]
    mask = square_mask(source.shape, slice(16, -16), slice(16, -16))
    edit = edit_difference(source, output, mask)
    assert not edit["aligned"]
    assert edit["outside"]["mae"] == 0


def test_an_output_of_another_size_is_brought_to_the_source():
    edit = edit_difference(ASTRONAUT, resized(ASTRONAUT, 1024, 1024), SQUARE)
    assert edit["resized"]
    assert (edit["source_size"], edit["output_size"]) == ([512, 512], [1024, 1024])
    assert edit["outside"]["mae"] < 1
    assert edit["shift"] == [0, 0]


NO_CHANGE = {"mae": 0.0, "mse": 0.0, "changed": 0.0, "ssim": 1.0}


@pytest.mark.parametrize(
    ("mask", "share", "outside", "inside"),
    [
        (None, None, None, None),
        (np.zeros((64, 64, 3), np.uint8), 0, NO_CHANGE, None),
        (np.full((64, 64, 3), 127, np.uint8), 0, NO_CHANGE, None),
        (np.full((64, 64, 3), 128, np.uint8), 1, None, NO_CHANGE),
        # of another size, with edges that stay hard
        (square_mask((8, 8, 3), slice(2, 6), slice(2, 6)), 1 / 4, NO_CHANGE, NO_CHANGE),
        # an outside thinner than a window
        (square_mask((64, 64, 3), slice(3, 61), slice(3, 61)), (58 / 64) ** 2, {**NO_CHANGE, "ssim": None}, NO_CHANGE),
    ],
    ids=["no mask", "nothing may change", "grey of 127", "grey of 128", "small mask", "thin outside"],
)
def test_a_region_that_the_mask_leaves_without_pixels_or_windows_has_no_numbers(mask, share, outside, inside):
    edit = edit_difference(ASTRONAUT[:64, :64], ASTRONAUT[:64, :64], mask)
    assert (edit["mask_share"], edit["outside"], edit["inside"]) == (share, outside, inside)
    assert edit["whole"] == NO_CHANGE


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 40, 3), (10, 64, 3)], ids=str)
def test_pictures_smaller_than_the_window_have_no_ssim(shape):
    picture = np.zeros(shape, np.uint8)
    edit = edit_difference(picture, picture + np.uint8(20), None)
    assert edit["whole"] == {"mae": 20.0, "mse": 400.0, "changed": 1.0, "ssim": None}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_inside_and_outside_make_the_whole(height, width, seed):
    random = np.random.default_rng(seed)
    source, output, mask = (random.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(3))
    edit = edit_difference(source, output, mask)
    share = edit["mask_share"]
    inside, outside = (edit[side] or {"mae": 0, "mse": 0, "changed": 0} for side in ("inside", "outside"))
    for name in ("mae", "mse", "changed"):
        whole = share * inside[name] + (1 - share) * outside[name]
        assert edit["whole"][name] == pytest.approx(whole, rel=1e-9, abs=1e-9)
