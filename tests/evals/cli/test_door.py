"""At the door: whatever is brought, one sentence and exit code 2 before anything is computed, and never a traceback."""

import errno
import os
import shutil

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.files.atomic_files import write_atomically
from tests.run_folder import write_noise_set

SSIM = ("--metrics", "reproducibility.ssim")
DEEP = "[" * 100_000 + "]" * 100_000
NOT_UTF8 = os.fsdecode(b"n\xff")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with an image set, and a run that was scored from it."""
    folder = tmp_path_factory.mktemp("door")
    write_noise_set(folder / "set")
    assert run("score", folder / "set", *SSIM, "--out", folder / "run").exit_code == 0
    assert run("rate", folder / "run").exit_code == 0
    return folder


@pytest.fixture
def work(prepared, tmp_path, monkeypatch):
    shutil.copytree(prepared / "set", tmp_path / "set")
    shutil.copytree(prepared / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def refused(*arguments):
    done = run(*arguments)
    assert (done.exit_code, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done.output
    assert done.stderr.startswith("twinlens: ")
    assert len(done.stderr) < 900
    return done.stderr


@pytest.mark.parametrize("content", [DEEP, "[]", "9" * 5000], ids=["nesting", "list", "digits"])
def test_a_damaged_provenance_is_made_anew_by_scoring(content, work):
    (work / "run/provenance.json").write_text(content)
    assert run("score", "set", *SSIM, "--out", "run").exit_code == 0
    assert run("rate", "run").exit_code == 0


def test_a_folder_that_is_not_utf8_text_is_refused_before_anything_is_computed(work, monkeypatch):
    (work / "set").rename(work / NOT_UTF8)
    monkeypatch.chdir(work / NOT_UTF8)
    assert "is not UTF-8 text" in refused("score", ".", "--out", "../out")
    assert not (work / "out").exists()


@pytest.mark.parametrize(("path", "sentence"), [("nope", "twinlens: nope: there is no folder"), (".", "twinlens: .: ")])
def test_a_folder_is_named_once(path, sentence, work):
    assert refused("score", path, "--out", "out").startswith(sentence)


@pytest.mark.parametrize(
    ("command", "fails", "kept"),
    [
        ("score set --out out --metrics reproducibility.ssim", "evals.scoring.stage.write_atomically", "features"),
        ("report run --out out", "evals.reporting.report.write_atomically", None),
        ("generate demo --simulated --out out", "evals.generation.freezing.write_atomically", "every answer so far"),
    ],
)
def test_a_full_disk_names_the_file_and_only_what_goes_on_is_said_to(command, fails, kept, work, monkeypatch):
    def full(path, content):
        monkeypatch.setattr(os, "fsync", no_space)
        write_atomically(path, content)

    def no_space(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fails, full)
    message = refused(*command.split())
    assert "twinlens: out/" in message
    assert ": no space left on device" in message
    assert ("the same command goes on" in message) == (kept is not None)
    assert kept is None or kept in message
    assert not list((work / "out").glob(".*.new"))


@pytest.mark.parametrize("error", [KeyError("x"), MemoryError(), RecursionError("a\nb"), AssertionError()])
def test_a_defect_is_a_sentence_too_and_is_shown_whole_on_request(error, work, monkeypatch):
    def broken(*arguments):
        raise error

    monkeypatch.setattr("evals.rating.stage.rate_run", broken)
    with pytest.raises(type(error)):
        run("rate", "run", "--json")
    monkeypatch.delenv("TWINLENS_TRACEBACK")
    assert f"{type(error).__name__}: " in (message := refused("rate", "run", "--json"))
    assert "test_door.py, line " in message
