"""Stopping: Ctrl-C, a full disk, an error of our own; nothing that was paid for is lost, and a later run goes on."""

import asyncio
import signal
import threading
from concurrent.futures import Future
from dataclasses import replace

import pytest

from evals.generation.answers import Finished, Rejected, Running
from evals.generation.clients import GenerationError
from evals.generation.freezing import freeze_definition
from evals.generation.pictures import Pictures
from evals.imageset.imageset import read_image_set


def outcomes(generation):
    (counts,) = generation.outcomes.values()
    return counts


def test_a_full_disk_stops_the_run_and_loses_nothing_that_was_answered(run, scripted, monkeypatch, stop_requested):
    store, stored, next_in_flight = Pictures.store, [], threading.Event()

    def failing(self, sample_id, content):
        if len(stored) == 3:
            next_in_flight.wait()
            raise OSError(28, "No space left on device", "disk")
        stored.append(sample_id)
        return store(self, sample_id, content)

    monkeypatch.setattr(Pictures, "store", failing)

    def may_answer(sample_id):
        if sample_id != "s4":
            return True
        next_in_flight.set()
        return stop_requested()

    host = scripted.Host(may_answer=may_answer)
    with pytest.raises(OSError, match="No space"):
        run(host, scripted.requests(12), concurrency=1)
    assert len(read_image_set(run.folder).rows) == 3
    monkeypatch.undo()
    # The picture in hand and the one in flight are lost, and told as such.
    again = outcomes(run(scripted.Host(), scripted.requests(12)))
    assert again == {"ok": 10, "unknown": 2}


def test_nothing_is_sent_while_the_disk_is_nearly_full(run, scripted, monkeypatch):
    monkeypatch.setattr("evals.generation.pictures._LEAST_FREE_BYTES", 2**80)
    host = scripted.Host()
    with pytest.raises(OSError, match="256 MiB"):
        run(host, scripted.requests(3))
    assert host.submitted == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_what_is_in_flight_and_leaves_the_rest_for_later(
    run, scripted, interrupted_when, stop_requested, number
):
    host = scripted.Host(may_answer=lambda _: len(host.submitted) < 4 or stop_requested())
    interrupted_when(lambda: len(host.submitted) >= 4, number)
    generation = run(host, scripted.requests(30), concurrency=2)
    assert generation.interrupted
    assert outcomes(generation) == {"ok": len(host.submitted), "pending": 30 - len(host.submitted)}
    assert len(host.submitted) in (4, 5)
    assert outcomes(run(host, scripted.requests(30), concurrency=30)) == {"ok": 30}
    assert len(host.submitted) == 30


def test_an_interrupt_leaves_accepted_tasks_to_a_later_run(run, scripted, interrupted_when):
    host = scripted.host_with_task(Running("Pending"))
    interrupted_when(lambda: host.submitted)
    assert outcomes(run(host, scripted.requests(1))) == {"pending": 1}
    host.polls["t"] = [Finished(url="u")]
    assert outcomes(run(host, scripted.requests(1))) == {"ok": 1}
    assert host.submitted == ["s0"]


def test_two_processes_do_not_write_one_run(run, scripted):
    from filelock import FileLock

    run.folder.mkdir(parents=True)
    with FileLock(run.folder / ".ledger.jsonl.lock"), pytest.raises(GenerationError, match="another process"):
        run(scripted.Host(), scripted.requests(1))


def test_an_unexpected_error_lets_what_is_in_flight_end_and_its_request_is_unknown(run, scripted, stop_requested):
    host = scripted.Host({"s0": [RuntimeError("a bug")]})
    host.may_answer = lambda sample_id: len(host.submitted) == 3 if sample_id == "s0" else stop_requested()
    with pytest.raises(RuntimeError, match="a bug"):
        run(host, scripted.requests(20), concurrency=3)
    assert {row["sample_id"]: row["outcome"] for row in run.rows()} == {"s0": "unknown", "s1": "ok", "s2": "ok"}


def test_a_second_interrupt_leaves_at_once_and_what_was_in_flight_is_unknown(run, scripted, interrupted_when):
    host = scripted.Host(may_answer=lambda _: False)
    interrupted_when(lambda: len(host.submitted) == 2, times=2)
    with pytest.raises(KeyboardInterrupt):
        run(host, scripted.requests(3), concurrency=2)
    assert [row["outcome"] for row in run.rows()] == ["unknown", "unknown"]


def test_the_handlers_of_signals_are_what_they_were_before(run, scripted):
    before = [signal.signal(number, heard := lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        run(scripted.Host(), scripted.requests(1))
        assert signal.getsignal(signal.SIGTERM) is heard
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def test_interrupting_a_notebook_waits_for_what_is_in_flight(
    run, scripted, interrupted_when, stop_requested, monkeypatch
):
    host = scripted.Host(may_answer=lambda _: stop_requested())
    waits, result = threading.Event(), Future.result
    monkeypatch.setattr(Future, "result", lambda future, timeout=None: waits.set() or result(future, timeout))

    async def cell():
        # An interrupt while the thread is only starting is raised when that has ended, and is none of this.
        interrupted_when(lambda: len(host.submitted) == 2 and waits.is_set())
        return run(host, scripted.requests(9), concurrency=2)

    loop = asyncio.new_event_loop()  # as a kernel's: no handler for Ctrl-C
    try:
        generation = loop.run_until_complete(cell())
    finally:
        loop.close()
    assert generation.interrupted
    assert outcomes(generation) == {"ok": 2, "pending": 7}


def test_what_a_crash_left_beside_an_unwritten_eval_does_not_block_the_folder(tmp_path):
    (tmp_path / ".eval.yaml.4711.new").write_text("name: de")
    freeze_definition("demo", tmp_path)
    assert (tmp_path / "eval.yaml").is_file()
    (tmp_path / "eval.yaml").unlink()
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(GenerationError, match="not empty"):
        freeze_definition("demo", tmp_path)


def test_an_interrupt_still_fetches_the_pictures_of_tasks_that_are_about_to_end(run, scripted, interrupted_when):
    host = scripted.host_with_task(*[Running("Pending")] * 60, Finished(url="u"))
    interrupted_when(lambda: host.submitted)
    generation = run(host, scripted.requests(1), retry_policy=replace(scripted.quick, grace_s=60.0))
    assert generation.interrupted
    assert outcomes(generation) == {"ok": 1}


def test_a_system_that_stops_still_fetches_what_is_paid_for(run, scripted):
    no_credit = [Rejected("http_402", "no credit", stops="top it up")]
    host = scripted.host_with_task(*[Running("Pending")] * 30, Finished(url="u"), s1=no_credit)
    generation = run(host, scripted.requests(3), retry_policy=replace(scripted.quick, grace_s=60.0))
    assert generation.outcomes["m@h"]["ok"] >= 1
    assert {row["sample_id"]: row["outcome"] for row in run.rows()}["s0"] == "ok"
    assert "no credit" in generation.stopped["m@h"]
