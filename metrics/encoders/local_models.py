"""Models of transformers and torch on this machine: folder, weights, licence, and the sentences for what is missing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.runtime import import_torchvision, torch_device
from metrics.encoders.weights import (
    TRANSFORMERS_FILES,
    cached_file,
    check_fetched,
    find_weights,
    hub_offline,
    revision_of,
    sha256_of,
    shards_of,
)

LOCAL_LICENCE = "unknown (local files)"


@dataclass(frozen=True, slots=True)
class TransformersModel:
    """A model of transformers as it was loaded from files on this machine, in float32."""

    name: str
    licence: str
    folder: Path
    weights_sha256: str
    revision: str | None
    network: Any
    image_processor: Any
    device: str

    def tokenizer(self) -> Any:
        """Load and return the tokenizer beside the weights."""
        from transformers import AutoTokenizer

        with hub_offline():
            try:
                return AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
            except (OSError, ValueError, ImportError) as error:
                raise EncoderUnavailable(no_tokenizer(self.name, error)) from error

    def processing(self) -> dict[str, Any]:
        """Return the settings of the image processor that change what the network sees."""
        keys = ("size", "crop_size", "resample", "image_mean", "image_std", "rescale_factor", "patch_size")
        settings = self.image_processor.to_dict()
        return {"processor": type(self.image_processor).__name__} | {
            key: settings[key] for key in keys if settings.get(key)
        }


def load_transformers_model(
    name: str, device: str, auto_class: str, kind: str, is_of_kind: Callable[[Any], bool]
) -> TransformersModel:
    """Load network and image processor of ``library:MODEL`` from the user's own folder or the hub's cache.

    The model is a folder in the format of ``save_pretrained`` (in the working directory or the weights folder) or
    ``ORG/NAME`` of the local Hugging Face cache, and holds configuration, weights, image processor and tokenizer.
    ``device`` is ``auto`` (CUDA if there is one, else CPU) or a name of torch's. ``auto_class`` is the class of
    transformers that loads the network; ``kind`` says in words what the model must be, and ``is_of_kind`` tests the
    network for it. Raises EncoderUnavailable if there is no such model on this machine, or it is damaged, incomplete or
    of another kind.
    """
    folder, licence = _model_folder(name)
    weights_sha256 = sha256_of(*_weight_files(name, folder))
    check_fetched(name, weights_sha256)
    import torch

    with suppress(ModuleNotFoundError):  # transformers does without torchvision, but not with a broken one
        import_torchvision()
    import transformers
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    target = torch_device(device)
    with hub_offline():
        try:
            network, loading = getattr(transformers, auto_class).from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
            )
            # the PIL backend is the one whose pixels equal those of the models' original code
            processor = transformers.AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                folder, backend="pil", trust_remote_code=False
            )
        except load_errors() as error:
            raise EncoderUnavailable(cannot_load(name, error)) from error
    if loading["missing_keys"] or not is_of_kind(network):
        raise EncoderUnavailable(f"{name} is no complete {kind}: it is {type(network).__name__}")
    revision = revision_of(folder)
    return TransformersModel(
        name, licence, folder, weights_sha256, revision, network.eval().to(target), processor, target
    )


def _model_folder(name: str) -> tuple[Path, str]:
    model = name.partition(":")[2]
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


def _weight_files(name: str, folder: Path) -> list[Path]:
    chosen = next((folder / file for file in TRANSFORMERS_FILES if (folder / file).is_file()), None)
    if chosen is None:
        raise EncoderUnavailable(f"{name}: {folder} holds no weights ({TRANSFORMERS_FILES[0]})")
    return shards_of(chosen)


def licence_of(repository: str) -> str:
    """Return the licence of a hub repository's weights, where it is known."""
    mit = repository.startswith(("laion/", "openai/")) or repository.endswith(".openai")
    return "MIT" if mit else f"see the model's page, https://huggingface.co/{repository}"


def not_here(name: str) -> str:
    """Return the sentence for weights that are not on this machine."""
    return f"the weights of {name} are not on this machine; fetch it with: twinlens models fetch {name}"


def no_tokenizer(name: str, error: Exception) -> str:
    """Return the sentence for a tokenizer that cannot be used."""
    if _asks_for_own_code(error):
        return cannot_load(name, error)
    remedy = f"fetch it with: twinlens models fetch {name}, or put its files beside local weights"
    return f"the tokenizer of {name} is not usable here ({brief(error)}); {remedy}"


def cannot_load(name: str, error: Exception, file: Path | None = None) -> str:
    """Return the sentence for a model, of a file if there is one, that its library cannot load."""
    if _asks_for_own_code(error):
        return f"{name} needs code of its own, which is never run here; take another model"
    return f"{name}{f': {file}' if file else ''} cannot be loaded: {brief(error)}"


def _asks_for_own_code(error: Exception) -> bool:
    return "trust_remote_code" in str(error)


def brief(error: Exception) -> str:
    """Return the first two lines of an error, not too long."""
    return " ".join(str(error).split("\n")[:2]).strip()[:300] or type(error).__name__


def load_errors() -> tuple[type[Exception], ...]:
    """Return what libraries raise when weights or settings are damaged or do not fit."""
    from safetensors import SafetensorError

    torch_and_library = (AssertionError, EOFError, ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError)
    return (*torch_and_library, pickle.UnpicklingError, SafetensorError)
