"""Loads ``embedded:lite``, the adherence encoder for machines without CLIP weights, and says how weak it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.dual import DualEncoder, Tensors, batch_size_on, feature_version
from metrics.encoders.embedded.colours import colour_shares, colour_words
from metrics.encoders.embedded.heads import Heads
from metrics.encoders.embedded.towers import (
    CONTEXT_LENGTH,
    SIDE,
    load_image_tower,
    load_text_tower,
    pixels_of,
    tower_files,
)
from metrics.encoders.runtime import Lazy
from metrics.encoders.weights import sha256_of

HERE = Path(__file__).parent
HEADS = HERE / "heads.npz"
METRICS = HERE / "metrics.json"

LICENCE = (
    "Apache-2.0 (both towers and the heads); the heads are fitted on MIT (workflow templates), "
    "public-domain (Open Clip Art) and BSD-3-Clause (class names) data"
)
_BETTER = "twinlens models fetch open_clip:ViT-B-32/laion2b_s34b_b79k"


def load_embedded(model: str, device: str = "auto", heads: Heads | None = None) -> DualEncoder:
    """Load the encoder that needs no weights but those of installed packages.

    It is a dual encoder with frozen towers (the idea of Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image
    text Tuning"), fitted to about two thousand pairs; the model card beside this module has its quality and limits. A
    prompt beyond 256 tokens is cut into clauses, one of mostly unknown words (emoji, some scripts) is not encoded.
    ``lite`` is the only ``model``; it always runs on the CPU, whatever the ``device``. ``heads`` are used instead of
    the project's, as training does. Raises EncoderUnavailable if there is no such model, or a tower's package is not
    installed.
    """
    if model != "lite":
        raise EncoderUnavailable(f"embedded:{model} does not exist; the embedded encoder is embedded:lite")
    image_file, text_file = tower_files()
    image_tower, text_tower = Lazy(lambda: load_image_tower(image_file)), Lazy(lambda: load_text_tower(text_file))
    chosen = heads or Heads.load(HEADS)

    def to_pixels(pictures: list[PIL.Image.Image]) -> Tensors:
        return _tensors(pixels=pixels_of(pictures), colours=colour_shares(pictures))

    def to_tokens(texts: list[str], length: int) -> Tensors:
        return text_tower().tokens(texts, length) | _tensors(colours=colour_words(texts))

    def image_vectors(batch: Tensors) -> Any:
        features = image_tower().features(batch["pixels"].numpy())
        vectors = chosen.image_vectors(features, image_tower().class_shares(features), batch["colours"].numpy())
        return _tensors(vectors=vectors)["vectors"]

    def text_vectors(batch: Tensors) -> Any:
        embedded = text_tower().embed({key: batch[key] for key in ("input_ids", "attention_mask")})
        return _tensors(vectors=chosen.text_vectors(embedded.numpy(), batch["colours"].numpy()))["vectors"]

    return DualEncoder(
        name=f"embedded:{model}",
        licence=LICENCE,
        weights_sha256=sha256_of(image_file, text_file, HEADS) if heads is None else None,
        version=feature_version(size=SIDE, resize="squash", context=CONTEXT_LENGTH, colours=1, unknown_words="refused"),
        note=note() if heads is None else "heads being fitted",
        context_length=CONTEXT_LENGTH,
        load=lambda: (image_tower(), text_tower()),
        device="cpu",
        to_pixels=to_pixels,
        to_tokens=to_tokens,
        sees_padding=False,
        batch_size=batch_size_on("cpu"),
        count_tokens=lambda text: text_tower().count(text),
        image_tower=image_vectors,
        text_tower=text_vectors,
        knows=lambda text: text_tower().knows(text),
    )


def note(metrics_file: Path = METRICS) -> str:
    """Return what stands beside every number of this encoder, with the quality that its training measured."""
    headline = json.loads(metrics_file.read_text("utf-8"))["headline"]
    low, high = headline["interval"]
    return (
        f"weak offline encoder, AUC {headline['auc']:.2f} [{low:.2f}, {high:.2f}] on {headline['what']}, not CLIP; "
        f"real weights: {_BETTER}"
    )


def _tensors(**arrays: Sequence[Any] | np.ndarray[Any, Any]) -> dict[str, Any]:
    import torch

    return {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in arrays.items()}
