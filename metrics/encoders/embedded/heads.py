"""The heads: what turns tower features, class shares and colours into unit vectors of one space."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heads:
    r"""Affine maps of both sides into the space of the text tower, and the colours beside it.

    With x the normalised, centred image feature, p the class shares, t the text embedding, u and v the colours of the
    picture and of the text, the cosine of an image vector and a text vector is

    .. math:: \frac{\cos(\hat y(x) + a \hat e(p),\; t - \bar t) + b\, \hat u \cdot v}{1 + b},
        \quad y = x A, \quad e = (p - 1/1000) E

    where a hat marks unit length. ConSE (Norouzi et al. 2014) is e alone; b is small.
    """

    image_mean: Floats
    """Shape (1280,): of the tower's features over the training pictures."""
    image_map: Doubles
    """A, shape (1280, 384)."""
    class_map: Doubles
    """E, shape (1000, 384): centred text embeddings of the classes of ImageNet."""
    class_weight: float
    """a."""
    text_mean: Floats
    """Shape (384,)."""
    colour_mean: Floats
    """Shape (11,)."""
    colour_spread: Floats
    """Shape (11,): standard deviation over the training pictures."""
    colour_weight: float
    """b."""

    def image_vectors(self, features: Floats, class_shares: Floats, colour_shares: Floats) -> Floats:
        """Return unit vectors, shape (n, 396), of tower features, class shares and colour shares."""
        mapped = unit(product(unit(features - self.image_mean), self.image_map))
        expected = unit(product(class_shares - 1 / class_shares.shape[1], self.class_map))
        seen = unit((colour_shares - self.colour_mean) / self.colour_spread)
        rest = np.zeros((len(features), 1), np.float32)
        return self._joined(unit(mapped + self.class_weight * expected), seen, rest)

    def text_vectors(self, embeddings: Floats, colour_words: Floats) -> Floats:
        """Return unit vectors, shape (n, 396), of text embeddings and colour words."""
        # texts name few colours or none; a coordinate that no picture uses brings them to the common length
        rest = np.sqrt(np.maximum(0, 1 - (colour_words**2).sum(1, keepdims=True)))
        return self._joined(unit(embeddings - self.text_mean), colour_words, rest)

    def _joined(self, meaning: Floats, colours: Floats, rest: Floats) -> Floats:
        share = self.colour_weight / (1 + self.colour_weight)
        parts = [np.sqrt(1 - share) * meaning, np.sqrt(share) * colours, np.sqrt(share) * rest]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the heads in half precision."""
        halves: dict[str, Any] = {key: np.float16(value) for key, value in dataclasses.asdict(self).items()}
        np.savez(path, **halves)

    @classmethod
    def load(cls, path: Path) -> Heads:
        """Read heads that :meth:`save` wrote."""
        with np.load(path) as stored:
            halves = {key: stored[key] for key in stored.files}
        arrays: dict[str, Any] = {
            key: value.astype(np.float64 if value.ndim == 2 else np.float32) for key, value in halves.items()
        }
        numbers = {key: float(value) for key, value in arrays.items() if value.ndim == 0}
        return cls(**(arrays | numbers))


def product(rows: Floats, matrix: Doubles) -> Floats:
    """Return rows @ matrix, summed in double precision.

    In single precision the last digits depend on how many threads share the sum.
    """
    result: Floats = (rows.astype(np.float64) @ matrix).astype(np.float32)
    return result


def unit(rows: npt.NDArray[np.floating]) -> Floats:
    """Return rows divided by their lengths; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    result: Floats = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return result
