"""What generation adds to the time that the hosts take, an image and by size; run with ``make benchmark``.

The simulated hosts work in a process of their own, so that only the client is measured, and both wire formats run in
turns: one that answers with the picture, one whose tasks are asked for until they are ready. The hosts' work takes the
same time at every size, so that what differs between sizes is what drawing (plain cells), moving and decoding their
pictures costs on these cores; a real host draws on its own.
"""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd

from evals.facts.pricing import SIZES
from evals.generation.plan import ImageRequest
from evals.generation.stage import generate
from evals.imageset.contract import IMAGES as IMAGE_FOLDER
from evals.imageset.contract import REQUESTS
from evals.rating.operations_by_size import operations_by_size
from tests.evals.generation.simulated_runs import a_plan, faulty_hosts, open_systems
from tests.simulators.faults import serve_faulty

FORMATS = {"google": "gemini-3.1-flash-image@google", "bfl": "flux-2-pro@bfl"}
IMAGES, WORK_S, CONCURRENCY = 1000, 0.5, 24

SIZED_FORMATS = {"google": "gemini-3.1-flash-image@google", "bfl": "flux-3-image@bfl"}
"""Systems that make pictures of all three sizes."""

COMPARED_SIZES = ("1K", "2K", "4K")
SIZED_IMAGES, SIZED_WORK_S, SIZED_CONCURRENCY = 24, 2.0, 8


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


def generate_all(requests: Sequence[ImageRequest], work_s: float, concurrency: int, out: Path) -> tuple[float, float]:
    """Generate a plan into an empty folder, every picture of which has to come; return wall and processor seconds."""
    (system,) = {request.system for request in requests}
    with served_apart(system, work_s) as addresses:
        systems = open_systems(requests, addresses, concurrency)
        wall, cpu = time.perf_counter(), time.process_time()
        generation = generate(systems, out)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if generation.outcomes != {system: {"ok": len(requests)}}:
        raise RuntimeError(f"not every picture came: {generation.outcomes}")
    return wall, cpu


def print_overhead(name: str, system: str, images: int) -> None:
    """Print the time of a run of 512 px beside the limit that its host's work and the concurrency set."""
    with tempfile.TemporaryDirectory() as out:
        wall_s, cpu_s = generate_all(a_plan(images, [system], "512"), WORK_S, CONCURRENCY, Path(out))
    limit_s = images / CONCURRENCY * WORK_S
    overhead_ms, cpu_ms = 1000 * (wall_s - limit_s) / images, 1000 * cpu_s / images
    print(
        f"{name:<8}{wall_s:>8.1f} s{limit_s:>8.1f} s{wall_s / limit_s:>8.2f}{overhead_ms:>17.1f} ms{cpu_ms:>17.1f} ms"
    )


def print_sizes(name: str, system: str) -> None:
    """Print what each size was like, as `evals.rating.operations` tells it, in one run of the same prompts."""
    requests = [
        replace(request, sample_id=f"{size}-{request.sample_id}", suite=f"load@{size}")
        for size in COMPARED_SIZES
        for request in a_plan(SIZED_IMAGES, [system], size)
    ]
    with tempfile.TemporaryDirectory() as out:
        generate_all(requests, SIZED_WORK_S, SIZED_CONCURRENCY, Path(out))
        rows = operations_by_size(pd.read_json(Path(out) / IMAGE_FOLDER / REQUESTS, lines=True, dtype={"size": str}))
    smallest = rows[0]["figures"]["operations.throughput"]["value"]
    for row in rows:
        a_minute, latency_s = (row["figures"][f"operations.{of}"]["value"] for of in ("throughput", "latency_p50"))
        print(
            f"{name:<8}{row['size']:>6}{a_minute:>20.0f}{a_minute / smallest:>8.2f}"
            f"{a_minute * SIZED_WORK_S / 60 / SIZED_CONCURRENCY:>14.2f}"
            f"{latency_s:>8.2f} s{latency_s / (SIZES[row['size']] ** 2 / 1e6):>12.3f} s"
        )


def main() -> None:
    """Print the tables: ``python -m tests.benchmarks.generation [IMAGES]``."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    print(f"{os.cpu_count()} cores, {images} pictures of 512 px, {WORK_S} s of work each, {CONCURRENCY} in flight")
    print(f"{'':<8}{'wall':>10}{'limit':>10}{'ratio':>8}{'overhead an image':>20}{'processor an image':>20}")
    for name, system in FORMATS.items():
        print_overhead(name, system, images)
    print(f"\n{SIZED_IMAGES} pictures a size in one run, {SIZED_WORK_S} s of work each, {SIZED_CONCURRENCY} in flight")
    print(
        f"{'':<8}{'size':>6}{'pictures a minute':>20}{'of 1K':>8}{'of the limit':>14}{'median':>10}{'a megapixel':>14}"
    )
    for name, system in SIZED_FORMATS.items():
        print_sizes(name, system)


if __name__ == "__main__":
    main()
