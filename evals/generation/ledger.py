"""The ledger: an append-only log of what was sent and what became of it, from which the state of a run is rebuilt."""

from __future__ import annotations

import json
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.files.regular_files import LARGEST_TABLE, read_regular
from evals.generation.answers import Task
from evals.imageset.contract import DELIVERY_FAILED, OUTCOMES, Outcome

ENDINGS = ("completed", "refused", "filtered", "failed", "timeout", "unknown")
"""The events that end a request; ``completed`` is the outcome ``ok``."""

EVENTS = ("opened", "submitted", "rejected", "accepted", *ENDINGS)

_CHECKSUM = b', "crc32": "'


class LedgerError(ValueError):
    """The ledger cannot be used; the message is one sentence that says what to do."""


@dataclass(slots=True)
class RequestState:
    """How a request stands, rebuilt from its events.

    ``pending`` is what was not sent or was rejected, ``sent`` what no answer is known of. ``max_cost_usd`` is the most
    that the last attempt can cost, ``possible_cost_usd`` what earlier ones may have cost although they brought nothing,
    ``references_mp`` the megapixels of what was sent along (None in ledgers of former versions).
    The accepted ``task`` is kept beyond the end of the request; ``sent_at`` (ISO 8601) is that of the last attempt,
    ``ending`` the event that ended it.
    """

    status: str = "pending"
    attempts: int = 0
    max_cost_usd: float = 0.0
    possible_cost_usd: float = 0.0
    references_mp: float | None = None
    task: Task | None = None
    sent_at: str | None = None
    ending: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome | None:
        """Return the outcome, None while there is none. What was sent and never answered is ``unknown``."""
        if self.status == "sent":
            return "unknown"
        return self.status if self.status in OUTCOMES else None

    @property
    def is_open(self) -> bool:
        """Whether the request is to be sent, or its accepted task asked for."""
        rejected = self.status == "failed" and bool(self.ending.get("rejected"))
        return self.status == "pending" or self.may_be_followed or rejected

    @property
    def picture_file(self) -> str | None:
        """Return the picture's file below the image set, None where no picture was made."""
        return str(self.ending["picture"]["file_name"]) if self.status == "ok" else None

    @property
    def may_be_followed(self) -> bool:
        """Whether an accepted task may still bring its picture: asking again costs nothing."""
        undelivered = self.status == "failed" and self.ending.get("reason") == DELIVERY_FAILED
        return self.task is not None and (self.status in ("accepted", "timeout") or undelivered)

    @property
    def spent_usd(self) -> float:
        """Return what the request has cost, at most: what nobody knows counts at its worst."""
        if self.outcome == "unknown":
            return self.possible_cost_usd + self.max_cost_usd
        if self.status == "accepted":
            named = self.task.cost_usd if self.task else None
            return self.possible_cost_usd + (self.max_cost_usd if named is None else named)
        return self.possible_cost_usd + self.last_usd

    @property
    def last_usd(self) -> float:
        """Return what the attempt that ended has cost, at most; 0 while none has."""
        return float(self.ending.get("at_most_usd") or self.ending.get("cost_usd") or 0.0)

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take one more event in."""
        kind = event["event"]
        if kind == "submitted":
            # What an attempt that is made again had cost stays counted.
            self.possible_cost_usd += self.last_usd
            self.status, self.attempts = "sent", self.attempts + 1
            self.max_cost_usd, self.sent_at = float(event.get("max_cost_usd") or 0.0), event["at"]
            references_mp = event.get("references_mp")
            self.references_mp = None if references_mp is None else float(references_mp)
            self.task, self.ending = None, {}
        elif kind == "rejected":
            self.status, self.ending = "pending", {}
            self.possible_cost_usd += float(event.get("possible_cost_usd") or 0.0)
        elif kind == "accepted":
            self.status, self.task = "accepted", Task(**event["task"])
        else:
            self.status, self.ending = "ok" if kind == "completed" else kind, event


class Ledger:
    """An open ledger. Every event is on disk before `append` returns, so that nothing is done that it does not know.

    ``states`` says how each request stands, by ``sample_id``; one that was never sent is pending.
    """

    def __init__(self, path: Path, redact: Callable[[str], str] = lambda line: line) -> None:
        """Read the ledger, if there is one, and open it for appending.

        ``redact`` takes every line before it is written: the last guard against a key or a signed address.

        Raises
        ------
        LedgerError
            If a line other than one that a crash cut off cannot be read.
        """
        self.path = path
        self._redact = redact
        events, n_torn = read_events(path)
        self.states = replay(events)
        self.opened = [event for event in events if event["event"] == "opened"]
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        end = os.fstat(self._file).st_size - n_torn
        # Whatever else cannot be read, once lines follow it, is damage.
        os.ftruncate(self._file, end)
        if end and not path.read_bytes().endswith(b"\n"):
            os.write(self._file, b"\n")

    def open_for(self, plan_sha256: str, **facts: Any) -> None:
        """Write the line that says which plan the events after it belong to.

        Raises
        ------
        LedgerError
            If the ledger belongs to another plan.
        """
        if any(event["plan_sha256"] != plan_sha256 for event in self.opened):
            raise LedgerError(
                f"{self.path} holds the requests of another plan (the eval or one of its suites has changed, or one of "
                "the two is a rehearsal); choose a new folder"
            )
        self._write({"event": "opened", "at": now(), "plan_sha256": plan_sha256, **facts})

    def append(self, kind: str, sample_id: str, **facts: Any) -> None:
        """Write one event of a request, wait until it is on disk, and take it in.

        Raises
        ------
        OSError
            If it cannot be written, such as on a full disk.
        """
        event: dict[str, Any] = {"event": kind, "at": now(), "sample_id": sample_id}
        event.update({key: asdict(value) if isinstance(value, Task) else value for key, value in facts.items()})
        # What the run goes on with is what was written: neither holds a key.
        self.states[sample_id].apply(self._write(event))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, event: Mapping[str, Any]) -> dict[str, Any]:
        text = self._redact(json.dumps(event, ensure_ascii=False, allow_nan=False))
        line = _with_checksum(text.encode(errors="replace")) + b"\n"
        end = os.fstat(self._file).st_size
        written = os.write(self._file, line)
        if written < len(line):
            # A full disk took a part of the line; requests in flight will write more, which must not follow half a one.
            os.ftruncate(self._file, end)
            raise OSError(28, "no space left on device", str(self.path))
        os.fsync(self._file)
        written_event: dict[str, Any] = json.loads(_without_checksum(line[:-1]))
        return written_event


def read_events(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Read all events, and how many bytes at the end are of a line that a crash cut off.

    Every line carries the CRC-32 of what it says. One that cannot be read or says something else is what a crash left
    only if its end is missing: the step that it announced was never taken. Anywhere else the file was damaged, and
    going on might pay for a picture twice.

    Raises
    ------
    LedgerError
        If it was damaged, or is no regular file.
    """
    try:
        *lines, tail = read_regular(path, LARGEST_TABLE).split(b"\n")
    except FileNotFoundError:
        return [], 0
    events: list[dict[str, Any]] = []
    for number, line in enumerate([*lines, tail], start=1):
        if not line.strip():
            continue
        event = _parse(line)
        if event is not None:
            events.append(event)
        elif number <= len(lines) or _parse(tail[:-1]) is not None:
            raise LedgerError(
                f"{path}, line {number}: the ledger is damaged; restore it from a copy, or choose a new folder (what "
                "was paid for is in the lines that can be read)"
            )
        else:
            return events, len(tail)
    return events, 0


def _with_checksum(line: bytes) -> bytes:
    return line[:-1] + _CHECKSUM + b'%08x"}' % zlib.crc32(line)


def _without_checksum(line: bytes) -> bytes:
    """Return what a line says; ValueError if that is not what was written."""
    said = line.rpartition(_CHECKSUM)[0] + b"}"
    if _with_checksum(said) != line:
        raise ValueError("the checksum differs")
    return said


def replay(events: Iterable[Mapping[str, Any]]) -> defaultdict[str, RequestState]:
    """Return how each request stands after these events; one that is in none of them is pending."""
    states: defaultdict[str, RequestState] = defaultdict(RequestState)
    for event in events:
        if event["event"] != "opened":
            states[event["sample_id"]].apply(event)
    return states


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(_without_checksum(line))
        if event["event"] not in EVENTS:
            return None
        texts = [event["at"], event["plan_sha256" if event["event"] == "opened" else "sample_id"]]
        if event["event"] != "opened":
            state = RequestState()
            state.apply(event)
            texts += [state.task.id, state.task.polling_url] if state.task else []
            texts += [event["picture"]["file_name"]] if event["event"] == "completed" else []
            float(state.spent_usd)
        if not all(isinstance(text, str) for text in texts) or not isinstance(event.get("metadata", {}), dict):
            return None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return dict(event)
