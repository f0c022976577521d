"""Scene structure: GenEval's rules on given detections, each with its sentence, and the mirror that must fail."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def seen(phrase: str, x: float = 0.5, y: float = 0.5, colour: str = "grey", score: float = 0.9) -> Detection:
    """Return a detection of a tenth of the picture's sides around a place."""
    box = [x - 0.05, y - 0.05, x + 0.05, y + 0.05]
    return {"phrase": phrase, "score": score, "box": box, "colour": {"rgb": [9, 9, 9], "name": colour, "share": 0.8}}


def row_of(phrase: str, number: int, colour: str = "grey", score: float = 0.9) -> list[Detection]:
    return [seen(phrase, 0.1 + 0.12 * n, 0.5, colour, score) for n in range(number)]


def subject(row: dict[str, Any], detections: list[Detection], name: str = "a") -> Subject:
    return Subject((name,), (row,), ({"detections": detections},))


def measure(rule: Any, row: dict[str, Any], detections: list[Detection]) -> Measurement:
    (measured,) = rule([subject(row, detections)])
    return measured


def related(first: str, relation: str, second: str) -> dict[str, str]:
    return {"first": first, "relation": relation, "second": second}


CUP, TWO_CUPS = {"objects": [{"name": "cup"}]}, {"objects": [{"name": "cup", "count": 2}]}
ABSENT_DOG = {"objects": [{"name": "cup"}, {"name": "plate"}], "absent": ["dog"]}
THREE_RED = {"objects": [{"name": "cup", "count": 3, "colour": "red"}]}
RED_AND_BLUE = {"objects": [{"name": "cup", "colour": "red"}, {"name": "cup", "colour": "blue"}]}
RED_LEFT_BLUE_RIGHT = {
    "objects": [
        {"name": "cup", "colour": "red", "position": "left"},
        {"name": "cup", "colour": "blue", "position": "right"},
    ]
}
BOOTS = {"objects": [{"name": "boot", "count": 2}, {"name": "coat"}], "relations": [related("boot", "below", "coat")]}
LOW, OTHER, HIGH = (
    seen("boot", 0.4, 0.9, score=0.8),
    seen("boot", 0.6, 0.9, score=0.7),
    seen("boot", 0.6, 0.1, score=0.5),
)
TABLE = {
    "objects": [{"name": "cup"}, {"name": "plate"}, {"name": "lamp"}],
    "relations": [related("cup", "left of", "plate"), related("lamp", "above", "plate")],
}
SIDE_ONLY = {**TABLE, "relations": TABLE["relations"][:1]}
ON_TOO = {**TABLE, "relations": [related("cup", "on", "plate"), *TABLE["relations"]]}
LAID = [seen("cup", 0.2), seen("plate", 0.8), seen("lamp", 0.8, 0.1)]


@pytest.mark.parametrize(
    ("rule", "row", "detections", "value", "n_expected", "reasons"),
    [
        # names are compared in lower case and without double spaces
        (
            objects,
            {"objects": [{"name": "cup"}, {"name": "Blue  Book"}, {"name": "plate", "count": 3}, {"name": "fork"}]},
            [seen("cup"), seen("blue book", 0.2), seen("plate", 0.8)],
            0.75,
            4,
            ["expected 1 fork, found none"],
        ),
        # an absent thing that is seen takes one object away; one that stays away earns nothing
        (objects, ABSENT_DOG, [seen("cup"), seen("plate", 0.2)], 1, 3, []),
        (
            objects,
            ABSENT_DOG,
            [seen("cup"), seen("plate", 0.2), seen("dog", 0.8), seen("dog", 0.1)],
            0.5,
            3,
            ["expected no dog, found 2"],
        ),
        (objects, {**CUP, "absent": ["dog", "cat"]}, [], 0, 3, ["expected 1 cup, found none"]),
        (objects, {**CUP, "absent": ["dog"]}, [seen("dog")], 0, 2, None),
        # what scores exactly the threshold is seen
        (objects, CUP, [seen("cup", score=0.3)], 1, 1, []),
        (objects, CUP, [seen("cup", score=0.2999)], 0, 1, None),
        # counts are exact, of a thing without a count too, and of all colours together
        *((counts, TWO_CUPS, row_of("cup", number), number == 2, 1, None) for number in (0, 1, 2, 3, 7)),
        (counts, CUP, row_of("cup", 1), 1, 1, []),
        (counts, CUP, row_of("cup", 2), 0, 1, None),
        (counts, {"objects": [{"name": "cup", "count": None}]}, row_of("cup", 2), 0, 1, None),
        (counts, {"objects": [{"name": "cup", "colour": "red"}, *TWO_CUPS["objects"]]}, row_of("cup", 3), 1, 1, []),
        # two boxes on one cup are one cup
        (counts, CUP, [seen("cup", 0.5), seen("cup", 0.51, score=0.6)], 1, 1, []),
        # the colour of each thing is held against what is asked of it
        (
            colours,
            {"objects": [{"name": "cup", "colour": "red"}, {"name": "book", "colour": "blue"}, {"name": "fork"}]},
            [seen("cup", 0.2, colour="blue"), seen("book", 0.8, colour="blue")],
            0.5,
            2,
            ["expected 1 red cup, found 1 blue"],
        ),
        (colours, THREE_RED, [], 0, 1, ["expected 3 red cups, found none"]),
        # too few is a wrong count and not a wrong colour
        (colours, THREE_RED, row_of("cup", 2, "red"), 1, 1, []),
        (colours, THREE_RED, [*row_of("cup", 2, "red"), seen("cup", 0.9, colour="blue")], 0, 1, None),
        (colours, THREE_RED, [*row_of("cup", 3, "red"), seen("cup", 0.9, colour="blue")], 1, 1, []),
        (colours, RED_AND_BLUE, [seen("cup", 0.2, colour="red"), seen("cup", 0.8, colour="blue")], 1, 2, []),
        (colours, RED_AND_BLUE, row_of("cup", 2, "red"), 0.5, 2, None),
        (colours, {"objects": [{"name": "cup", "colour": "Gray"}]}, [seen("cup", colour="grey")], 1, 1, []),
        (relations, TABLE, LAID, 1, 2, []),
        # the mirror image fails left and right and keeps above
        (relations, TABLE, mirrored(LAID), 0.5, 2, ["expected cup left of plate, found right of"]),
        (relations, SIDE_ONLY, mirrored(LAID), 0, 1, None),
        (
            relations,
            TABLE,
            [seen("lamp", 0.5, 0.1), seen("cup", 0.2)],
            0,
            2,
            ["expected cup left of plate, found no plate", "expected lamp above plate, found no plate"],
        ),
        (
            relations,
            SIDE_ONLY,
            [seen("cup"), seen("plate")],
            0,
            1,
            ["expected cup left of plate, found neither side clearly"],
        ),
        # every one of the things asked for has to be there; a third boot is a wrong count and no wrong place
        (relations, BOOTS, [LOW, OTHER, seen("coat", 0.5, 0.4)], 1, 1, []),
        (relations, BOOTS, [LOW, HIGH, seen("coat", 0.5, 0.4)], 0, 1, None),
        (relations, BOOTS, [LOW, OTHER, HIGH, seen("coat", 0.5, 0.4)], 1, 1, []),
        # what boxes cannot tell does not count beside what they can
        (relations, ON_TOO, LAID, 1, 2, []),
        (
            positions,
            {"objects": [{"name": "cup", "position": "left"}, {"name": "fork", "position": "centre"}]},
            [seen("cup", 0.75, 0.25)],
            0,
            2,
            [
                "expected cup at the left, found it at 75% of the width, 25% of the height",
                "expected fork in the centre, found none",
            ],
        ),
        # of two things of one name the colour tells which is meant
        (
            positions,
            RED_LEFT_BLUE_RIGHT,
            [seen("cup", 0.2, colour="red", score=0.5), seen("cup", 0.8, colour="blue")],
            1,
            2,
            [],
        ),
        (positions, RED_LEFT_BLUE_RIGHT, [seen("cup", 0.8, colour="red"), seen("cup", 0.2, colour="blue")], 0, 2, None),
    ],
)
def test_values_and_reasons(rule, row, detections, value, n_expected, reasons):
    measured = measure(rule, row, detections)
    assert (measured.value, measured.details["n_expected"]) == (value, n_expected)
    assert reasons is None or measured.details["reasons"] == reasons


def test_counts_say_how_far_off_they_are():
    row = {"objects": [{"name": "cup", "count": 3}, {"name": "plate", "count": 1}]}
    measured = measure(counts, row, [*row_of("cup", 2), seen("plate", 0.9)])
    assert measured.details["reasons"] == ["expected 3 cups, found 2"]
    assert measured.details["mean_absolute_error"] == 0.5


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("cup", "2 cups"),
        ("bus", "2 buses"),
        ("glass", "2 glasses"),
        ("bench", "2 benches"),
        ("cherry", "2 cherries"),
        ("key", "2 keys"),
        ("headphones", "2 headphones"),
    ],
)
def test_the_plural_reads_well(name, plural):
    measured = measure(counts, {"objects": [{"name": name, "count": 2}]}, [])
    assert measured.details["reasons"] == [f"expected {plural}, found none"]


def test_the_value_at_other_thresholds_is_told():
    measured = measure(
        counts, TWO_CUPS, [seen("cup", 0.1, score=0.95), seen("cup", 0.4, score=0.35), seen("cup", 0.7, score=0.25)]
    )
    assert measured.details["threshold"] == 0.3
    assert measured.details["sensitivity"] == {"0.2": 0, "0.3": 1, "0.4": 0, "0.5": 0}
    assert [one["score"] for one in measured.details["detections"]] == [0.95, 0.35]


def test_colours_without_an_anchor_are_left_out_with_a_note():
    row = {"objects": [{"name": "cup", "colour": "turquoise"}, {"name": "fork", "colour": "black"}]}
    measured = measure(colours, row, [seen("fork", colour="black")])
    assert (measured.value, measured.details["n_expected"]) == (1, 1)
    assert measured.details["notes"] == ["turquoise is none of the eleven basic colours"]


@pytest.mark.parametrize(
    ("rule", "row", "reason"),
    [
        (colours, {"objects": [{"name": "cup", "colour": None}]}, "no_checkable_colour"),
        (relations, {**CUP, "relations": None}, "no_checkable_relation"),
        (positions, CUP, "no_checkable_position"),
        *((rule, {"objects": [], "absent": ["dog"]}, None) for rule in RULES),
    ],
)
def test_without_anything_to_check_there_is_a_reason(rule, row, reason):
    measured = measure(rule, row, [seen("cup"), seen("dog", 0.2)])
    assert measured.value is None
    assert measured.reason == reason or (reason is None and measured.reason.startswith("no_checkable_"))


@pytest.mark.parametrize("relation", ["on", "inside", "in front of", "behind", "next to"])
def test_what_boxes_cannot_tell_is_no_value(relation):
    row = {"objects": TABLE["objects"], "relations": [related("cup", relation, "plate")]}
    measured = measure(relations, row, [seen("cup"), seen("plate", 0.2)])
    assert (measured.value, measured.reason) == (None, "no_checkable_relation")
    assert measured.details["notes"] == [f"cup {relation} plate: cannot be decided from boxes"]


@given(st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)), min_size=2, max_size=2), st.booleans())
def test_no_side_holds_in_a_picture_and_in_its_mirror(places, left):
    row = {**CUP, "relations": [related("cup", "left of" if left else "right of", "plate")]}
    detections = [seen(name, *place) for name, place in zip(("cup", "plate"), places, strict=True)]
    assert measure(relations, row, detections).value + measure(relations, row, mirrored(detections)).value <= 1


def test_only_sides_change_in_the_mirror():
    assert changes_in_mirror(TABLE, "relations")
    assert not changes_in_mirror({"relations": [related("cup", "above", "plate")]}, "relations")
    assert not changes_in_mirror({"objects": [{"name": "cup", "position": None}], "relations": None}, "relations")
    assert changes_in_mirror({"objects": [{"name": "cup", "position": "right"}]}, "objects")
    assert not changes_in_mirror({"objects": [{"name": "cup", "position": "top"}, {"name": "fork"}]}, "objects")


@pytest.mark.parametrize(
    ("position", "x", "y", "value"),
    [
        ("left", 0.3, 0.9, 1),
        ("left", 0.6, 0.9, 0),
        ("right", 0.6, 0.9, 1),
        ("top", 0.9, 0.2, 1),
        ("top", 0.9, 0.7, 0),
        ("bottom", 0.9, 0.7, 1),
        ("centre", 0.45, 0.6, 1),
        ("centre", 0.45, 0.8, 0),
    ],
)
def test_a_position_is_a_part_of_the_picture(position, x, y, value):
    row = {"objects": [{"name": "cup", "position": position}, {"name": "fork"}]}
    assert measure(positions, row, [seen("cup", x, y)]).value == value


SCENE = {
    "objects": [
        {"name": "cup", "count": 2, "colour": "red", "material": "tin", "position": None},
        {"name": "plate", "count": None, "colour": None, "position": "right"},
    ],
    "absent": ["dog"],
    "relations": [related("cup", "left of", "plate"), related("cup", "on", "plate")],
}
GOOD = [seen("cup", 0.1, colour="red"), seen("cup", 0.3, colour="red"), seen("plate", 0.8)]


def test_a_picture_with_all_that_is_expected_is_correct():
    measured = measure(everything, SCENE, GOOD)
    assert measured.value == 1
    assert measured.details["reasons"] == []
    assert measured.details["notes"] == ["cup on plate: cannot be decided from boxes"]


@pytest.mark.parametrize(
    ("found", "reason"),
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
def test_one_thing_amiss_is_enough(found, reason):
    measured = measure(everything, SCENE, found)
    assert measured.value == 0
    assert reason in measured.details["reasons"]


def test_more_of_what_is_asked_for_once_is_still_correct():
    assert measure(everything, SCENE, [*GOOD, seen("plate", 0.8, 0.9, score=0.5)]).value == 1


def test_the_detector_is_asked_for_every_name_once_in_order():
    row = {
        "objects": [{"name": "Plate"}, {"name": "cup", "colour": "red"}, {"name": "cup", "colour": "blue"}],
        "absent": ["Fire  hydrant"],
        "relations": [related("cup", "on", "table")],
    }
    assert phrases_of(row) == "cup\nfire hydrant\nplate\ntable"
    assert phrases_of({"objects": None, "absent": None}) == ""


@given(
    st.lists(
        st.lists(
            st.builds(
                seen,
                st.sampled_from(["cup", "plate", "dog"]),
                st.floats(0.05, 0.95),
                st.floats(0.05, 0.95),
                st.sampled_from(["red", "blue"]),
                st.floats(0.05, 1),
            ),
            max_size=6,
        ),
        max_size=5,
    ),
    st.sampled_from(RULES),
)
def test_every_rule_keeps_the_contract(pictures, rule):
    subjects = [
        Subject((str(n),), (SCENE,), ({"detections": seen},), details={"kind": n}) for n, seen in enumerate(pictures)
    ]
    assert_contract(rule, subjects, (0, 1))


@given(
    st.lists(
        st.tuples(st.floats(0.05, 0.95), st.floats(0.35, 1)), min_size=1, max_size=5, unique_by=lambda pair: pair[1]
    ),
    st.randoms(),
)
def test_the_detectors_order_does_not_matter(places, random):
    found = [seen("cup", x, score=score) for x, score in places]
    before = [measure(rule, SCENE, found) for rule in RULES]
    random.shuffle(found)
    assert [measure(rule, SCENE, found) for rule in RULES] == before
