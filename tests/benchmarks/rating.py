"""How long rating and reporting take at scale, and how much memory; run with ``make benchmark``.

Runs of two systems on five suites are written first: metrics of single images, one value in twenty missing, pictures
of 512 px. Each row of the table is then done in a process of its own, so that the peak is that row's alone.
"""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

from evals.imageset.contract import IMAGES, METADATA, SCORES
from evals.imageset.imageset import read_image_set
from evals.rating.stage import rate_run
from evals.reporting import write_report
from evals.run import Run
from evals.scoring.table import schema
from metrics.catalogue import METRICS
from tests.benchmarks.table import Row, peak_mib
from tests.run_folder import write_lines, write_run

SUITES, SYSTEMS = 5, ("left", "right")
OF_IMAGES = [spec for spec in METRICS if spec.subject == "sample"]
PLAIN = [(spec.id, None) for spec in OF_IMAGES[:25]]
CONTROLLED = [spec for spec in OF_IMAGES if {"shuffled_prompt", "rendered_text"} & set(spec.controls)][:5]
WITH_CONTROLS = PLAIN[:15] + [(spec.id, spec.controls[0]) for spec in CONTROLLED for _ in range(2)]
DETAILS = json.dumps({"read": ["OPEN", "LATE"], "expected": ["OPEN LATE"], "errors": 0, "characters": 9})

Metrics = Sequence[tuple[str, str | None]]
"""Metrics, each with the name of its control or none: so many measurements has a sample."""


def write_big_run(folder: Path, prompts: int, metrics: Metrics, make: Callable[[Path, int], None]) -> None:
    """Write a scored run of so many prompts, two pictures each, which ``make`` makes of a path and a number."""
    samples = [_sample(prompt, system) for prompt in range(prompts) for system in SYSTEMS]
    images = folder / IMAGES / "images"
    images.mkdir(parents=True)
    for place, sample in enumerate(samples):
        make(folder / IMAGES / sample["file_name"], place)
    with pq.ParquetWriter(folder / SCORES, schema(), compression="zstd") as writer:
        for seed, (metric, control) in enumerate(metrics):
            writer.write_table(_measurements(samples, metric, control, seed))
    write_lines(folder / IMAGES / METADATA, samples)
    write_run(folder, samples, requests=[{**sample, "outcome": "ok", "latency_s": 5.0} for sample in samples])


def _sample(prompt: int, system: str) -> dict[str, Any]:
    return {
        "file_name": f"images/{prompt}-{system}.jpg",
        "sample_id": f"sample-{prompt}-{system}",
        "system": system,
        "suite": f"suite-{prompt % SUITES}",
        "prompt_id": f"prompt-{prompt}",
        "prompt": f"A sign over door {prompt} that says OPEN LATE",
        "seed": 1,
        "repeat": 0,
        "width": 512,
        "height": 512,
    }


def _touch(path: Path, _: int) -> None:
    path.touch()


def _draw(path: Path, seed: int) -> None:
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    PIL.Image.fromarray(blocks).resize((512, 512), PIL.Image.Resampling.BICUBIC).save(path, quality=90)


def _measurements(samples: Sequence[dict[str, Any]], metric: str, control: str | None, seed: int) -> pa.Table:
    """Return one measurement for every sample, one in twenty without a value."""
    n = len(samples)
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.beta(5, 2, n // len(SYSTEMS)), len(SYSTEMS))
    value = 0.5 * shared + 0.5 * rng.beta(5, 2, n) - (0.2 if control else 0.0)
    unscored = rng.random(n) < 0.05
    columns = {
        name: [sample[name] for sample in samples] for name in ("system", "suite", "prompt_id", "seed", "repeat")
    }
    columns |= {
        "subject": [[sample["sample_id"]] for sample in samples],
        "metric": np.full(n, metric),
        "metric_version": np.ones(n, int),
        "encoder": np.full(n, "open_clip:ViT-B-32/laion2b_s34b_b79k"),
        "weights_sha256": np.full(n, "0" * 64),
        "control": np.full(n, control) if control else pa.nulls(n),
        "value": pa.array(value, mask=unscored),
        "reason": pa.array(np.where(unscored, "no_face", None).tolist(), pa.string()),
        "details": np.full(n, DETAILS),
    }
    return pa.table([pa.array(columns.get(field.name, pa.nulls(n))).cast(field.type) for field in schema()], schema())


def rate_it(folder: Path) -> str:
    return f"{len(rate_run(Run(folder))['differences'])} differences"


def open_table(folder: Path) -> str:
    run = Run(folder)
    return f"{len(run.scores):,} measurements of {len(run.samples):,} samples"


def open_images(folder: Path) -> str:
    return f"{len(read_image_set(folder / IMAGES).rows):,} pictures"


def report_it(folder: Path) -> str:
    page = write_report(Run(folder), folder / "report")
    return f"{sum(path.stat().st_size for path in page.parent.glob('*.*')) / 2**20:.1f} MiB of pages"


def in_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in a process of its own, its seconds by clock and processor, and the peak MiB."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs, work, *arguments))
    process.start()
    theirs.close()
    measured = ours.recv()
    process.join()
    return measured


def _work(pipe: Connection, work: Callable[..., Any], *arguments: Any) -> None:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    result = work(*arguments)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    pipe.send((result, wall_s, cpu_s, peak_mib()))


def rows() -> Iterator[Row]:
    """(g) Rating, opening and reporting at scale, each against the seconds that it may take."""
    with tempfile.TemporaryDirectory() as name:
        for n, (prompts, metrics, make, steps) in enumerate((
            (20_000, PLAIN, _touch, [("rate a million measurements", rate_it, 20)]),
            (20_000, WITH_CONTROLS, _touch, [("rate a million, four in ten of controls", rate_it, 20)]),
            (2_000, PLAIN, _draw, [
                ("open a score table of 100,000 rows", open_table, 5),
                ("report of 2,000 prompts, 4,000 pictures to reduce", report_it, 60),
                ("the same report again, its pictures there", report_it, 10),
            ]),
            (50_000, PLAIN[:1], _touch, [("open an image set of 100,000 rows", open_images, 5)]),
        )):  # fmt: skip
            folder = Path(name) / str(n)
            in_process(write_big_run, folder, prompts, metrics, make)
            for what, work, limit_s in steps:
                result, wall_s, cpu_s, peak_mib = in_process(work, folder)
                ours = f"{wall_s:.1f} s ({cpu_s:.1f} s of processor), {peak_mib:.0f} MiB"
                yield Row("g", f"{what} ({result})", ours, f"limit {limit_s} s", limit_s / wall_s, "1")
