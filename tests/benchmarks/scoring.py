"""A scoring pass against a loop over single pictures, against what the cores could do, warm, and in its memory.

Every figure of a row is taken in one run, one side after the other, so that ratios mean something on any machine.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import skimage.data

from evals.imageset.decoding import decode_file
from evals.imageset.imageset import write_image_set
from evals.run import Run
from evals.scoring.decoders import Decoders
from evals.scoring.encoders import choose_encoders
from evals.scoring.engine import FeatureTable
from evals.scoring.features import FeatureCache
from evals.scoring.measuring import collect_needs
from evals.scoring.stage import no_progress, select_metrics
from evals.scoring.subjects import plan_subjects
from metrics.encoders.processes import core_seconds as used_cores
from metrics.encoders.runtime import cores
from tests.benchmarks.table import Row, run, seconds

METRICS = {"adherence": "adherence.clip", "faces": "identity.faces", "text": "text.confidence"}
"""Metrics that look at every picture once, and at no other one but a grey control."""

_CLI = "evals.cli.main"


@functools.cache
def _motif(n: int) -> PIL.Image.Image:
    motifs = (skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee())
    return PIL.Image.fromarray(motifs[n]).resize((1024, 1024), PIL.Image.Resampling.LANCZOS)


def picture(n: int) -> PIL.Image.Image:
    """Return a portrait, an animal or a thing with four lines of writing on it and with noise of its own, 1024 px."""
    drawn = _motif(n % 3).copy()
    pen, font = PIL.ImageDraw.Draw(drawn), PIL.ImageFont.load_default(56)
    for line in range(4):
        pen.text(
            (40, 640 + 90 * line), f"LINE {line} OF PICTURE {n}", "white", font, stroke_width=4, stroke_fill="black"
        )
    random = np.random.default_rng(n)
    pixels = np.asarray(drawn, np.int16) + random.integers(-4, 5, (1024, 1024, 3), dtype=np.int16)
    return PIL.Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def image_set(folder: Path, number: int, kind: str = "PNG") -> Path:
    """Write an image set of so many pictures and return its folder."""
    samples = (
        (
            picture(n),
            {
                "system": "ab"[n % 2],
                "suite": "s",
                "prompt": f"a photograph with writing, number {n // 2}",
                "prompt_id": f"p{n // 2}",
                "expected_text": [f"LINE {line} OF PICTURE {n}" for line in range(4)],
                "sequence_id": f"q{n // 4}",
                "shot": n // 2 % 2,
            },
        )
        for n in range(number)
    )
    return write_image_set(folder, samples)


def score(source: Path, out: Path, names: Sequence[str]) -> float:
    """Score an image set in a process of its own and return its seconds, the start and all loading included."""
    return run(_CLI, "score", source, "--out", out, "--metrics", ",".join(METRICS[name] for name in names))[0]


def against_naive() -> Iterator[Row]:
    """(a) The whole pass against the loop, loading included on both sides: of more pictures it is a smaller part."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _both_ways(image_set(folder / "2", 2), folder / "first", [*METRICS])  # libraries and weights come from the disk
        for number in (24, 96):
            source = image_set(folder / f"{number}", number)
            for names, wanted in (["adherence", "faces", "text"], "1.7"), (["adherence", "faces"], "2.5"):
                naive, ours = _both_ways(source, folder / f"{number}-{'-'.join(names)}", names)
                what = f"pass of {number} PNG: {', '.join(names)}"
                yield Row("a", what, f"{ours:.1f} s", f"loop {naive:.1f} s", naive / ours, wanted)


def _both_ways(source: Path, out: Path, names: Sequence[str]) -> tuple[float, float]:
    """Return the seconds of the loop and of the pass over an image set, which must see the same."""
    naive, printed = run("tests.benchmarks.naive", source / "images", ",".join(names))
    ours = score(source, out, names)
    check_equal(json.loads(printed), Run(out), source)
    return naive, ours


def check_equal(naive: dict[str, dict[str, Any]], scored: Run, source: Path) -> None:
    """Fail if the loop and the pass do not see the same: faces, and adherence to 1e-4."""
    samples = scored.samples.set_index("sample_id")["file_name"]
    scores = scored.scores[scored.scores["control"].isna()]
    of_file = {
        (row.metric, Path(samples[row.subject[0]]).name): row.value
        for row in scores.itertuples()
        if len(row.subject) == 1
    }
    for name, faces in naive["faces"].items():
        found = of_file["identity.faces", name]
        assert (found if found == found else 0) == len(faces), name
    from metrics.encoders.catalogue import load_encoder

    encoder = load_encoder("embedded:lite")
    for row in scored.samples.head(4).itertuples():
        name = Path(str(row.file_name)).name
        (mine,) = encoder.encode([decode_file(source / str(row.file_name)).pixels])
        assert np.abs(mine - np.array(naive["adherence"][name])).max() < 1e-4, name


def against_the_cores() -> Iterator[Row]:
    """(b) What the encoders and the decoder take of one core, over all cores, against the pass without loading."""
    names = [*METRICS]
    with tempfile.TemporaryDirectory() as folder:
        source = image_set(Path(folder) / "set", 48)
        rows = [json.loads(line) for line in (source / "metadata.jsonl").read_text("utf-8").splitlines()]
        specs = select_metrics([METRICS[name] for name in names], rows)
        chosen = choose_encoders(["adherence", "identity", "text"])
        encoders = [chosen.of(role) for role in ("adherence", "identity", "text")]
        pixels = [decode_file(path).pixels for path in sorted((source / "images").iterdir())]
        core_seconds = -used_cores()
        for path in sorted((source / "images").iterdir()):
            decode_file(path)
        core_seconds += used_cores()
        for encoder in encoders:
            assert encoder is not None
            encoder.encode(pixels[:4])  # loads it
            size = getattr(encoder, "batch_size", 1)
            core_seconds -= used_cores()
            for start in range(0, len(pixels), size):
                encoder.encode(pixels[start : start + size])
            core_seconds += used_cores()
        needs = collect_needs(((s, plan) for s in specs for plan in plan_subjects(s, rows)), rows, chosen)
        with FeatureCache(Path(folder) / "features").closing() as cache, Decoders() as decoders:
            list(decoders.decode(sorted((source / "images").iterdir())[:2]))  # starts the processes
            table = FeatureTable(source, cache, decoders, no_progress, {})
            ours = seconds(lambda: table.fill(needs))
    limit = core_seconds / cores()
    what = f"pass of 48 PNG without loading, {cores()} cores"
    yield Row("b", what, f"{ours:.1f} s", f"core-seconds over cores {limit:.1f} s", limit / ours, "0.9")


def warm() -> Iterator[Row]:
    """(e) The same again, from the cache."""
    names = [*METRICS]
    with tempfile.TemporaryDirectory() as folder:
        source, out = image_set(Path(folder) / "set", 300), Path(folder) / "run"
        cold = score(source, out, names)
        again = min(score(source, out, names) for _ in range(2))
    yield Row("e", "the same 300 pictures again", f"{again:.1f} s", f"first time {cold:.1f} s", cold / again, "50")


def memory() -> Iterator[Row]:
    """(i) The memory of the process that encodes, for ten times as many pictures."""
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for number in (300, 3000):
            source = image_set(Path(folder) / f"{number}", number, "JPEG")
            code = (
                "import sys; from evals.scoring.stage import score; from tests.benchmarks.table import peak_mib; "
                "score(sys.argv[1], sys.argv[2], ['adherence.clip', 'quality.sharpness']); "
                "print(peak_mib())"
            )
            command = [sys.executable, "-c", code, str(source), str(Path(folder) / f"run-{number}")]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
            peaks.append(float(done.stdout.split()[-1]))
    few, many = peaks
    what = "peak memory, 3,000 pictures against 300"
    yield Row("i", what, f"{many:.0f} MB", f"{few:.0f} MB", many / few, "< 1.15")
