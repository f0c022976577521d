"""Copies the reference pictures and masks of a set, or of a suite, under names made of their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from evals.files.atomic_files import write_atomically
from evals.imageset.decoding import file_suffix, open_picture


def copy_picture(folder: Path, below: str, content: bytes) -> str:
    """Copy a picture into a folder, below it, and return its name there, made of its content.

    Raises `evals.imageset.decoding.UnreadableImage` if it is no picture.
    """
    with open_picture(content) as opened:
        name = f"{below}/{hashlib.sha256(content).hexdigest()[:24]}.{file_suffix(opened)}"
    if not (folder / name).exists():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)
    return name
