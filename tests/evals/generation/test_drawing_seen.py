"""The renderer, seen by the measuring libraries themselves: dlib tells the people apart, RapidOCR reads the signs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from evals.definition import read_definition
from evals.generation.simulated.drawing import draw
from evals.suites.suite import read_suite

AURORA, BOREALIS = read_definition("demo").simulated
SEED = read_definition("demo").seed


@pytest.fixture(scope="module")
def embed():
    dlib = pytest.importorskip("dlib")
    spec = importlib.util.find_spec("face_recognition_models")
    models = Path(spec.submodule_search_locations[0]) / "models"
    detect = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
    encoder = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def embed_shot(item_id, system):
        picture = np.asarray(draw(read_suite("demo-identity").item(item_id), SEED, 0, system))
        faces = detect(picture, 0)
        assert len(faces) == 1, item_id
        assert faces[0].width() >= 120
        return np.array(encoder.compute_face_descriptor(picture, landmarks(picture, faces[0])))

    return embed_shot


def test_the_same_person_stays_within_dlibs_threshold_and_other_people_beyond_it(embed):
    people = ("robin", "alex", "kim", "sam", "charlie", "jo", "noor")
    shots = {(name, shot): embed(f"{name}-{shot}", BOREALIS) for name in people for shot in (1, 4)}
    for one, first in shots.items():
        for other, second in shots.items():
            distance = np.linalg.norm(first - second)
            assert distance < 0.4 if one[0] == other[0] else distance > 0.6, (one, other, distance)


def test_a_scripted_other_face_is_taken_for_another_person(embed):
    asked, drawn = embed("robin-1", AURORA), embed("robin-2", AURORA)
    assert np.linalg.norm(asked - drawn) > 0.6
    assert np.linalg.norm(drawn - embed("alex-1", AURORA)) < 0.4
