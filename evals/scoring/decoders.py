"""Decoder processes: they read, hash and decode images ahead of the encoders, with limits on memory and time."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import numpy as np

from evals.imageset.decoding import DecodedImage, Pixels, pixel_bytes, pixel_sha256
from evals.scoring.profiling import Profile
from metrics.encoders.processes import end_child, kill_child, start_child
from metrics.measurement import REASONS

TIME_LIMIT_S = 120.0
MAX_PIXEL_BYTES = 256 << 20
"""Decoded pictures that are waiting or in use have at most this many bytes together; one alone may have more."""

WORKER = [sys.executable, "-m", "evals.scoring.decode_worker"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file gave no image: a reason of `metrics.measurement.REASONS` and a clause."""

    reason: str
    what: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be decoded: a picture, the mask of an edit, or a picture whose mask is filled, from these files."""

    kind: Literal["file", "mask", "filled"]
    paths: tuple[Path, ...]


class Decoders:
    """A few supervised decoder processes; use it as a context manager.

    Plain child processes and not ``multiprocessing``, which would run the caller's script again in every child. A
    process handles one file at a time, so a file that kills it or hangs is known at once; the next file gets a new one.
    """

    def __init__(
        self, workers: int | None = None, time_limit_s: float = TIME_LIMIT_S, profile: Profile | None = None
    ) -> None:
        """Start no process yet: a run that finds everything in the cache needs none."""
        self.workers = workers or min(8, os.cpu_count() or 1)
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._all = [_Process(time_limit_s) for _ in range(self.workers)]
        for process in self._all:
            self._idle.put(process)
        self._threads = concurrent.futures.ThreadPoolExecutor(self.workers, "decoder")
        self._in_use: list[weakref.ref[Pixels]] = []
        self._profile = profile or Profile()

    def __enter__(self) -> Decoders:
        """Return the pool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process."""
        self._threads.shutdown(wait=False, cancel_futures=True)  # first, or what waits would start a process anew
        for process in self._all:
            process.stop()
            self._profile.add("decode", 0, 0.0, process.core_seconds)
        self._threads.shutdown()

    def decode(self, files: Iterable[Path | Request]) -> Iterator[DecodedImage | Unreadable]:
        """Yield the decoded images in the order of ``files``, plain paths being pictures, a few ahead of the caller.

        How far ahead depends on their size: what is being decoded, what waits and what the caller still holds have
        `MAX_PIXEL_BYTES` together. The next picture is decoded in any case, or there would be no end.
        """
        requests = (file if isinstance(file, Request) else Request("file", (file,)) for file in files)
        waiting = ((request, pixel_bytes(request.paths[0])) for request in requests)
        flight: collections.deque[tuple[concurrent.futures.Future[DecodedImage | Unreadable], int]]
        flight, following = collections.deque(), next(waiting, None)
        while flight or following:
            while following and len(flight) < 2 * self.workers:
                request, size = following
                if flight and self._held_bytes() + sum(each for _, each in flight) + size > MAX_PIXEL_BYTES:
                    break
                flight.append((self._threads.submit(self._decode, request), size))
                following = next(waiting, None)
            # Nothing here may keep the picture: it counts for as long as somebody has it.
            yield self._handed_out(flight.popleft()[0].result())

    def _handed_out(self, image: DecodedImage | Unreadable) -> DecodedImage | Unreadable:
        if isinstance(image, DecodedImage):
            self._in_use.append(weakref.ref(image.pixels))
        return image

    def _held_bytes(self) -> int:
        """Return the bytes of the pictures that were handed out and that somebody still has."""
        held = [(each, pixels.nbytes) for each in self._in_use if (pixels := each()) is not None]
        self._in_use = [each for each, _ in held]
        return sum(n_bytes for _, n_bytes in held)

    def _decode(self, request: Request) -> DecodedImage | Unreadable:
        process = self._idle.get()
        try:
            with self._profile.stage("decode"):
                return process.decode(request)
        finally:
            self._idle.put(process)


class _Process:
    """One child process, started when it is first needed and again after it died."""

    def __init__(self, time_limit_s: float) -> None:
        self.time_limit_s = time_limit_s
        self._child: subprocess.Popen[bytes] | None = None
        self._requests = itertools.count()
        self.core_seconds = 0.0
        """What the children that have ended took."""

    def decode(self, request: Request) -> DecodedImage | Unreadable:
        child = self._running()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            kill_child(child)

        watchdog = threading.Timer(self.time_limit_s, give_up)
        watchdog.start()
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            line = {"number": next(self._requests), "kind": request.kind, "paths": list(map(str, request.paths))}
            child.stdin.write(json.dumps(line).encode() + b"\n")
            child.stdin.flush()
            return _answer(child.stdout, line)
        except (OSError, EOFError, ValueError, KeyError, TypeError):  # an answer that is none is no answer
            self.stop()
            if late.is_set():
                return Unreadable("decode_timeout", f"took over {self.time_limit_s:.0f} s to decode")
            return Unreadable("decode_crashed", "killed the decoder process")
        finally:
            watchdog.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._child = start_child(WORKER)
        return self._child

    def stop(self) -> None:
        if self._child is not None:
            before = _core_seconds_of_children()
            end_child(self._child)
            self.core_seconds += _core_seconds_of_children() - before
            self._child = None


def _core_seconds_of_children() -> float:
    """Return what all children that were waited for have taken; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _answer(stream: IO[bytes], request: Mapping[str, Any]) -> DecodedImage | Unreadable:
    """Read the answer to one request; EOFError or ValueError if there is none, or it is not the answer to this one."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    facts = json.loads(line)
    if any(facts[key] != value for key, value in request.items()):
        raise ValueError("the answer is about another file")
    if "unreadable" in facts:
        if facts["reason"] not in REASONS:
            raise ValueError("the answer is none of the reasons")
        return Unreadable(facts["reason"], facts["unreadable"])
    height, width, channels = facts["shape"]
    pixels = np.empty((height, width, channels), np.uint8)
    content = pixels.reshape(-1).data
    while content:
        if not (n_bytes := stream.readinto(content)):  # type: ignore[attr-defined]
            raise EOFError
        content = content[n_bytes:]
    # Features are kept under this hash: it is taken of the pixels that are encoded, not of what is said of them.
    if pixel_sha256(pixels) != facts["pixels"]:
        raise ValueError("the pixels are not those that were hashed")
    return DecodedImage(pixels, facts["pixels"], facts["file"], facts["colour_note"])
