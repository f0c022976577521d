"""A metric from outside: one row, one function, one entry point, and it is listed, measured and rated like our own."""

import json
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from evals.imageset.imageset import write_image_set

MODULE = '''
from metrics.measurement import scored, unscored
from metrics.specification import MetricSpec

FACES = MetricSpec(
    "crowd.hash_bits", 1, "Set bits of the hash", "bits of 64", "higher", (0, 64), "sample",
    ("phash",), "twinlens_crowd:set_bits", "written for a test",
)

def set_bits(subjects):
    """Count the set bits of the perceptual hash."""
    return [scored(subject, int(subject.images[0]["phash"], 16).bit_count()) for subject in subjects]
'''


@pytest.fixture
def package(tmp_path):
    """Install a package with a metric into a folder, and return a function that runs Python beside it."""
    (tmp_path / "twinlens_crowd.py").write_text(MODULE)
    facts = tmp_path / "twinlens_crowd-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: twinlens-crowd\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[twinlens.metrics]\ncrowd = twinlens_crowd:FACES\n")

    def run(*arguments):
        paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-W", "default", "-m", "evals.cli.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})

    run.folder = tmp_path
    return run


def test_a_metric_of_another_package_is_listed_and_measured(package, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), np.uint8)
    rows = [
        (PIL.Image.fromarray(picture), {"system": f"s{n % 2}", "prompt": f"prompt {n // 2}"})
        for n, picture in enumerate(pictures)
    ]
    write_image_set(tmp_path / "set", rows)
    listed = json.loads(package("metrics", "--json").stdout)
    assert "crowd.hash_bits" in [row["id"] for row in listed]
    done = package("score", tmp_path / "set", "--metrics", "crowd.hash_bits", "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    values = [row["mean"] for row in json.loads(done.stdout)["rows"]]
    assert len(values) == 2
    assert all(16 < value < 48 for value in values)


@pytest.mark.parametrize("broken", ["raise RuntimeError('no licence')", MODULE.replace("crowd.hash_bits", "text.cer")])
def test_a_package_that_cannot_be_used_costs_no_other_metric(package, broken):
    (package.folder / "twinlens_crowd.py").write_text(broken)
    done = package("metrics", "--json")
    assert done.returncode == 0
    assert "text.cer" in [row["id"] for row in json.loads(done.stdout)]
    assert "metrics of twinlens_crowd:FACES are left out" in done.stderr
