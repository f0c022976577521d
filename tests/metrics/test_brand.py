"""Brand colours: CIEDE2000 against its published pairs, and drawn pieces of brands that are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.brand import colour_differences, lab_of, palette_adherence, palette_consistency, palette_distance
from metrics.encoders.palette import dominant_colours
from metrics.measurement import Subject
from tests.metrics.contract import assert_contract, measure

# Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula", table 1
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""

RED, YELLOW, BLUE, WHITE = (200, 16, 46), (255, 205, 0), (0, 70, 173), (255, 255, 255)


def hexadecimal(colour):
    return "#{:02x}{:02x}{:02x}".format(*colour)


def difference(one, other):
    return colour_differences([lab_of(hexadecimal(one))], [lab_of(hexadecimal(other))])[0, 0]


def piece(*shares, side=100):
    """A picture of horizontal bands, each of a colour and a number of rows."""
    return np.concatenate([np.full((rows, side, 3), colour, np.uint8) for colour, rows in shares])


def subject(image, *colours):
    row = {"palette": [hexadecimal(colour) for colour in colours]}
    return Subject(("a",), (row,), ({"palette": dominant_colours(image)},))


def adherence(image, *colours):
    return measure(palette_adherence, subject(image, *colours))


def brand(*images):
    ids = tuple(f"piece-{n}" for n in range(len(images)))
    return Subject(ids, tuple({} for _ in images), tuple({"palette": dominant_colours(image)} for image in images))


def consistency(*images):
    return measure(palette_consistency, brand(*images))


def test_ciede2000_gives_the_published_differences():
    table = np.array([line.split() for line in SHARMA.strip().splitlines()], float)
    assert table.shape == (34, 7)
    # every colour is compared with every other, in both directions
    for there in (colour_differences(table[:, :3], table[:, 3:6]), colour_differences(table[:, 3:6], table[:, :3])):
        np.testing.assert_allclose(np.diag(there), table[:, 6], atol=5e-5)
    differences = colour_differences([[50, 2.5, 0], [50, 0, 0]], [[73, 25, -18], [61, -5, 29], [50, -1, 2]])
    assert differences.shape == (2, 3)
    np.testing.assert_allclose(differences[[0, 0, 1], [0, 1, 2]], [27.1492, 22.8977, 2.3669], atol=5e-5)


@pytest.mark.parametrize(
    ("colour", "lab"), [("#ffffff", (100, 0, 0)), ("#000000", (0, 0, 0)), ("#0000FF", (32.297, 79.188, -107.860))]
)
def test_hexadecimal_colours_have_their_published_lab_values(colour, lab):
    np.testing.assert_allclose(lab_of(colour), lab, atol=0.02)


@pytest.mark.parametrize("colour", ["red", "#fff", "c8102e", "#c8102g", "#c8102e00", ""])
def test_a_colour_written_otherwise_is_refused(colour):
    with pytest.raises(ValueError, match="six hexadecimal digits"):
        lab_of(colour)


def test_a_piece_in_the_declared_colours_is_at_zero():
    measured = adherence(piece((RED, 20), (WHITE, 75), (YELLOW, 5)), RED, YELLOW)
    assert measured.value == pytest.approx(0, abs=1e-3)
    assert [one["nearest"] for one in measured.details["colours"]] == [hexadecimal(RED), hexadecimal(YELLOW)]
    assert [one["share"] for one in measured.details["colours"]] == [0.2, 0.05]
    # an undeclared colour beside the declared ones costs nothing
    assert adherence(piece((RED, 50), ((135, 206, 235), 40)), RED).value == pytest.approx(0, abs=1e-3)


def test_a_missing_colour_costs_its_distance_to_the_nearest_one():
    measured = adherence(piece((RED, 50), (WHITE, 50)), RED, BLUE)
    expected = min(difference(BLUE, RED), difference(BLUE, WHITE))
    assert measured.details["colours"][1]["difference"] == pytest.approx(expected, abs=1e-3)
    assert measured.value == pytest.approx(expected / 2, abs=1e-3)


def test_a_colour_of_less_than_two_per_cent_does_not_count():
    enough, too_little = (adherence(piece((WHITE, 98 + n), (RED, 2 - n)), RED).value for n in (0, 1))
    assert enough == pytest.approx(0, abs=1e-3)
    assert too_little > 30


def test_the_picture_of_one_brand_is_far_from_the_colours_of_another():
    target, impostor = (adherence(piece((colour, 50), (WHITE, 50)), RED).value for colour in (RED, BLUE))
    assert target < 1 < 30 < impostor


def test_further_from_the_declared_colour_is_worse():
    values = [adherence(piece(((200, green, 46), 1)), RED).value for green in range(16, 200, 20)]
    assert values == sorted(values)


def test_pieces_of_one_palette_are_consistent_whatever_the_amounts():
    card, poster = piece((RED, 10), (WHITE, 90)), piece((RED, 80), (WHITE, 20))
    measured = consistency(card, poster, card)
    assert measured.value == pytest.approx(0, abs=1e-3)
    assert measured.details["n_pairs"] == 3


def test_two_flat_pieces_are_as_far_apart_as_their_colours():
    assert consistency(piece((RED, 10)), piece((BLUE, 10))).value == pytest.approx(difference(RED, BLUE), abs=1e-3)


def test_palette_distance_by_hand():
    # from the first: red at 0, white at the nearer of red and blue; from the second: red at 0, blue at the nearer
    to_white = min(difference(WHITE, RED), difference(WHITE, BLUE))
    to_blue = min(difference(BLUE, RED), difference(BLUE, WHITE))
    first, second = (dominant_colours(piece((RED, 60), (other, 40))) for other in (WHITE, BLUE))
    assert palette_distance(first, second) == pytest.approx((0.4 * to_white + 0.4 * to_blue) / 2, abs=1e-3)


def test_one_strange_piece_is_named():
    usual = piece((RED, 30), (WHITE, 70))
    measured = consistency(usual, usual, piece((BLUE, 100)))
    assert measured.value > 10
    assert "piece-2" in measured.details["furthest"]["samples"]


def test_pieces_of_different_brands_are_less_consistent_than_those_of_one():
    one, other, third = (piece((colour, 40), (WHITE, 60)) for colour in (RED, BLUE, YELLOW))
    assert consistency(one, one, one).value < consistency(one, other, third).value


def test_a_single_piece_has_the_reason_for_no_value():
    assert consistency(piece((RED, 10))).reason == "too_few_shots"


palettes = st.lists(
    st.tuples(st.floats(0, 100), st.floats(-90, 90), st.floats(-90, 90), st.floats(0.05, 1)), min_size=1, max_size=8
).map(lambda colours: [{"lab": list(lab), "hex": "#000000", "share": share} for *lab, share in colours])


@settings(deadline=None, max_examples=50)
@given(palettes, palettes)
def test_palette_distance_is_symmetric_and_zero_to_itself(first, second):
    assert palette_distance(first, second) == pytest.approx(palette_distance(second, first))
    assert palette_distance(first, second) >= 0
    assert palette_distance(first, first) == pytest.approx(0, abs=1e-6)
    assert palette_distance(first, first[::-1]) == pytest.approx(0, abs=1e-6)


def test_values_depend_on_neither_batch_nor_order():
    images = [piece((RED, 10 + n), (WHITE, 50), (BLUE, n)) for n in range(7)]
    assert_contract(palette_adherence, [subject(image, RED, YELLOW) for image in images], (0, None))
    assert_contract(palette_consistency, [brand(*images[n : n + 3]) for n in range(5)], (0, None))
