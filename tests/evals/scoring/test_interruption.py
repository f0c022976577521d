"""What was computed is kept, however a run ends: the next one goes on from there, and ends with the same table."""

import json
import random
import subprocess
import sys
import time

import pandas as pd
import pytest

from evals.rating.stage import rate_run
from evals.run import Run
from evals.scoring.features import FeatureStore
from evals.scoring.stage import score
from tests.evals.scoring.conftest import CountingEncoder, write_signs


def features_on_disk(run):
    """Return how many features are in the files of a run at this moment, read as another process would."""
    return sum(len(FeatureStore(folder)._where) for folder in run.glob("features/faces/*"))


class Interrupted(CountingEncoder):
    """An encoder that is stopped when it has worked on so many batches."""

    def __init__(self, batch_size, n_batches, on_stop):
        super().__init__()
        self.batch_size, self.left, self.on_stop = batch_size, n_batches, on_stop

    def encode(self, images):
        if not self.left:
            self.on_stop()
            raise KeyboardInterrupt
        self.left -= 1
        return super().encode(images)


@pytest.mark.parametrize(("batch_size", "n_batches"), [(1, 7), (4, 3), (32, 0)])
def test_features_are_on_disk_when_their_batch_is_done(sequences, tmp_path, monkeypatch, batch_size, n_batches):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # one batch after another
    at_the_stop = []
    encoder = Interrupted(batch_size, n_batches, lambda: at_the_stop.append(features_on_disk(tmp_path / "run")))
    monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": encoder)
    with pytest.raises(KeyboardInterrupt):
        score(sequences, tmp_path / "run", ["identity.self"])
    assert at_the_stop == [batch_size * n_batches]


def test_a_run_that_is_stopped_after_every_few_pictures_comes_to_its_end(sequences, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # one batch after another

    def is_complete():
        encoder = Interrupted(1, 3, lambda: None)
        monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": encoder)
        try:
            score(sequences, tmp_path / "run", ["identity.self"])
        except KeyboardInterrupt:
            return False
        return True

    # Of 18 pictures three a start, the last of which is not stopped again.
    assert [is_complete() for _ in range(6)] == [False] * 5 + [True]
    whole = CountingEncoder()
    monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": whole)
    expected = score(sequences, tmp_path / "at once", ["identity.self"]).scores
    pd.testing.assert_frame_equal(Run(tmp_path / "run").scores, expected)


KILLS = {"score": 40, "rate": 20, "report": 20, "verify": 20}


@pytest.mark.slow
def test_a_hundred_kills_at_random_moments_lose_seconds_and_change_nothing(tmp_path):
    """SIGKILL score (with the real text engine), rate, report and verify; `-s` prints what was lost."""
    moments = random.Random(20260722)
    image_set = write_signs(tmp_path / "set", 24)
    kills, lost_s = dict.fromkeys(KILLS, 0), []

    def is_killed(stage, arguments, longest_s):
        """Start a command and kill it after a time; False if it was done before."""
        command = [sys.executable, "-m", "evals.cli.main", stage, *map(str, arguments)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            _, errors = child.communicate(timeout=moments.uniform(0.1, longest_s))
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            kills[stage] += 1
            if stage == "score":
                # From its first decoded picture on, whatever it computes goes to a shard of its own.
                written = [shard.stat().st_mtime for shard in arguments[-1].rglob(f"{child.pid}-*.shard")]
                lost_s.append(time.time() - max(written, default=time.time()))
            return True
        assert child.returncode == 0, errors
        return False

    scoring = [image_set, "--metrics", "text", "--out"]
    assert not is_killed("score", [*scoring, tmp_path / "whole"], 6000)
    whole = Run(tmp_path / "whole")
    while kills["score"] < KILLS["score"]:
        run = tmp_path / f"run-{kills['score']}"
        while is_killed("score", [*scoring, run], 14 if kills["score"] < KILLS["score"] else 6000):
            pass
        pd.testing.assert_frame_equal(Run(run).scores, whole.scores)
    for stage, *options in (["rate"], ["report", "--out", tmp_path / "report"], ["verify", "--sample", "2"]):
        while kills[stage] < KILLS[stage]:
            is_killed(stage, [run, *options], 5)
        assert not is_killed(stage, [run, *options], 6000)
    assert ratings_of(Run(run)) == ratings_of(whole)
    print(f"\nkills: {kills}; work lost in a kill of score: at most {max(lost_s):.1f} s")
    print("seconds lost:", *(f"{seconds:.1f}" for seconds in sorted(lost_s)))


def ratings_of(run):
    """Return the ratings of a run, without the hash of the run that they are made from."""
    rate_run(run)
    return json.loads((run.path / "ratings.json").read_text()) | {"made_from": None}
