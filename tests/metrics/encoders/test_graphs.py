"""Graphs that are kept: read where they are whole, built where they are not, and the same network either way."""

import json
import zipfile

import numpy as np
import pytest

from metrics.encoders.embedded import graphs, towers
from metrics.encoders.runtime import import_torchvision

TEXTS = ["a red fox", "an old bridge at night in the rain, with three boats and a lighthouse", "x"]


def double(calls):
    import torch

    class Double(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    def build():
        calls.append(1)
        return graphs.exported(Double(), {"x": torch.ones(1, 2)}, "y", {"x": ["n"], "y": ["n"]})

    return build


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path / "weights"))
    file = tmp_path / "file"
    file.write_bytes(b"weights")
    return file


def doubled(weights, calls):
    session = graphs.session_of(weights, "double", double(calls))
    return session.run(None, {"x": np.float32([[1, 2], [3, 4]])})[0].tolist()


def test_a_graph_is_built_once_and_again_for_other_weights_or_when_it_is_damaged(weights, tmp_path):
    calls = []
    assert [doubled(weights, calls) for _ in range(2)] == [[[2, 4], [6, 8]]] * 2
    assert len(calls) == 1
    (kept,) = (tmp_path / "weights" / "graphs").iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:40], whole[:-1] + bytes([whole[-1] ^ 1])):
        kept.write_bytes(damaged)
        doubled(weights, calls)
        assert kept.read_bytes()[32:] == whole[32:]
    assert len(calls) == 4
    weights.write_bytes(b"other weights")
    doubled(weights, calls)
    assert len(calls) == 5


def test_without_a_place_to_keep_it_a_graph_is_built_each_time(weights, tmp_path):
    (tmp_path / "weights").write_text("a file, and no folder")
    calls = []
    assert [doubled(weights, calls) for _ in range(2)] == [[[2, 4], [6, 8]]] * 2
    assert len(calls) == 2


def test_the_image_tower_says_what_its_network_says_in_torch_and_pads_inside_its_convolutions(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path))
    weights, _ = towers.tower_files()
    tower = towers.load_image_tower(weights)
    pixels = np.random.default_rng(0).uniform(-1, 1, (3, 3, towers.SIDE, towers.SIDE)).astype(np.float32)
    with torch.inference_mode():
        expected = towers.image_network(torch.load(weights, weights_only=True))(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(tower.features(pixels), expected, atol=2e-5)
    (graph,) = (tmp_path / "graphs").iterdir()
    assert b"Pad" not in graph.read_bytes()


def test_the_text_tower_says_what_its_network_says_in_torch():
    import torch
    from safetensors.torch import load

    import_torchvision()
    from transformers import BertConfig, BertModel

    _, archive = towers.tower_files()
    tower = towers.load_text_tower(archive)
    tokens = tower.tokens(TEXTS)
    with zipfile.ZipFile(archive) as files:
        network = BertModel(BertConfig(**json.loads(files.read("config.json"))), add_pooling_layer=False).eval()
        state = load(files.read("model.safetensors"))
    network.load_state_dict({key: value for key, value in state.items() if key in network.state_dict()})
    with torch.inference_mode():
        states = network(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    np.testing.assert_allclose(tower.embed(tokens).numpy(), expected.numpy(), rtol=0, atol=1e-6)
