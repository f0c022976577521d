"""CLIP and SigLIP weights: which are found under which name, what is hashed, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.clip import load_open_clip, load_transformers
from metrics.encoders.runtime import torch_device
from metrics.encoders.weights import sha256_of


def link_all_but_weights(folder: Path, target: Path) -> None:
    for file in folder.iterdir():
        if not file.name.startswith("model"):
            (target / file.name).symlink_to(file)


def test_weights_are_hashed_and_preprocessing_is_in_the_version(by_open_clip, siglip_by_open_clip, open_clip_folder):
    assert by_open_clip.weights_sha256 == sha256_of(open_clip_folder / "open_clip_model.safetensors")
    assert by_open_clip.name == f"open_clip:local-dir:{open_clip_folder}"
    assert "resize_mode=shortest" in by_open_clip.version
    assert "resize_mode=squash" in siglip_by_open_clip.version
    assert "mean=[0.5,0.5,0.5]" in siglip_by_open_clip.version


def test_another_preprocessing_of_the_same_weights_has_another_version(tmp_path, open_clip_folder, by_open_clip):
    config = json.loads((open_clip_folder / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["resize_mode"] = "squash"
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "open_clip_model.safetensors").symlink_to(open_clip_folder / "open_clip_model.safetensors")
    squashed = load_open_clip(f"local-dir:{tmp_path}", "cpu")
    assert squashed.weights_sha256 == by_open_clip.weights_sha256
    assert squashed.version != by_open_clip.version


def test_sharded_weights_of_transformers_are_hashed_together(
    tmp_path, transformers_folder, by_transformers, photographs
):
    from transformers import CLIPModel

    link_all_but_weights(transformers_folder, tmp_path)
    CLIPModel.from_pretrained(transformers_folder).save_pretrained(tmp_path, max_shard_size="1MB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    sharded = load_transformers(str(tmp_path), "cpu")
    assert sharded.weights_sha256 != by_transformers.weights_sha256
    np.testing.assert_allclose(sharded.encode(photographs), by_transformers.encode(photographs))


@pytest.fixture
def checkpoint(open_clip_folder) -> Path:
    return open_clip_folder / "open_clip_model.safetensors"


def test_a_local_file_is_loaded_into_the_architecture_named(
    tiny_architecture, checkpoint, by_open_clip, photographs, monkeypatch
):
    encoder = load_open_clip(f"{tiny_architecture}/{checkpoint}", "cpu")
    assert checkpoint.is_absolute()
    np.testing.assert_allclose(encoder.encode(photographs), by_open_clip.encode(photographs), atol=1e-6)
    assert "file" in encoder.note
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(checkpoint.parent))
    assert load_open_clip(f"{tiny_architecture}/{checkpoint.name}", "cpu").weights_sha256 == encoder.weights_sha256


def test_a_file_of_a_siglip_architecture_is_squashed_as_its_tags_are(open_clip):
    from metrics.encoders.clip import _usual_preprocessing

    assert _usual_preprocessing("ViT-B-16-SigLIP2-256")["resize_mode"] == "squash"
    assert _usual_preprocessing("ViT-B-16-SigLIP2-256")["mean"] == (0.5, 0.5, 0.5)
    assert _usual_preprocessing("ViT-L-14") == {}, "its tags differ in mean and std"


@pytest.fixture
def cached_tag(tiny_architecture, hub_cache, open_clip, open_clip_folder, monkeypatch) -> Callable[..., str]:
    """Return a function that puts the tiny model into the Hugging Face cache as a tag of open_clip's table."""

    def add(tag: str, **settings: Any) -> str:
        hub_cache("timm/tiny_patch16_clip", open_clip_folder)
        pretrained = {"url": "", "hf_hub": "timm/tiny_patch16_clip/", "interpolation": "bicubic", **settings}
        keys = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "resize_mode": "squash"}
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_architecture, {tag: {**keys, **pretrained}})
        return f"{tiny_architecture}/{tag}"

    return add


def test_a_tag_is_loaded_from_the_cache_with_its_preprocessing(cached_tag, checkpoint):
    encoder = load_open_clip(cached_tag("laion2b"), "cpu")
    assert encoder.weights_sha256 == sha256_of(checkpoint)
    assert "activation=gelu" in encoder.version
    assert "resize_mode=squash" in encoder.version
    assert "mean=(0.5,0.4,0.3)" in encoder.version


@pytest.mark.filterwarnings("error:QuickGELU mismatch")
def test_a_tag_whose_weights_want_quickgelu_gets_it(cached_tag, by_open_clip, photographs):
    encoder = load_open_clip(cached_tag("openai", quick_gelu=True), "cpu")
    assert "activation=quickgelu" in encoder.version
    (ours,), (plain,) = (one.encode(["an astronaut"]) for one in (encoder, by_open_clip))
    assert np.abs(ours["chunks"] - plain["chunks"]).max() > 1e-4


def test_repositories_in_the_cache_are_loaded_by_their_names(
    hub_cache, open_clip_folder, by_open_clip, transformers_folder, by_transformers
):
    hub_cache("laion/CLIP-tiny", open_clip_folder)
    hub_cache("someone/tiny-clip", transformers_folder)
    laion, someones = load_open_clip("hf-hub:laion/CLIP-tiny", "cpu"), load_transformers("someone/tiny-clip", "cpu")
    assert laion.licence == "MIT"
    assert laion.weights_sha256 == by_open_clip.weights_sha256
    assert someones.weights_sha256 == by_transformers.weights_sha256
    assert someones.licence == "see the model's page, https://huggingface.co/someone/tiny-clip"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_an_openai_torchscript_file_is_read_with_quickgelu(tmp_path, open_clip, tiny_architecture, photographs):
    import torch

    torch.manual_seed(0)
    network = open_clip.CLIP(**open_clip.get_model_config(tiny_architecture), quick_gelu=True).eval()
    torch.jit.script(network).save(str(tmp_path / "ViT-tiny.pt"))
    encoder = load_open_clip(f"{tiny_architecture}/{tmp_path / 'ViT-tiny.pt'}", "cpu")
    assert "activation=quickgelu" in encoder.version
    pixels = encoder.to_pixels([PIL.Image.fromarray(photographs[0])])["image"]
    with torch.no_grad():
        by_hand = network.encode_image(pixels, normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode(photographs[:1]), by_hand, atol=1e-6)


def test_a_file_of_another_architecture_is_refused(checkpoint):
    for architecture, reason in (("ViTB16", r"near it are .*ViT-B-16"), ("ViT-S-32", "cannot be loaded")):
        with pytest.raises(EncoderUnavailable, match=reason):
            load_open_clip(f"{architecture}/{checkpoint}", "cpu")


def test_absent_and_damaged_weights_are_refused(tmp_path, open_clip_folder):
    (tmp_path / "open_clip_config.json").symlink_to(open_clip_folder / "open_clip_config.json")
    with pytest.raises(EncoderUnavailable, match=r"holds no weights; call the file open_clip_model\.safetensors"):
        load_open_clip(f"local-dir:{tmp_path}", "cpu")
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(EncoderUnavailable, match="cannot be loaded"):
        load_open_clip(f"local-dir:{tmp_path}", "cpu")


def test_a_missing_tokenizer_is_named(tmp_path, open_clip_siglip_folder, hub_cache, no_network):
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        (tmp_path / name).symlink_to(open_clip_siglip_folder / name)
    with pytest.raises(EncoderUnavailable, match=r"^the tokenizer of open_clip:local-dir:.*put its files beside"):
        load_open_clip(f"local-dir:{tmp_path}", "cpu")


def test_a_transformers_folder_with_weights_missing_in_part_is_refused(tmp_path, transformers_folder):
    from safetensors.torch import load_file, save_file

    with pytest.raises(EncoderUnavailable, match=r"is no folder with a config\.json"):
        load_transformers(str(tmp_path), "cpu")
    link_all_but_weights(transformers_folder, tmp_path)
    with pytest.raises(EncoderUnavailable, match="holds no weights"):
        load_transformers(str(tmp_path), "cpu")
    state = load_file(transformers_folder / "model.safetensors")
    save_file({key: value for key, value in state.items() if "projection" not in key}, tmp_path / "model.safetensors")
    with pytest.raises(EncoderUnavailable, match="is no complete CLIP or SigLIP model"):
        load_transformers(str(tmp_path), "cpu")


def test_a_transformers_model_without_images_is_refused(tmp_path):
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(EncoderUnavailable, match="transformers:"):
        load_transformers(str(tmp_path), "cpu")


def test_auto_takes_a_device_that_works_and_a_made_up_one_is_refused():
    assert torch_device("auto") in {"cpu", "cuda"}
    assert torch_device("cpu") == "cpu"
    for made_up in ("cuda:99", "gpu"):
        with pytest.raises(EncoderUnavailable, match="take auto or cpu"):
            torch_device(made_up)
