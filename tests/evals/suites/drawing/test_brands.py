"""Pieces of a brand: every declared colour fills enough of each of them to be found, and nothing else decides."""

import numpy as np
import PIL.Image
import pytest

from evals.suites.drawing.brands import LAYOUTS, draw_piece
from evals.suites.suite import read_suite
from metrics.encoders.palette import SMALL_SHARE

GREY = "#7f7f7f"
GREEN, YELLOW, CREAM = PALETTE = ("#1f6f54", "#f3b33d", "#fdf8ec")


def a_piece(layout, palette=PALETTE, lines=("FERNWAY",), seed=0):
    picture = PIL.Image.new("RGB", (512, 512), GREY)
    draw_piece(picture, layout, palette, lines, np.random.default_rng(seed))
    return np.asarray(picture)


def share(picture, colour):
    return (picture == np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)).all(axis=2).mean()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lines", [("FERNWAY",), ("A", "B"), ()])
def test_every_colour_of_the_brand_fills_more_than_a_palette_overlooks(layout, lines):
    for seed in range(5):
        piece = a_piece(layout, lines=lines, seed=seed)
        assert all(share(piece, colour) > SMALL_SHARE for colour in PALETTE)
        assert share(piece, GREEN) > share(piece, YELLOW)


@pytest.mark.parametrize(("layout", "around"), [("poster", 0.0), ("package", 0.3), ("sign", 0.4)])
def test_only_around_a_poster_nothing_of_the_picture_stays(layout, around):
    assert (share(a_piece(layout), GREY) > around) == (layout != "poster")


def test_the_lettering_has_the_colour_that_stands_out_most_wherever_it_is_named():
    for palette in ((GREEN, YELLOW, CREAM), (GREEN, CREAM, YELLOW)):
        with_name, without = a_piece("poster", palette), a_piece("poster", palette, ())
        assert share(with_name, CREAM) > share(without, CREAM)
        assert share(with_name, YELLOW) == share(without, YELLOW)


@pytest.mark.parametrize(("ground", "ink"), [("#101010", "#ffffff"), ("#f0f0f0", "#000000")])
def test_a_brand_of_one_colour_writes_in_white_or_black(ground, ink):
    assert share(a_piece("sign", (ground,)), ink) > SMALL_SHARE


def test_the_demos_brands_are_pieces_of_every_layout():
    tags = [tag for item in read_suite("demo-brands").items for tag in item.tags]
    assert {tag: tags.count(tag) for tag in LAYOUTS} == dict.fromkeys(LAYOUTS, 6)
