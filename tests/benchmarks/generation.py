"""What generation adds to the time that the hosts take, an image and by size; run with ``make benchmark``.

The simulated hosts work in a process of their own, so that only the client is measured, and both wire formats run in
turns: one that answers with the picture, one whose tasks are asked for until they are ready. The hosts' work takes the
same time at every size, so that what differs between sizes is what drawing (plain cells), moving and decoding their
pictures costs on these cores; a real host draws on its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd

from evals.facts.pricing import SIZES
from evals.generation.stage import generate
from evals.imageset.contract import IMAGES as IMAGE_FOLDER
from evals.imageset.contract import REQUESTS
from evals.rating.operations import Figure
from evals.rating.operations_by_size import operations_by_size
from tests.evals.generation.simulated_runs import a_plan, faulty_hosts, open_systems
from tests.simulators.faults import serve_faulty

FORMATS = {"google": "gemini-3.1-flash-image@google", "bfl": "flux-2-pro@bfl"}
IMAGES, WORK_S, CONCURRENCY = 1000, 0.5, 24

SIZED_FORMATS = {"google": "gemini-3.1-flash-image@google", "bfl": "flux-3-image@bfl"}
"""Systems that make pictures of all three sizes."""

COMPARED_SIZES = ("1K", "2K", "4K")
SIZED_IMAGES, SIZED_WORK_S, SIZED_CONCURRENCY = 24, 2.0, 8


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
    with serve_faulty(faulty_hosts([system], work_s=work_s)) as addresses:
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


@dataclass(frozen=True, slots=True)
class SizeThroughput:
    """What one size was like in a run of several: as `evals.rating.operations` tells it, and the most that could be."""

    size: str
    pictures_per_minute: float
    limit_per_minute: float
    latency_s: float

    @property
    def seconds_per_megapixel(self) -> float:
        """Return the median latency over the megapixels of a picture."""
        return self.latency_s / (SIZES[self.size] ** 2 / 1e6)


def measure_sizes(
    system: str, images: int = SIZED_IMAGES, sizes: Sequence[str] = COMPARED_SIZES, work_s: float = SIZED_WORK_S
) -> list[SizeThroughput]:
    """Generate the same prompts at every size in one run, size after size; every picture has to come."""
    requests = [
        replace(request, sample_id=f"{size}-{request.sample_id}", suite=f"load@{size}")
        for size in sizes
        for request in a_plan(images, [system], size)
    ]
    with tempfile.TemporaryDirectory() as out, served_apart(system, work_s) as addresses:
        generation = generate(open_systems(requests, addresses, SIZED_CONCURRENCY), Path(out))
        if generation.outcomes != {system: {"ok": len(requests)}}:
            raise RuntimeError(f"not every picture came: {generation.outcomes}")
        rows = operations_by_size(pd.read_json(Path(out) / IMAGE_FOLDER / REQUESTS, lines=True, dtype={"size": str}))
    limit = 60 * SIZED_CONCURRENCY / work_s
    return [
        SizeThroughput(
            str(row["size"]),
            known(row["figures"]["operations.throughput"]),
            limit,
            known(row["figures"]["operations.latency_p50"]),
        )
        for row in rows
    ]


def known(figure: Figure) -> float:
    """Return the value of a figure, which every request of a benchmark tells."""
    if figure["value"] is None:
        raise RuntimeError(f"a figure is missing: {figure['reason']}")
    return figure["value"]


def main() -> None:
    """Print the tables: ``python -m tests.benchmarks.generation [IMAGES]``."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    print(f"{os.cpu_count()} cores, {images} pictures of 512 px, {WORK_S} s of work each, {CONCURRENCY} in flight")
    print(f"{'':<8}{'wall':>10}{'limit':>10}{'ratio':>8}{'overhead an image':>20}{'processor an image':>20}")
    for name, system in FORMATS.items():
        found = measure(system, images)
        print(
            f"{name:<8}{found.wall_s:>8.1f} s{found.limit_s:>8.1f} s{found.ratio:>8.2f}"
            f"{found.overhead_ms:>17.1f} ms{found.cpu_ms:>17.1f} ms"
        )
    print(f"\n{SIZED_IMAGES} pictures a size in one run, {SIZED_WORK_S} s of work each, {SIZED_CONCURRENCY} in flight")
    print(
        f"{'':<8}{'size':>6}{'pictures a minute':>20}{'of 1K':>8}{'of the limit':>14}{'median':>10}{'a megapixel':>14}"
    )
    for name, system in SIZED_FORMATS.items():
        rows = measure_sizes(system)
        for row in rows:
            print(
                f"{name:<8}{row.size:>6}{row.pictures_per_minute:>20.0f}"
                f"{row.pictures_per_minute / rows[0].pictures_per_minute:>8.2f}"
                f"{row.pictures_per_minute / row.limit_per_minute:>14.2f}"
                f"{row.latency_s:>8.2f} s{row.seconds_per_megapixel:>12.3f} s"
            )


if __name__ == "__main__":
    main()
