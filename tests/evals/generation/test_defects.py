"""The scripted defects: they happen exactly where the script says, and change exactly what it says."""

import pytest
from rapidfuzz.distance import Levenshtein

from evals.definition import read_definition
from evals.generation.simulated.defects import another_step, as_understood, defects_of, off_colours
from evals.suites.drawing.faces import CHARACTERS
from evals.suites.suite import read_suite
from metrics.brand import colour_differences, lab_of

DEMO = read_definition("demo")
SYSTEMS = {system.name.partition("-")[0]: system for system in DEMO.simulated}
PEOPLE = tuple(CHARACTERS)


def understood(system, suite):
    return {item.id: (item, as_understood(item, SYSTEMS[system], PEOPLE)) for item in read_suite(suite).items}


def changed(system, suite):
    return {item_id for item_id, (asked, drawn) in understood(system, suite).items() if asked != drawn}


def test_every_item_with_a_defect_is_drawn_otherwise_and_no_other():
    assert changed("aurora", "demo-scenes") == {"clock-three", "clock-balloon"}
    assert changed("aurora", "demo-signs") == {"summit"}
    assert changed("aurora", "demo-identity") == {"robin-2", "alex-4", "kim-3", "sam-2", "charlie-3", "jo-2", "noor-4"}
    assert changed("borealis", "demo-identity") == changed("borealis", "demo-repeats") == set()
    assert len(changed("borealis", "demo-scenes")) == 32
    assert len(changed("borealis", "demo-signs")) == 9


def test_a_dropped_thing_is_gone_and_a_swapped_one_is_another_in_the_same_place():
    for item_id in ("clock-cup", "umbrella-one", "house-clock"):
        asked, drawn = understood("borealis", "demo-scenes")[item_id]
        assert drawn.objects == asked.objects[:-1]
    for item_id in ("clock-two", "chair-clock", "cup-two", "banana-chair"):
        asked, drawn = understood("borealis", "demo-scenes")[item_id]
        assert drawn.objects[:-1] == asked.objects[:-1]
        assert drawn.objects[-1].name not in {thing.name for thing in asked.objects}
        assert drawn.objects[-1].position == asked.objects[-1].position


def test_another_face_is_that_of_another_character_and_the_last_one_wraps_round():
    drawn = {item_id: drawn.sequence_id for item_id, (_, drawn) in understood("aurora", "demo-identity").items()}
    assert (drawn["robin-1"], drawn["robin-2"], drawn["noor-4"]) == ("robin", "alex", "robin")


@pytest.mark.parametrize("system", ["aurora", "borealis"])
@pytest.mark.parametrize("suite", ["demo-signs", "demo-labels", "demo-brands"])
def test_misspelling_costs_the_scripted_number_of_letters_and_never_adds_one(system, suite):
    for asked, drawn in understood(system, suite).values():
        right, wrong = ("\n".join(item.expected_text) for item in (asked, drawn))
        misspelling = [one for one in defects_of(asked, SYSTEMS[system]) if one.does == "misspell"]
        scripted = sum(defect.characters for defect in misspelling)
        assert Levenshtein.distance(right, wrong) == scripted
        assert not any(step.tag == "insert" for step in Levenshtein.editops(right, wrong))


def test_labels_are_misspelt_equally_often_and_never_both():
    aurora, borealis = changed("aurora", "demo-labels"), changed("borealis", "demo-labels")
    assert len(aurora) == len(borealis) == 4
    assert not aurora & borealis


def test_off_colours_are_far_from_every_colour_of_the_brand():
    asked_and_drawn = understood("aurora", "demo-brands")
    off = changed("aurora", "demo-brands")
    assert len(off) == 6
    for item_id in off:
        asked, drawn = asked_and_drawn[item_id]
        distances = colour_differences(*([lab_of(colour) for colour in item.palette] for item in (drawn, asked)))
        assert sorted(distances.min(axis=1))[-2] > 15
        assert asked.expected_text == drawn.expected_text


def test_pieces_of_one_brand_lose_their_colours_in_different_ways_and_white_stays():
    assert off_colours(["#1f6f54"], "a") != off_colours(["#1f6f54"], "b")
    assert off_colours(["#ffffff", "#808080"], "a") == ("#ffffff", "#808080")


def test_another_step_is_the_next_one_and_the_last_wraps_round():
    suite = read_suite("demo-stories")
    for shot, shown in ((1, 2), (2, 3), (3, 1)):
        asked, other = suite.item(f"picnic-{shot}"), suite.item(f"picnic-{shown}")
        drawn = another_step(asked, suite.items)
        assert drawn.id == asked.id
        assert (drawn.prompt, drawn.objects) == (other.prompt, other.objects)
