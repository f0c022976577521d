"""Random numbers that belong to what they are drawn for, the same in every process and on every machine."""

from __future__ import annotations

import hashlib

# Not np.random: numpy imports that module at its first use, and pictures are drawn in threads, whose first uses would
# meet in a half-imported module.
from numpy.random import Generator, default_rng


def generator(*parts: object) -> Generator:
    """Return the random generator that belongs to these parts."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return default_rng(int.from_bytes(digest[:8], "big"))
