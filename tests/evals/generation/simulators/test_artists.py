"""The artists: every prompt that comes with TwinLens can be drawn, so that every eval can be rehearsed."""

import pytest

from evals.definition import SimulatedSystem
from evals.generation.simulators.artists import demo_artist
from evals.suites import read_suite, suite_names


@pytest.mark.parametrize("suite", suite_names())
def test_every_item_of_a_suite_can_be_drawn(suite):
    artist = demo_artist(SimulatedSystem("plain@demo", "#dddddd", "m@h"), [suite])
    for item in read_suite(suite).items:
        assert artist(item.prompt, 1, 0, 256, 256, []).size == (256, 256)
