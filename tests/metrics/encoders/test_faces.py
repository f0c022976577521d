"""The dlib face encoder: reference values, parity with dlib called by hand, and what it says when files are missing."""

import hashlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from metrics.encoders.catalogue import EncoderUnavailable, load_encoder
from metrics.encoders.faces import load_dlib
from metrics.encoders.pixels import perceptual_hash

# dlib 20.0.1, 5-point landmarks, HOG up=0; stated tolerance 0.01.
TOLERANCE = 0.01
T1_BOXES_FROM_THE_LEFT = [
    (65, 284, 169, 388),
    (275, 179, 362, 266),
    (452, 300, 577, 424),
    (734, 365, 837, 469),
    (883, 89, 987, 192),
    (1114, 284, 1217, 388),
]
T1_NORMS = [1.5853, 1.4986, 1.3513, 1.4375, 1.4343, 1.5341]
T1_DISTANCES = [
    *(0.7100, 0.8299, 0.8091, 0.8699, 0.7541),
    *(0.8950, 0.7662, 0.7729, 0.7171),
    *(0.7670, 0.7308, 0.8763),
    *(0.6476, 0.7821),
    0.7834,
]
ASTRONAUT_TO_T1 = [0.7205, 0.8050, 0.7731, 0.7673, 0.8592, 0.7334]

DLIB_FILES = ("dlib_face_recognition_resnet_model_v1.dat", "shape_predictor_5_face_landmarks.dat")


def dlib_folder():
    return Path(importlib.util.find_spec("face_recognition_models").submodule_search_locations[0]) / "models"


def from_the_left(faces):
    return sorted(faces, key=lambda face: face["box"][0])


def distance(a, b):
    return float(np.linalg.norm(a["embedding"] - b["embedding"]))


@pytest.fixture(scope="module")
def astronaut(photographs):
    return photographs[0]


@pytest.fixture
def place_package(monkeypatch, tmp_path):
    """Return a function that puts a package of face models, with these files, in place of the installed one."""

    def place(files):
        package = ModuleSpec("face_recognition_models", None, is_package=True)
        package.submodule_search_locations = [str(tmp_path)]
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: package if name == package.name else find_spec(name)
        )
        (tmp_path / "models").mkdir(exist_ok=True)
        for name, content in files.items():
            (tmp_path / "models" / name).write_bytes(content)

    return place


@pytest.fixture(scope="module")
def dlib_encoder():
    return load_dlib("resnet_v1", "cpu")


@pytest.fixture(scope="module")
def dlib_faces(dlib_encoder, astronaut, six_people):
    return dict(zip(("astronaut", "t1"), dlib_encoder.encode([astronaut, six_people]), strict=True))


class TestDlib:
    def test_six_people_match_the_reference(self, dlib_faces):
        faces = from_the_left(dlib_faces["t1"])
        assert [tuple(face["box"]) for face in faces] == T1_BOXES_FROM_THE_LEFT
        norms = [np.linalg.norm(face["embedding"]) for face in faces]
        assert norms == pytest.approx(T1_NORMS, abs=TOLERANCE)
        distances = [distance(faces[i], faces[j]) for i in range(6) for j in range(i + 1, 6)]
        assert distances == pytest.approx(T1_DISTANCES, abs=TOLERANCE)
        assert min(distances) > 0.6, "dlib's threshold for one person"

    def test_astronaut_matches_the_reference(self, dlib_faces):
        (face,) = dlib_faces["astronaut"]
        assert face["box"] == [179, 83, 266, 170]
        assert np.linalg.norm(face["embedding"]) == pytest.approx(1.4549, abs=TOLERANCE)
        assert face["embedding"][:4] == pytest.approx([-0.06423, 0.02125, 0.02116, -0.06785], abs=TOLERANCE)
        distances = [distance(face, other) for other in from_the_left(dlib_faces["t1"])]
        assert distances == pytest.approx(ASTRONAUT_TO_T1, abs=TOLERANCE)

    def test_equals_dlib_called_by_hand_on_rgb(self, dlib_faces, astronaut):
        import dlib

        landmarks = dlib.shape_predictor(str(dlib_folder() / DLIB_FILES[1]))
        network = dlib.face_recognition_model_v1(str(dlib_folder() / DLIB_FILES[0]))
        (box,) = dlib.get_frontal_face_detector()(astronaut, 0)
        by_hand = np.array(network.compute_face_descriptor(astronaut, landmarks(astronaut, box)), dtype=np.float32)
        (face,) = dlib_faces["astronaut"]
        assert np.array_equal(face["embedding"], by_hand)
        assert face["embedding"].dtype == np.float32
        assert face["distance"] == "euclidean"

    def test_swapped_channels_would_show(self, dlib_encoder, dlib_faces, astronaut):
        ((swapped,),) = dlib_encoder.encode([astronaut[:, :, ::-1]])
        assert distance(dlib_faces["astronaut"][0], swapped) == pytest.approx(0.1714, abs=TOLERANCE)

    def test_largest_face_comes_first_although_another_has_the_highest_score(self, dlib_faces):
        faces = dlib_faces["t1"]
        areas = [(face["box"][2] - face["box"][0]) * (face["box"][3] - face["box"][1]) for face in faces]
        assert areas == sorted(areas, reverse=True)
        assert faces[0]["score"] < max(face["score"] for face in faces)

    def test_small_face_is_found_by_the_second_pass_at_twice_the_size(self, dlib_encoder, astronaut):
        import dlib
        from PIL import Image

        small = np.asarray(Image.fromarray(astronaut).resize((256, 256), Image.Resampling.LANCZOS))
        detector = dlib.get_frontal_face_detector()
        assert not detector(small, 0)
        by_hand = [(box.left(), box.top(), box.right(), box.bottom()) for box in detector(small, 1)]
        (faces,) = dlib_encoder.encode([small])
        assert sorted(tuple(face["box"]) for face in faces) == sorted(by_hand)
        assert by_hand

    def test_batch_and_order_change_nothing_and_where_no_face_is_none_is_found(
        self, dlib_encoder, dlib_faces, astronaut, photographs
    ):
        slivers = [np.zeros(shape, np.uint8) for shape in ((1, 1, 3), (1, 2000, 3), (2000, 2, 3))]
        *empty, (face,) = dlib_encoder.encode([photographs[2], *slivers, astronaut])
        assert empty == [[], [], [], []]
        assert np.array_equal(face["embedding"], dlib_faces["astronaut"][0]["embedding"])

    def test_crop_hash_covers_the_box_widened_by_a_quarter(self, dlib_faces, astronaut):
        x0, y0, x1, y1 = 179 - 87 / 8, 83 - 87 / 8, 266 + 87 / 8, 170 + 87 / 8
        expected = perceptual_hash(astronaut[int(y0) : int(y1), int(x0) : int(x1)])
        assert dlib_faces["astronaut"][0]["crop_phash"] == expected
        assert len(expected) == 16

    def test_needs_only_the_two_public_domain_files_and_never_imports_their_package(self, place_package):
        place_package({name: (dlib_folder() / name).read_bytes() for name in DLIB_FILES})
        encoder = load_encoder("dlib:resnet_v1", "cpu")
        assert "face_recognition_models" not in sys.modules
        assert "CC0-1.0" in encoder.licence
        hashes = [hashlib.sha256((dlib_folder() / name).read_bytes()).hexdigest() for name in sorted(DLIB_FILES)]
        assert encoder.weights_sha256 == hashlib.sha256("".join(hashes).encode()).hexdigest()

    def test_missing_and_damaged_files_are_unavailable_and_no_crash(self, place_package):
        place_package({DLIB_FILES[0]: b"not a model"})
        with pytest.raises(EncoderUnavailable, match=r"lacks shape_predictor_5_face_landmarks\.dat"):
            load_dlib("resnet_v1", "cpu")
        place_package({DLIB_FILES[1]: b"not a model"})
        with pytest.raises(EncoderUnavailable, match=r"damaged"):
            load_dlib("resnet_v1", "cpu").load()
