"""LPIPS against its published example, and what it hears of an edit outside the mask."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image as Picture

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.lpips import load_edit_lpips, load_lpips, lpips_input
from tests.metrics.encoders.pictures import ASTRONAUT, INVERTED_SQUARE, SQUARE, cut_out, noise, resized, square_mask


@pytest.fixture(scope="module")
def lpips_folder(shared):
    return shared("models/lpips")


@pytest.fixture(scope="module")
def lpips_file(lpips_folder):
    return str(lpips_folder / "lpips_alex.onnx")


@pytest.fixture(scope="module")
def lpips(lpips_file):
    return load_lpips(lpips_file, "cpu")


@pytest.fixture(scope="module")
def example(lpips_folder):
    return {
        name: np.asarray(Picture.open(lpips_folder / f"ex_{name}.png").convert("RGB")) for name in ("ref", "p0", "p1")
    }


def test_lpips_gives_the_published_example(lpips, example):
    pairs = [(example["ref"], example["p0"]), (example["ref"], example["p1"]), (example["ref"], example["ref"])]
    assert lpips.encode(pairs) == pytest.approx([0.7219, 0.1376, 0.0], abs=1e-4)


def test_lpips_does_not_depend_on_the_batch(lpips, example):
    pairs = [(example["ref"], example["p0"]), (ASTRONAUT, ASTRONAUT[::-1]), (example["ref"], example["p1"])]
    assert lpips.encode(pairs) == [lpips.encode([pair])[0] for pair in pairs]


def test_lpips_is_given_minus_one_to_one():
    ramp = np.arange(256, dtype=np.uint8).repeat(64 * 3).reshape(256, 64, 3)
    given = lpips_input(ramp)
    assert (given.min(), given.max()) == (-1, 1)
    assert given[0, :, 51, 0] == pytest.approx([-0.6] * 3)


def test_lpips_is_given_red_first():
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, :, 0] = 255
    assert lpips_input(red)[0, :, 0, 0].tolist() == [1, -1, -1]


def test_lpips_of_different_sizes_is_none(lpips):
    assert lpips.encode([(ASTRONAUT, ASTRONAUT[:, :-1])]) == [None]


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 3), (30, 200, 3), (3, 5000, 3)], ids=str)
def test_lpips_survives_pictures_too_small_for_the_network(lpips, shape):
    (distance,) = lpips.encode([(noise(shape, 1), noise(shape, 2))])
    assert distance > 0


def test_pictures_are_reduced_for_lpips_only_beyond_the_largest_1k_format():
    assert lpips_input(np.zeros((768, 1376, 3), np.uint8)).shape == (1, 3, 768, 1376)
    _, _, height, width = lpips_input(np.zeros((4096, 4096, 3), np.uint8)).shape
    assert height * width <= 1_502_000


def test_the_lpips_encoder_names_its_weights_but_no_folder(lpips, lpips_folder):
    assert lpips.name == "lpips:lpips_alex.onnx"
    assert lpips.weights_sha256 == hashlib.sha256((lpips_folder / "lpips_alex.onnx").read_bytes()).hexdigest()
    assert lpips.licence == "BSD-2-Clause"


def test_absent_and_broken_lpips_files_say_what_to_do(tmp_path):
    for load in (load_lpips, load_edit_lpips):
        with pytest.raises(EncoderUnavailable, match="give the path"):
            load(str(tmp_path / "absent.onnx"), "cpu")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(EncoderUnavailable, match="not an ONNX network"):
        load_lpips(str(tmp_path / "broken.onnx"), "cpu")


def test_lpips_is_looked_for_in_the_weights_folder(tmp_path, monkeypatch, lpips_folder):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path))
    with pytest.raises(EncoderUnavailable, match="TWINLENS_WEIGHTS"):
        load_lpips("alex", "cpu")
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(lpips_folder))
    assert load_lpips("alex", "cpu").name == "lpips:alex"


def test_a_network_that_is_no_lpips_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "identity.onnx")
    with pytest.raises(EncoderUnavailable, match="must take img0 and img1"):
        load_lpips(str(tmp_path / "identity.onnx"), "cpu")


@pytest.fixture(scope="module")
def edit_lpips(lpips_file):
    return load_edit_lpips(lpips_file, "cpu")


def test_lpips_hears_nothing_of_what_the_mask_allows(edit_lpips):
    output = ASTRONAUT.copy()
    output[64:192, 64:192] = 255 - output[64:192, 64:192]
    (edit,) = edit_lpips.encode([(ASTRONAUT, output, SQUARE)])
    assert edit["distance"] == 0
    assert edit["mask_share"] == 1 / 16


def test_lpips_hears_all_of_what_an_empty_mask_forbids(edit_lpips, lpips):
    (edit,) = edit_lpips.encode([(ASTRONAUT, INVERTED_SQUARE, np.zeros_like(ASTRONAUT))])
    (expected,) = lpips.encode([(ASTRONAUT, INVERTED_SQUARE)])
    assert edit["distance"] == expected


def test_without_mask_or_outside_there_is_no_distance(edit_lpips):
    edits = edit_lpips.encode([(ASTRONAUT, ASTRONAUT, None), (ASTRONAUT, ASTRONAUT, np.full_like(ASTRONAUT, 255))])
    assert [edit["distance"] for edit in edits] == [None, None]
    assert [edit["mask_share"] for edit in edits] == [None, 1.0]


def test_lpips_undoes_size_and_shift_and_does_not_depend_on_the_batch(edit_lpips):
    source, moved = cut_out(2, 0, 128)
    mask = square_mask(source.shape, slice(0, 30), slice(0, 30))
    edits = [(source, moved, mask), (source, resized(source, 256, 256), mask), (source, source[::-1].copy(), mask)]
    together = edit_lpips.encode(edits)
    assert together == [edit_lpips.encode([edit])[0] for edit in edits]
    moved_edit, resized_edit, flipped = together
    assert (moved_edit["distance"], moved_edit["aligned"]) == (0, True)
    assert resized_edit["resized"]
    assert resized_edit["distance"] < 0.05 < flipped["distance"]
    assert json.loads(json.dumps(together)) == together


def test_the_encoder_names_the_network_behind_it(edit_lpips, lpips):
    assert edit_lpips.name == "edit_lpips:lpips_alex.onnx"
    assert edit_lpips.weights_sha256 == lpips.weights_sha256
    assert lpips.version in edit_lpips.version
