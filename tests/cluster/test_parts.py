"""What is needed, split for processes that share nothing: nothing is lost, nothing is computed twice."""

import contextlib
import dataclasses
import pickle

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from evals.cli.main import main
from evals.scoring import cluster
from evals.scoring.features import FeatureStore
from evals.scoring.needs import FeatureKey, Needs
from evals.scoring.parts import parts
from evals.scoring.plans import ImageKey
from evals.scoring.stage import score
from tests.cluster.conftest import assert_same_run

numbers = st.integers(0, 120)


def picture(n):
    return ImageKey("file", f"{n}.png")


@given(st.lists(numbers), st.lists(st.tuples(numbers, numbers)), st.lists(numbers), st.lists(st.text(max_size=3)))
def test_every_feature_is_in_one_part_with_all_its_pictures(single, pairs, rendered, texts):
    faces = [FeatureKey("faces", "e", (picture(n),)) for n in single]
    differences = [FeatureKey("difference", "e", (picture(a), picture(b))) for a, b in pairs]
    readings = [FeatureKey("ocr", "e", (ImageKey("rendering", "OPEN", f"{n}.png"),)) for n in rendered]
    prompts = [FeatureKey("prompt", "e", (text,)) for text in texts]
    features = dict.fromkeys((*faces, *differences, *readings, *prompts))
    needs = Needs(dict.fromkeys(map(picture, range(3))), features)
    split = list(parts(needs, 8))
    given_out = [key for part in split for key in part.features]
    assert len(given_out) == len(set(given_out))
    # What is read in a picture is known where its rendering is drawn.
    assert set(given_out) == {
        *features,
        *(key._replace(inputs=(picture(n),)) for n, key in zip(rendered, readings, strict=True)),
    }
    assert {each for part in split for each in part.pictures} >= needs.pictures.keys()
    for part in split:
        assert len(part.pictures) <= 8
        assert all(part.pictures.keys() >= set(key.pictures) for key in part.features)
        for key in part.pictures:
            if key.kind == "rendering":
                assert FeatureKey("ocr", "e", (ImageKey("file", key.like),)) in part.features


def test_pictures_that_are_compared_are_decoded_once():
    pairs = [FeatureKey("difference", "e", (picture(n), picture(n + 1))) for n in range(0, 100, 2)]
    split = list(parts(Needs({}, dict.fromkeys(pairs)), 8))
    assert sum(len(part.pictures) for part in split) == 100
    assert len(split) == 100 // 8 + 1


class OneProcess:
    """Stands for Ray: the same calls, one worker in this process, and everything between them pickled."""

    data: "OneProcess"

    def __init__(self):
        self.data, self.rows, self.workers = self, [], []

    def cluster_resources(self):
        return {"CPU": 1.0}

    def ActorPoolStrategy(self, size):
        return size

    def from_items(self, rows, override_num_blocks):
        self.rows = pickle.loads(pickle.dumps(rows))
        return self

    def map_batches(self, worker, fn_constructor_args, batch_size, compute, num_cpus):
        self.workers.append(worker(*pickle.loads(pickle.dumps(fn_constructor_args))))
        return self

    def iter_batches(self, batch_size):
        return (self.workers[-1]({"part": [row["part"]]}) for row in self.rows)


@pytest.fixture
def one_process(monkeypatch):
    ray = OneProcess()
    monkeypatch.setattr(cluster, "check_installed", lambda: None)
    monkeypatch.setattr(cluster, "_ray", lambda workers: contextlib.nullcontext(ray))
    return ray


def test_parts_give_the_run_that_the_whole_gives(mixed_set, tmp_path, one_process):
    metrics = ["reproducibility.identical", "reproducibility.mean_difference", "quality.sharpness"]
    whole = score(mixed_set, tmp_path / "whole", metrics, skip_bad=True)
    assert_same_run(score(mixed_set, tmp_path / "run", metrics, skip_bad=True, engine="ray"), whole)
    assert len(one_process.rows) > 3


def test_what_a_run_has_computed_is_not_given_out_again(mixed_set, tmp_path, one_process):
    score(mixed_set, tmp_path / "run", ["quality"], skip_bad=True, engine="ray")
    score(mixed_set, tmp_path / "run", ["quality", "reproducibility.identical"], skip_bad=True, engine="ray")
    keys = [key for row in one_process.rows for key in pickle.loads(row["part"]).features]
    # One picture could not be decoded; nobody knows that it still cannot.
    assert [key.feature for key in keys].count("technical") == 1
    assert [key.feature for key in keys].count("difference") > 1


def test_what_was_computed_is_on_disk_when_its_part_is_done(mixed_set, tmp_path, one_process):
    on_disk = []

    def look(label, done, total):
        if label == "images" and done:
            features = [FeatureStore(folder) for folder in (tmp_path / "run/features").glob("*/*")]
            on_disk.append({store.folder.parent.name: len(store._where) for store in features})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(mixed_set, tmp_path / "run", ["quality.sharpness"], skip_bad=True, engine="ray", progress=look)
    assert on_disk[0]["files"] >= on_disk[0]["technical"] > 1


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("encoders", lambda job: dict.fromkeys(job.encoders, ("0" * 64, "1")), "other weights .* on every machine"),
        ("place", lambda job: job.place / "elsewhere", "elsewhere is not there.* an address such as s3://"),
    ],
)
def test_a_worker_that_cannot_compute_says_why(mixed_set, tmp_path, one_process, monkeypatch, name, change, sentence):
    real = cluster.Worker
    monkeypatch.setattr(cluster, "Worker", lambda job: real(dataclasses.replace(job, **{name: change(job)})))
    with pytest.raises(cluster.ClusterError, match=sentence):
        score(mixed_set, tmp_path / "run", ["quality"], skip_bad=True, engine="ray")


def test_without_ray_one_sentence_says_how_to_install_it(mixed_set, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["score", str(mixed_set), "--engine", "ray"])
    assert done.exit_code == 2
    assert "--engine ray needs Ray; install it with: make ray" in done.stderr
