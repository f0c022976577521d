"""Scene structure: GenEval's rules on given detections, each with its sentence, and the mirror that must fail."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.encoders.colour_names import Colour
from metrics.encoders.detector import Detection, mirrored
from metrics.measurement import Measurement, Subject
from metrics.structure import (
    changes_in_mirror,
    colours,
    counts,
    everything,
    objects,
    phrases_of,
    positions,
    relations,
)
from tests.metrics.contract import assert_contract

RULES = (objects, counts, colours, relations, positions, everything)


def seen(
    phrase: str,
    x: float = 0.5,
    y: float = 0.5,
    colour: str = "grey",
    score: float = 0.9,
    size: tuple[int, int] = (9, 9),
) -> Detection:
    """Return a detection of a tenth of the sides of a picture of a size around a place."""
    box = [x - 0.05, y - 0.05, x + 0.05, y + 0.05]
    shown: Colour = {"rgb": [9, 9, 9], "name": colour, "share": 0.8}
    return {"phrase": phrase, "score": score, "box": box, "picture_size": [*size], "colour": shown}


def row_of(phrase: str, number: int, colour: str = "grey") -> list[Detection]:
    return [seen(phrase, 0.1 + 0.12 * n, 0.5, colour) for n in range(number)]


def measure(rule: Any, row: dict[str, Any], detections: list[Detection]) -> Measurement:
    (measured,) = rule([Subject(("a",), (row,), ({"detections": detections},))])
    return measured


def scene(*things: str | dict[str, Any], **columns: Any) -> dict[str, Any]:
    """Return a prompt's row with its things, those in plain words by their name alone."""
    return {"objects": [{"name": thing} if isinstance(thing, str) else thing for thing in things], **columns}


def related(first: str, relation: str, second: str) -> dict[str, str]:
    return {"first": first, "relation": relation, "second": second}


def case(rule: Any, row: Any, detections: Any, value: float, n_expected: int = 1, *reasons: str) -> Any:
    return rule, row, detections, value, n_expected, reasons


TWO_CUPS = {"name": "cup", "count": 2}
RED_CUP, BLUE_CUP = ({"name": "cup", "colour": colour} for colour in ("red", "blue"))
ABSENT_DOG = scene("cup", "plate", absent=["dog"])
THREE_RED = scene({"name": "cup", "count": 3, "colour": "red"})
RED_LEFT_BLUE_RIGHT = scene({**RED_CUP, "position": "left"}, {**BLUE_CUP, "position": "right"})
BOOTS = scene({"name": "boot", "count": 2}, "coat", relations=[related("boot", "below", "coat")])
LOW, OTHER, HIGH = (
    seen("boot", x, y, score=score) for x, y, score in ((0.4, 0.9, 0.8), (0.6, 0.9, 0.7), (0.6, 0.1, 0.5))
)
CUP_AND_BOOK, BOOK = scene(RED_CUP, {"name": "book", "colour": "blue"}, "fork"), seen("book", 0.8, colour="blue")
PLACED = scene({"name": "cup", "position": "left"}, {"name": "fork", "position": "centre"})
ELSEWHERE = "expected cup at the left, found it at 75% of the width, 25% of the height"
NEITHER = "expected cup left of plate, found neither side clearly"
NO_PLATE = ("expected cup left of plate, found no plate", "expected lamp above plate, found no plate")
COAT, RED_LEFT = seen("coat", 0.5, 0.4), seen("cup", 0.2, colour="red", score=0.5)
LEFT = related("cup", "left of", "plate")
SIDE_ONLY = scene("cup", "plate", "lamp", relations=[LEFT])
TABLE = {**SIDE_ONLY, "relations": [LEFT, related("lamp", "above", "plate")]}
ON_TOO = {**TABLE, "relations": [related("cup", "on", "plate"), *TABLE["relations"]]}
FAR_APART = {
    name: [seen("cup", 0.3, 0.3, size=size), seen("plate", 0.7, 0.7, size=size)]
    for name, size in (("wide", (1920, 1080)), ("tall", (1080, 1920)))
}
LAID = [seen("cup", 0.2), seen("plate", 0.8), seen("lamp", 0.8, 0.1)]


@pytest.mark.parametrize(
    ("rule", "row", "detections", "value", "n_expected", "reasons"),
    [
        # names are compared in lower case and without double spaces
        case(objects, scene("Blue  Book", "fork"), [seen("blue book")], 0.5, 2, "expected 1 fork, found none"),
        case(objects, scene({"name": "plate", "count": 3}), [seen("plate")], 1),
        # an absent thing that is seen takes one object away; one that stays away earns nothing
        case(objects, ABSENT_DOG, [seen("cup"), seen("plate", 0.2)], 1, 3),
        case(objects, ABSENT_DOG, [*LAID, *row_of("dog", 2)], 0.5, 3, "expected no dog, found 2"),
        case(objects, scene("cup", absent=["dog", "cat"]), [], 0, 3, "expected 1 cup, found none"),
        case(objects, scene("cup", absent=["dog"]), [seen("dog")], 0, 2),
        # what scores exactly the threshold is seen
        case(objects, scene("cup"), [seen("cup", score=0.3)], 1),
        case(objects, scene("cup"), [seen("cup", score=0.2999)], 0),
        # counts are exact, of a thing without a count too, and of all colours together
        *(case(counts, scene(TWO_CUPS), row_of("cup", number), number == 2) for number in (0, 1, 2, 3, 7)),
        case(counts, scene("cup"), row_of("cup", 1), 1),
        case(counts, scene("cup"), row_of("cup", 2), 0),
        case(counts, scene({"name": "cup", "count": None}), row_of("cup", 2), 0),
        case(counts, scene(RED_CUP, TWO_CUPS), row_of("cup", 3), 1),
        # two boxes on one cup are one cup
        case(counts, scene("cup"), [seen("cup", 0.5), seen("cup", 0.51, score=0.6)], 1),
        # the colour of each thing is held against what is asked of it
        case(
            colours, CUP_AND_BOOK, [seen("cup", 0.2, colour="blue"), BOOK], 0.5, 2, "expected 1 red cup, found 1 blue"
        ),
        case(colours, THREE_RED, [], 0, 1, "expected 3 red cups, found none"),
        # too few is a wrong count and not a wrong colour
        case(colours, THREE_RED, row_of("cup", 2, "red"), 1),
        case(colours, THREE_RED, [*row_of("cup", 2, "red"), seen("cup", 0.9, colour="blue")], 0),
        case(colours, THREE_RED, [*row_of("cup", 3, "red"), seen("cup", 0.9, colour="blue")], 1),
        case(colours, scene(RED_CUP, BLUE_CUP), [*row_of("cup", 1, "red"), seen("cup", 0.8, colour="blue")], 1, 2),
        case(colours, scene(RED_CUP, BLUE_CUP), row_of("cup", 2, "red"), 0.5, 2),
        case(colours, scene({"name": "cup", "colour": "Gray"}), [seen("cup", colour="grey")], 1),
        case(relations, TABLE, LAID, 1, 2),
        # the mirror image fails left and right and keeps above
        case(relations, TABLE, mirrored(LAID), 0.5, 2, "expected cup left of plate, found right of"),
        case(relations, SIDE_ONLY, mirrored(LAID), 0),
        case(relations, TABLE, [LAID[0], LAID[2]], 0, 2, *NO_PLATE),
        case(relations, SIDE_ONLY, [seen("cup"), seen("plate")], 0, 1, NEITHER),
        # as far to the side as down, in fractions: in a wide picture to the side, in a tall one down
        *(
            case(relations, scene("cup", "plate", relations=[related("cup", side, "plate")]), FAR_APART[size], holds)
            for size, side, holds in (
                ("wide", "left of", 1),
                ("wide", "above", 0),
                ("tall", "left of", 0),
                ("tall", "above", 1),
            )
        ),
        # every one of the things asked for has to be there; a third boot is a wrong count and no wrong place
        case(relations, BOOTS, [LOW, OTHER, COAT], 1),
        case(relations, BOOTS, [LOW, HIGH, COAT], 0),
        case(relations, BOOTS, [LOW, OTHER, HIGH, COAT], 1),
        # what boxes cannot tell does not count beside what they can
        case(relations, ON_TOO, LAID, 1, 2),
        case(positions, PLACED, [seen("cup", 0.75, 0.25)], 0, 2, ELSEWHERE, "expected fork in the centre, found none"),
        # of two things of one name the colour tells which is meant
        case(positions, RED_LEFT_BLUE_RIGHT, [RED_LEFT, seen("cup", 0.8, colour="blue")], 1, 2),
        case(positions, RED_LEFT_BLUE_RIGHT, [seen("cup", 0.8, colour="red"), seen("cup", 0.2, colour="blue")], 0, 2),
    ],
)
def test_values_and_reasons(rule, row, detections, value, n_expected, reasons):
    measured = measure(rule, row, detections)
    assert (measured.value, measured.details["n_expected"]) == (value, n_expected)
    if reasons or value == 1:
        assert measured.details["reasons"] == list(reasons)


def test_counts_say_how_far_off_they_are():
    row = scene({"name": "cup", "count": 3}, {"name": "plate", "count": 1})
    measured = measure(counts, row, [*row_of("cup", 2), seen("plate", 0.9)])
    assert measured.details["reasons"] == ["expected 3 cups, found 2"]
    assert measured.details["mean_absolute_error"] == 0.5


def test_plurals_read_well():
    names = ("cup", "bus", "glass", "bench", "cherry", "key", "headphones")
    plurals = ("cups", "buses", "glasses", "benches", "cherries", "keys", "headphones")
    measured = measure(counts, scene(*({"name": name, "count": 2} for name in names)), [])
    assert measured.details["reasons"] == [f"expected 2 {plural}, found none" for plural in plurals]


def test_the_value_at_other_thresholds_is_told():
    cups = [seen("cup", 0.1, score=0.95), seen("cup", 0.4, score=0.35), seen("cup", 0.7, score=0.25)]
    measured = measure(counts, scene(TWO_CUPS), cups)
    assert measured.details["threshold"] == 0.3
    assert measured.details["sensitivity"] == {"0.2": 0, "0.3": 1, "0.4": 0, "0.5": 0}
    assert [one["score"] for one in measured.details["detections"]] == [0.95, 0.35]


def test_colours_without_an_anchor_are_left_out_with_a_note():
    row = scene({"name": "cup", "colour": "turquoise"}, {"name": "fork", "colour": "black"})
    measured = measure(colours, row, [seen("fork", colour="black")])
    assert (measured.value, measured.details["n_expected"]) == (1, 1)
    assert measured.details["notes"] == ["turquoise is none of the eleven basic colours"]


@pytest.mark.parametrize(
    ("rule", "row", "reason"),
    [
        (colours, scene({"name": "cup", "colour": None}), "no_checkable_colour"),
        (relations, scene("cup", relations=None), "no_checkable_relation"),
        (positions, scene("cup"), "no_checkable_position"),
        *((rule, scene(absent=["dog"]), "no_checkable_") for rule in RULES),
    ],
)
def test_without_anything_to_check_there_is_a_reason(rule, row, reason):
    measured = measure(rule, row, [seen("cup"), seen("dog", 0.2)])
    assert measured.value is None
    assert measured.reason.startswith(reason)


@pytest.mark.parametrize("relation", ["on", "inside", "in front of", "behind", "next to"])
def test_what_boxes_cannot_tell_is_no_value(relation):
    row = scene("cup", "plate", relations=[related("cup", relation, "plate")])
    measured = measure(relations, row, [seen("cup"), seen("plate", 0.2)])
    assert (measured.value, measured.reason) == (None, "no_checkable_relation")
    assert measured.details["notes"] == [f"cup {relation} plate: cannot be decided from boxes"]


@given(st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)), min_size=2, max_size=2), st.booleans())
def test_no_side_holds_in_a_picture_and_in_its_mirror(places, left):
    row = scene("cup", relations=[related("cup", "left of" if left else "right of", "plate")])
    detections = [seen(name, *place) for name, place in zip(("cup", "plate"), places, strict=True)]
    assert measure(relations, row, detections).value + measure(relations, row, mirrored(detections)).value <= 1


def test_only_sides_change_in_the_mirror():
    assert changes_in_mirror(TABLE, "relations")
    assert not changes_in_mirror({"relations": [related("cup", "above", "plate")]}, "relations")
    assert not changes_in_mirror(scene({"name": "cup", "position": None}, relations=None), "relations")
    assert changes_in_mirror(scene({"name": "cup", "position": "right"}), "objects")
    assert not changes_in_mirror(scene({"name": "cup", "position": "top"}, "fork"), "objects")


@pytest.mark.parametrize(
    ("position", "inside", "outside"),
    [
        ("left", (0.3, 0.9), (0.6, 0.9)),
        ("right", (0.6, 0.9), (0.3, 0.9)),
        ("top", (0.9, 0.2), (0.9, 0.7)),
        ("bottom", (0.9, 0.7), (0.9, 0.2)),
        ("centre", (0.45, 0.6), (0.45, 0.8)),
    ],
)
def test_a_position_is_a_part_of_the_picture(position, inside, outside):
    row = scene({"name": "cup", "position": position}, "fork")
    assert [measure(positions, row, [seen("cup", *place)]).value for place in (inside, outside)] == [1, 0]


SCENE = scene(
    {"name": "cup", "count": 2, "colour": "red", "material": "tin", "position": None},
    {"name": "plate", "count": None, "colour": None, "position": "right"},
    absent=["dog"],
    relations=[LEFT, related("cup", "on", "plate")],
)
GOOD = [seen("cup", 0.1, colour="red"), seen("cup", 0.3, colour="red"), seen("plate", 0.8)]


def test_a_picture_with_all_that_is_expected_is_correct():
    # more of what is asked for once is still correct
    for detections in (GOOD, [*GOOD, seen("plate", 0.8, 0.9, score=0.5)]):
        measured = measure(everything, SCENE, detections)
        assert measured.value == 1
        assert measured.details["reasons"] == []
        assert measured.details["notes"] == ["cup on plate: cannot be decided from boxes"]


@pytest.mark.parametrize(
    ("detections", "reason"),
    [
        (GOOD[:2], "expected 1 plate, found none"),
        (GOOD[1:], "expected 2 cups, found 1"),
        ([*GOOD, seen("cup", 0.5, colour="red")], "expected 2 cups, found 3"),
        ([*GOOD, seen("dog", 0.5, 0.9)], "expected no dog, found 1"),
        ([seen("cup", 0.1), *GOOD[1:]], "expected 2 red cups, found 1 grey, 1 red"),
        ([*GOOD[:2], seen("plate", 0.2, 0.9)], "expected cup left of plate, found above"),
        (mirrored(GOOD), "expected plate at the right, found it at 20% of the width, 50% of the height"),
    ],
)
def test_one_thing_amiss_is_enough(detections, reason):
    measured = measure(everything, SCENE, detections)
    assert measured.value == 0
    assert reason in measured.details["reasons"]


def test_the_detector_is_asked_for_every_name_once_in_order():
    row = scene("Plate", RED_CUP, BLUE_CUP, absent=["Fire  hydrant"], relations=[related("cup", "on", "table")])
    assert phrases_of(row) == "cup\nfire hydrant\nplate\ntable"
    assert phrases_of({"objects": None, "absent": None}) == ""


places = st.floats(0.05, 0.95)
names, paints = st.sampled_from(["cup", "plate", "dog"]), st.sampled_from(["red", "blue"])
pictures = st.lists(st.builds(seen, names, places, places, paints, st.floats(0.05, 1)), max_size=6)


@given(st.lists(pictures, max_size=5), st.sampled_from(RULES))
def test_every_rule_keeps_the_contract(pictures, rule):
    subjects = [
        Subject((str(n),), (SCENE,), ({"detections": seen},), details={"kind": n}) for n, seen in enumerate(pictures)
    ]
    assert_contract(rule, subjects, (0, 1))


@given(
    st.lists(st.tuples(places, st.floats(0.35, 1)), min_size=1, max_size=5, unique_by=lambda pair: pair[1]),
    st.randoms(),
)
def test_the_detectors_order_does_not_matter(cups, random):
    detections = [seen("cup", x, score=score) for x, score in cups]
    before = [measure(rule, SCENE, detections) for rule in RULES]
    random.shuffle(detections)
    assert [measure(rule, SCENE, detections) for rule in RULES] == before
