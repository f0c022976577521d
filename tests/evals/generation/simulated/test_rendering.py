"""The renderer of suites: every prompt that comes with TwinLens can be drawn, so that every eval can be rehearsed."""

import io

import numpy as np
import PIL.Image
import pytest

from evals.definition import Defect, SimulatedSystem
from evals.generation.simulated.drawing import draw
from evals.generation.simulated.rendering import suite_renderer
from evals.suites.references import edit_mask, source_picture
from evals.suites.suite import read_suite, suite_names

PLAIN = SimulatedSystem(system="plain@demo", tint="#dddddd", like="m@h")
EDITING = read_suite("editing")


@pytest.mark.parametrize("suite", suite_names())
def test_every_item_of_a_suite_can_be_drawn(suite):
    render = suite_renderer(PLAIN, [read_suite(suite)])
    for item in read_suite(suite).items:
        assert render(item.prompt, 1, 0, 256, 256, []).size == (256, 256)


def pixels(content):
    with PIL.Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened, dtype=np.int16)


def answer_and_source(item_id):
    item = EDITING.item(item_id)
    source = source_picture(item)
    before = pixels(source)
    size = before.shape[:2]
    drawn = suite_renderer(PLAIN, [read_suite("editing")])(item.prompt, 1, 0, size[1], size[0], [source])
    return item, np.asarray(drawn, dtype=np.int16), before


@pytest.mark.parametrize("item_id", [item.id for item in EDITING.items if "drawn" in item.tags])
def test_an_edit_of_a_drawing_changes_what_it_may_and_nothing_else(item_id):
    item, answer, source = answer_and_source(item_id)
    changed = np.abs(answer - source).max(axis=2) > 10
    if item.edit.does == "restyle":
        assert not changed.any()
        return
    assert changed.sum() > 1000
    assert not (changed & (pixels(edit_mask(item)) <= 127)).any()


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
    monkeypatch.setattr("evals.generation.simulated.drawing.draw_portrait", lambda *_: pytest.fail("a portrait"))
    render = suite_renderer(PLAIN, [read_suite(suite)])
    for item in read_suite(suite).items:
        if item.objects or item.expected_text:
            render(item.prompt, 1, 0, 256, 256, [])


ONE_EDIT_OF_EACH_KIND = tuple({item.edit.does: item for item in read_suite("demo-editing").items}.values())


def answered(item, does):
    """Return what a system answers that does one thing wrong in every edit, what it should answer, and the source."""
    answers = [
        suite_renderer(PLAIN.model_copy(update={"defects": defects}), [read_suite("demo-editing")])(
            item.prompt, 1, 0, 512, 512, []
        )
        for defects in ((Defect(does=does, suite="demo-editing"),), ())
    ]
    return *(np.asarray(answer, dtype=np.int16) for answer in answers), pixels(source_picture(item))


@pytest.mark.parametrize("item", ONE_EDIT_OF_EACH_KIND, ids=lambda item: item.id)
def test_an_edit_that_is_left_undone_is_the_source_again(item):
    answer, right, source = answered(item, "leave_unedited")
    assert np.array_equal(answer, source)
    assert not np.array_equal(right, source)


@pytest.mark.parametrize("item", ONE_EDIT_OF_EACH_KIND, ids=lambda item: item.id)
def test_an_edit_that_spills_over_changes_much_of_what_had_to_stay(item):
    answer, right, source = answered(item, "spill_over")
    outside = pixels(edit_mask(item)) <= 127
    assert (np.abs(answer - source).max(axis=2) > 10)[outside].mean() > 0.3
    assert not (np.abs(right - source).max(axis=2) > 10)[outside].any()


def test_a_copied_reference_is_the_answer_in_the_size_that_was_asked_for():
    defect = Defect(does="copy_reference", suite="demo-reference", items=("kim-2",))
    copying = PLAIN.model_copy(update={"defects": (defect,)})
    buffer = io.BytesIO()
    reference = PIL.Image.effect_mandelbrot((512, 512), (-2, -2, 2, 2), 20).convert("RGB")
    reference.save(buffer, "PNG")
    render = suite_renderer(copying, [read_suite("demo-reference")])
    second, third = (read_suite("demo-reference").item(f"kim-{shot}").prompt for shot in (2, 3))
    assert render(second, 1, 0, 512, 512, [buffer.getvalue()]) == reference
    assert render(second, 1, 0, 256, 256, [buffer.getvalue()]).size == (256, 256)
    assert render(third, 1, 0, 512, 512, [buffer.getvalue()]) != reference
    assert render(second, 1, 0, 512, 512, []) != reference


def test_another_step_of_a_story_is_shown_where_scripted():
    stories = read_suite("demo-stories")
    first, second = stories.item("party-1").prompt, stories.item("party-2").prompt
    defect = Defect(does="show_other_step", suite="demo-stories", items=("party-1",))
    wrong = suite_renderer(PLAIN.model_copy(update={"defects": (defect,)}), [read_suite("demo-stories")])
    right = suite_renderer(PLAIN, [read_suite("demo-stories")])
    assert wrong(first, 1, 0, 256, 256, []) != right(first, 1, 0, 256, 256, [])
    assert wrong(second, 1, 0, 256, 256, []) == right(second, 1, 0, 256, 256, [])


def test_a_picture_of_four_megapixels_is_the_one_of_one_megapixel_enlarged():
    render = suite_renderer(PLAIN, [read_suite("demo-speed")])
    prompt = read_suite("demo-speed").items[0].prompt
    large, small = (render(prompt, 1, 0, side, side, []) for side in (2048, 1024))
    assert large.size == (2048, 2048)
    again = np.asarray(large.reduce(2), dtype=np.int16)
    assert np.abs(again - np.asarray(small, dtype=np.int16)).mean() < 2


def test_a_prompt_is_drawn_as_its_item_and_one_of_no_suite_too_in_the_size_that_was_asked_for():
    item = read_suite("demo-signs").item("bakery")
    render = suite_renderer(PLAIN, [read_suite("demo-scenes"), read_suite("demo-signs")])
    assert render(item.prompt, 5, 0, 256, 256, ()).tobytes() == draw(item, 5, 0, PLAIN, 256).tobytes()
    for prompt in (item.prompt, "An unheard-of prompt"):
        assert [render(prompt, 5, 0, *size, ()).size for size in ((384, 256), (64, 64))] == [(384, 256), (64, 64)]


def test_the_same_is_drawn_again_unless_there_is_no_seed_or_the_script_says_noise():
    noisy = PLAIN.model_copy(update={"defects": (Defect(does="add_noise", suite="demo-repeats"),)})
    prompt = read_suite("demo-repeats").items[0].prompt
    for system, seed, same in [(PLAIN, 1, True), (PLAIN, None, False), (noisy, 1, False)]:
        render = suite_renderer(system, [read_suite("demo-repeats")])
        first, second = (render(prompt, seed, nth, 256, 256, ()).tobytes() for nth in range(2))
        assert (first == second) is same
        assert first != render("Another one", seed, 0, 256, 256, ()).tobytes()
