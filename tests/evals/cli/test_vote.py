"""The command ``twinlens vote``: what it does without a browser, and how it refuses."""

import functools

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.voting.store import read_votes
from tests.voting_run import SYSTEMS, run_apart, write_voting_run


@pytest.fixture
def run(tmp_path):
    return write_voting_run(tmp_path / "run")


def vote(*arguments):
    invoke = functools.partial(CliRunner().invoke, catch_exceptions=False)
    return run_apart(invoke, main, ["vote", *map(str, arguments)])


def test_votes_are_imported_and_a_voter_is_deleted(run, tmp_path):
    csv = tmp_path / "votes.csv"
    lines = [f"{who},signs:text,signs-id-{n},{','.join(SYSTEMS)},left" for who in ("heron", "gull") for n in range(3)]
    csv.write_text("\n".join(["voter,row,prompt_id,left,right,answer", *lines]))
    done = vote(run, "--import", csv)
    assert (done.exit_code, "6 added" in done.stdout) == (0, True)
    done = vote(run, "--delete-voter", "gull")
    assert (done.exit_code, "voter gull with 3 votes" in done.stdout) == (0, True)
    assert read_votes(run)["voter"].unique().tolist() == ["heron"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rows", "sings:text"], "row 'sings:text' asks nobody"),
        (["--delete-voter", "nobody"], "there is no voter 'nobody'"),
        (["--port", "70000"], "--port"),
        (["--host", "203.0.113.7", "--port", "0"], "twinlens:"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(run, arguments, says):
    done = vote(run, *arguments)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr
