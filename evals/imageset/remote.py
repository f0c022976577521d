"""Image sets and runs at addresses such as ``s3://``: read and written through a copy on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from evals.files.addresses import AddressError, FolderCopy, joined, path_or_address
from evals.imageset.checksums import eval_of
from evals.imageset.contract import (
    CHECKSUMS,
    EVAL,
    FEATURE_CACHE,
    IMAGES,
    LEDGER,
    METADATA,
    PROVENANCE,
    RATINGS,
    REPORT,
    REQUESTS,
    SAMPLES,
    SCORES,
    SUITES,
    VOTES,
    VOTES_STORE,
)

_TABLES = (METADATA, REQUESTS, LEDGER, CHECKSUMS)
"""The files of an image set besides its pictures."""

_RUN_FILES = (EVAL, SUITES, SAMPLES, SCORES, PROVENANCE, RATINGS, VOTES, VOTES_STORE, FEATURE_CACHE)


def copy_of_set(address: str) -> FolderCopy:
    """Return the copy of an image set, or of the one in a run, with its tables and the eval that it was made for.

    Its pictures are fetched by whoever looks at them.

    Raises
    ------
    evals.files.addresses.AddressError
        If the address cannot be read, or lists no image set.
    """
    copy = FolderCopy(address)
    if METADATA not in copy.entries(""):
        if METADATA not in copy.entries(IMAGES):
            remedy = "give the folder of an image set, in storage that lists its folders (many web servers do not)"
            raise AddressError(f"{address} lists no {METADATA}, nor does {IMAGES} in it; {remedy}")
        copy = FolderCopy(joined(address, IMAGES))
    copy.fetch(*_TABLES)
    if eval_of(copy.path):
        FolderCopy(copy.address.rpartition("/")[0]).fetch(EVAL, SUITES)
    return copy


@contextlib.contextmanager
def run_on_this_machine(run: str | Path) -> Iterator[Path]:
    """Give the folder of a run; what is new or changed in the copy of one at an address is written back at the end.

    The provenance goes last, so that nobody takes a run for whole that is not. Where it cannot be written back, what is
    new stays in the copy, whatever the address has, and is written back the next time.
    """
    place = path_or_address(run)
    if isinstance(place, Path):
        yield place
        return
    copy = copy_of_run(place)
    yield copy.path
    copy.upload(PROVENANCE, (*_RUN_FILES, REPORT))


def copy_of_run(address: str) -> FolderCopy:
    """Return the copy of a run with all but the pictures and reports in it."""
    copy = FolderCopy(address)
    copy.fetch(*_RUN_FILES, keep_changes=True)
    copy.fetch(*(f"{IMAGES}/{name}" for name in _TABLES))
    return copy
