"""Detections as sets of boxes: the relations between two, duplicates, and the mirror."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.encoders.colour_names import Colour
from metrics.encoders.detector import Detection, box_in_pixels, mirrored, without_duplicates
from metrics.structure import relations_between

SQUARE = [0, 0, 100, 100]


def detection(phrase: str, box: list[float], score: float = 0.9, picture_size: tuple[int, int] = (64, 64)) -> Detection:
    colour: Colour = {"rgb": [0, 0, 0], "name": "black", "share": 1.0}
    return {"phrase": phrase, "score": score, "box": box, "picture_size": [*picture_size], "colour": colour}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (SQUARE, [200, 0, 300, 100], {"left of"}),
        (SQUARE, [150, 150, 250, 250], {"left of", "above"}),
        (SQUARE, [10, 10, 110, 110], set()),
        ([0, 200, 100, 300], SQUARE, {"below"}),
        ([200, 0, 300, 100], SQUARE, {"right of"}),
        (SQUARE, [0, 200, 100, 300], {"above"}),
        (SQUARE, SQUARE, set()),
        # 100 off and a margin of 20: 80 / 141 = .57 on the diagonal; 60 off: 40 / 85 = .47
        (SQUARE, [100, 100, 200, 200], {"left of", "above"}),
        (SQUARE, [60, 60, 160, 160], set()),
        # a long table and a cup in front of its middle: the table's extent takes its offset up
        ([0, 40, 300, 60], [140, 45, 160, 55], set()),
    ],
)
@pytest.mark.parametrize("unit", [1, 300, 4096])
def test_relations_of_known_pairs_hold_in_every_unit(first, second, expected, unit):
    assert relations_between(np.divide(first, unit).tolist(), np.divide(second, unit).tolist()) == expected


def relations_by_geneval(first, second) -> set[str]:
    """GenEval's rule for boxes in pixels, written down from what its paper and documentation say of it.

    The centres' distance along an axis counts after a tenth of both boxes' lengths on that axis is taken off; where
    that is over half of the straight distance between the centres, the first box lies on that side of the second.
    """
    sides = set()
    across = (first[0] + first[2] - second[0] - second[2]) / 2
    down = (first[1] + first[3] - second[1] - second[3]) / 2
    straight = math.hypot(across, down)
    widths, heights = first[2] - first[0] + second[2] - second[0], first[3] - first[1] + second[3] - second[1]
    for way, length, names in ((across, widths, ("left of", "right of")), (down, heights, ("above", "below"))):
        if abs(way) - length / 10 > straight / 2:
            sides.add(names[bool(way > 0)])
    return sides


@pytest.mark.parametrize("size", [(1024, 1024), (1344, 768), (768, 1344), (1920, 1080), (1080, 1920)], ids=str)
def test_relations_decide_as_geneval_does_in_pixels_on_thousands_of_pairs_in_any_shape_of_picture(size):
    corners = np.random.default_rng(sum(size)).uniform(size=(4_000, 2, 2, 2))
    pairs = np.sort(corners, axis=2).reshape(-1, 2, 4)
    differ_from_fractions = 0
    for first, second in pairs.tolist():
        in_pixels = [box_in_pixels(detection("cup", box, picture_size=size)) for box in (first, second)]
        expected = relations_by_geneval(*in_pixels)
        assert relations_between(*in_pixels) == expected
        differ_from_fractions += relations_between(first, second) != expected
    assert (differ_from_fractions > len(pairs) / 10) == (size[0] != size[1])


def boxes() -> st.SearchStrategy[list[float]]:
    edge = st.integers(0, 64).map(lambda n: n / 64)
    return st.tuples(edge, edge, edge, edge).map(
        lambda e: [min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3])]
    )


@given(boxes(), boxes())
def test_the_second_box_lies_the_opposite_way(first, second):
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    assert relations_between(second, first) == {opposite[way] for way in relations_between(first, second)}


@given(boxes(), boxes())
def test_a_box_never_lies_on_two_opposite_sides(first, second):
    ways = relations_between(first, second)
    assert not {"left of", "right of"} <= ways
    assert not {"above", "below"} <= ways


@given(boxes(), boxes())
def test_the_mirror_swaps_left_and_right_and_nothing_else(first, second):
    swapped = {"left of": "right of", "right of": "left of", "above": "above", "below": "below"}
    one, other = (each["box"] for each in mirrored([detection("cup", first), detection("plate", second)]))
    assert relations_between(one, other) == {swapped[way] for way in relations_between(first, second)}


@given(st.lists(boxes(), max_size=4))
def test_the_mirror_of_the_mirror_is_the_picture(given_boxes):
    found = [detection(str(n), box) for n, box in enumerate(given_boxes)]
    assert mirrored(mirrored(found)) == found


def test_the_mirror_keeps_phrase_score_and_colour():
    (there,) = mirrored([detection("cup", [0.1, 0.2, 0.4, 0.9], 0.7)])
    assert there == detection("cup", pytest.approx([0.6, 0.2, 0.9, 0.9]), 0.7)


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ([detection("cup", [0, 0, 0.4, 0.4], 0.5), detection("cup", [0.02, 0, 0.42, 0.4], 0.8)], [1]),
        ([detection("cup", [0, 0, 0.4, 0.4]), detection("cup", [0.01, 0, 0.41, 0.4])], [0]),
        # 2 of 4 columns shared by each, of 6 in all: an overlap of a third; then exactly one half
        ([detection("cup", [0, 0, 0.4, 0.4]), detection("cup", [0.2, 0, 0.6, 0.4])], [0, 1]),
        ([detection("jar", [0, 0, 0.5, 0.5]), detection("jar", [0, 0, 0.5, 0.25])], [0, 1]),
        ([detection("cup", [0, 0, 0.4, 0.4]), detection("mug", [0, 0, 0.4, 0.4])], [0, 1]),
        # each overlaps the next by more than a half, the first and the last by less
        ([detection("cup", [n * 0.12, 0, n * 0.12 + 0.4, 0.4], 0.9 - n / 10) for n in range(3)], [0, 2]),
        ([detection("cup", [0.5, 0.5, 0.5, 0.5])] * 2, [0, 1]),
    ],
    ids=["better", "equal scores", "a third", "a half", "two phrases", "suppressed suppresses none", "no extent"],
)
def test_of_boxes_of_one_phrase_on_one_thing_the_best_stays(found, kept):
    assert without_duplicates(found) == [found[n] for n in kept]


@given(st.lists(st.tuples(boxes(), st.sampled_from([0.1, 0.3, 0.5, 0.9])), max_size=8))
def test_what_stays_is_as_torchvision_has_it(scored_boxes):
    import torch

    from metrics.encoders.runtime import import_torchvision

    box_iou = import_torchvision().ops.box_iou
    found = [detection("cup", box, score) for box, score in scored_boxes if box[0] < box[2] and box[1] < box[3]]
    kept = without_duplicates(found)
    assert [one["score"] for one in kept] == sorted((one["score"] for one in kept), reverse=True)
    if not kept:
        assert not found
        return
    overlap = box_iou(*(torch.tensor([one["box"] for one in part], dtype=torch.float64) for part in (found, kept)))
    for n, m in product(range(len(found)), range(len(kept))):
        if found[n] in kept and found[n] != kept[m]:
            assert overlap[n, m] <= 0.5 + 1e-12
    for n, one in enumerate(found):
        if one not in kept:
            better = [m for m, other in enumerate(kept) if other["score"] >= one["score"]]
            assert overlap[n, better].max() > 0.5 - 1e-12
