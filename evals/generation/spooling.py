"""Large pictures on their way from a host to the image set: in a temporary file, so that waiting takes no memory."""

from __future__ import annotations

import contextlib
import tempfile
from typing import BinaryIO

SPOOLED_BYTES = 8 * 2**20


class Spooled:
    """Bytes in a temporary file without a name; ``bytes`` reads them, and they are gone with the object."""

    def __init__(self, file: BinaryIO, n_bytes: int) -> None:
        self._file, self._n_bytes = file, n_bytes

    def __len__(self) -> int:
        return self._n_bytes

    def __bytes__(self) -> bytes:
        self._file.seek(0)
        return self._file.read()


def spooled(content: bytes) -> bytes | Spooled:
    """Return bytes as they are, or from 8 MiB on in a file; where that cannot be written, memory must do."""
    if len(content) >= SPOOLED_BYTES:
        with contextlib.suppress(OSError):
            file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
            file.write(content)
            file.flush()
            return Spooled(file, len(content))
    return content
