"""Image sets and runs at addresses such as ``s3://``: what is read of them lies in a copy on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from evals.files.addresses import FolderCopy, joined, path_or_address
from evals.imageset.checksums import eval_of
from evals.imageset.contract import (
    CHECKSUMS,
    EVAL,
    IMAGES,
    LEDGER,
    METADATA,
    PROVENANCE,
    RATINGS,
    REQUESTS,
    SAMPLES,
    SCORES,
    SUITES,
    VOTES,
    VOTES_STORE,
)

FEATURES = "features"
"""The cache of a scored run."""

_SET = (METADATA, REQUESTS, LEDGER, CHECKSUMS)
_RUN = (EVAL, SUITES, SAMPLES, SCORES, PROVENANCE, RATINGS, VOTES, VOTES_STORE, FEATURES)


def copy_of_set(address: str) -> FolderCopy:
    """Return the copy of an image set, or of the one in a run, with its tables and the eval that it was made for.

    Its pictures are fetched by whoever looks at them.

    Raises
    ------
    evals.files.addresses.AddressError
        If the address cannot be read.
    """
    copy = FolderCopy(address)
    if METADATA not in copy.entries("") and METADATA in copy.entries(IMAGES):
        copy = FolderCopy(joined(address, IMAGES))
    copy.fetch(*_SET)
    if eval_of(copy.path):
        FolderCopy(copy.address.rpartition("/")[0]).fetch(EVAL, SUITES)
    return copy


@contextlib.contextmanager
def run_on_this_machine(run: str | Path) -> Iterator[Path]:
    """Give the folder of a run; what is new or changed in the copy of one at an address is written back at the end.

    The provenance goes last, so that nobody takes a run for whole that is not. A copy stays when it cannot be written
    back, and is written back the next time.
    """
    place = path_or_address(run)
    if isinstance(place, Path):
        yield place
        return
    copy = copy_of_run(place)
    yield copy.path
    copy.upload(PROVENANCE, leave_out=(IMAGES,))


def copy_of_run(address: str) -> FolderCopy:
    """Return the copy of a run with all but the pictures and reports in it."""
    copy = FolderCopy(address)
    copy.fetch(*_RUN, *(f"{IMAGES}/{name}" for name in _SET))
    return copy
