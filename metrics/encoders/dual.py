"""The dual encoder: images and prompts as unit vectors of one space, in batches, whatever library runs the towers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

import numpy as np
import numpy.typing as npt
import PIL.Image

from metrics.encoders.catalogue import CannotEncode, Image
from metrics.encoders.runtime import encode_by_key, exact_inference

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Tensors = Mapping[str, "torch.Tensor"]

_VERSION = "1"

TOKENS_STEP = 16
"""Where a tower does not see what follows a text, texts are padded to a multiple of so many tokens."""

# Coarse to fine. Each matches the empty place behind a boundary, so the parts of a text put together are the text.
_BOUNDARIES = (
    re.compile(r"(?<=[.!?…]\s)|(?<=[。！？\n])"),
    re.compile(r"(?<=[,;:]\s)|(?<=[，、；：])"),
    re.compile(r"(?<=\s)"),
    re.compile(r"(?<=.)", re.DOTALL),
)


class EmbeddedPrompt(TypedDict):
    """The feature ``prompt``: one row per clause; a prompt that fits the encoder's context is its own only clause."""

    chunks: npt.NDArray[np.float32]
    """Shape (n_chunks, d), every row of unit length."""
    clauses: list[str]
    """The text of each row."""
    n_tokens: int
    """Tokens of the whole prompt before any cut, start and end tokens included."""


def text_vector(prompt: EmbeddedPrompt) -> npt.NDArray[np.float64]:
    """Return the direction of a whole text, shape (d,): the mean of its clauses, put back to unit length.

    Clauses that cancel out have no direction: the vector is 0, and so is its cosine with everything.
    """
    mean: npt.NDArray[np.float64] = np.mean(np.asarray(prompt["chunks"], np.float64), axis=0)
    return mean / (float(np.linalg.norm(mean)) or 1.0)


@dataclass(frozen=True, slots=True)
class DualEncoder:
    """Two towers of one model that put images and prompts into one space of unit vectors.

    Preprocessing and tokens are the model's own. ``note`` says what a reader of the numbers should know about how
    it was loaded. A vector does not depend on what else is in its batch: libraries choose by the shape of a batch in
    which order they add, so every batch is filled up to one size, and of texts holds those that are padded to one
    length. Else the last digits would differ, and what compares differences of vectors, as the direction of an edit,
    enlarges them.
    """

    name: str
    licence: str
    weights_sha256: str | None
    version: str
    note: str
    context_length: int
    """Tokens that fit into one clause, start and end tokens included."""
    device: str
    to_pixels: Callable[[list[PIL.Image.Image]], Tensors]
    to_tokens: Callable[[list[str], int], Tensors]
    """Texts as tokens, padded to so many."""
    count_tokens: Callable[[str], int]
    """Tokens of a text of any length, start and end tokens included."""
    image_tower: Callable[[Tensors], torch.Tensor]
    text_tower: Callable[[Tensors], torch.Tensor]
    sees_padding: bool
    """Whether the text tower sees what follows a text; then every text is padded to the whole context."""
    batch_size: int
    knows: Callable[[str], bool] | None = None
    """Whether the tokens tell a text from others; None for an encoder that has tokens for every text."""
    revision: str | None = None
    """The commit of the repository that the weights are from, None where they are from none that is known."""
    network: torch.nn.Module | None = None
    """The network of both towers, where there is one."""
    load: Callable[[], object] | None = None
    """Loads what is otherwise loaded when something is first encoded."""

    @overload
    def encode(self, batch: Sequence[str]) -> list[EmbeddedPrompt]: ...
    @overload
    def encode(self, batch: Sequence[Image]) -> list[npt.NDArray[np.float32]]: ...
    def encode(self, batch: Any) -> Any:
        """Return one unit vector of shape (d,) per image, or every text's clauses, each as one unit row.

        A batch holds images or texts. A text that fits the context is its own only clause. Raises CannotEncode if the
        encoder does not know a text.
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
        for text in texts:
            if self.knows is not None and not self.knows(text):
                raise CannotEncode("text_unknown", f"{self.name} knows hardly a word of it")
        cut = [split_to_fit(text, lambda piece: self.count_tokens(piece) <= self.context_length) for text in texts]
        clauses_of_all = [clause for clauses in cut for clause in clauses]
        remaining = iter(encode_by_key(clauses_of_all, self._padded_length, self.batch_size, self._clause_vectors))
        return [
            {
                "chunks": np.stack([next(remaining) for _ in clauses]),
                "clauses": clauses,
                "n_tokens": self.count_tokens(text),
            }
            for text, clauses in zip(texts, cut, strict=True)
        ]

    def _padded_length(self, clause: str) -> int:
        if self.sees_padding:
            return self.context_length
        return min(self.context_length, -(-self.count_tokens(clause) // TOKENS_STEP) * TOKENS_STEP)

    def _clause_vectors(self, clauses: Sequence[str]) -> list[npt.NDArray[np.float32]]:
        tokens = self.to_tokens(list(clauses), self._padded_length(clauses[0]))
        return list(self._unit_vectors(self.text_tower, tokens))

    def _unit_vectors(
        self, tower: Callable[[Tensors], torch.Tensor], batch: Tensors
    ) -> Iterator[npt.NDArray[np.float32]]:
        import torch

        n = len(next(iter(batch.values())))
        rows = torch.arange(self.batch_size).clamp(max=n - 1)
        with exact_inference():
            vectors = _through(tower, {key: value[rows].to(self.device) for key, value in batch.items()}).float()
            unit = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        yield from unit[:n]


def batch_size_on(device: str) -> int:
    """Return how many pictures or texts to encode at once: each core has a small batch of its own, a GPU a large one.

    The size hangs on the device alone, not on what memory is free: vectors depend on it in their last digits.
    """
    return 4 if device == "cpu" else 16


def _through(tower: Callable[[Tensors], torch.Tensor], batch: Tensors) -> torch.Tensor:
    """Return what a tower makes of a batch, half after half where the memory does not suffice for all of it."""
    import torch

    n = len(next(iter(batch.values())))
    try:
        return tower(batch)
    except torch.OutOfMemoryError:
        if n == 1:
            raise
    halves = ({key: value[part] for key, value in batch.items()} for part in (slice(n // 2), slice(n // 2, n)))
    return torch.cat([_through(tower, half) for half in halves])


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


def split_to_fit(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Cut a text into pieces that fit, at the coarsest boundaries that do, and as few pieces as packing in order gives.

    Sentences are kept whole where they fit, else clauses (between commas, semicolons, colons), else words; a word is
    cut only if it does not fit by itself, as in scripts without spaces. Neighbours are packed together greedily.
    ``fits`` says whether a piece fits, as a rule by its count of tokens. A text that fits is returned as it is;
    otherwise the pieces hold its words in order, white space collapsed. Raises ValueError if not even a single
    character fits.

    Examples
    --------
    >>> split_to_fit("A red fox. It jumps over a log, then rests.", lambda piece: len(piece.split()) <= 5)
    ['A red fox.', 'It jumps over a log,', 'then rests.']
    """
    if fits(text):
        return [text]
    lines = (" ".join(line.split()) for line in text.splitlines())
    pieces: list[str] = []
    current = ""
    for unit in _units("\n".join(filter(None, lines)), fits, level=0):
        if current and fits(_clean(current + unit)):
            current += unit
        else:
            pieces.append(_clean(current))
            current = unit
    return [piece for piece in (*pieces, _clean(current)) if piece] or [""]


def _clean(piece: str) -> str:
    return " ".join(piece.split())


def _units(text: str, fits: Callable[[str], bool], level: int) -> Iterator[str]:
    """Yield consecutive slices of ``text``, each of which fits, cut at the coarsest boundaries possible."""
    if fits(_clean(text)):
        yield text
        return
    if level == len(_BOUNDARIES):
        raise ValueError(f"not even {text!r} fits, so the text cannot be cut")
    for part in filter(None, _BOUNDARIES[level].split(text)):
        yield from _units(part, fits, level + 1)
