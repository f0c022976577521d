"""The ledger: what survives a crash, what is refused, and how requests stand after their events."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.generation.answers import Task
from evals.generation.ledger import EVENTS, Ledger, LedgerError, RequestState, read_events, replay

TASK = Task("t1", "https://api.bfl.ai/v1/get_result?id=t1", cost_usd=0.03)

PICTURE = {"file_name": "images/0.png"}


def written(path, *events, plan="p"):
    ledger = Ledger(path)
    ledger.open_for(plan)
    for kind, sample_id, facts in events:
        ledger.append(kind, sample_id, **facts)
    ledger.close()
    return path


def state(path, sample_id="a"):
    return replay(read_events(path)[0])[sample_id]


SUBMITTED = ("submitted", "a", {"max_cost_usd": 0.05})
ACCEPTED = ("accepted", "a", {"task": TASK})


@pytest.mark.parametrize(
    ("events", "status", "outcome", "spent"),
    [
        ([SUBMITTED], "sent", "unknown", 0.05),
        ([SUBMITTED, ACCEPTED], "accepted", None, 0.03),
        ([SUBMITTED, ("accepted", "a", {"task": Task("t", "u")})], "accepted", None, 0.05),
        ([SUBMITTED, ("completed", "a", {"cost_usd": 0.02, "picture": PICTURE})], "ok", "ok", 0.02),
        ([SUBMITTED, ACCEPTED, ("timeout", "a", {"cost_usd": 0.03})], "timeout", "timeout", 0.03),
        ([SUBMITTED, ("refused", "a", {"reason": "SAFETY"})], "refused", "refused", 0.0),
        ([SUBMITTED, ("unknown", "a", {})], "unknown", "unknown", 0.05),
        ([SUBMITTED, ("rejected", "a", {})], "pending", None, 0.0),
        ([SUBMITTED, ("rejected", "a", {"possible_cost_usd": 0.05})], "pending", None, 0.05),
        ([SUBMITTED, ("rejected", "a", {"possible_cost_usd": 0.05}), SUBMITTED], "sent", "unknown", 0.10),
    ],
)
def test_a_request_stands_as_its_events_say(tmp_path, events, status, outcome, spent):
    after = state(written(tmp_path / "l", *events))
    assert (after.status, after.outcome) == (status, outcome)
    assert after.spent_usd == pytest.approx(spent)


def test_an_accepted_task_comes_back_whole_from_disk(tmp_path):
    after = state(written(tmp_path / "l", SUBMITTED, ACCEPTED))
    assert after.task == TASK
    assert after.may_be_followed


@pytest.mark.parametrize(
    ("kind", "facts", "followed"),
    [
        ("timeout", {}, True),
        ("failed", {"reason": "delivery_failed"}, True),
        ("failed", {"reason": "delivery_expired"}, False),
        ("completed", {"picture": PICTURE}, False),
    ],
)
def test_only_a_task_that_may_still_bring_its_picture_is_followed(tmp_path, kind, facts, followed):
    assert state(written(tmp_path / "l", SUBMITTED, ACCEPTED, (kind, "a", facts))).may_be_followed is followed


def test_a_request_that_is_sent_again_forgets_its_old_task(tmp_path):
    events = [SUBMITTED, ACCEPTED, ("failed", "a", {"rejected": True}), SUBMITTED]
    assert state(written(tmp_path / "l", *events)).task is None


@given(st.integers(0, 2000))
def test_whatever_a_crash_cuts_off_the_rest_is_read_and_appended_to(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("l") / "ledger.jsonl"
    written(path, *[("submitted", f"s{i}", {"max_cost_usd": 0.1}) for i in range(8)])
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    kept, _ = read_events(path)
    ledger = Ledger(path)
    ledger.open_for("p")
    ledger.append("submitted", "late", max_cost_usd=0.0)
    ledger.close()
    events, torn = read_events(path)
    assert not torn
    assert events[: len(kept)] == kept
    assert [event["event"] for event in events[len(kept) :]] == ["opened", "submitted"]
    assert len(kept) in (whole[: min(cut, len(whole))].count(b"\n"), whole[:cut].count(b"\n") + 1)


def test_a_line_that_no_crash_explains_is_refused_with_its_number(tmp_path):
    path = written(tmp_path / "ledger.jsonl", SUBMITTED, ACCEPTED, ("completed", "a", {"picture": PICTURE}))
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:-9]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(LedgerError, match="line 3: the ledger is damaged"):
        Ledger(path)


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "null",
        '{"event": "bought"}',
        '{"event": "submitted"}',
        '{"event": "completed", "at": "x", "sample_id": "a"}',
        "{",
        '"x"',
        "\x00\x00",
    ],
)
def test_a_strange_line_in_the_middle_is_refused(tmp_path, line):
    path = written(tmp_path / "l", SUBMITTED)
    path.write_text(
        path.read_text() + line + "\n" + json.dumps({"event": "refused", "sample_id": "a", "at": "x"}) + "\n"
    )
    with pytest.raises(LedgerError, match="line 3"):
        Ledger(path)


def test_another_plan_is_refused(tmp_path):
    path = written(tmp_path / "l", SUBMITTED)
    with pytest.raises(LedgerError, match="another plan"):
        written(path, plan="q")


def test_every_line_goes_through_the_guard_before_it_is_written(tmp_path):
    ledger = Ledger(tmp_path / "l", lambda line: line.replace("KEY-1", "[key]"))
    ledger.open_for("p")
    ledger.append("failed", "a", message="API key not valid: KEY-1")
    ledger.close()
    assert "KEY-1" not in (tmp_path / "l").read_text()
    assert "[key]" in (tmp_path / "l").read_text()


def test_an_event_is_on_disk_before_append_returns(tmp_path, monkeypatch):
    order = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda file, line: order.append("write") or write(file, line))
    monkeypatch.setattr(os, "fsync", lambda file: order.append("fsync") or fsync(file))
    written(tmp_path / "l", SUBMITTED)
    assert order == ["write", "fsync", "write", "fsync"]


def test_a_full_disk_is_told_and_what_was_written_stays_readable(tmp_path, monkeypatch):
    path = tmp_path / "l"
    ledger = Ledger(path)
    ledger.open_for("p")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2] if len(line) > 1 else line))
    with pytest.raises(OSError, match="no space left"):
        ledger.append("submitted", "a", max_cost_usd=0.1)
    monkeypatch.undo()
    ledger.close()
    assert "a" not in replay(read_events(path)[0])
    assert state(written(path, SUBMITTED)).status == "sent"


def test_a_line_that_a_full_disk_cut_off_does_not_damage_what_follows(tmp_path, monkeypatch):
    path, write = tmp_path / "l", os.write
    ledger = Ledger(path)
    ledger.open_for("p")
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
        with pytest.raises(OSError, match="no space left"):
            ledger.append("submitted", "a", max_cost_usd=0.1)
    ledger.append("submitted", "b", max_cost_usd=0.1)
    ledger.close()
    assert set(replay(read_events(path)[0])) == {"b"}


def test_half_a_character_in_a_message_does_not_lose_the_answer(tmp_path):
    path = written(tmp_path / "l", SUBMITTED, ("failed", "a", {"message": "no such file \udcff"}))
    assert state(path).ending["message"] == "no such file ?"


def test_every_kind_of_event_can_be_taken_in():
    for kind in set(EVENTS) - {"opened"}:
        event = {"event": kind, "at": "now", "task": {"id": "t", "polling_url": "u"}}
        one = RequestState()
        one.apply(event)
        assert one.status in ("sent", "pending", "accepted", "ok", kind)
