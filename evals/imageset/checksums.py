"""The hashes of a generated set's tables and eval: what is scored is what was written."""

from __future__ import annotations

from pathlib import Path

from evals.files.atomic_files import write_atomically
from evals.files.regular_files import read_regular
from evals.imageset.contract import CHECKSUMS, EVAL, IMAGES, LEDGER, METADATA, REQUESTS
from evals.imageset.imageset import file_sha256

_FILES = (METADATA, REQUESTS, f"../{EVAL}")


def eval_of(folder: Path) -> Path | None:
    """Return where the frozen eval of a generated set belongs, None for a set that was brought.

    A set that TwinLens generated is the ``images`` of a run folder and holds its ledger or its hashes; an ``eval.yaml``
    beside any other set is somebody else's.
    """
    folder = folder.absolute()
    is_generated = folder.name == IMAGES and any((folder / name).is_file() for name in (LEDGER, CHECKSUMS))
    return folder.parent / EVAL if is_generated else None


def write_checksums(folder: Path) -> None:
    """Write the hashes of the set's tables, and of the eval that it was made for, where they are there."""
    hashes = [(name, digest) for name in _FILES if (digest := file_sha256(folder / name))]
    write_atomically(folder / CHECKSUMS, "".join(f"{digest}  {name}\n" for name, digest in hashes).encode())


def changed_file(folder: Path) -> str | None:
    """Return the first file that is not what it was when the hashes were written; None where there is none, or no hash.

    A line that is no hash of one of these files is damage of `CHECKSUMS` itself.
    """
    path = folder / CHECKSUMS
    for line in read_regular(path).decode("ascii", "replace").split("\n") if path.is_file() else ():
        digest, _, name = line.partition("  ")
        if line and name not in _FILES:
            return CHECKSUMS
        if line and file_sha256(folder / name) != digest:
            return name
    return None
