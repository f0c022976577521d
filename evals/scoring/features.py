"""The feature cache: what an encoder said of an image, kept by content in append-only shards."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import threading
import uuid
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from evals.files.regular_files import open_regular

_ARRAY = "__array__"


def encode_value(value: Any) -> Any:
    """Turn a feature into JSON: arrays become base64 with their dtype and shape."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {_ARRAY: [value.dtype.str, list(value.shape), data]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: encode_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode_value(item) for item in value]
    return value


def decode_value(value: Any) -> Any:
    """Turn JSON back into the feature (the inverse of `encode_value`; tuples come back as lists)."""
    if isinstance(value, dict):
        if _ARRAY in value:
            dtype, shape, data = value[_ARRAY]
            return np.frombuffer(base64.b64decode(data), dtype=dtype).reshape(shape)
        return {key: decode_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode_value(item) for item in value]
    return value


class FeatureStore:
    """The features of one kind from one encoder: key (a content hash) to value.

    Every process appends to a shard of its own, one line a feature with its checksum, so several may share a store,
    a killed one loses at most its last, half-written line, and a damaged line is computed again.
    """

    def __init__(self, folder: Path) -> None:
        """Index the shards that are there; nothing is created before the first `put`."""
        self.folder = folder
        self._where: dict[str, tuple[Path, int, int]] = {}
        self._fresh: dict[str, Any] = {}
        self._out: BinaryIO | None = None
        self._lock = threading.Lock()
        for shard in sorted(folder.glob("*.shard")) if folder.is_dir() else ():
            self._where.update(_index(shard))

    def __contains__(self, key: str) -> bool:
        """Tell whether the feature is stored."""
        return key in self._fresh or key in self._where

    @property
    def is_empty(self) -> bool:
        """Whether it had nothing when it was opened."""
        return not self._where

    def get(self, key: str) -> Any:
        """Return the stored feature; KeyError if there is none."""
        if key in self._fresh:
            return self._fresh[key]
        shard, start, length = self._where[key]
        with shard.open("rb") as file:
            file.seek(start)
            value = decode_value(json.loads(file.read(length)))
        self._fresh[key] = value
        return value

    def put(self, key: str, value: Any) -> None:
        """Append a feature, in any thread. It is on its way to disk after the next `flush`."""
        line = json.dumps(encode_value(value), ensure_ascii=False, separators=(",", ":"))
        content = line.encode()
        with self._lock:
            self._shard().write(f"{key}\t{zlib.crc32(content):08x}\t".encode() + content + b"\n")
        # What was just written is read back from memory in the same form that a later run reads from disk.
        self._fresh[key] = decode_value(json.loads(line))

    def append(self, lines: bytes) -> None:
        """Append whole lines of another process's shard; a damaged one among them is passed over, as in a file."""
        with self._lock:
            out = self._shard()
            out.flush()
            start = out.tell()
            out.write(lines)
            out.flush()
            self._where.update(_index(Path(out.name), start))

    def _shard(self) -> BinaryIO:
        if self._out is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._out = (self.folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.shard").open("ab")
        return self._out

    def flush(self) -> None:
        """Hand everything that was put to the operating system."""
        with self._lock:
            if self._out is not None:
                self._out.flush()

    def close(self) -> None:
        """Flush and close the shard."""
        if self._out is not None:
            self._out.close()
            self._out = None


def _index(shard: Path, start: int = 0) -> Iterator[tuple[str, tuple[Path, int, int]]]:
    """Yield key -> (shard, start, length) for each whole line; torn and damaged ones are passed over."""
    with contextlib.suppress(OSError), open_regular(shard) as file:
        file.seek(start)
        for line in file:
            key, _, rest = line.partition(b"\t")
            checksum, tab, value = rest.partition(b"\t")
            if tab and line.endswith(b"\n") and checksum == b"%08x" % zlib.crc32(value[:-1]) and key.isascii():
                yield key.decode(), (shard, start + len(key) + len(checksum) + 2, len(value) - 1)
            start += len(line)


class FeatureCache:
    """All feature stores under one folder, one a (feature, encoder, weights, version)."""

    def __init__(self, folder: Path) -> None:
        """Open the cache; the folder need not exist, and may be a link: nothing in it is ever written over."""
        self.folder = folder
        self._open: dict[Path, FeatureStore] = {}

    def store(self, feature: str, encoder: str, weights_sha256: str | None, version: str) -> FeatureStore:
        """Return the store of one feature from one encoder with exactly these weights and this preprocessing."""
        identity = hashlib.sha256(json.dumps([encoder, weights_sha256, version]).encode()).hexdigest()[:12]
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", encoder)[-60:].strip("-")
        folder = self.folder / feature / f"{slug}-{identity}"
        return self._store(folder)

    def _store(self, folder: Path) -> FeatureStore:
        if folder not in self._open:
            self._open[folder] = FeatureStore(folder)
        return self._open[folder]

    def shards(self) -> dict[str, bytes]:
        """Return the lines of every store, by its place in the cache, for another cache to `append`."""
        self.flush()
        return {
            folder.relative_to(self.folder).as_posix(): b"".join(path.read_bytes() for path in folder.glob("*.shard"))
            for folder in self._open
        }

    def append(self, shards: Mapping[str, bytes]) -> None:
        """Keep what another cache has computed."""
        for name, lines in shards.items():
            if lines:
                self._store(self.folder / name).append(lines)

    def flush(self) -> None:
        """Flush every open store."""
        for store in self._open.values():
            store.flush()

    @contextlib.contextmanager
    def closing(self) -> Iterator[FeatureCache]:
        """Close every store at the end, whatever happens in between."""
        try:
            yield self
        finally:
            for store in self._open.values():
                store.close()
