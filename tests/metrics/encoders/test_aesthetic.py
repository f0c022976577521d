"""LAION's aesthetic heads on real embeddings of CLIP with known ratings; their loading on a tiny random tower."""

import json
import shutil

import numpy as np
import pytest

from metrics.encoders import aesthetic
from metrics.encoders.aesthetic import HEADS, AestheticHead, load_aesthetic, read_head
from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.clip import load_open_clip
from metrics.encoders.weights import sha256_of

# Ratings of the ten embeddings published beside the heads, in their order: what torch gives for the published networks
# when it runs them layer by layer.
KNOWN = {
    "laion-v1-vit_b_32": [-1.4700, 0.2728, 1.9900, 3.6114, 5.0874, 6.3926, 7.6682, 8.9155, 9.9166, 11.0056],
    "laion-v1-vit_l_14": [-2.4579, -0.1379, 1.8951, 3.5849, 5.0997, 6.4701, 7.7870, 9.0480, 10.2264, 11.3044],
    "laion-v2-vit_l_14": [1.6555, 2.3593, 3.0698, 3.6725, 4.2380, 4.7010, 5.0731, 5.3654, 5.5767, 5.7468],
}


@pytest.fixture
def published(shared):
    """Return a function that gives a published head's file and the ten embeddings of its tower."""
    folder = shared("models/aesthetic_heads")

    def of_head(name):
        embeddings = folder / f"{name.partition('-v')[2][2:]}_embeddings"
        return folder / HEADS[name].file, [np.load(embeddings / f"rating{rating}.npy")[0] for rating in range(10)]

    return of_head


@pytest.fixture
def tiny_tower(open_clip_folder, tmp_path):
    """A random CLIP with OpenAI's activation, as a folder."""
    folder = tmp_path / "tower"
    shutil.copytree(open_clip_folder, folder)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = True
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def tiny_head(tmp_path, monkeypatch, tiny_tower):
    """A random head for it in the weights folder, listed as ``tiny``."""
    import torch

    weights = tmp_path / "weights"
    weights.mkdir()
    generator = torch.Generator().manual_seed(0)
    state = {"weight": torch.randn(1, 16, generator=generator), "bias": torch.tensor([5.0])}
    torch.save(state, weights / "tiny.pth")
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(weights))
    monkeypatch.setitem(aesthetic.HEADS, "tiny", AestheticHead("tiny.pth", f"local-dir:{tiny_tower}", "nowhere", "MIT"))
    return weights / "tiny.pth"


@pytest.mark.parametrize("name", KNOWN)
def test_ratings_of_the_published_embeddings(name, published):
    import torch

    path, vectors = published(name)
    head = read_head(path)
    ratings = [head.rating(vector) for vector in vectors]
    assert ratings == pytest.approx(KNOWN[name], abs=1e-3)
    assert ratings == sorted(ratings)
    # the head as its own network, run by torch
    state = torch.load(path, map_location="cpu", weights_only=True)
    weights = [state[key] for key in state if key.endswith("weight")]
    network = torch.nn.Sequential(*(torch.nn.Linear(w.shape[1], w.shape[0]) for w in weights))
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    with torch.no_grad():
        theirs = network.eval()(torch.from_numpy(np.stack(vectors))).flatten().tolist()
    assert ratings == pytest.approx(theirs, abs=1e-4)
    # an embedding of another length is rated as the unit one, and the bare product is another number
    assert head.rating(11.5 * vectors[9]) == pytest.approx(ratings[9], abs=1e-5)
    assert abs(float(head.weight @ (11.5 * vectors[9])) + head.bias - ratings[9]) > 1


def test_the_head_with_activations_is_not_read_as_one_without(shared):
    with pytest.raises(EncoderUnavailable, match="its layers are"):
        read_head(shared("models/aesthetic_heads") / "ava+logos-l14-reluMSE.pth")


@pytest.mark.parametrize(
    "content", [b"", b"no weights", {"weight": 1}, ["weight"], 3, {"weight": "bias", "bias": "weight"}], ids=str
)
def test_a_file_that_is_no_head_is_refused_in_one_sentence(tmp_path, content):
    import torch

    path = tmp_path / "head.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(EncoderUnavailable, match=r"head\.pth is no aesthetic head"):
        read_head(path)


def test_the_rating_of_an_image_is_the_head_on_its_unit_embedding(tiny_head, tiny_tower, photographs):
    import torch

    encoder = load_aesthetic("tiny", "cpu")
    vectors = load_open_clip(f"local-dir:{tiny_tower}", "cpu").encode(photographs)
    state = torch.load(tiny_head, weights_only=True)
    by_hand = (torch.from_numpy(np.stack(vectors)) @ state["weight"].T + state["bias"]).flatten().tolist()
    ratings = encoder.encode(photographs)
    assert ratings == pytest.approx(by_hand, abs=1e-5)
    assert np.ptp(ratings) > 1e-2
    assert all(type(rating) is float for rating in ratings)


def test_ratings_do_not_depend_on_the_batch(tiny_head):
    encoder = load_aesthetic("tiny", "cpu")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (40 + 5 * n, 70, 3), dtype=np.uint8) for n in range(33)]
    alone = [encoder.encode([image])[0] for image in images]
    assert encoder.encode(images) == pytest.approx(alone, abs=1e-5)
    assert encoder.encode(images[:7][::-1]) == pytest.approx(alone[:7][::-1], abs=1e-5)
    assert encoder.encode([]) == []


def test_the_encoder_names_both_files_and_a_tower_from_elsewhere(tiny_head, tiny_tower, monkeypatch):
    encoder = load_aesthetic("tiny", "cpu")
    assert encoder.name == "aesthetic:tiny"
    assert encoder.weights_sha256 == sha256_of(tiny_head, tiny_tower / "open_clip_model.safetensors")
    assert "activation=quickgelu" in encoder.version
    assert encoder.licence == "head: MIT; tower: unknown (local files)"
    assert "proxy" in encoder.note
    monkeypatch.setitem(aesthetic.HEADS, "tiny", AestheticHead("tiny.pth", "ViT-L-14/openai", "nowhere", "MIT"))
    elsewhere = load_aesthetic(f"tiny@local-dir:{tiny_tower}", "cpu")
    assert elsewhere.name == f"aesthetic:tiny@local-dir:{tiny_tower}"


@pytest.mark.parametrize("name", KNOWN)
def test_every_tower_is_openais_and_open_clip_runs_it_with_quick_gelu(name, open_clip):
    architecture, _, tag = HEADS[name].tower.partition("/")
    assert tag == "openai"
    assert open_clip.get_pretrained_cfg(architecture, tag)["quick_gelu"] is True


def test_a_head_on_a_tower_that_is_not_its_own_is_refused(tiny_head, open_clip_folder):
    import torch

    with pytest.raises(EncoderUnavailable, match="plain GELU"):
        load_aesthetic(f"tiny@local-dir:{open_clip_folder}", "cpu")
    torch.save({"weight": torch.ones(1, 768), "bias": torch.ones(1)}, tiny_head)
    with pytest.raises(EncoderUnavailable, match=r"768 numbers, and .* gives 16"):
        load_aesthetic("tiny", "cpu")


def test_absent_weights_say_what_to_do(tmp_path, monkeypatch, no_network, hub_cache, shared):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path))
    with pytest.raises(EncoderUnavailable, match="TWINLENS_WEIGHTS"):
        load_aesthetic("laion-v2-vit_l_14", "cpu")
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(shared("models/aesthetic_heads")))
    for name in KNOWN:
        with pytest.raises(EncoderUnavailable, match="twinlens models fetch open_clip:ViT-"):
            load_aesthetic(name, "cpu")
