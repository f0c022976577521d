"""LPIPS against its published example, and what it hears of an edit outside the mask."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image as Picture

from metrics.encoders.catalogue import EncoderUnavailable, library_of
from metrics.encoders.lpips import load_lpips, lpips_input
from metrics.features import FEATURES
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


def test_lpips_gives_the_published_example_whatever_else_is_in_the_batch(lpips, example):
    pairs = [(example["ref"], example[name]) for name in ("p0", "p1", "ref")]
    together = lpips.encode([*pairs, (ASTRONAUT, ASTRONAUT[::-1]), (ASTRONAUT, ASTRONAUT[:, :-1])])
    assert together[:3] == pytest.approx([0.7219, 0.1376, 0.0], abs=1e-4)
    assert together[:3] == [lpips.encode([pair])[0] for pair in pairs]
    assert together[4] is None, "of different sizes"


def test_lpips_is_given_minus_one_to_one_red_first_reduced_only_beyond_the_largest_1k_format():
    ramp = np.arange(256, dtype=np.uint8).repeat(64 * 3).reshape(256, 64, 3)
    pixels = lpips_input(ramp)
    assert (pixels.min(), pixels.max()) == (-1, 1)
    assert pixels[0, :, 51, 0] == pytest.approx([-0.6] * 3)
    assert lpips_input(np.full((64, 64, 3), (255, 0, 0), np.uint8))[0, :, 0, 0].tolist() == [1, -1, -1]
    assert lpips_input(np.zeros((768, 1376, 3), np.uint8)).shape == (1, 3, 768, 1376)
    _, _, height, width = lpips_input(np.zeros((4096, 4096, 3), np.uint8)).shape
    assert height * width <= 1_502_000


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 3), (30, 200, 3), (3, 5000, 3)], ids=str)
def test_lpips_survives_pictures_too_small_for_the_network(lpips, shape):
    (distance,) = lpips.encode([(noise(shape, 1), noise(shape, 2))])
    assert distance > 0


def test_the_encoder_names_its_weights_but_no_folder(lpips, lpips_folder):
    assert lpips.name == "lpips:lpips_alex.onnx"
    assert lpips.weights_sha256 == hashlib.sha256((lpips_folder / "lpips_alex.onnx").read_bytes()).hexdigest()
    assert lpips.licence == "BSD-2-Clause"


def test_one_encoder_serves_repeats_and_edits_so_that_one_option_names_it():
    assert {FEATURES[feature].role for feature in ("lpips", "edit_lpips")} == {library_of("lpips:any").role}


def test_lpips_is_looked_for_in_the_weights_folder(tmp_path, monkeypatch, lpips_folder):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path))
    with pytest.raises(EncoderUnavailable, match="TWINLENS_WEIGHTS"):
        load_lpips("alex", "cpu")
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(lpips_folder))
    assert load_lpips("alex", "cpu").name == "lpips:alex"


def test_broken_files_and_other_networks_are_refused(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(EncoderUnavailable, match="not an ONNX network"):
        load_lpips(str(tmp_path / "broken.onnx"), "cpu")
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "identity.onnx")
    with pytest.raises(EncoderUnavailable, match="must take img0 and img1"):
        load_lpips(str(tmp_path / "identity.onnx"), "cpu")


def test_lpips_hears_only_of_what_the_mask_forbids(lpips):
    allowed = ASTRONAUT.copy()
    allowed[64:192, 64:192] = 255 - allowed[64:192, 64:192]
    nothing, everything = np.zeros_like(ASTRONAUT), np.full_like(ASTRONAUT, 255)
    edits = lpips.encode(
        [
            (ASTRONAUT, allowed, SQUARE),
            (ASTRONAUT, INVERTED_SQUARE, nothing),
            (ASTRONAUT, ASTRONAUT, everything),
            (ASTRONAUT, ASTRONAUT, None),
        ]
    )
    (whole,) = lpips.encode([(ASTRONAUT, INVERTED_SQUARE)])
    assert [edit["distance"] for edit in edits] == [0, whole, None, None]
    assert [edit["mask_share"] for edit in edits] == [1 / 16, 0, 1, None]


def test_lpips_undoes_size_and_shift_and_does_not_depend_on_the_batch(lpips):
    source, moved = cut_out(2, 0, 128)
    mask = square_mask(source.shape, slice(0, 30), slice(0, 30))
    edits = [(source, moved, mask), (source, resized(source, 256, 256), mask), (source, source[::-1].copy(), mask)]
    together = lpips.encode(edits)
    assert together == [lpips.encode([edit])[0] for edit in edits]
    moved_edit, resized_edit, flipped = together
    assert (moved_edit["distance"], moved_edit["aligned"]) == (0, True)
    assert resized_edit["resized"]
    assert resized_edit["distance"] < 0.05 < flipped["distance"]
    assert json.loads(json.dumps(together)) == together
