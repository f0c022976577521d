"""A ledger that forgot something is noticed by what lies beside it before anything is sent."""

import shutil
from pathlib import Path

import pytest

from evals.generation.answers import Ended, OutcomeUnknown
from evals.generation.ledger import LedgerError
from evals.generation.stage import still_open

LEDGER, REQUESTS, METADATA, PICTURES = "ledger.jsonl", "requests.jsonl", "metadata.jsonl", "images"


def missing(ledger: Path, older: bytes):
    ledger.unlink()


def empty(ledger: Path, older: bytes):
    ledger.write_bytes(b"")


def truncated(ledger: Path, older: bytes):
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:3]))


def cut_in_a_line(ledger: Path, older: bytes):
    ledger.write_bytes(ledger.read_bytes()[: len(ledger.read_bytes()) // 2])


def older_copy(ledger: Path, older: bytes):
    ledger.write_bytes(older)


def without_one_line(ledger: Path, older: bytes):
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:-1]))


SAID = {
    REQUESTS: "6 requests are listed in requests.jsonl",
    METADATA: "6 pictures are listed in metadata.jsonl",
    PICTURES: "6 pictures lie in images",
}


@pytest.mark.parametrize("witness", SAID)
@pytest.mark.parametrize("fault", [missing, empty, truncated, cut_in_a_line, older_copy])
def test_a_ledger_that_knows_less_than_a_table_or_the_pictures_is_refused_before_anything_is_sent(
    run, scripted, fault, witness
):
    requests = scripted.requests(6)
    run(scripted.Host(), requests, budget_usd=0.02, concurrency=1)
    older = (run.folder / LEDGER).read_bytes()
    run(scripted.Host(), requests)
    fault(run.folder / LEDGER, older)
    for name in {REQUESTS, METADATA} - {witness}:
        (run.folder / name).unlink()
    if witness != PICTURES:
        shutil.rmtree(run.folder / PICTURES)
    before = contents(run.folder)
    host = scripted.Host()
    for budget_usd in (None, 0.01):
        with pytest.raises(LedgerError) as refused:
            run(host, requests, budget_usd=budget_usd)
        assert f"{SAID[witness]}, ledger.jsonl knows " in str(refused.value)
        assert "restore it from a copy, or choose a new folder" in str(refused.value)
    with pytest.raises(LedgerError, match="restore it"):
        still_open(requests, run.out)
    assert host.submitted == []
    assert contents(run.folder) == before


@pytest.mark.parametrize(
    "answers",
    [[Ended("refused", "SAFETY")], [OutcomeUnknown("ReadTimeout")], [Ended("failed", "x"), Ended("failed", "x")]],
)
@pytest.mark.parametrize("fault", [missing, empty, without_one_line])
def test_what_brought_no_picture_is_not_bought_again_either(run, scripted, answers, fault):
    run(scripted.Host({"s0": list(answers)}), scripted.requests(1))
    fault(run.folder / LEDGER, b"")
    host = scripted.Host()
    with pytest.raises(LedgerError, match=r"1 requests are listed in requests\.jsonl, ledger\.jsonl knows 0 of them"):
        run(host, scripted.requests(1), retry_unknown=True)
    assert host.submitted == []


def test_a_table_that_cannot_be_read_vouches_for_nothing_and_is_made_anew_once_it_is_gone(run, scripted):
    requests = scripted.requests(2)
    run(scripted.Host(), requests)
    whole = (run.folder / REQUESTS).read_bytes()
    (run.folder / REQUESTS).write_bytes(whole[:-30])
    with pytest.raises(LedgerError, match=r"requests\.jsonl, line 2: cannot be read"):
        run(scripted.Host(), requests)
    (run.folder / REQUESTS).unlink()
    run(scripted.Host(), requests)
    assert (run.folder / REQUESTS).read_bytes() == whole


def test_the_picture_of_an_attempt_that_a_crash_cut_off_is_no_fault_of_the_ledger(run, scripted):
    requests = scripted.requests(3)
    run(scripted.Host(), requests, concurrency=1)
    ledger = run.folder / LEDGER
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-1]))
    for table in (REQUESTS, METADATA):
        (run.folder / table).unlink()
    host = scripted.Host()
    generation = run(host, requests)
    assert (generation.outcomes, host.submitted) == ({"m@h": {"ok": 2, "unknown": 1}}, [])
    assert run(host, requests, retry_unknown=True).outcomes == {"m@h": {"ok": 3}}
    assert run(host, requests).spent_usd == pytest.approx(0.04)


def test_older_tables_beside_a_newer_ledger_are_made_anew(run, scripted):
    requests = scripted.requests(4)
    run(scripted.Host(), requests, budget_usd=0.02, concurrency=1)
    older = {name: (run.folder / name).read_bytes() for name in (REQUESTS, METADATA)}
    run(scripted.Host(), requests)
    for name, content in older.items():
        (run.folder / name).write_bytes(content)
    host = scripted.Host()
    assert (run(host, requests).outcomes, host.submitted) == ({"m@h": {"ok": 4}}, [])
    assert len(run.rows()) == 4


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_an_end_within_the_same_millisecond_is_not_taken_for_the_sending(run, scripted, monkeypatch):
    monkeypatch.setattr("evals.generation.ledger.now", lambda: "2026-07-22T12:00:00.000+00:00")
    run(scripted.Host({"s0": [OutcomeUnknown("ReadTimeout")]}), scripted.requests(1))
    without_one_line(run.folder / LEDGER, b"")
    with pytest.raises(LedgerError, match="knows 0 of them"):
        run(scripted.Host(), scripted.requests(1))
