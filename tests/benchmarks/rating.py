"""How long a million measurements take to be rated and how much memory; run with ``make benchmark``.

20,000 prompts in five suites, two systems, 25 metrics of single images. The second table has as many rows, of which
four in ten are controls. Each is read and rated in a process of its own, so that the peak is the rating's alone.
Rating is to end within 20 s and 4 GB; on a busy machine the processor's time tells more than the clock's.
"""

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evals.rating import award_stars, rate
from evals.scoring.table import schema
from metrics.catalogue import METRICS

SUITES, PROMPTS, SYSTEMS = 5, 20_000, ("left", "right")
OF_IMAGES = [spec for spec in METRICS if spec.subject == "sample"]
PLAIN = OF_IMAGES[:25]
CONTROLLED = [spec for spec in OF_IMAGES if "shuffled_prompt" in spec.controls or "rendered_text" in spec.controls][:5]
COLUMNS = [name for name in schema().names if name != "details"]


def measurements(metric: str, control: str | None, seed: int) -> pa.Table:
    """Return one measurement for every prompt and system, one in twenty without a value."""
    n = PROMPTS * len(SYSTEMS)
    prompt, system = np.divmod(np.arange(n), len(SYSTEMS))
    rng = np.random.default_rng(seed)
    value = rng.beta(5, 2, PROMPTS)[prompt] * 0.5 + 0.5 * rng.beta(5, 2, n) - (0.2 if control else 0.0)
    unscored = rng.random(n) < 0.05
    columns = {
        "system": np.array(SYSTEMS)[system],
        "suite": np.char.add("suite-", (prompt % SUITES).astype(str)),
        "prompt_id": np.char.add("prompt-", prompt.astype(str)),
        "subject": [[f"sample-{place}"] for place in range(n)],
        "seed": np.full(n, 1),
        "repeat": np.zeros(n, int),
        "sequence_id": pa.nulls(n),
        "metric": np.full(n, metric),
        "metric_version": np.ones(n, int),
        "encoder": np.full(n, "open_clip:ViT-B-32/laion2b_s34b_b79k"),
        "weights_sha256": np.full(n, "0" * 64),
        "control": np.full(n, control) if control else pa.nulls(n),
        "value": pa.array(value, mask=unscored),
        "reason": pa.array(np.where(unscored, "no_face", None).tolist(), pa.string()),
        "details": np.full(n, "{}"),
    }
    return pa.table({field.name: pa.array(columns[field.name]).cast(field.type) for field in schema()}, schema())


def write_table(path: Path, rows: list[tuple[str, str | None]]) -> None:
    with pq.ParquetWriter(path, schema(), compression="zstd") as writer:
        for seed, (metric, control) in enumerate(rows):
            writer.write_table(measurements(metric, control, seed))


def time_rating(path: Path, what: str) -> None:
    """Print how long each step takes, on the clock and on the processor, and the peak memory until then."""
    scores = timed("read the table", lambda: pd.read_parquet(path, columns=COLUMNS))
    ratings = timed("rate it", lambda: rate(scores))
    timed("award stars", lambda: award_stars(scores, None, ratings["controls"], ()))
    print(f"{what}: {len(scores):,} measurements, {len(ratings['differences'])} differences\n")


def timed(step: str, work: Callable[[], Any]) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{step:<20}{wall:>8.1f} s{cpu:>8.1f} s CPU{peak_mib:>8.0f} MiB")
    return found


def main() -> None:
    print(f"{os.cpu_count()} cores")
    own = [(spec.id, None) for spec in PLAIN]
    controls = [(spec.id, spec.controls[0]) for spec in CONTROLLED for _ in range(2)]
    spawned = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for what, rows in (("own values alone", own), ("with controls", own[: len(own) - len(controls)] + controls)):
            path = Path(folder) / "scores.parquet"
            for work, arguments in ((write_table, (path, rows)), (time_rating, (path, what))):
                process = spawned.Process(target=work, args=arguments)
                process.start()
                process.join()


if __name__ == "__main__":
    main()
