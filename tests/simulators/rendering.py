"""Draws next to nothing, for tests that look at requests and not at pictures."""

import hashlib
import random
from collections.abc import Sequence

import PIL.Image

_CELLS = 8


def plain_renderer(
    prompt: str, seed: int | None, nth: int, width: int, height: int, references: Sequence[bytes]
) -> PIL.Image.Image:
    """Draw a few coloured cells, another picture for each prompt, seed and set of references; without a seed, for each
    drawing.
    """
    named = hashlib.sha256(repr((prompt, seed, nth if seed is None else 0)).encode())
    for reference in references:
        named.update(hashlib.sha256(reference).digest())
    cells = random.Random(named.digest()).randbytes(3 * _CELLS * _CELLS)
    small = PIL.Image.frombytes("RGB", (_CELLS, _CELLS), cells)
    return small.resize((width, height), PIL.Image.Resampling.NEAREST)
