"""Writes files that are there whole or not at all, and follows no link that lies in the place of an unfinished one."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

_STAGED = re.compile(r"\.(\d+)(\.[0-9a-f]+)?\.new$")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also when the process dies."""
    with named_in_errors(path):
        staged, file = open_staged(path)
    try:
        with named_in_errors(path), os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def staged_path(path: Path) -> Path:
    """Return a place beside a file for what will become it, under a name that nobody can have taken beforehand."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(8)}.new")


def open_staged(path: Path) -> tuple[Path, int]:
    """Make such a file and open it; a link that lies in its place is refused, not followed."""
    staged = staged_path(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return staged, os.open(staged, flags, 0o666)


@contextlib.contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """Give an error of the disk the name of the file that is written: a full one tells none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def clear_leftovers(folder: Path) -> None:
    """Take away the unfinished files of writers (see `write_atomically`) whose process is gone."""
    for staged in folder.glob(".*.new"):
        match = _STAGED.search(staged.name)
        if match and not _is_running(int(match[1])):
            staged.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # where the question would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
