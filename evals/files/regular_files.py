"""Reads files that users bring: regular ones, as a pipe never ends, of a size that memory holds, where they belong."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

LARGEST_FILE = 1 << 30
"""Bytes of a file that is read as a whole. A file with holes says it has any size, and takes no room on the disk."""

LARGEST_TABLE = 8 << 30
"""Bytes of a table with a row a picture or request: millions of rows, of which none may be left out."""


def open_regular(path: Path, largest: int | None = None) -> io.BufferedReader:
    """Open a file for reading; OSError if it cannot be opened, is a pipe, a device or a folder, or is larger."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    mode, size = os.fstat(file).st_mode, os.fstat(file).st_size
    is_too_large = largest is not None and size > largest
    if stat.S_ISREG(mode) and not is_too_large:
        return os.fdopen(file, "rb")
    os.close(file)
    if stat.S_ISREG(mode) and largest is not None:
        what = f"has {size >> 20:,} MiB, over the limit of {largest >> 20:,}"
        raise OSError(errno.EFBIG, what, str(path))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def path_inside(folder: Path, name: str) -> Path:
    """Return the path of a file that a received table names; OSError if it leads out of the folder, links followed."""
    path = folder / name
    try:
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    except (ValueError, RuntimeError):  # a null byte, a ring of links
        pass
    raise OSError(errno.EINVAL, "leads out of its folder", str(path))


def read_regular(path: Path, largest: int | None = LARGEST_FILE) -> bytes:
    """Return the content of a regular file (see `open_regular`)."""
    with open_regular(path, largest) as file:
        return file.read()
