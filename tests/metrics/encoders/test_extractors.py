"""Extractors look at one input at a time and give features that JSON keeps."""

import json
from itertools import pairwise

import numpy as np
import pytest

from metrics.encoders.catalogue import load_encoder
from tests.metrics.encoders.pictures import ASTRONAUT, INVERTED_SQUARE, SQUARE, cut_out, noise, resized

IMAGES = [ASTRONAUT, ASTRONAUT[10:300:2, ::-1], resized(ASTRONAUT, 90, 60), noise((40, 40, 3), 0)]
EDITS = [
    (ASTRONAUT, INVERTED_SQUARE, SQUARE),
    (ASTRONAUT, resized(INVERTED_SQUARE, 300, 280), None),
    (*cut_out(2, 1), None),
    (*cut_out(3, 3), cut_out(3, 3)[0]),
]


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("pixels:rgb8", IMAGES),
        ("pixels:rgb8", list(pairwise(noise((40, 40, 3), seed) for seed in range(4)))),
        ("palette:cielab", IMAGES),
        ("technical:rec601", IMAGES),
        ("edit_pixels:rgb8", EDITS),
    ],
    ids=["images", "pairs", "palettes", "technical", "edits"],
)
def test_features_are_plain_and_each_input_is_looked_at_by_itself(name, inputs):
    encoder = load_encoder(name, "auto")
    assert (encoder.name, encoder.weights_sha256) == (name, None)
    together = encoder.encode(inputs)
    assert together == [encoder.encode([item])[0] for item in inputs]
    assert encoder.encode(inputs[::-1]) == together[::-1]
    assert json.loads(json.dumps(together)) == together
    assert encoder.encode([]) == []


@pytest.mark.parametrize("name", ["pixels:rgb8", "palette:cielab", "technical:rec601"])
def test_a_view_of_a_larger_picture_is_as_its_copy(name):
    view = IMAGES[1]
    assert load_encoder(name).encode([view]) == load_encoder(name).encode([np.ascontiguousarray(view)])
