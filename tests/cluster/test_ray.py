"""The Ray engine gives what the local one gives, whatever becomes of its workers."""

import os
import signal

import psutil
import pytest

from evals.scoring.stage import score
from tests.cluster.conftest import assert_same_run

pytest.importorskip("ray", reason="Ray is not installed; make ray installs it and runs these tests")


def workers_of_ray():
    """Return the processes of this test's workers that hold encoders."""
    below = psutil.Process().children(recursive=True)
    return [each for each in below if each.is_running() and "MapWorker" in " ".join(each.cmdline())]


def test_a_worker_that_is_killed_changes_no_number(mixed_set, local_run, tmp_path, monkeypatch):
    monkeypatch.setattr("evals.scoring.parts.PART_PICTURES", 4)
    killed = []

    def kill_one(label, done, total):
        if label == "images" and not killed:
            killed.append(workers_of_ray()[0])
            os.kill(killed[0].pid, signal.SIGKILL)

    run = score(mixed_set, tmp_path / "run", skip_bad=True, engine="ray", workers=2, progress=kill_one)
    assert killed
    assert_same_run(run, local_run)
