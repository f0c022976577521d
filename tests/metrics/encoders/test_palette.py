"""Dominant colours of drawn pictures, whose colours and shares are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.encoders.palette import MAX_COLOURS, SMALL_SHARE, dominant_colours


def flat(colour, height=40, width=60):
    return np.full((height, width, 3), colour, np.uint8)


def pictures():
    sides = st.integers(1, 12)
    return st.tuples(sides, sides).flatmap(lambda size: arrays(np.uint8, (*size, 3)))


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 16, 46), (1, 2, 3), (0, 255, 0), (127, 128, 129)])
def test_a_flat_picture_has_one_colour(colour):
    (only,) = dominant_colours(flat(colour))
    assert only["hex"] == "#{:02x}{:02x}{:02x}".format(*colour)
    assert only["share"] == 1


def test_published_lab_values_of_red():
    # CIELAB of sRGB red under D65 (Lindbloom's calculator: 53.2408, 80.0925, 67.2032)
    (red,) = dominant_colours(flat((255, 0, 0)))
    np.testing.assert_allclose(red["lab"], [53.2408, 80.0925, 67.2032], atol=5e-3)


def test_two_colours_come_with_their_shares_the_larger_first():
    image = flat((0, 70, 173), 100, 100)
    image[:30] = (255, 205, 0)
    blue, yellow = dominant_colours(image)
    assert (blue["hex"], blue["share"]) == ("#0046ad", 0.7)
    assert (yellow["hex"], yellow["share"]) == ("#ffcd00", 0.3)


def test_eight_flat_colours_are_found_exactly():
    colours = np.random.default_rng(3).choice(np.arange(0, 256, 51), (40, 3))
    colours = np.unique(colours, axis=0)[:MAX_COLOURS].astype(np.uint8)
    image = np.repeat(np.repeat(colours[None], 20, axis=0), 10, axis=1)
    found = dominant_colours(image)
    assert {one["hex"] for one in found} == {f"#{colour.tobytes().hex()}" for colour in colours}
    assert [one["share"] for one in found] == [0.125] * 8


def test_thin_lines_keep_their_colour_and_their_share():
    # reduced to 128 pixels every line would be mixed with the white around it
    image = flat((255, 255, 255), 1024, 1024)
    image[4::24, :] = image[5::24, :] = (200, 16, 46)
    white, red = dominant_colours(image)
    assert red["hex"] == "#c8102e"
    assert red["share"] == pytest.approx(2 / 24, abs=1e-3)
    assert white["hex"] == "#ffffff"


def test_a_small_shaded_logo_is_one_colour_that_counts():
    # all other clusters fall into the shading, each with less than the share that any rule looks at
    image = flat((255, 255, 255), 200, 200)
    image[:36, :36] = np.linspace((190, 10, 40), (215, 22, 52), 36)[None].round()
    _, *logo = dominant_colours(image)
    assert sum(one["share"] for one in logo) == pytest.approx(36 * 36 / 200**2, abs=1e-5)
    assert max(one["share"] for one in logo) >= SMALL_SHARE


def test_soft_edges_do_not_move_the_colours_that_they_part():
    from scipy.ndimage import gaussian_filter

    image = flat((255, 255, 255), 512, 512)
    image[128:384, 128:384] = (0, 70, 173)
    soft = gaussian_filter(image.astype(float), (1, 1, 0)).round().astype(np.uint8)
    white, blue = dominant_colours(soft)[:2]
    assert white["hex"] == "#ffffff"
    exact = dominant_colours(flat((0, 70, 173)))[0]["lab"]
    assert np.abs(np.subtract(blue["lab"], exact)).max() < 0.5


def test_centres_are_those_of_k_means_to_convergence(photographs):
    from scipy.cluster.vq import kmeans2
    from skimage.color import rgb2lab

    image = photographs[0][::2, ::2]
    found = [one for one in dominant_colours(image) if one["share"] >= SMALL_SHARE]
    assert len(found) == MAX_COLOURS  # nothing was merged
    pixels = rgb2lab(image).reshape(-1, 3)
    centres, members = kmeans2(pixels, np.array([one["lab"] for one in found]), iter=1, minit="matrix")
    # theirs over pixels, ours over the cells of a histogram
    np.testing.assert_allclose(centres, [one["lab"] for one in found], atol=1)
    shares = np.bincount(members, minlength=MAX_COLOURS) / len(pixels)
    np.testing.assert_allclose(shares, [one["share"] for one in found], atol=0.01)


@settings(deadline=None, max_examples=50)
@given(pictures())
def test_shares_sum_to_one_and_fall(image):
    shares = [one["share"] for one in dominant_colours(image)]
    assert 1 <= len(shares) <= MAX_COLOURS
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert shares == sorted(shares, reverse=True)


@settings(deadline=None, max_examples=50)
@given(pictures(), st.integers(0, 2**32 - 1))
def test_only_colours_and_amounts_count_and_not_where_they_are(image, seed):
    pixels = image.reshape(-1, 3)
    shuffled = np.random.default_rng(seed).permutation(pixels).reshape(image.shape)
    assert dominant_colours(shuffled) == dominant_colours(image)


@settings(deadline=None, max_examples=25)
@given(pictures(), st.integers(2, 4))
def test_size_does_not_count(image, times):
    larger = image.repeat(times, axis=0).repeat(times, axis=1)
    for one, other in zip(dominant_colours(larger), dominant_colours(image), strict=True):
        np.testing.assert_allclose(one["lab"], other["lab"], atol=1e-3)
        assert one["share"] == pytest.approx(other["share"], abs=1e-5)
