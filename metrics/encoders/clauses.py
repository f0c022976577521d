"""Long prompts as an encoder reads them: cut into clauses that fit its context, with nothing lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypedDict

import numpy as np
import numpy.typing as npt


class EmbeddedPrompt(TypedDict):
    """The feature ``prompt``: one row per clause; a prompt that fits the encoder's context is its own only clause."""

    chunks: npt.NDArray[np.float32]
    """Shape (n_chunks, d), every row of unit length."""
    clauses: list[str]
    """The text of each row."""
    n_tokens: int
    """Tokens of the whole prompt before any cut, start and end tokens included."""


# Coarse to fine. Each matches the empty place behind a boundary, so the parts of a text put together are the text.
_BOUNDARIES = (
    re.compile(r"(?<=[.!?…]\s)|(?<=[。！？\n])"),
    re.compile(r"(?<=[,;:]\s)|(?<=[，、；：])"),
    re.compile(r"(?<=\s)"),
    re.compile(r"(?<=.)", re.DOTALL),
)


def split_to_fit(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Cut a text into pieces that fit, at the coarsest boundaries that do, and as few pieces as packing in order gives.

    Sentences are kept whole where they fit, else clauses (between commas, semicolons, colons), else words; a word is
    cut only if it does not fit by itself, as in scripts without spaces. Neighbours are packed together greedily.

    Parameters
    ----------
    text
        Any text.
    fits
        Whether a piece fits, as a rule by its count of tokens.

    Returns
    -------
    pieces
        At least one. A text that fits is returned as it is; otherwise the pieces hold its words in order, white
        space collapsed.

    Raises
    ------
    ValueError
        If not even a single character fits.

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
