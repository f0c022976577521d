"""Image sets at addresses such as ``s3://``: what is read of them lies in a copy on this machine."""

from __future__ import annotations

from evals.files.addresses import AddressError, FolderCopy, joined
from evals.imageset.checksums import eval_of
from evals.imageset.contract import CHECKSUMS, EVAL, IMAGES, LEDGER, METADATA, REQUESTS, SUITES

TABLES = (METADATA, REQUESTS, LEDGER, CHECKSUMS)
"""The files of an image set besides its pictures."""


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
    copy.fetch(*TABLES)
    if eval_of(copy.path):
        FolderCopy(copy.address.rpartition("/")[0]).fetch(EVAL, SUITES)
    return copy
