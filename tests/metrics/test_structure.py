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


# Objects


def test_the_value_is_the_share_of_objects_that_are_seen():
    row = {"objects": [{"name": "cup"}, {"name": "Blue  Book"}, {"name": "plate", "count": 3}, {"name": "fork"}]}
    measured = measure(objects, row, [seen("cup"), seen("blue book", 0.2), seen("plate", 0.8)])
    assert measured.value == 0.75
    assert measured.details["reasons"] == ["expected 1 fork, found none"]
    assert measured.details["n_expected"] == 4


def test_an_absent_thing_that_is_seen_takes_one_object_away():
    row = {"objects": [{"name": "cup"}, {"name": "plate"}], "absent": ["dog"]}
    things = [seen("cup"), seen("plate", 0.2)]
    assert measure(objects, row, things).value == 1
    measured = measure(objects, row, [*things, seen("dog", 0.8), seen("dog", 0.1)])
    assert measured.value == 0.5
    assert measured.details["reasons"] == ["expected no dog, found 2"]


def test_a_blank_picture_earns_nothing_for_what_is_absent():
    measured = measure(objects, {"objects": [{"name": "cup"}], "absent": ["dog", "cat"]}, [])
    assert measured.value == 0
    assert measure(objects, {"objects": [{"name": "cup"}], "absent": ["dog"]}, [seen("dog")]).value == 0


# Counts


def test_too_few_cups_are_told_in_words():
    row = {"objects": [{"name": "cup", "count": 3}, {"name": "plate", "count": 1}]}
    measured = measure(counts, row, [*row_of("cup", 2), seen("plate", 0.9)])
    assert measured.value == 0.5
    assert measured.details["reasons"] == ["expected 3 cups, found 2"]
    assert measured.details["mean_absolute_error"] == 0.5


@pytest.mark.parametrize(("number", "value"), [(0, 0), (1, 0), (2, 1), (3, 0), (7, 0)])
def test_a_count_is_exact(number, value):
    assert measure(counts, {"objects": [{"name": "cup", "count": 2}]}, row_of("cup", number)).value == value


def test_a_thing_without_a_count_is_expected_once():
    for thing in ({"name": "cup"}, {"name": "cup", "count": None}):
        assert measure(counts, {"objects": [thing]}, row_of("cup", 1)).value == 1
        assert measure(counts, {"objects": [thing]}, row_of("cup", 2)).value == 0


def test_a_thing_that_is_listed_in_two_colours_is_counted_with_the_sum():
    row = {"objects": [{"name": "cup", "colour": "red"}, {"name": "cup", "count": 2, "colour": "blue"}]}
    measured = measure(counts, row, row_of("cup", 3))
    assert (measured.value, measured.details["n_expected"]) == (1, 1)


def test_two_boxes_on_one_cup_are_one_cup():
    assert measure(counts, {"objects": [{"name": "cup"}]}, [seen("cup", 0.5), seen("cup", 0.51, score=0.6)]).value == 1


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


# The threshold


def test_the_value_at_other_thresholds_is_told():
    found = [seen("cup", 0.1, score=0.95), seen("cup", 0.4, score=0.35), seen("cup", 0.7, score=0.25)]
    measured = measure(counts, {"objects": [{"name": "cup", "count": 2}]}, found)
    assert measured.value == 1
    assert measured.details["threshold"] == 0.3
    assert measured.details["sensitivity"] == {"0.2": 0, "0.3": 1, "0.4": 0, "0.5": 0}
    assert [one["score"] for one in measured.details["detections"]] == [0.95, 0.35]


def test_what_scores_exactly_the_threshold_is_seen():
    assert measure(objects, {"objects": [{"name": "cup"}]}, [seen("cup", score=0.3)]).value == 1
    assert measure(objects, {"objects": [{"name": "cup"}]}, [seen("cup", score=0.2999)]).value == 0


# Colours


def test_the_colour_of_each_thing_is_held_against_its_own():
    row = {"objects": [{"name": "cup", "colour": "red"}, {"name": "book", "colour": "blue"}, {"name": "fork"}]}
    measured = measure(colours, row, [seen("cup", 0.2, colour="blue"), seen("book", 0.8, colour="blue")])
    assert measured.value == 0.5
    assert measured.details["n_expected"] == 2
    assert measured.details["reasons"] == ["expected 1 red cup, found 1 blue"]


def test_a_missing_thing_has_no_right_colour():
    measured = measure(colours, {"objects": [{"name": "cup", "count": 2, "colour": "red"}]}, [])
    assert measured.value == 0
    assert measured.details["reasons"] == ["expected 2 red cups, found none"]


def test_too_few_is_a_wrong_count_and_not_a_wrong_colour():
    row = {"objects": [{"name": "cup", "count": 3, "colour": "red"}]}
    assert measure(colours, row, row_of("cup", 2, "red")).value == 1
    assert measure(colours, row, [*row_of("cup", 2, "red"), seen("cup", 0.9, colour="blue")]).value == 0
    assert measure(colours, row, [*row_of("cup", 3, "red"), seen("cup", 0.9, colour="blue")]).value == 1


def test_two_colours_of_one_thing_must_both_be_there():
    row = {"objects": [{"name": "cup", "colour": "red"}, {"name": "cup", "colour": "blue"}]}
    both = [seen("cup", 0.2, colour="red"), seen("cup", 0.8, colour="blue")]
    assert measure(colours, row, both).value == 1
    assert measure(colours, row, row_of("cup", 2, "red")).value == 0.5


def test_the_american_spelling_of_grey_is_grey():
    assert measure(colours, {"objects": [{"name": "cup", "colour": "Gray"}]}, [seen("cup", colour="grey")]).value == 1


def test_colours_without_an_anchor_are_left_out_with_a_note():
    row = {"objects": [{"name": "cup", "colour": "turquoise"}, {"name": "fork", "colour": "black"}]}
    measured = measure(colours, row, [seen("fork", colour="black")])
    assert (measured.value, measured.details["n_expected"]) == (1, 1)
    assert measured.details["notes"] == ["turquoise is none of the eleven basic colours"]
    nothing = measure(colours, {"objects": [{"name": "cup", "colour": None}]}, [seen("cup")])
    assert (nothing.value, nothing.reason) == (None, "no_checkable_colour")


# Relations


TABLE = {
    "objects": [{"name": "cup"}, {"name": "plate"}, {"name": "lamp"}],
    "relations": [related("cup", "left of", "plate"), related("lamp", "above", "plate")],
}


def test_relations_that_hold_are_counted():
    good = [seen("cup", 0.2), seen("plate", 0.8), seen("lamp", 0.8, 0.1)]
    assert measure(relations, TABLE, good).value == 1
    measured = measure(relations, TABLE, [seen("cup", 0.8), seen("plate", 0.2), seen("lamp", 0.2, 0.1)])
    assert measured.value == 0.5
    assert measured.details["reasons"] == ["expected cup left of plate, found right of"]


def test_a_relation_to_a_missing_thing_fails():
    measured = measure(relations, TABLE, [seen("lamp", 0.5, 0.1), seen("cup", 0.2)])
    assert measured.value == 0
    assert measured.details["reasons"] == [
        "expected cup left of plate, found no plate",
        "expected lamp above plate, found no plate",
    ]


def test_things_in_one_place_have_no_side():
    measured = measure(
        relations, {**TABLE, "relations": TABLE["relations"][:1]}, [seen("cup", 0.5), seen("plate", 0.5)]
    )
    assert measured.details["reasons"] == ["expected cup left of plate, found neither side clearly"]


def test_every_one_of_the_things_asked_for_has_to_be_there():
    row = {
        "objects": [{"name": "boot", "count": 2}, {"name": "coat"}],
        "relations": [related("boot", "below", "coat")],
    }
    low, high = seen("boot", 0.4, 0.9, score=0.8), seen("boot", 0.6, 0.1, score=0.5)
    other = seen("boot", 0.6, 0.9, score=0.7)
    assert measure(relations, row, [low, other, seen("coat", 0.5, 0.4)]).value == 1
    assert measure(relations, row, [low, high, seen("coat", 0.5, 0.4)]).value == 0
    # a third boot is a wrong count and no wrong place
    assert measure(relations, row, [low, other, high, seen("coat", 0.5, 0.4)]).value == 1


@pytest.mark.parametrize("relation", ["on", "inside", "in front of", "behind", "next to"])
def test_what_boxes_cannot_tell_is_no_value(relation):
    row = {"objects": TABLE["objects"], "relations": [related("cup", relation, "plate")]}
    measured = measure(relations, row, [seen("cup"), seen("plate", 0.2)])
    assert (measured.value, measured.reason) == (None, "no_checkable_relation")
    assert measured.details["notes"] == [f"cup {relation} plate: cannot be decided from boxes"]


def test_what_boxes_cannot_tell_does_not_count_beside_what_they_can():
    row = {**TABLE, "relations": [related("cup", "on", "plate"), *TABLE["relations"]]}
    measured = measure(relations, row, [seen("cup", 0.2), seen("plate", 0.8), seen("lamp", 0.8, 0.1)])
    assert (measured.value, measured.details["n_expected"]) == (1, 2)


def test_a_row_without_relations_says_so():
    assert measure(relations, {"objects": [{"name": "cup"}], "relations": None}, []).reason == "no_checkable_relation"


def test_the_mirror_image_fails_left_and_right_and_keeps_above():
    good = [seen("cup", 0.2), seen("plate", 0.8), seen("lamp", 0.8, 0.1)]
    measured = measure(relations, TABLE, mirrored(good))
    assert measured.value == 0.5
    assert measured.details["reasons"] == ["expected cup left of plate, found right of"]
    sides_only = {**TABLE, "relations": TABLE["relations"][:1]}
    assert (measure(relations, sides_only, good).value, measure(relations, sides_only, mirrored(good)).value) == (1, 0)


@given(st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)), min_size=2, max_size=2), st.booleans())
def test_no_side_holds_in_a_picture_and_in_its_mirror(places, left):
    row = {
        "objects": [{"name": "cup"}, {"name": "plate"}],
        "relations": [related("cup", "left of" if left else "right of", "plate")],
    }
    found = [seen(name, *place) for name, place in zip(("cup", "plate"), places, strict=True)]
    assert measure(relations, row, found).value + measure(relations, row, mirrored(found)).value <= 1


def test_only_sides_change_in_the_mirror():
    assert changes_in_mirror(TABLE, ["relations"])
    assert not changes_in_mirror({"relations": [related("cup", "above", "plate")]}, ["relations"])
    assert not changes_in_mirror({"objects": [{"name": "cup", "position": None}], "relations": None}, ["relations"])
    assert changes_in_mirror({"objects": [{"name": "cup", "position": "right"}]}, ["objects"])
    assert not changes_in_mirror({"objects": [{"name": "cup", "position": "top"}, {"name": "fork"}]}, ["objects"])


# Positions


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


def test_a_wrong_position_is_told_in_words():
    row = {"objects": [{"name": "cup", "position": "left"}, {"name": "fork", "position": "centre"}]}
    measured = measure(positions, row, [seen("cup", 0.75, 0.25)])
    assert measured.details["reasons"] == [
        "expected cup at the left, found it at 75% of the width, 25% of the height",
        "expected fork in the centre, found none",
    ]


def test_of_two_things_of_one_name_the_colour_tells_which_is_meant():
    row = {
        "objects": [
            {"name": "cup", "colour": "red", "position": "left"},
            {"name": "cup", "colour": "blue", "position": "right"},
        ]
    }
    found = [seen("cup", 0.2, colour="red", score=0.5), seen("cup", 0.8, colour="blue")]
    assert measure(positions, row, found).value == 1
    assert measure(positions, row, mirrored(found)).value == 0


def test_without_a_position_there_is_no_value():
    assert measure(positions, {"objects": [{"name": "cup"}]}, [seen("cup")]).reason == "no_checkable_position"


# Everything


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


# All rules


def test_the_detector_is_asked_for_every_name_once_in_order():
    row = {
        "objects": [{"name": "Plate"}, {"name": "cup", "colour": "red"}, {"name": "cup", "colour": "blue"}],
        "absent": ["Fire  hydrant"],
        "relations": [related("cup", "on", "table")],
    }
    assert phrases_of(row) == "cup\nfire hydrant\nplate\ntable"
    assert phrases_of({"objects": None, "absent": None}) == ""


@pytest.mark.parametrize("rule", RULES)
def test_without_objects_there_is_a_reason(rule):
    measured = measure(rule, {"objects": [], "absent": ["dog"]}, [seen("dog")])
    assert measured.value is None
    assert measured.reason.startswith("no_checkable_")


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
