"""Tiny dual encoders with random weights, saved in the formats that real ones come in."""

import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics.encoders.clip import load_open_clip, load_transformers
from tests.metrics.encoders.small_models import LAYERS, whole_word_tokenizer

TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
OPENAI_PIXELS = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
CLIP_PREPROCESSING = {**OPENAI_PIXELS, "size": 64, "interpolation": "bicubic", "resize_mode": "shortest"}
SIGLIP_PREPROCESSING = {**CLIP_PREPROCESSING, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
SIGLIP_TEXT = {**LAYERS, "vocab_size": 64, "max_position_embeddings": 16, "projection_size": 32}


@pytest.fixture(scope="session")
def open_clip() -> Any:
    from metrics.encoders.runtime import import_open_clip

    return import_open_clip()


@pytest.fixture(scope="session")
def tiny_clip_state(open_clip: Any) -> dict[str, Any]:
    """The state of a random CLIP; its text positions are enlarged so that word order and length matter."""
    import torch

    torch.manual_seed(0)
    state = dict(open_clip.CLIP(**TINY_CLIP).state_dict())
    state["positional_embedding"] = state["positional_embedding"] * 10
    return state


@pytest.fixture(scope="session")
def open_clip_folder(tmp_path_factory: pytest.TempPathFactory, tiny_clip_state: dict[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("open_clip")
    save_open_clip(folder, TINY_CLIP, CLIP_PREPROCESSING, tiny_clip_state)
    return folder


@pytest.fixture(scope="session")
def transformers_folder(tmp_path_factory: pytest.TempPathFactory, tiny_clip_state: dict[str, Any]) -> Path:
    """The same network as ``open_clip_folder``, weight by weight, as transformers saves it."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder = tmp_path_factory.mktemp("transformers")
    tower = {**LAYERS, "projection_dim": 16, "hidden_act": "gelu"}
    ends = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    texts = {"hidden_size": 16, "vocab_size": 49408, "max_position_embeddings": 77}
    config = CLIPConfig(
        projection_dim=16,
        vision_config={**tower, "intermediate_size": 128, "image_size": 64, "patch_size": 16},
        text_config={**tower, **texts, **ends},
    )
    network = CLIPModel(config)
    left_over = network.load_state_dict(transformers_state(tiny_clip_state), strict=False)
    assert not left_over.unexpected_keys
    assert all(key.endswith("position_ids") for key in left_over.missing_keys)
    network.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def open_clip_siglip_folder(tmp_path_factory: pytest.TempPathFactory, open_clip: Any, word_tokenizer: Any) -> Path:
    import torch

    folder = tmp_path_factory.mktemp("open_clip_siglip")
    word_tokenizer.save_pretrained(folder)
    words = {"hf_tokenizer_name": "given/by-the-folder", "tokenizer_kwargs": {"clean": "canonicalize"}}
    tower = {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 2, "pool_type": "last"}
    config = {
        "embed_dim": 16,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": TINY_CLIP["vision_cfg"],
        "text_cfg": {**tower, **words, "no_causal_mask": True, "proj_bias": True},
    }
    torch.manual_seed(1)
    network = open_clip.CustomTextCLIP(**{key: value for key, value in config.items() if key != "custom_text"})
    save_open_clip(folder, config, SIGLIP_PREPROCESSING, network.state_dict())
    return folder


@pytest.fixture(scope="session")
def transformers_siglip_folder(tmp_path_factory: pytest.TempPathFactory, open_clip: Any, word_tokenizer: Any) -> Path:
    import torch
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    folder = tmp_path_factory.mktemp("transformers_siglip")
    config = SiglipConfig(vision_config={**LAYERS, "image_size": 64, "patch_size": 16}, text_config=SIGLIP_TEXT)
    torch.manual_seed(2)
    SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    word_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def word_tokenizer() -> Any:
    """A vocabulary of a few words that ends every text as SigLIP's does, with an end token and padding behind it."""
    text = "a red green blue fox dog cat castle river kitchen shelf holds copper on under beside the and of , ."
    return whole_word_tokenizer(["<pad>", "</s>", "<unk>", *text.split()], "$A </s>", model_max_length=16)


@pytest.fixture
def tiny_architecture(open_clip: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-B-16", TINY_CLIP)
    return "Tiny-B-16"


@pytest.fixture
def hub_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], None]:
    """An empty Hugging Face cache, and the function that puts a folder into it as a repository."""
    from huggingface_hub import constants

    cache = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))

    def add(repository: str, folder: Path) -> None:
        home = cache / f"models--{repository.replace('/', '--')}"
        commit = "0123456789abcdef0123456789abcdef01234567"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(commit)
        (home / "snapshots").mkdir()
        shutil.copytree(folder, home / "snapshots" / commit)

    return add


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(*arguments: Any, **settings: Any) -> None:
        pytest.fail("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:

    def run(program: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            cwd=Path(__file__).resolve().parents[3],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def photographs() -> list[np.ndarray]:
    """Four photographs that scikit-image ships, of different sizes and shapes."""
    from skimage import data

    names = ("astronaut", "chelsea", "coffee", "rocket")
    return [np.ascontiguousarray(getattr(data, name)()[..., :3]) for name in names]


@pytest.fixture(scope="session")
def six_people() -> np.ndarray:
    """Six people at a table; the package hands out BGR."""
    import insightface.data

    return np.ascontiguousarray(insightface.data.get_image("t1", use_cache=False)[:, :, ::-1])


def save_open_clip(folder: Path, model: dict[str, Any], preprocessing: dict[str, Any], state: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    config = {"model_cfg": model, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "open_clip_model.safetensors")


def clip_tokenizer() -> Any:
    """CLIP's own vocabulary, which open_clip ships, as a tokenizer of transformers."""
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTokenizer

    original = SimpleTokenizer()
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(token, token): number for token, number in original.encoder.items()}
    merges = sorted(original.bpe_ranks, key=original.bpe_ranks.__getitem__)
    return CLIPTokenizer(vocab=vocabulary, merges=merges)


def transformers_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return open_clip's CLIP state under the names that transformers' CLIPModel has for the same weights."""
    renamed = {
        "logit_scale": state["logit_scale"],
        "visual_projection.weight": state["visual.proj"].T,
        "text_projection.weight": state["text_projection"].T,
        "vision_model.embeddings.class_embedding": state["visual.class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
    }
    norms = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
    }
    layers = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
        "attn.out_proj": "self_attn.out_proj",
    }
    for old_tower, new_tower in (("visual.transformer", "vision_model"), ("transformer", "text_model")):
        for number in range(2):
            old, new = f"{old_tower}.resblocks.{number}", f"{new_tower}.encoder.layers.{number}"
            norms |= {f"{old}.{key}": f"{new}.{value}" for key, value in layers.items()}
            for kind in ("weight", "bias"):
                parts = state[f"{old}.attn.in_proj_{kind}"].chunk(3)
                for letter, part in zip("qkv", parts, strict=True):
                    renamed[f"{new}.self_attn.{letter}_proj.{kind}"] = part
    for old, new in norms.items():
        for kind in ("weight", "bias"):
            renamed[f"{new}.{kind}"] = state[f"{old}.{kind}"]
    return renamed


@pytest.fixture(scope="module")
def by_open_clip(open_clip_folder):
    return load_open_clip(f"local-dir:{open_clip_folder}", "cpu")


@pytest.fixture(scope="module")
def by_transformers(transformers_folder):
    return load_transformers(str(transformers_folder), "cpu")


@pytest.fixture(scope="module")
def siglip_by_open_clip(open_clip_siglip_folder):
    return load_open_clip(f"local-dir:{open_clip_siglip_folder}", "cpu")


@pytest.fixture(scope="module")
def siglip_by_transformers(transformers_siglip_folder):
    return load_transformers(str(transformers_siglip_folder), "cpu")
