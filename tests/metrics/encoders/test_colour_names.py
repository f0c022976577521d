"""Colour names against the names that people and standards gave to colours, and the middle of a box."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.encoders.colour_names import ANCHORS, middle_colour, name_colours


def named_colours(table: dict[str, str]) -> tuple[np.ndarray, list[str]]:
    from matplotlib.colors import to_rgb

    pixels, terms = [], []
    for name, colour in table.items():
        ends = [term for term in ANCHORS if name.replace("gray", "grey").endswith(term)]
        if ends:
            pixels.append([round(255 * level) for level in to_rgb(colour)])
            terms.append(max(ends, key=len))
    return np.array(pixels, np.uint8), terms


@pytest.mark.parametrize(
    ("table", "least"),
    [
        # those that CSS names otherwise are disputed ones: its brown is a dark red, its lightyellow near white
        ("CSS4_COLORS", 0.8),
        # the survey that the anchors are from
        ("XKCD_COLORS", 0.875),
    ],
)
def test_published_tables_agree(table, least):
    import matplotlib.colors

    pixels, terms = named_colours(getattr(matplotlib.colors, table))
    assert len(terms) > 50
    assert np.mean([ours == theirs for ours, theirs in zip(name_colours(pixels), terms, strict=True)]) > least


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("black", [(0, 0, 0), (25, 25, 28)]),
        ("white", [(255, 255, 255), (240, 238, 232)]),
        ("grey", [(128, 128, 128)]),
        ("red", [(255, 0, 0)]),
        ("orange", [(255, 165, 0)]),
        ("yellow", [(255, 255, 0)]),
        ("green", [(0, 128, 0), (0, 70, 0)]),
        ("blue", [(0, 0, 255), (135, 206, 235), (0, 0, 110)]),
        ("purple", [(128, 0, 128)]),
        ("pink", [(255, 192, 203)]),
        ("brown", [(139, 69, 19), (90, 20, 25)]),
    ],
)
def test_colours_that_nobody_disputes(name, pixels):
    assert name_colours(np.array(pixels, np.uint8)) == [name] * len(pixels)


def test_every_shade_has_its_own_name():
    shades = [(shade, term) for term, shades in ANCHORS.items() for shade in shades]
    pixels = np.array([[*bytes.fromhex(shade[1:])] for shade, _ in shades], np.uint8)
    assert name_colours(pixels) == [term for _, term in shades]


def test_only_the_middle_of_the_box_is_looked_at():
    picture = np.full((200, 400, 3), (0, 160, 0), np.uint8)
    picture[50:150, 100:300] = (220, 10, 10)
    box = [0.0, 0.0, 1.0, 1.0]
    assert middle_colour(picture, box) == {"rgb": [220.0, 10.0, 10.0], "name": "red", "share": 1.0}
    assert middle_colour(picture, [0.0, 0.0, 0.2, 0.2])["name"] == "green"


def test_the_most_frequent_name_wins_and_its_share_is_told():
    picture = np.full((100, 100, 3), (255, 255, 255), np.uint8)
    picture[:, 50:] = (10, 10, 10)
    colour = middle_colour(picture, [0.2, 0.0, 1.0, 1.0])
    assert colour["name"] == "black"
    assert colour["share"] == pytest.approx(0.75, abs=0.05)
    assert colour["rgb"] == pytest.approx([71.25] * 3, abs=15)


@given(st.lists(st.integers(0, 70), min_size=4, max_size=4), st.integers(1, 70), st.integers(1, 70))
def test_any_box_of_any_picture_has_a_colour(edges, height, width):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    x0, y0, x1, y1 = (edge / 70 for edge in edges)
    colour = middle_colour(picture, [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)])
    assert colour["name"] in ANCHORS
    assert 0 < colour["share"] <= 1


@given(st.integers(1, 6))
def test_a_picture_twice_as_large_has_the_same_colour(times):
    picture = np.full((30, 40, 3), (30, 60, 220), np.uint8)
    larger = picture.repeat(times, axis=0).repeat(times, axis=1)
    assert middle_colour(larger, [0.1, 0.1, 0.9, 0.7]) == middle_colour(picture, [0.1, 0.1, 0.9, 0.7])
