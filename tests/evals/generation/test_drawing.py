"""The renderer: same arguments, same pixels; another seed, another picture; defects only where they are scripted."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from evals.definition import Defect, SimulatedSystem, read_definition
from evals.generation.simulated.drawing import NOISE_LEVELS, draw
from evals.suites.drawing.pictograms import PICTOGRAMS, draw_pictogram
from evals.suites.suite import PromptItem, SceneObject, read_suite

AURORA, BOREALIS = read_definition("demo").simulated
PLAIN = SimulatedSystem(system="plain@demo", tint="#dddddd", like="m@h")
SEED = 20260722


def pixels(suite, item_id, system, seed=SEED, repeat=0, side=512):
    return np.asarray(draw(read_suite(suite).item(item_id), seed, repeat, system, side), dtype=np.int16)


def mean_difference(one, other):
    return np.abs(one - other).mean()


@pytest.mark.parametrize(
    ("suite", "item_id"),
    [("demo-scenes", "clock-cup"), ("demo-signs", "museum"), ("demo-labels", "tea"), ("demo-identity", "kim-3")],
)
def test_the_same_arguments_give_the_same_pixels_and_each_argument_counts(suite, item_id):
    first = pixels(suite, item_id, AURORA)
    assert first.shape == (512, 512, 3)
    assert np.array_equal(first, pixels(suite, item_id, AURORA))
    assert mean_difference(first, pixels(suite, item_id, AURORA, seed=SEED + 1)) > 3
    assert mean_difference(first, pixels(suite, item_id, BOREALIS)) > 3


def test_another_process_draws_the_same_pixels():
    code = (
        "from evals.definition import read_definition; from evals.suites.suite import read_suite;"
        "from evals.generation.simulated.drawing import draw; import hashlib;"
        "item = read_suite('demo-repeats').item('fair'); system = read_definition('demo').simulated[0];"
        "print(hashlib.sha256(draw(item, 5, 1, system).tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    here = draw(read_suite("demo-repeats").item("fair"), 5, 1, AURORA).tobytes()
    assert there == hashlib.sha256(here).hexdigest()


def test_aurora_repeats_with_noise_only_or_composes_anew_where_scripted():
    for item in read_suite("demo-repeats").items:
        first, again = (pixels("demo-repeats", item.id, AURORA, repeat=repeat) for repeat in (0, 1))
        if item.id in ("street", "fair"):
            assert mean_difference(first, again) > 8
        else:
            assert 1 <= np.abs(first - again).max() <= 2 * NOISE_LEVELS


def test_a_dropped_thing_leaves_the_rest_of_the_picture_as_it_was():
    item = read_suite("demo-scenes").item("clock-cup")
    whole = np.asarray(draw(item, 1, 0, PLAIN), dtype=np.int16)
    dropping = PLAIN.model_copy(
        update={"defects": (Defect(does="drop_object", suite="demo-scenes", items=("clock-cup",)),)}
    )
    difference = np.abs(np.asarray(draw(item, 1, 0, dropping), dtype=np.int16) - whole).max(axis=2)
    assert not difference[:, :240].any()
    assert (difference[:, 240:] > 20).mean() > 0.1


@pytest.mark.parametrize("name", PICTOGRAMS)
def test_every_pictogram_fills_its_square_and_follows_the_colour(name):
    red, blue = (np.asarray(draw_pictogram(name, colour, 96), dtype=np.int16) for colour in ("red", "blue"))
    seen = red[..., 3] > 128
    assert 0.1 < seen.mean() < 0.95
    assert np.abs(red - blue)[seen].max() > 80


def test_an_unlabelled_thing_with_text_is_refused():
    item = PromptItem(
        suite="mine", id="a", prompt="A cat that says HI", expected_text=("HI",), objects=(SceneObject(name="cat"),)
    )
    with pytest.raises(ValueError, match="item 'a': a cat has no label to write on"):
        draw(item, 0, 0, PLAIN)
