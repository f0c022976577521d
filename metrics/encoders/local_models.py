"""Models of transformers and torch on this machine: folder, weights, licence, and the sentences for what is missing."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.weights import TRANSFORMERS_FILES, cached_file, find_weights

LOCAL_LICENCE = "unknown (local files)"


def model_folder(name: str, model: str) -> tuple[Path, str]:
    """Return the folder of a transformers model, the user's own or of the hub's cache, and its licence."""
    folder = find_weights(model)
    if folder is not None:
        if not (folder / "config.json").is_file():
            raise EncoderUnavailable(f"{name}: {folder} is no folder with a config.json, as save_pretrained writes it")
        return folder, LOCAL_LICENCE
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise EncoderUnavailable(f"{name}: there is no folder {model}, here or in the weights folder")
    config = cached_file(model, ("config.json",))
    if config is None:
        raise EncoderUnavailable(not_here(name))
    return config.parent, licence_of(model)


def weight_files(name: str, folder: Path) -> list[Path]:
    """Return the weights files of a model's folder, all shards of them."""
    chosen = next((folder / file for file in TRANSFORMERS_FILES if (folder / file).is_file()), None)
    if chosen is None:
        raise EncoderUnavailable(f"{name}: {folder} holds no weights ({TRANSFORMERS_FILES[0]})")
    if chosen.name.endswith(".index.json"):
        shards = json.loads(chosen.read_text("utf-8"))["weight_map"].values()
        return [folder / shard for shard in sorted(set(shards))]
    return [chosen]


def processing_of(processor: Any) -> dict[str, Any]:
    """Return the settings of an image processor that change what a network sees."""
    keys = ("size", "crop_size", "resample", "image_mean", "image_std", "rescale_factor", "patch_size")
    settings = processor.to_dict()
    return {"processor": type(processor).__name__} | {key: settings[key] for key in keys if settings.get(key)}


def licence_of(repository: str) -> str:
    """Return the licence of a hub repository's weights, where it is known."""
    mit = repository.startswith(("laion/", "openai/")) or repository.endswith(".openai")
    return "MIT" if mit else f"see the model's page, https://huggingface.co/{repository}"


def not_here(name: str) -> str:
    """Return the sentence for weights that are not on this machine."""
    return f"the weights of {name} are not on this machine; fetch it with: twinlens models fetch {name}"


def no_tokenizer(name: str, error: Exception) -> str:
    """Return the sentence for a tokenizer that cannot be used."""
    remedy = f"fetch it with: twinlens models fetch {name}, or put its files beside local weights"
    return f"the tokenizer of {name} is not usable here ({brief(error)}); {remedy}"


def brief(error: Exception) -> str:
    """Return the first two lines of an error, not too long."""
    return " ".join(str(error).split("\n")[:2]).strip()[:300] or type(error).__name__


def load_errors() -> tuple[type[Exception], ...]:
    """Return what libraries raise when weights or settings are damaged or do not fit."""
    from safetensors import SafetensorError

    torch_and_library = (AssertionError, EOFError, ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError)
    return (*torch_and_library, pickle.UnpicklingError, SafetensorError)
