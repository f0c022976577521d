"""The one writer of run folders for tests: rows made by hand become the files that scoring leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

from evals.imageset.contract import EVAL, IMAGES, LEDGER, PROVENANCE, REQUESTS, SAMPLES, SCORES
from evals.imageset.imageset import file_sha256, write_image_set
from evals.run import run_files, sealed
from evals.scoring.table import schema

_USUAL = {"suite": "signs", "seed": 1, "repeat": 0, "metric_version": 1}
_PROVENANCE = {
    "twinlens": "0.1.0",
    "created_at": "2026-07-22T12:00:00+00:00",
    "encoders": [],
    "packages": {},
    "machine": {},
    "unreadable": [],
    "long_prompts": None,
    "seconds": 0.0,
}


def write_run(
    folder: Path,
    samples: Sequence[Mapping[str, Any]] | None = None,
    scores: Iterable[Mapping[str, Any]] | None = None,
    requests: Sequence[Mapping[str, Any]] | None = None,
    frozen_eval: str | None = None,
    **provenance: Any,
) -> Path:
    """Write the files of a scored run, or some of them anew, and return its folder.

    Parameters
    ----------
    folder
        The run; its image set is ``images`` in it.
    samples, scores, requests, frozen_eval
        What the files hold; of None the file stays as it is. A score needs only what is not usual.
    provenance
        What it says besides where the images are.
    """
    images = folder / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    n_samples = len(samples or ())
    image_set = {"name": "by-hand", "path": str(images.resolve()), "rows": n_samples, "scored_rows": n_samples}
    image_set |= {"skipped": [], "warnings": [], "outcomes": {}} | provenance.pop("image_set", {})
    if samples is not None:
        write_lines(folder / SAMPLES, [{"file_name": "x.png", "prompt": "p"} | dict(row) for row in samples])
    if scores is not None:
        rows = [_USUAL | dict(row) for row in scores]
        for row in rows:
            if isinstance(row.get("details"), dict):
                row["details"] = json.dumps(row["details"])
        pq.write_table(pa.Table.from_pylist(rows, schema()), folder / SCORES)
    if requests is not None:
        write_lines(images / REQUESTS, requests)
    if frozen_eval is not None:
        (folder / EVAL).write_text(frozen_eval, encoding="utf-8")
        (images / LEDGER).touch()  # the eval is the set's own
    seal(folder, **{**_PROVENANCE, **provenance, "image_set": image_set})
    return folder


def seal(folder: Path, **changes: Any) -> None:
    """Write the provenance anew, with these changes and the hashes that the files have now."""
    path = folder / PROVENANCE
    record = (json.loads(path.read_text()) if path.exists() else {}) | changes
    record.pop("sha256", None)
    files = run_files(folder, Path(record["image_set"]["path"]))
    path.write_text(json.dumps(sealed(record | {"files": {name: file_sha256(file) for name, file in files.items()}})))


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON document a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_noise_set(folder: Path) -> None:
    """Write an image set of one prompt: two systems, two repeats each, pictures of noise."""
    random = np.random.default_rng(1)
    samples = [
        (
            PIL.Image.fromarray(random.integers(0, 255, (32, 32, 3), dtype=np.uint8)),
            {"system": system, "suite": "s", "prompt": "p", "seed": 1, "repeat": repeat},
        )
        for system in "ab"
        for repeat in (0, 1)
    ]
    write_image_set(folder, samples)
