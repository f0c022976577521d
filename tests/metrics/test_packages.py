"""A metric from outside: one row, one function, one entry point, and it is listed, measured and rated like our own."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from evals.imageset.imageset import write_image_set

MODULE = """
from metrics.measurement import scored
from metrics.scale import Anchor, Scale
from metrics.specification import MetricSpec

STEADY = MetricSpec(
    "crowd.steady", 1, "Steady hash", "bits of 64", "lower", (0, 64), "repeats",
    ("phash",), "twinlens_crowd:different_bits", "written for a test",
    columns=("seed", "repeat"), controls=("different_seed", "identical_image"),
    scale=Scale(Anchor("different_seed"), Anchor("identical_image"), version=7), primary=1,
)

def different_bits(subjects):
    return [scored(one, (int(one.images[0]["phash"], 16) ^ int(one.images[1]["phash"], 16)).bit_count())
            for one in subjects]
"""


@pytest.fixture
def package(tmp_path):
    """Install a package with a metric into a folder, and return a function that runs Python beside it."""
    (tmp_path / "twinlens_crowd.py").write_text(MODULE)
    facts = tmp_path / "twinlens_crowd-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: twinlens-crowd\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[twinlens.metrics]\ncrowd = twinlens_crowd:STEADY\n")

    def run(*arguments):
        paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-W", "default", "-m", "evals.cli.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})

    run.folder = tmp_path
    return run


def repeated_pictures():
    """Yield samples of two systems, each prompt with two seeds twice: only one of them repeats its picture."""
    random = np.random.default_rng(0)
    for system, prompt, seed in itertools.product(("exact", "loose"), range(6), (1, 2)):
        pictures = random.integers(0, 255, (2, 32, 32, 3), np.uint8)
        for repeat in (0, 1):
            picture = PIL.Image.fromarray(pictures[0 if system == "exact" else repeat])
            yield picture, {"system": system, "prompt": f"prompt {prompt}", "seed": seed, "repeat": repeat}


def test_a_metric_of_another_package_is_scored_controlled_and_given_stars(package, tmp_path):
    assert "crowd.steady" in [row["id"] for row in json.loads(package("metrics", "--json").stdout)]
    write_image_set(tmp_path / "set", list(repeated_pictures()))
    scored = package("score", tmp_path / "set", "--metrics", "crowd", "--out", tmp_path / "run")
    assert scored.returncode == 0, scored.stderr
    rated = package("rate", tmp_path / "run")
    assert rated.returncode == 0, rated.stderr
    ratings = json.loads((tmp_path / "run" / "ratings.json").read_text())
    means = {row["system"]: row["mean"] for row in ratings["rows"]}
    assert means["exact"] == 0 < means["loose"]
    aucs = {row["system"]: row["value"] for row in ratings["controls"] if row["statistic"] == "auc"}
    assert aucs["exact"] == 1 > aucs["loose"]
    (row,) = ratings["stars"]["rows"]
    (component,) = row["components"]
    scale = component["scale"]
    assert (row["id"], scale["version"], scale["ceiling"], scale["problem"]) == ("default:crowd", 7, 0, None)
    assert scale["floor_source"] == "measured: different seed, 6 prompts"
    stars = {cell["system"]: cell["stars"] for cell in row["cells"]}
    assert stars["exact"] == 5
    assert 1 <= stars["loose"] < 2


@pytest.mark.parametrize("broken", ["raise RuntimeError('no licence')", MODULE.replace("crowd.steady", "text.cer")])
def test_a_package_that_cannot_be_used_costs_no_other_metric(package, broken):
    (package.folder / "twinlens_crowd.py").write_text(broken)
    done = package("metrics", "--json")
    assert done.returncode == 0
    assert "text.cer" in [row["id"] for row in json.loads(done.stdout)]
    assert "metrics of twinlens_crowd:STEADY are left out" in done.stderr
