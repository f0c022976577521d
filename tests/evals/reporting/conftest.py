"""A scored run with one of everything that a report shows, its report, and the stars of a small table."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from evals.definition import EvalDefinition, StarRow
from evals.rating.comparison import with_prompts
from evals.rating.controls import control_statistics
from evals.rating.stars.document import Stars, award_stars
from evals.reporting import write_report
from evals.run import Run
from metrics.catalogue import metric
from tests.run_folder import write_run

BERYL, ONYX = SYSTEMS = ("beryl@fake", "onyx@fake")
LEFT, RIGHT = "left@x", "right@x"
TEXTS = (".html", ".md", ".json", ".csv", ".txt")
PACK = "/home/someone/packs/buffalo_l"
N_SCENES = 6


class Page(HTMLParser):
    """What a browser would see of a page: its tags, its attributes, and whether every tag is closed."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input", "polygon", "path", "use", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


class Report:
    """A written report: its text files by name, its pages as a browser sees them, and the JSON document."""

    def __init__(self, run: Run, out: Path) -> None:
        self.index = write_report(run, out)
        self.files = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir() if path.suffix in TEXTS}
        self.page, self.tables = Page(self.files["index.html"]), Page(self.files["tables.html"])
        self.document = json.loads(self.files["report.json"])

    @property
    def gallery(self) -> Any:
        """The document of the gallery."""
        text = self.files["gallery.html"].partition('<script type="application/json" id="document">')[2]
        return json.loads(text.partition("</script>")[0])


def score(sample: dict[str, Any], metric_id: str, value: float | None, **more: Any) -> dict[str, Any]:
    """One row of a score table."""
    columns = ("system", "suite", "prompt_id", "seed", "repeat", "sequence_id")
    row = {name: sample.get(name) for name in columns} | {"subject": [sample["sample_id"]], "encoder": "pixels:rgb8"}
    return {**row, "metric": metric_id, "value": value, **more}


def samples_of(system: str, name: str) -> list[dict[str, Any]]:
    """Six scenes asked twice, a sequence of two shots, and a sign."""
    scenes = [
        {"suite": "scenes", "prompt_id": f"scene-{i}", "prompt": f"A street of {i} lamps", "repeat": repeat}
        | {"sample_id": f"{name}-scene-{i}-{repeat}"}
        for i in range(N_SCENES)
        for repeat in (0, 1)
    ]
    portraits = [
        {"suite": "portraits", "prompt_id": f"mara-{shot}", "prompt": f"Mara, shot {shot}", "shot": shot}
        | {"sequence_id": "mara", "sample_id": f"{name}-mara-{shot}"}
        for shot in (1, 2)
    ]
    sign = {"suite": "signs", "prompt_id": "bakery", "prompt": 'A sign that says "OPEN 24 HOURS"'}
    sign |= {"expected_text": "OPEN 24 HOURS", "sample_id": f"{name}-bakery"}
    common = {"system": system, "seed": 1}
    rows = [common | row for row in (*scenes, *portraits, sign)]
    return [row | {"file_name": f"{row['sample_id']}.png"} for row in rows]


def scores_of(samples: list[dict[str, Any]], is_better: bool) -> list[dict[str, Any]]:
    """What the first system draws twice alike and reads right, the other draws anew and misspells."""
    clip, rows = {"encoder": "open_clip:tiny", "weights_sha256": "ab" * 32}, []
    scenes = [sample for sample in samples if sample["suite"] == "scenes"]
    shots = [sample for sample in samples if sample["suite"] == "portraits"]
    sign = samples[-1]
    for place, sample in enumerate(scenes):
        value = 30.0 + (place if is_better else place + 2) % 5
        rows.append(score(sample, "adherence.clip", value, **clip))
        rows.append(score(sample, "adherence.clip", value - 9 + place % 3, control="shuffled_prompt", **clip))
        rows.append(score(sample, "adherence.vqa", 0.5 + 0.04 * (place % 7), encoder="vqa:tiny"))
    for i in range(N_SCENES):
        pair = [sample["sample_id"] for sample in scenes[2 * i : 2 * i + 2]]
        value = 0.95 if is_better else 0.5 + 0.05 * i
        for metric_id, own, other in (("ssim", value, 0.1), ("mean_difference", 9 * (1 - value), 10.0 + i)):
            row = score(scenes[2 * i], f"reproducibility.{metric_id}", own, subject=pair)
            rows += [row, {**row, "value": other, "control": "different_seed"}]
            rows.append({**row, "value": float(metric_id == "ssim"), "control": "identical_image"})
    for shot in shots:
        boxes = {shot["sample_id"]: [[10.0, 8.0, 40.0, 44.0]]}
        rows.append(score(shot, "identity.faces", 1.0, details={"boxes": boxes}))
    pair = {"subject": [shot["sample_id"] for shot in shots], "reason": None if is_better else "no_face"}
    rows.append(score(shots[0], "identity.self", 0.7 if is_better else None, **pair))
    box = {"text": "OPEN", "score": 0.99, "box": [[4, 4], [60, 4], [60, 20], [4, 20]], "lines": [0]}
    read = ("OPEN 24 HOURS", []) if is_better else ("OPN 24 HOURS", ["<img src=x onerror=alert(1)>"])
    details = {"expected": ["OPEN 24 HOURS"], "read": [read[0]], "unexpected": read[1]}
    details["boxes"] = {sign["sample_id"]: [box]}
    rows.append(score(sign, "text.similarity", 1.0 if is_better else 0.8, details=details))
    return rows


def requests_of(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every picture was asked for in 1K, the first scenes in 4K too; one request was refused, with a long reason."""
    rows = [sample | {"size": "1K", "outcome": "ok", "latency_s": 2.0 + n % 7, "cost_usd": 0.04, "simulated": False}
            for n, sample in enumerate(samples)]  # fmt: skip
    large = [row | {"suite": "scenes@4K", "size": "4K", "latency_s": 8.0, "sample_id": row["sample_id"] + "@4K"}
             for row in rows if row["suite"] == "scenes" and row["system"] == BERYL]  # fmt: skip
    refused = rows[0] | {"prompt_id": "scene-x", "sample_id": "x", "outcome": "refused", "latency_s": None}
    return [*rows, *large, refused | {"reason": "/home/someone/policy"}]


ENCODERS = [
    {"role": "adherence", "name": "open_clip:tiny", "licence": "MIT", "weights_sha256": "ab" * 32}
    | {"status": "used", "note": "weak offline encoder, not CLIP"},
    {"role": "identity", "name": f"insightface:{PACK}", "licence": "non-commercial research only"}
    | {"weights_sha256": None, "status": "unavailable", "note": f"there is no pack in {PACK}"},
]


def write_fake_run(
    folder: Path, names: tuple[str, ...] = SYSTEMS, change: Callable[[Any], Any] = dict, **more: Any
) -> Run:
    """Write a run of these systems, the first is better.

    ``change`` is applied to every sample and score, ``more`` replaces what `write_run` is given.
    """
    of_system = {name: samples_of(name, name[0]) for name in names}
    samples = [change(sample) for rows in of_system.values() for sample in rows]
    scores = [change(row) for name, rows in of_system.items() for row in scores_of(rows, name == names[0])]
    facts: dict[str, Any] = {
        "image_set": {"name": "fake-set", "skipped": [{"row": 7, "reason": "the file is truncated"}]},
        "encoders": ENCODERS,
        "packages": {"numpy": "2.4.6"},
        "machine": {"cores": 2},
        "seconds": 12.3,
        "long_prompts": {"share": 0.25, "n": 3, "of": 12},
    }
    write_run(folder, **{"samples": samples, "scores": scores, **facts, **more})
    for place, sample in enumerate(samples):
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[..., 0] = np.linspace(0, 255, 64).astype(np.uint8)
        pixels[..., 1] = 12 * place % 256
        PIL.Image.fromarray(pixels).save(folder / "images" / sample["file_name"], compress_level=1)
    return Run(folder)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run without requests; a test may change its tables and pictures."""
    return write_fake_run(tmp_path / "run")


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run with its requests, to be read only."""
    samples = [sample for name in SYSTEMS for sample in samples_of(name, name[0])]
    return write_fake_run(tmp_path_factory.mktemp("whole") / "run", requests=requests_of(samples))


@pytest.fixture(scope="session")
def report(whole_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the run with its requests, rendered once."""
    return Report(whole_run, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def stars(score_table: Callable[..., Any]) -> Stars:
    """Stars of two systems: one is a third better on twelve prompts, the other lacks one of its pictures."""
    rows = [
        {"prompt_id": f"p{n}", "system": system, "suite": "signs", "metric": "text.cer", "value": value + n / 100}
        for n in range(12)
        for system, value in ((LEFT, 0.1), (RIGHT, 0.4))
    ]
    rows += [{**row, "value": 0.0, "control": "rendered_text"} for row in rows]
    rows.append({**rows[1], "prompt_id": "p12", "control": None, "value": None, "reason": "unreadable_image"})
    table = score_table(rows)
    rows = (
        StarRow(id="text", title="Text accuracy", suite="signs", metrics={"text.cer": 1.0}),
        StarRow(id="scenes", title="Scenes", suite="nowhere", metrics={"structure.all": 1.0}),
        StarRow(id="lora", title="Fine-tuning", declared="lora"),
        StarRow(id="cost", title="Cost", computed="cost_per_image"),
    )
    definition = EvalDefinition.model_construct(
        name="own", systems=(LEFT, RIGHT), suites=("signs",), repeats=1, seed=1, size="1K", encoders={}, rows=rows,
        published="article-2026-07",
    )  # fmt: skip
    return award_stars(table, None, control_statistics(with_prompts(table), seed=0), [], definition)


def rating(metric_id: str, suite: str, system: str, mean: float | None, half: float | None, **more: Any) -> Any:
    """One row of the ratings, with what the catalogue says about its metric."""
    spec = metric(metric_id)
    low, high = (None, None) if mean is None or half is None else (mean - half, mean + half)
    row = {"metric": metric_id, "title": spec.title, "unit": spec.unit, "better": spec.better, "suite": suite}
    row |= {"system": system, "encoder": "pixels:rgb8", "n_prompts": 6, "n_scored": 6, "n_unscored": 0, "reasons": {}}
    return {**row, "mean": mean, "low": low, "high": high, **more}
