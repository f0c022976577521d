"""A scored run made by hand: two systems, four suites, small pictures, and one of everything that a report shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from metrics.catalogue import metric

SYSTEMS = ("beryl@fake", "onyx@fake")


@dataclass(frozen=True)
class Ratings:
    """How tests make rows of the ratings."""

    row: Callable[..., dict[str, Any]]
    difference: Callable[..., dict[str, Any]]


@dataclass
class FakeRun:
    """The part of a run that a report reads."""

    folder: Path
    samples: pd.DataFrame
    scores: pd.DataFrame
    provenance: dict[str, Any]
    rated: dict[str, Any] = field(default_factory=dict)
    requests: pd.DataFrame | None = None

    def image_path(self, sample_id: str) -> Path | None:
        return self.folder / f"{sample_id}.png"


def score(sample: dict[str, Any], metric_id: str, value: float | None, **more: Any) -> dict[str, Any]:
    """One row of a score table."""
    row = {
        "system": sample["system"],
        "suite": sample["suite"],
        "prompt_id": sample["prompt_id"],
        "subject": [sample["sample_id"]],
        "seed": sample.get("seed"),
        "repeat": sample.get("repeat"),
        "sequence_id": sample.get("sequence_id"),
        "metric": metric_id,
        "metric_version": 1,
        "encoder": "pixels:rgb8",
        "weights_sha256": None,
        "control": None,
        "value": value,
        "reason": None,
        "details": {},
    }
    return {**row, **more}


def rating(metric_id: str, suite: str, system: str, mean: float | None, half: float | None, **more: Any) -> dict:
    """One row of the ratings, with what the catalogue says about its metric."""
    spec = metric(metric_id)
    interval = (None, None) if mean is None or half is None else (mean - half, mean + half)
    row = {
        "metric": metric_id,
        "title": spec.title,
        "unit": spec.unit,
        "better": spec.better,
        "suite": suite,
        "system": system,
        "encoder": "pixels:rgb8",
        "n_prompts": 6,
        "n_scored": 6,
        "n_unscored": 0,
        "reasons": {},
        "mean": mean,
        "low": interval[0],
        "high": interval[1],
    }
    return {**row, **more}


def difference(metric_id: str, suite: str, mean: float | None, half: float | None, better: str | None) -> dict:
    """One paired difference of the ratings, first system minus second."""
    interval = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return {
        "metric": metric_id,
        "suite": suite,
        "system_a": SYSTEMS[0],
        "system_b": SYSTEMS[1],
        "n_prompts": 6,
        "mean": mean,
        "low": interval[0],
        "high": interval[1],
        "better_system": better,
        "note": "" if half is not None else "not separable: fewer than 5 prompts in common, so there is no interval",
    }


def _samples() -> list[dict[str, Any]]:
    rows = []
    for system in SYSTEMS:
        name = system[0]
        rows += [
            {"suite": "scenes", "prompt_id": f"scene-{i}", "prompt": f"A street of {i} lamps", "seed": 1, "repeat": r}
            | {"sample_id": f"{name}-scene-{i}-{r}", "system": system}
            for i in range(3)
            for r in range(2)
        ]
        rows += [
            {"suite": "portraits", "prompt_id": f"mara-{shot}", "prompt": f"Mara, shot {shot}", "seed": 1, "shot": shot}
            | {"sequence_id": "mara", "sample_id": f"{name}-mara-{shot}", "system": system}
            for shot in (1, 2)
        ]
        rows.append(
            {"suite": "signs", "prompt_id": "bakery", "prompt": 'A sign that says "OPEN 24 HOURS"', "seed": 1}
            | {"expected_text": "OPEN 24 HOURS", "sample_id": f"{name}-bakery", "system": system}
        )
    return rows


def _scores(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {sample["sample_id"]: sample for sample in samples}
    rows = []
    for sample in samples:
        beryl = sample["system"] == SYSTEMS[0]
        rows.append(score(sample, "adherence.clip", 30.0 + beryl, encoder="open_clip:tiny", weights_sha256="ab" * 32))
        if sample["suite"] == "portraits":
            box = {sample["sample_id"]: [[10.0, 8.0, 40.0, 44.0]]}
            rows.append(score(sample, "identity.faces", 1.0, details={"boxes": box}))
        if sample["suite"] == "signs":
            box = {"text": "OPEN", "score": 0.99, "box": [[4, 4], [60, 4], [60, 20], [4, 20]], "lines": [0]}
            read = {"read": ["OPEN 24 HOURS"] if beryl else ["OPN 24 HOURS"], "unexpected": [] if beryl else ["xyz"]}
            details = {"expected": ["OPEN 24 HOURS"], **read, "boxes": {sample["sample_id"]: [box]}}
            rows.append(score(sample, "text.similarity", 1.0 if beryl else 0.8, details=details))
    for system in SYSTEMS:
        name = system[0]
        for i in range(3):
            pair = [f"{name}-scene-{i}-0", f"{name}-scene-{i}-1"]
            value = 0.5 + 0.1 * i if name == "o" else 0.95
            rows.append(score(by_id[pair[0]], "reproducibility.ssim", value, subject=pair))
            rows.append(score(by_id[pair[0]], "reproducibility.ssim", 0.1, subject=pair, control="different_seed"))
        shots = [f"{name}-mara-1", f"{name}-mara-2"]
        missing = {"value": None, "reason": "no_face"} if name == "o" else {"value": 0.7}
        rows.append({**score(by_id[shots[0]], "identity.self", None), "subject": shots, **missing})
    return rows


def _ratings() -> dict[str, Any]:
    beryl, onyx = SYSTEMS
    one_face = {"n_prompts": 1, "n_scored": 1}
    return {
        "schema": 1,
        "systems": list(SYSTEMS),
        "rows": [
            rating("adherence.clip", "scenes", beryl, 31.25, 0.4, encoder="open_clip:tiny"),
            rating("adherence.clip", "scenes", onyx, 30.5, 0.9, encoder="open_clip:tiny"),
            rating("identity.self", "portraits", beryl, 0.7, None, **one_face),
            rating(
                "identity.self", "portraits", onyx, None, None, n_prompts=0, n_scored=0, n_unscored=1,
                reasons={"no_face": 1},
            ),
            rating("text.similarity", "signs", beryl, 1.0, None, n_prompts=1, n_scored=1),
            rating("text.similarity", "signs", onyx, 0.8, None, n_prompts=1, n_scored=1),
            rating("reproducibility.ssim", "scenes", beryl, 0.95, 0.01),
            rating("reproducibility.ssim", "scenes", onyx, 0.6, 0.1),
            rating("reproducibility.identical", "scenes", beryl, 0.5, 0.25),
            rating("reproducibility.identical", "scenes", onyx, 0.0, 0.0),
        ],
        "differences": [
            difference("adherence.clip", "scenes", 0.75, 1.0, None),
            difference("text.similarity", "signs", 0.2, None, None),
            difference("reproducibility.ssim", "scenes", 0.35, 0.1, beryl),
            difference("reproducibility.identical", "scenes", 0.5, 0.25, beryl),
        ],
        "controls": [
            {"metric": "adherence.clip", "suite": "scenes", "control": "shuffled_prompt", "statistic": "auc"}
            | {"system": None, "n": 60, "value": 0.91, "low": 0.85, "high": 0.96},
            {"metric": "reproducibility.ssim", "suite": "scenes", "control": "different_seed"}
            | {"statistic": "seed_ratio", "system": onyx, "n": 3, "value": 0.4, "low": None, "high": None},
        ],
        "agreements": [],
        "warnings": ["Suite signs has 1 prompt; nothing can be said with fewer than 5."],
    }  # fmt: skip


def _provenance() -> dict[str, Any]:
    pack = "/home/someone/packs/buffalo_l"
    return {
        "twinlens": "0.1.0",
        "created_at": "2026-11-22T14:03:00+00:00",
        "image_set": {"name": "fake-set", "path": "/home/someone/set", "rows": 18, "scored_rows": 18, "skipped": []},
        "encoders": [
            {"role": "adherence", "name": "open_clip:tiny", "licence": "MIT", "weights_sha256": "ab" * 32}
            | {"status": "used", "note": None},
            {"role": "identity", "name": f"insightface:{pack}", "licence": "non-commercial research only"}
            | {"weights_sha256": None, "status": "unavailable", "note": f"there is no pack in {pack}"},
        ],
        "packages": {"numpy": "2.4.6"},
        "machine": {"cores": 2},
        "seconds": 12.3,
        "long_prompts": {"share": 0.25, "n": 3, "of": 12},
    }


def draw(folder: Path, sample_ids: list[str]) -> None:
    """Draw a small picture for each sample, no two alike."""
    folder.mkdir(exist_ok=True)
    for place, sample_id in enumerate(sample_ids):
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[..., 0] = np.linspace(0, 255, 64).astype(np.uint8)
        pixels[..., 1] = 12 * place
        PIL.Image.fromarray(pixels).save(folder / f"{sample_id}.png")


@pytest.fixture
def run(tmp_path: Path, monkeypatch) -> FakeRun:
    """The run; a test may change it."""
    monkeypatch.setattr("evals.reporting.report.rate_run", lambda run: run.rated)
    samples = _samples()
    folder = tmp_path / "images"
    draw(folder, [sample["sample_id"] for sample in samples])
    return FakeRun(folder, pd.DataFrame(samples), pd.DataFrame(_scores(samples)), _provenance(), _ratings())


@pytest.fixture
def rated() -> Ratings:
    """Return functions that make a row of the ratings and a difference of two systems."""
    return Ratings(rating, difference)
