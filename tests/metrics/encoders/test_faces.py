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
def astronaut():
    import skimage.data

    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def coffee():
    import skimage.data

    return skimage.data.coffee()


@pytest.fixture(scope="module")
def t1():
    """Six people at a table; the package hands out BGR."""
    import insightface.data

    return np.ascontiguousarray(insightface.data.get_image("t1", use_cache=False)[:, :, ::-1])


@pytest.fixture(scope="module")
def dlib_encoder():
    return load_dlib("resnet_v1", "cpu")


@pytest.fixture(scope="module")
def dlib_faces(dlib_encoder, astronaut, t1, coffee):
    names = ("astronaut", "t1", "coffee")
    return dict(zip(names, dlib_encoder.encode([astronaut, t1, coffee]), strict=True))


class TestDlib:
    def test_finds_the_six_people_of_t1_where_the_reference_does(self, dlib_faces):
        assert [tuple(face["box"]) for face in from_the_left(dlib_faces["t1"])] == T1_BOXES_FROM_THE_LEFT

    def test_embeddings_of_t1_have_the_reference_norms_and_are_not_unit_length(self, dlib_faces):
        norms = [np.linalg.norm(face["embedding"]) for face in from_the_left(dlib_faces["t1"])]
        assert norms == pytest.approx(T1_NORMS, abs=TOLERANCE)

    def test_distances_between_six_people_match_the_reference_and_exceed_the_threshold(self, dlib_faces):
        faces = from_the_left(dlib_faces["t1"])
        distances = [distance(faces[i], faces[j]) for i in range(6) for j in range(i + 1, 6)]
        assert distances == pytest.approx(T1_DISTANCES, abs=TOLERANCE)
        assert min(distances) > 0.6

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

    def test_batch_and_order_of_images_change_nothing(self, dlib_encoder, dlib_faces, astronaut, coffee):
        empty, (face,) = dlib_encoder.encode([coffee, astronaut])
        assert empty == []
        assert np.array_equal(face["embedding"], dlib_faces["astronaut"][0]["embedding"])

    def test_crop_hash_covers_the_box_widened_by_a_quarter(self, dlib_faces, astronaut):
        x0, y0, x1, y1 = 179 - 87 / 8, 83 - 87 / 8, 266 + 87 / 8, 170 + 87 / 8
        expected = perceptual_hash(astronaut[int(y0) : int(y1), int(x0) : int(x1)])
        assert dlib_faces["astronaut"][0]["crop_phash"] == expected
        assert len(expected) == 16

    def test_slivers_and_single_pixels_have_no_face(self, dlib_encoder):
        shapes = [(1, 1, 3), (1, 2000, 3), (2000, 2, 3)]
        assert dlib_encoder.encode([np.zeros(shape, np.uint8) for shape in shapes]) == [[], [], []]

    def test_needs_only_the_two_public_domain_files_and_never_imports_their_package(self, monkeypatch, tmp_path):
        (tmp_path / "models").mkdir()
        for name in DLIB_FILES:
            (tmp_path / "models" / name).symlink_to(dlib_folder() / name)
        place_package(monkeypatch, tmp_path)
        encoder = load_encoder("dlib:resnet_v1", "cpu")
        assert "face_recognition_models" not in sys.modules
        assert "CC0-1.0" in encoder.licence
        hashes = [hashlib.sha256((dlib_folder() / name).read_bytes()).hexdigest() for name in sorted(DLIB_FILES)]
        assert encoder.weights_sha256 == hashlib.sha256("".join(hashes).encode()).hexdigest()

    def test_unknown_model_is_refused_with_the_known_one(self):
        with pytest.raises(EncoderUnavailable, match=r"use dlib:resnet_v1"):
            load_dlib("mmod", "cpu")

    def test_missing_package_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(EncoderUnavailable, match=r"pip install dlib-bin face_recognition_models"):
            load_dlib("resnet_v1", "cpu")

    def test_missing_file_is_named(self, monkeypatch, tmp_path):
        place_package(monkeypatch, tmp_path)
        with pytest.raises(EncoderUnavailable, match=r"lacks shape_predictor_5_face_landmarks\.dat"):
            load_dlib("resnet_v1", "cpu")

    def test_damaged_file_is_unavailable_not_a_crash(self, monkeypatch, tmp_path):
        (tmp_path / "models").mkdir()
        for name in DLIB_FILES:
            (tmp_path / "models" / name).write_bytes(b"not a model")
        place_package(monkeypatch, tmp_path)
        with pytest.raises(EncoderUnavailable, match=r"damaged"):
            load_dlib("resnet_v1", "cpu")


def place_package(monkeypatch, folder):
    find_spec = importlib.util.find_spec
    package = ModuleSpec("face_recognition_models", None, is_package=True)
    package.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: package if name == "face_recognition_models" else find_spec(name)
    )
