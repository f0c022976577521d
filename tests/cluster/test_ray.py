"""The Ray engine gives what the local one gives, whatever becomes of its workers."""

import os
import signal
import socket

import fsspec
import psutil
import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.files.addresses import copy_path
from evals.scoring.cluster import ClusterError
from evals.scoring.stage import score
from tests.cluster.conftest import assert_same_run

pytest.importorskip("ray", reason="Ray is not installed; make ray installs it and runs these tests")


def workers_of_ray():
    """Return the processes of this test's workers that hold encoders."""
    below = psutil.Process().children(recursive=True)
    return [each for each in below if each.is_running() and "MapWorker" in " ".join(each.cmdline())]


@pytest.fixture
def kill_one():
    """Return a progress that kills a worker when the first part is done, and the list of the killed."""
    killed = []

    def progress(label, done, total):
        if label == "images" and done and not killed:
            killed.append(workers_of_ray()[0])
            os.kill(killed[0].pid, signal.SIGKILL)

    return progress, killed


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """Return the address of a bucket of an S3 server on this machine."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed; make ray installs it and runs these tests")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed; make ray installs it and runs these tests")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    monkeypatch.setenv("TWINLENS_COPIES", str(tmp_path / "copies"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("pictures")
    yield "s3://pictures"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_worker_that_is_killed_changes_no_number(mixed_set, local_run, tmp_path, kill_one):
    progress, killed = kill_one
    run = score(mixed_set, tmp_path / "run", skip_bad=True, engine="ray", workers=2, progress=progress)
    assert killed
    assert_same_run(run, local_run)


def test_a_set_on_s3_gives_the_same_run_on_s3(mixed_set, local_run, bucket, kill_one):
    s3 = fsspec.filesystem("s3")
    s3.put(f"{mixed_set}/", "pictures/a set/", recursive=True)
    progress, killed = kill_one
    place = f"{bucket}/a set"
    run = score(place, f"{bucket}/run", skip_bad=True, engine="ray", workers=2, progress=progress)
    assert killed
    assert_same_run(run, local_run)
    # The pictures went to the workers; of those, only what they could not read was looked at here.
    assert len(list(copy_path(place).rglob("*.png"))) <= len(run.provenance["unreadable"])
    assert {"pictures/run/provenance.json", "pictures/run/scores.parquet"} <= set(s3.find("pictures/run"))
    assert s3.find("pictures/run/features")
    rated = CliRunner().invoke(main, ["rate", f"{bucket}/run", "--json"])
    assert rated.exit_code == 0
    assert s3.exists("pictures/run/ratings.json")


def test_a_cluster_that_does_not_answer_is_one_sentence(mixed_set, tmp_path, monkeypatch):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:{1}".format(*taken.getsockname()))
        with pytest.raises(
            ClusterError, match=r"cannot be used \(127.0.0.1:\d+: Connection refused\); look at RAY_ADDRESS"
        ):
            score(mixed_set, tmp_path / "run", ["quality.sharpness"], skip_bad=True, engine="ray")
