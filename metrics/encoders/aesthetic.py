"""LAION's aesthetic predictors: a rating from the CLIP embedding of an image, by a small head from a local file."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import EncoderUnavailable, Image, check_weights
from metrics.encoders.clip import load_open_clip
from metrics.encoders.dual import DualEncoder
from metrics.encoders.weights import find_weights, sha256_of

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class AestheticHead:
    """One published head: its file, the tower that it was fitted on, where the file is from, its licence and hash."""

    file: str
    tower: str
    source: str
    licence: str
    sha256: str | None = None


_V1 = "https://github.com/LAION-AI/aesthetic-predictor"
_V2 = "https://github.com/christophschuhmann/improved-aesthetic-predictor"

HEADS: Mapping[str, AestheticHead] = {
    "laion-v1-vit_b_32": AestheticHead(
        "sa_0_4_vit_b_32_linear.pth",
        "ViT-B-32/openai",
        _V1,
        "MIT",
        "c7b14cead230694acc7b9447974d3cad78003c72da032e402a303b6c2429e85f",
    ),
    "laion-v1-vit_l_14": AestheticHead(
        "sa_0_4_vit_l_14_linear.pth",
        "ViT-L-14/openai",
        _V1,
        "MIT",
        "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba",
    ),
    "laion-v2-vit_l_14": AestheticHead(
        "sac+logos+ava1-l14-linearMSE.pth",
        "ViT-L-14/openai",
        _V2,
        "Apache-2.0",
        "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
    ),
}
"""The heads by name. All of them are fitted on embeddings of OpenAI's CLIP."""

_READ_ERRORS = (
    AttributeError,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
_V2_LAYERS = ("layers.0", "layers.2", "layers.4", "layers.6", "layers.7")


@dataclass(frozen=True, slots=True)
class AffineHead:
    """A head as one affine map, which both generations are: ``weight`` of shape (d,) and ``bias``, float64."""

    weight: npt.NDArray[np.float64]
    bias: float

    def rating(self, embedding: FloatArray) -> float:
        r"""Return :math:`w \cdot x / |x| + b` for an embedding x of shape (d,).

        The embedding is brought to unit length whatever it has: the heads know no other, and one that has another
        length would be rated wrongly without a sign of it.

        Examples
        --------
        >>> AffineHead(np.array([1.0, 2.0]), 5.0).rating(np.array([0.0, 3.0]))
        7.0
        """
        vector = np.asarray(embedding, np.float64)
        return float(self.weight @ (vector / np.linalg.norm(vector))) + self.bias


def read_head(path: Path) -> AffineHead:
    """Read a head from its published file.

    Generation 1 is one linear layer. Generation 2 is five (768-1024-128-64-16-1) that have no activation between them,
    so they are multiplied out here once; the dropout of its training does nothing afterwards. Raises EncoderUnavailable
    if the file holds no such head.
    """
    import torch

    try:
        state: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        prefixes = [key.removesuffix("weight") for key in state if key.endswith("weight")]
        if prefixes not in ([""], [f"{layer}." for layer in _V2_LAYERS]):
            raise EncoderUnavailable(f"{path} is no aesthetic head of LAION: its layers are {sorted(state)}")
        layers = [
            (state[f"{prefix}weight"].double().numpy(), state[f"{prefix}bias"].double().numpy()) for prefix in prefixes
        ]
        weight, bias = reduce(lambda inner, outer: (outer[0] @ inner[0], outer[0] @ inner[1] + outer[1]), layers)
        return AffineHead(weight.reshape(-1), bias.item())
    except _READ_ERRORS as error:
        raise EncoderUnavailable(f"{path} is no aesthetic head of LAION that torch can read") from error


class AestheticEncoder:
    """A tower of CLIP with a head on it."""

    def __init__(self, name: str, licence: str, head_sha256: str, head: AffineHead, tower: DualEncoder) -> None:
        self.name = name
        self.licence = licence
        # as sha256_of gives it for the two files
        self.weights_sha256 = hashlib.sha256(f"{head_sha256}{tower.weights_sha256}".encode()).hexdigest()
        self.version = f"1;{tower.version}"
        self.note = "a proxy of taste, fitted to ratings from 1 to 10 of photographs and early generated pictures"
        self._head = head
        self.revision = tower.revision
        self.batch_size = tower.batch_size
        self._tower = tower

    def encode(self, images: Sequence[Image]) -> list[float]:
        """Return the rating of each image, higher for better liked; most lie between 4 and 7, nothing bounds them."""
        return [self._head.rating(embedding) for embedding in self._tower.encode(images)]


def load_aesthetic(model: str, device: str = "auto") -> AestheticEncoder:
    """Load an aesthetic predictor from files on this machine.

    ``model`` is ``HEAD`` of ``HEADS``, whose file is looked for in the working directory and in the weights folder, on
    the tower that it was fitted on; or ``HEAD@TOWER`` to take that tower from elsewhere, named as ``open_clip:TOWER``
    is: ``laion-v2-vit_l_14@ViT-L-14-quickgelu/ViT-L-14.pt``. ``device`` is ``auto`` (CUDA if there is one, else CPU) or
    a name of torch's. Raises EncoderUnavailable if there is no such head, its file or its tower is not on this machine,
    or the two do not fit together.
    """
    name = f"aesthetic:{model}"
    head_name, _, tower_name = model.partition("@")
    if head_name not in HEADS:
        raise EncoderUnavailable(f"unknown encoder {name}: the heads are {', '.join(HEADS)}")
    chosen = HEADS[head_name]
    path = find_weights(chosen.file)
    if path is None:
        raise EncoderUnavailable(
            f"{name}: put {chosen.file} of {chosen.source} into the folder that TWINLENS_WEIGHTS names "
            "(default ~/.cache/twinlens/weights)"
        )
    head_sha256 = sha256_of(path)
    check_weights(name, head_sha256, chosen.sha256, f"get {chosen.file} again from {chosen.source}")
    head = read_head(path)
    tower = load_open_clip(tower_name or chosen.tower, device)
    if "activation=quickgelu" not in tower.version.split(";"):
        raise EncoderUnavailable(
            f"{name}: {tower.name} runs plain GELU, which OpenAI's CLIP does not; "
            "its weights want an architecture that ends in -quickgelu"
        )
    (embedding,) = tower.encode([np.zeros((8, 8, 3), np.uint8)])
    if embedding.shape != head.weight.shape:
        raise EncoderUnavailable(
            f"{name}: {path} rates embeddings of {head.weight.size} numbers, and {tower.name} gives {embedding.size}"
        )
    licence = f"head: {chosen.licence}; tower: {tower.licence}"
    return AestheticEncoder(name, licence, head_sha256, head, tower)
