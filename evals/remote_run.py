"""Runs at addresses such as ``s3://``: read and written through a copy on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from evals.files.addresses import FolderCopy, path_or_address
from evals.imageset.contract import (
    EVAL,
    FEATURE_CACHE,
    IMAGES,
    PROVENANCE,
    RATINGS,
    REPORT,
    SAMPLES,
    SCORES,
    SUITES,
    VOTES,
    VOTES_STORE,
)
from evals.imageset.remote import TABLES

_READ = (EVAL, SUITES, SAMPLES, SCORES, PROVENANCE, RATINGS, VOTES, VOTES_STORE, FEATURE_CACHE)


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
    copy.upload(PROVENANCE, (*_READ, REPORT))


def copy_of_run(address: str) -> FolderCopy:
    """Return the copy of a run with all but the pictures and reports in it."""
    copy = FolderCopy(address)
    copy.fetch(*_READ, keep_changes=True)
    copy.fetch(*(f"{IMAGES}/{name}" for name in TABLES))
    return copy
