"""Ray with two workers against the local engine on the same pictures, and what a million pictures would take.

``python -m tests.benchmarks.cluster`` prints both; Ray is installed by ``make ray``.
"""

import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from evals.run import Run
from evals.scoring.stage import score
from tests.benchmarks.scoring import METRICS, image_set
from tests.benchmarks.table import Row, markdown, run

NUMBER, WORKERS = 96, 2

INSTANCE, INSTANCE_CORES, USD_PER_HOUR = "c5.4xlarge", 16, 0.68
"""The price is an example, on demand in us-east-1, and says itself that it is none of today: Amazon EC2 Auto Scaling,
user guide, "Spot price per unit hour example", read 2026-11-30 at
docs.amazonaws.cn/en_us/autoscaling/ec2/userguide/weights-spot-price-per-unit-hour-example.html."""


def timed(engine: str, source: str, out: str) -> dict[str, float]:
    """Score and return pictures a second: of all, and from the first ones that were done, when everything is loaded."""
    marks: list[tuple[float, int]] = []

    def note(label: str, done: int, total: int) -> None:
        if label == "images" and done:
            marks.append((time.perf_counter(), done))

    start = time.perf_counter()
    score(source, out, [*METRICS.values()], engine=engine, workers=WORKERS, progress=note)
    (first, n_first), (last, n) = marks[0], marks[-1]
    return {"whole": n / (time.perf_counter() - start), "loaded": (n - n_first) / (last - first)}


def rows() -> Iterator[Row]:
    """(h) The whole command and what comes after loading; the scores are the same to 1e-6."""
    if importlib.util.find_spec("ray") is None:
        print("h: left out, Ray is not installed; make ray installs it")
        return
    with tempfile.TemporaryDirectory() as folder:
        source = image_set(Path(folder) / "set", NUMBER)
        rates, scores = {}, {}
        for engine in ("local", "ray"):
            out = Path(folder) / engine
            rates[engine] = json.loads(run("tests.benchmarks.cluster", engine, source, out)[1].splitlines()[-1])
            scores[engine] = Run(out).scores
    assert scores["local"].reason.fillna("").equals(scores["ray"].reason.fillna(""))
    assert not (scores["local"].value - scores["ray"].value).abs().max() > 1e-6
    for name, what in (("whole", "whole command"), ("loaded", "once all is loaded")):
        ours, local = rates["ray"][name], rates["local"][name]
        what = f"{NUMBER} PNG with {WORKERS} workers of Ray, {what}"
        yield Row("h", what, f"{ours:.2f} pictures/s", f"local engine {local:.2f} pictures/s", ours / local)


def main() -> None:
    found = [*rows()]
    print(markdown(found))
    each = float(found[-1].ours.split()[0]) / WORKERS
    core_hours = 1e6 / each / 3600
    hours = core_hours / INSTANCE_CORES
    print(
        f"\nA worker does {each:.2f} pictures a second ({', '.join(METRICS)}), so a million take {core_hours:,.0f} "
        f"core-hours:\n{hours:,.0f} hours of one {INSTANCE} ({INSTANCE_CORES} cores) or {hours / 16:,.1f} hours of "
        f"sixteen, {hours * USD_PER_HOUR:,.0f} USD at {USD_PER_HOUR} USD an hour"
    )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(timed(*sys.argv[1:])))
    else:
        main()
