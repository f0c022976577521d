"""The dual encoder: images and prompts as unit vectors of one space, in batches, whatever library runs the towers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import numpy.typing as npt
import PIL.Image

from metrics.encoders.catalogue import EncoderUnavailable, Image
from metrics.encoders.clauses import EmbeddedPrompt, split_to_fit

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Tensors = Mapping[str, "torch.Tensor"]

_VERSION = "1"


@dataclass(frozen=True, slots=True)
class DualEncoder:
    """Two towers of one model that put images and prompts into one space of unit vectors.

    Preprocessing and tokens are the model's own. ``note`` says what a reader of the numbers should know about how
    it was loaded. A vector does not depend on what else is in its batch: libraries choose by the shape of a batch in
    which order they add, so every batch is filled up to one size. Else the last digits would differ, and what compares
    differences of vectors, as the direction of an edit, enlarges them.
    """

    name: str
    licence: str
    weights_sha256: str | None
    version: str
    note: str
    context_length: int
    """Tokens that fit into one clause, start and end tokens included."""
    network: torch.nn.Module
    device: str
    to_pixels: Callable[[list[PIL.Image.Image]], Tensors]
    to_tokens: Callable[[list[str]], Tensors]
    count_tokens: Callable[[str], int]
    """Tokens of a text of any length, start and end tokens included."""
    image_tower: Callable[[Tensors], torch.Tensor]
    text_tower: Callable[[Tensors], torch.Tensor]
    batch_size: int = 4

    @overload
    def encode(self, batch: Sequence[str]) -> list[EmbeddedPrompt]: ...
    @overload
    def encode(self, batch: Sequence[Image]) -> list[npt.NDArray[np.float32]]: ...
    def encode(self, batch: Any) -> Any:
        """Return one unit vector of shape (d,) per image, or every text's clauses, each as one unit row.

        A batch holds images or texts. A text that fits the context is its own only clause.
        """
        return self._encode_texts(batch) if len(batch) and isinstance(batch[0], str) else self._encode_images(batch)

    def _encode_images(self, images: Sequence[Image]) -> list[npt.NDArray[np.float32]]:
        vectors: list[npt.NDArray[np.float32]] = []
        for batch in _batches(images, self.batch_size):
            # 8-bit pictures, never floats: image processors rescale by 1/255 whatever they are given
            pictures = [PIL.Image.fromarray(image) for image in batch]
            vectors.extend(self._unit_vectors(self.image_tower, self.to_pixels(pictures)))
        return vectors

    def _encode_texts(self, texts: Sequence[str]) -> list[EmbeddedPrompt]:
        cut = [split_to_fit(text, lambda piece: self.count_tokens(piece) <= self.context_length) for text in texts]
        rows: list[npt.NDArray[np.float32]] = []
        for batch in _batches([clause for clauses in cut for clause in clauses], self.batch_size):
            rows.extend(self._unit_vectors(self.text_tower, self.to_tokens(batch)))
        remaining = iter(rows)
        return [
            {
                "chunks": np.stack([next(remaining) for _ in clauses]),
                "clauses": clauses,
                "n_tokens": self.count_tokens(text),
            }
            for text, clauses in zip(texts, cut, strict=True)
        ]

    def _unit_vectors(
        self, tower: Callable[[Tensors], torch.Tensor], batch: Tensors
    ) -> Iterator[npt.NDArray[np.float32]]:
        import torch

        n = len(next(iter(batch.values())))
        rows = torch.arange(self.batch_size).clamp(max=n - 1)
        # TF32 convolutions, cuDNN's default, would let a vector depend on its batch by far more than 1e-5
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            vectors = tower({key: value[rows].to(self.device) for key, value in batch.items()}).float()
            unit = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        yield from unit[:n]


def torch_device(asked: str) -> str:
    """Return the device to run on: ``auto`` is CUDA if there is one, else CPU; any other name must work here.

    Raises
    ------
    EncoderUnavailable
        If torch cannot use the device that was asked for.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise EncoderUnavailable(f"torch cannot use the device {asked!r} here; take auto or cpu") from error
    return asked


def feature_version(**settings: Any) -> str:
    """Return what features depend on besides the weights, as one line; part of the key that they are cached under.

    Examples
    --------
    >>> feature_version(size=224, mean=(0.5, 0.5, 0.5))
    '1;mean=(0.5,0.5,0.5);size=224'
    """
    return ";".join([_VERSION, *(f"{key}={value}".replace(" ", "") for key, value in sorted(settings.items()))])


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))
