"""The pictures of a run on disk: untouched bytes under a name made of their content, checked by decoding them."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evals.files.atomic_files import write_atomically
from evals.files.regular_files import path_inside, read_regular
from evals.generation.spooling import Spooled
from evals.imageset.contract import IMAGES
from evals.imageset.copying import copy_picture
from evals.imageset.decoding import UnreadableImage, decode_bytes, open_picture

_LEAST_FREE_BYTES = 256 * 2**20
_DECODED_AT_ONCE = 2
"""A 4K picture takes a quarter of a gigabyte while it is decoded."""


OTHERS = "others"
"""The folder of further pictures of an answer: charged for, and no samples."""


class NotAPicture(ValueError):
    """The bytes are no picture; the message is a clause such as 'is truncated'."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored picture: its file below the image set, what it really is, and its hashes."""

    file_name: str
    format: str
    n_bytes: int
    width: int
    height: int
    file_sha256: str
    pixel_sha256: str


class Pictures:
    """The folder ``images`` of an image set."""

    def __init__(self, folder: Path, stored: Mapping[str, str]) -> None:
        """Know which names are taken: ``stored`` are the files of earlier processes, by ``sample_id``."""
        self.folder = folder
        self._owners = {file_name: sample_id for sample_id, file_name in stored.items()}
        self._names = threading.Lock()
        self._decoding = threading.Semaphore(_DECODED_AT_ONCE)

    def store(self, sample_id: str, content: bytes | Spooled) -> Picture:
        """Decode a picture to see that it is one, and write its untouched bytes.

        Equal bytes get a running number, so that every sample has its own file. A file that a crash left without an
        owner is written again.

        Raises
        ------
        NotAPicture
            If the bytes cannot be decoded.
        OSError
            If they cannot be written.
        """
        with self._decoding:
            content = bytes(content)
            width, height, file_sha256, pixel_sha256 = _decoded(content)
        with open_picture(content) as opened:
            kind = (opened.format or "png").lower()
        name = self._name(sample_id, file_sha256, kind.replace("jpeg", "jpg"))
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        return Picture(name, kind, len(content), width, height, file_sha256, pixel_sha256)

    def keep(self, content: bytes | Spooled) -> str:
        """Keep a further picture of an answer beside the image set's own and return its file name.

        Raises
        ------
        NotAPicture
            If the bytes cannot be decoded.
        OSError
            If they cannot be written.
        """
        try:
            return copy_picture(self.folder, OTHERS, bytes(content))
        except UnreadableImage as error:
            raise NotAPicture(str(error)) from None

    def read(self, file_name: str) -> bytes:
        """Return the bytes of a stored picture; OSError if it is none or lies outside the folder."""
        return read_regular(path_inside(self.folder, file_name))

    def holds(self, file_name: str) -> bool:
        """Tell whether a stored picture is still there."""
        with contextlib.suppress(OSError):
            return path_inside(self.folder, file_name).is_file()
        return False

    def check_space(self) -> None:
        """Refuse to send anything while the disk has no room for what comes back.

        Raises
        ------
        OSError
            If less than 256 MiB are free: a paid picture that cannot be stored is lost.
        """
        if shutil.disk_usage(self.folder).free < _LEAST_FREE_BYTES:
            raise OSError(28, "less than 256 MiB are free and nothing more was sent", str(self.folder))

    def _name(self, sample_id: str, digest: str, suffix: str) -> str:
        with self._names:
            for number in range(1, len(self._owners) + 2):
                copy = f"-{number}" if number > 1 else ""
                name = f"{IMAGES}/{digest[:24]}{copy}.{suffix}"
                if self._owners.setdefault(name, sample_id) == sample_id:
                    return name
        raise AssertionError("there is always a free number")


def _decoded(content: bytes) -> tuple[int, int, str, str]:
    """Return width, height, and the hashes of file and pixels; the pixels themselves are let go of."""
    try:
        decoded = decode_bytes(content)
    except UnreadableImage as error:
        raise NotAPicture(str(error)) from None
    height, width = decoded.pixels.shape[:2]
    return width, height, decoded.file_sha256, decoded.pixel_sha256
