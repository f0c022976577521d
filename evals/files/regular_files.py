"""Reads files that users bring: only regular ones, as a pipe or a device would never end, and where they belong."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file for reading; OSError if it cannot be opened, or is a pipe, a device or a folder."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(file).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(file, "rb")
    os.close(file)
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


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file (see `open_regular`)."""
    with open_regular(path) as file:
        return file.read()
