"""The artists: every prompt that comes with TwinLens can be drawn, so that every eval can be rehearsed."""

import io

import numpy as np
import PIL.Image
import pytest

from evals.definition import SimulatedSystem
from evals.generation.simulators.artists import demo_artist
from evals.sources import edit_mask, source_picture
from evals.suites import read_suite, suite_names

PLAIN = SimulatedSystem("plain@demo", "#dddddd", "m@h")
EDITING = read_suite("editing")


@pytest.mark.parametrize("suite", suite_names())
def test_every_item_of_a_suite_can_be_drawn(suite):
    artist = demo_artist(PLAIN, [suite])
    for item in read_suite(suite).items:
        assert artist(item.prompt, 1, 0, 256, 256, []).size == (256, 256)


def answer_and_source(item_id):
    item = EDITING.item(item_id)
    source = source_picture(item)
    with PIL.Image.open(io.BytesIO(source)) as opened:
        before = np.asarray(opened, dtype=np.int16)
    size = before.shape[:2]
    drawn = demo_artist(PLAIN, ["editing"])(item.prompt, 1, 0, size[1], size[0], [source])
    return item, np.asarray(drawn, dtype=np.int16), before


@pytest.mark.parametrize("item_id", [item.id for item in EDITING.items if "drawn" in item.tags])
def test_an_edit_of_a_drawing_changes_what_it_may_and_nothing_else(item_id):
    item, answer, source = answer_and_source(item_id)
    changed = np.abs(answer - source).max(axis=2) > 10
    if item.edit.does == "restyle":
        assert not changed.any()
        return
    with PIL.Image.open(io.BytesIO(edit_mask(item))) as mask:
        may_change = np.asarray(mask) > 127
    assert changed.sum() > 1000
    assert not (changed & ~may_change).any()


@pytest.mark.parametrize("item_id", [item.id for item in EDITING.items if "photo" in item.tags])
def test_an_edit_of_a_photograph_comes_back_as_it_was_sent(item_id):
    _, answer, source = answer_and_source(item_id)
    assert np.array_equal(answer, source)


def test_a_recoloured_thing_has_the_colour_that_was_asked_for():
    _, answer, source = answer_and_source("cup-green")
    changed = np.abs(answer - source).max(axis=2) > 10
    red, green, _ = answer[changed].mean(axis=0)
    assert green > red + 40
    assert source[changed].mean(axis=0)[0] > source[changed].mean(axis=0)[1] + 40


@pytest.mark.parametrize("suite", ["stories", "brands"])
def test_stories_and_brands_are_no_portraits(suite, monkeypatch):
    monkeypatch.setattr("evals.generation.simulators.drawing.draw_portrait", lambda *_: pytest.fail("a portrait"))
    artist = demo_artist(PLAIN, [suite])
    for item in read_suite(suite).items:
        if item.objects or item.expected_text:
            artist(item.prompt, 1, 0, 256, 256, [])
