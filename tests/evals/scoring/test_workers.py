"""Several pictures at once: the same numbers, nothing loaded for nothing, one failure ends it, time accounted for."""

import threading

import numpy as np
import pandas as pd
import pytest

from evals.scoring.profiling import Profile
from evals.scoring.stage import score
from evals.scoring.workers import Workers
from tests.evals.scoring.conftest import CountingEncoder, write_signs

BARRIER_S = 30.0
"""After which a test fails that waits for another thread."""


@pytest.fixture
def signs(tmp_path):
    return write_signs(tmp_path / "set", 6)


@pytest.fixture
def loads(monkeypatch):
    """Return the list of the models that are taken into memory."""
    loaded = []

    def noted(module, name):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *arguments, **options: loaded.append(name) or real(*arguments, **options)
        )

    from metrics.encoders import ocr, processes
    from metrics.encoders.embedded import encoder

    noted(processes, "start_child")
    noted(ocr, "_rapidocr")
    noted(encoder, "load_image_tower")
    noted(encoder, "load_text_tower")
    return loaded


def test_as_many_pictures_as_there_are_cores_are_encoded_at_once(sequences, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    together = threading.Barrier(3)

    class Together(CountingEncoder):
        batch_size = 1

        def encode(self, images):
            together.wait(BARRIER_S)  # breaks, and fails the picture, unless three are here
            return super().encode(images)

    monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": Together())
    several = score(sequences, tmp_path / "several", ["identity.self"]).scores
    monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": CountingEncoder())
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    pd.testing.assert_frame_equal(several, score(sequences, tmp_path / "one", ["identity.self"]).scores)


def test_real_encoders_say_the_same_on_several_cores_and_what_is_known_loads_none(signs, tmp_path, monkeypatch, loads):
    metrics = ["text", "adherence.clip", "quality.sharpness"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = score(signs, tmp_path / "one", metrics).scores
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    several = score(signs, tmp_path / "several", metrics).scores
    pd.testing.assert_frame_equal(several, one, rtol=0, atol=1e-6)
    assert set(loads) == {"_rapidocr", "load_image_tower", "load_text_tower"}
    loads.clear()
    pd.testing.assert_frame_equal(score(signs, tmp_path / "several", metrics).scores, several)
    assert not loads


def test_dlib_sees_the_same_faces_in_every_process(loads):
    import concurrent.futures

    import skimage.data

    from metrics.encoders.catalogue import load_encoder

    encoder, portrait = load_encoder("dlib:resnet_v1"), skimage.data.astronaut()
    (expected,) = encoder.encode([portrait])
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for (faces,) in pool.map(lambda _: encoder.encode([portrait]), range(6)):
            assert [face["box"] for face in faces] == [face["box"] for face in expected]
            np.testing.assert_array_equal(faces[0]["embedding"], expected[0]["embedding"])
    assert 1 < len(loads) <= 3  # one for each thread


def test_nothing_begins_after_a_failure_and_whoever_waits_hears_of_it():
    done = []

    def fail():
        raise MemoryError("no room")

    with Workers(100, number=1) as workers:
        tasks = [workers.submit(0, done.append, 1), workers.submit(0, fail), workers.submit(0, done.append, 2)]
        with pytest.raises(MemoryError, match="no room"):
            workers.wait(reversed(tasks))
    assert done == [1]


def test_what_runs_at_once_stays_within_its_memory():
    held, most, lock = [0], [0], threading.Lock()
    both = threading.Barrier(2)

    def hold(n_bytes, meet):
        with lock:
            held[0] += n_bytes
            most[0] = max(most[0], held[0])
        if meet:
            both.wait(BARRIER_S)
        with lock:
            held[0] -= n_bytes

    with Workers(100, number=4) as workers:
        sizes = [(50, True), (50, True), *[(60, False)] * 4, (500, False), (10, False)]
        workers.wait([workers.submit(n_bytes, hold, n_bytes, meet) for n_bytes, meet in sizes])
    assert most[0] == 500  # too large by itself, and then it is alone


def test_the_profile_adds_up_and_names_every_stage(signs, tmp_path):
    profile = Profile()
    score(signs, tmp_path / "run", ["quality.sharpness"], profile=profile)
    table = profile.table().set_index("stage")
    assert table.loc["decode", "n"] == 6
    assert table.loc["technical:rec601", "n"] == 6
    assert {"read rows and headers", "plan", "measure"} <= set(table.index)
    assert table["share"].sum() == pytest.approx(1)
    assert (table["core_seconds"] >= 0).all()
    assert "cores was used" in profile.report()[-1]
    assert len(profile.report()) == len(table) + 2
