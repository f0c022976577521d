"""The command ``twinlens vote``: what it does without a browser, and how it refuses."""

import functools
import socket
from unittest.mock import MagicMock

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.cli.vote import address_for_others
from evals.run import Run
from evals.voting.pairs import voting_pairs
from evals.voting.store import VoteStore, read_votes
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
    assert (done.exit_code, "voter gull; answers: 3" in done.stdout) == (0, True)
    assert read_votes(run)["voter"].unique().tolist() == ["heron"]


def test_votes_on_rows_that_are_not_asked_are_still_known_for_what_they_are(run, tmp_path):
    head, csv = "voter,row,prompt_id,left,right,answer", tmp_path / "votes.csv"
    rows = {"signs:text": "signs", "retouching:editing": "retouching"}
    lines = [f"{row},{suite}-id-{n},{','.join(SYSTEMS)},left" for row, suite in rows.items() for n in range(6)]
    csv.write_text("\n".join([head, *(f"heron,{line}" for line in lines)]))
    assert vote(run, "--import", csv).exit_code == 0
    (run / "votes.sqlite").unlink()
    csv.write_text("\n".join([head, f"gull,{lines[-1]}"]))
    assert vote(run, "--rows", "signs:text", "--import", csv).exit_code == 0
    with VoteStore(run, voting_pairs(Run(run))) as store:
        assert store.question(store.voter("heron")) is None
        assert store.n_answered(store.voter("gull")) == 1


@pytest.mark.parametrize("is_connected", [True, False])
def test_others_are_told_an_address_that_leads_to_this_machine(is_connected, monkeypatch):
    probe = MagicMock()
    probe.__enter__.return_value = probe
    probe.getsockname.return_value = ("10.1.2.3", 5)
    probe.connect.side_effect = None if is_connected else OSError("network is unreachable")
    monkeypatch.setattr("socket.socket", lambda *_: probe)
    assert address_for_others() == ("10.1.2.3" if is_connected else socket.getfqdn())


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
