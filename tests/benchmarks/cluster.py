"""Ray with two workers against the local engine on the same pictures, and what a million pictures would take.

Ray is installed by ``make ray``.
"""

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evals.run import Run
from tests.benchmarks.scoring import METRICS, image_set
from tests.benchmarks.table import Row, run

NUMBERS, WORKERS = (32, 128), 2

INSTANCE, INSTANCE_CORES, USD_PER_HOUR = "c5.4xlarge", 16, 0.68
"""The price is an example, on demand in us-east-1, and says itself that it is none of today: Amazon EC2 Auto Scaling,
user guide, "Spot price per unit hour example", read 2026-11-30 at
docs.amazonaws.cn/en_us/autoscaling/ec2/userguide/weights-spot-price-per-unit-hour-example.html."""


def rows() -> Iterator[Row]:
    """(h) The whole command, and what more pictures take when everything is loaded; the scores are the same to 1e-6."""
    if importlib.util.find_spec("ray") is None:
        print("h: left out, Ray is not installed; make ray installs it")
        return
    few, many = NUMBERS
    seconds: dict[tuple[str, int], float] = {}
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in NUMBERS:
            source = image_set(Path(folder) / f"{number}", number)
            for engine, more in (("local", ()), ("ray", ("--workers", WORKERS))):
                out, metrics = Path(folder) / f"{engine}-{number}", ",".join(METRICS.values())
                arguments = ("--out", out, "--metrics", metrics, "--engine", engine, *more)
                seconds[engine, number], _ = run("evals.cli.main", "score", source, *arguments)
                scores[engine] = Run(out).scores
    assert scores["local"].reason.fillna("").equals(scores["ray"].reason.fillna(""))
    assert not (scores["local"].value - scores["ray"].value).abs().max() > 1e-6
    whole = {engine: many / seconds[engine, many] for engine in scores}
    loaded = {engine: (many - few) / (seconds[engine, many] - seconds[engine, few]) for engine in scores}
    for rates, what in ((whole, f"{many} PNG, start included"), (loaded, f"each further PNG, {few} to {many}")):
        ratio = rates["ray"] / rates["local"]
        what = f"Ray with {WORKERS} workers: {what}"
        yield Row("h", what, f"{rates['ray']:.2f} pictures/s", f"local engine {rates['local']:.2f} pictures/s", ratio)
    each = loaded["ray"] / WORKERS
    core_hours = 1e6 / each / 3600
    hours = core_hours / INSTANCE_CORES
    print(
        f"h: a worker does {each:.2f} pictures a second ({', '.join(METRICS)}), so a million take {core_hours:,.0f} "
        f"core-hours: {hours:,.0f} hours of one {INSTANCE} ({INSTANCE_CORES} cores) or {hours / 16:,.1f} hours of "
        f"sixteen, {hours * USD_PER_HOUR:,.0f} USD at {USD_PER_HOUR} USD an hour"
    )
