"""What was computed is kept, however a run ends: the next one goes on from there, and ends with the same table."""

import json
import random
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from evals.imageset.imageset import write_image_set
from evals.rating.stage import rate_run
from evals.run import Run
from evals.scoring.features import FeatureStore
from evals.scoring.stage import score
from tests.evals.scoring.conftest import CountingEncoder


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
    at_the_stop = []
    encoder = Interrupted(batch_size, n_batches, lambda: at_the_stop.append(features_on_disk(tmp_path / "run")))
    monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": encoder)
    with pytest.raises(KeyboardInterrupt):
        score(sequences, tmp_path / "run", ["identity.self"])
    assert at_the_stop == [batch_size * n_batches]


def test_a_run_that_is_stopped_after_every_few_pictures_comes_to_its_end(sequences, tmp_path, monkeypatch):
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


WORK_S = 0.15
SLOW_SCORE = textwrap.dedent(
    f"""
    import sys, time
    from evals.scoring import encoders, stage
    from tests.evals.scoring.conftest import CountingEncoder

    class Slow(CountingEncoder):
        batch_size = 1
        def encode(self, images):
            time.sleep({WORK_S})
            return super().encode(images)

    encoders.load_encoder = lambda name, device="auto": Slow()
    print("began", flush=True)
    stage.score(sys.argv[1], sys.argv[2], ["identity.self"])
    """
)


@pytest.mark.slow
def test_kills_at_random_moments_lose_seconds_and_change_nothing(tmp_path, monkeypatch):
    """SIGKILL score, rate, report and verify at random moments; `-s` prints what was lost."""
    random.seed(20260722)
    tint = np.random.default_rng(0)
    samples = [
        (PIL.Image.new("RGB", (48, 32), tuple(tint.integers(0, 240, 3))), facts)
        for system in ("a", "b")
        for character in range(12)
        for shot in range(3)
        for facts in [
            {"system": system, "suite": "identity", "prompt": f"{character}, shot {shot}", "shot": shot}
            | {"prompt_id": f"{character}-{shot}", "sequence_id": str(character)}
        ]
    ]
    image_set = write_image_set(tmp_path / "set", samples)
    kills = {"score": 0, "rate": 0, "report": 0, "verify": 0}
    kept = []

    def is_killed(stage, command, wait_s):
        """Start a process and kill it after a time; False if it was done before."""
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if stage == "score":
            assert child.stdout.readline() == "began\n"
        try:
            _, errors = child.communicate(timeout=wait_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            kills[stage] += 1
            return True
        assert child.returncode == 0, errors
        return False

    run = tmp_path / "run"
    while is_killed("score", [sys.executable, "-c", SLOW_SCORE, str(image_set), str(run)], random.uniform(0.3, 3.0)):
        kept.append(features_on_disk(run) - sum(kept))
    monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": CountingEncoder())
    whole = score(image_set, tmp_path / "whole", ["identity.self"])
    pd.testing.assert_frame_equal(Run(run).scores, whole.scores)
    for stage, *options in (["rate"], ["report", "--out", str(tmp_path / "report")], ["verify", "--sample", "0"]):
        command = [sys.executable, "-m", "evals.cli.main", stage, str(run), *options]
        for _ in range(10):
            is_killed(stage, command, random.uniform(0.1, 4.0))
        assert not is_killed(stage, command, 600)
    assert ratings_of(Run(run)) == ratings_of(whole)
    print(f"\nkills: {kills}; work of {WORK_S:g} s each that was kept of a killed score: {kept}")


def ratings_of(run):
    """Return the ratings of a run, without the hash of the run that they are made from."""
    rate_run(run)
    return json.loads((run.path / "ratings.json").read_text()) | {"made_from": None}
