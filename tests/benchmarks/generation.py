"""What generation adds to the time that the hosts take, an image; run with ``make benchmark``.

The simulated hosts work in a process of their own, so that only the client is measured, and both wire formats run in
turns: one that answers with the picture, one whose tasks are asked for until they are ready.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from evals.generation.simulators.artists import plain_artist
from evals.generation.simulators.books import Books
from evals.generation.simulators.server import serve
from evals.generation.stage import generate
from tests.evals.generation.simulated_runs import a_plan, a_simulation, open_systems

FORMATS = {"google": "gemini-3.1-flash-image@google", "bfl": "flux-2-pro@bfl"}
IMAGES, WORK_S, CONCURRENCY = 1000, 0.5, 24


@dataclass(frozen=True, slots=True)
class Throughput:
    """How long a run took beside the time that its host's work and the concurrency set, and what the client did."""

    images: int
    limit_s: float
    wall_s: float
    cpu_s: float

    @property
    def ratio(self) -> float:
        """Return how many times the limit the run took."""
        return self.wall_s / self.limit_s

    @property
    def overhead_ms(self) -> float:
        """Return the wall time beyond the limit, an image."""
        return 1000 * (self.wall_s - self.limit_s) / self.images

    @property
    def cpu_ms(self) -> float:
        """Return the client's processor time, an image."""
        return 1000 * self.cpu_s / self.images


@contextlib.contextmanager
def served_apart(system: str, work_s: float) -> Iterator[dict[str, str]]:
    """Serve a system's simulated host in another process and yield its address."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=_serve, args=(theirs, system, work_s))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection, system: str, work_s: float) -> None:
    with serve(a_simulation(Books(), plain_artist, [system], work_s=work_s)) as addresses:
        pipe.send(addresses)
        with contextlib.suppress(EOFError):
            pipe.recv()


def measure(system: str, images: int = IMAGES, work_s: float = WORK_S) -> Throughput:
    """Generate pictures of 512 px in an empty folder; every one of them has to come."""
    requests = a_plan(images, [system], "512")
    with tempfile.TemporaryDirectory() as out, served_apart(system, work_s) as addresses:
        systems = open_systems(requests, addresses, CONCURRENCY)
        wall, cpu = time.perf_counter(), time.process_time()
        generation = generate(systems, Path(out))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if generation.outcomes != {system: {"ok": images}}:
        raise RuntimeError(f"not every picture came: {generation.outcomes}")
    return Throughput(images, images / CONCURRENCY * work_s, wall, cpu)


def main() -> None:
    """Print the table: ``python -m tests.benchmarks.generation [IMAGES]``."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    print(f"{os.cpu_count()} cores, {images} pictures of 512 px, {WORK_S} s of work each, {CONCURRENCY} in flight")
    print(f"{'':<8}{'wall':>10}{'limit':>10}{'ratio':>8}{'overhead an image':>20}{'processor an image':>20}")
    for name, system in FORMATS.items():
        found = measure(system, images)
        print(
            f"{name:<8}{found.wall_s:>8.1f} s{found.limit_s:>8.1f} s{found.ratio:>8.2f}"
            f"{found.overhead_ms:>17.1f} ms{found.cpu_ms:>17.1f} ms"
        )


if __name__ == "__main__":
    main()
