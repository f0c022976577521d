"""The ledger: what survives a crash, what is refused, and how requests stand after their events."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.generation.answers import Task
from evals.generation.ledger import Ledger, LedgerError, _with_checksum, read_events, replay

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


@pytest.mark.parametrize(
    ("events", "task"),
    [
        ([], TASK),
        ([("timeout", "a", {})], TASK),
        ([("failed", "a", {"reason": "delivery_failed"})], TASK),
        ([("failed", "a", {"reason": "delivery_expired"})], None),
        ([("completed", "a", {"picture": PICTURE})], None),
        ([("failed", "a", {"rejected": True}), SUBMITTED], None),
    ],
)
def test_a_task_comes_back_whole_from_disk_if_it_may_still_bring_its_picture(tmp_path, events, task):
    after = state(written(tmp_path / "l", SUBMITTED, ACCEPTED, *events))
    assert (after.task if after.may_be_followed else None) == task


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


STRANGE = ("[]", "null", "{", '"x"', "\x00\x00", '{"event": "bought"}', '{"event": "submitted"}')


@pytest.mark.parametrize("line", [*STRANGE, '{"event": "completed", "at": "x", "sample_id": "a"}'])
def test_a_strange_line_in_the_middle_and_another_plan_are_refused(tmp_path, line):
    path = written(tmp_path / "l", SUBMITTED)
    with pytest.raises(LedgerError, match="another plan"):
        written(path, plan="q")
    path.write_text(f'{path.read_text()}{line}\n{{"event": "refused", "sample_id": "a", "at": "x"}}\n')
    with pytest.raises(LedgerError, match="line 3"):
        Ledger(path)


def test_every_line_goes_through_the_guard_before_it_is_written(tmp_path):
    ledger = Ledger(tmp_path / "l", lambda line: line.replace("KEY-1", "[key]"))
    ledger.open_for("p")
    ledger.append("failed", "a", message="API key not valid: KEY-1")
    ledger.close()
    line = (tmp_path / "l").read_text()
    assert ("KEY-1" in line, "[key]" in line) == (False, True)


def test_an_event_is_on_disk_before_append_returns(tmp_path, monkeypatch):
    order = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda file, line: order.append("write") or write(file, line))
    monkeypatch.setattr(os, "fsync", lambda file: order.append("fsync") or fsync(file))
    written(tmp_path / "l", SUBMITTED)
    assert order == ["write", "fsync", "write", "fsync"]


def test_a_line_that_a_full_disk_cut_off_is_told_and_damages_nothing_before_or_after_it(tmp_path, monkeypatch):
    path, write = written(tmp_path / "l", SUBMITTED), os.write
    ledger = Ledger(path)
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
        with pytest.raises(OSError, match="no space left"):
            ledger.append("submitted", "b", max_cost_usd=0.1)
    ledger.append("submitted", "c", max_cost_usd=0.1)
    ledger.close()
    assert set(replay(read_events(path)[0])) == {"a", "c"}


def test_half_a_character_in_a_message_does_not_lose_the_answer(tmp_path):
    path = written(tmp_path / "l", SUBMITTED, ("failed", "a", {"message": "no such file \udcff"}))
    assert state(path).ending["message"] == "no such file ?"


@pytest.mark.parametrize(
    "event",
    [
        {"event": "opened", "at": "t", "plan_sha256": ["p"]},
        {"event": "submitted", "at": "t", "sample_id": ["a"]},
        {"event": "submitted", "sample_id": "a"},
        {"event": "submitted", "at": "t", "sample_id": "a", "max_cost_usd": 10**400},
        {"event": "failed", "at": "t", "sample_id": "a", "cost_usd": {"a": 1}},
        {"event": "failed", "at": "t", "sample_id": "a", "metadata": 1},
        {"event": "completed", "at": "t", "sample_id": "a", "picture": {"file_name": 1}},
    ],
)
def test_a_line_with_a_good_checksum_and_values_of_another_type_is_damage(tmp_path, event):
    path = written(tmp_path / "l", SUBMITTED)
    path.write_bytes(path.read_bytes() + _with_checksum(json.dumps(event).encode()) + b"\n")
    with pytest.raises(LedgerError, match="line 3: the ledger is damaged"):
        Ledger(path)


def test_a_last_line_without_its_end_is_cut_off_and_one_with_another_end_is_damage(tmp_path):
    path = written(tmp_path / "l", SUBMITTED, ACCEPTED)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    Ledger(path).close()
    assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:-1])
    path.write_bytes(whole[:-1] + b"\x0b")
    with pytest.raises(LedgerError, match="line 3"):
        read_events(path)
