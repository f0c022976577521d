"""The simulators' own books: every request that was understood, what was charged for it, what became of it."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

Ending: TypeAlias = Literal["open", "ok", "refused", "filtered", "failed", "turned_away", "lost", "undeliverable"]
"""What became of an arrival: ``lost`` was charged and the answer spoiled, ``undeliverable`` made and not to be had;
``open`` is not done, or for ever at work."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One arrival. Times are seconds since 1970; ``behaviour`` is what the script said.

    ``keys_at_delivery`` counts the requests for the finished picture that carried a key.
    """

    number: int
    host: str
    api_id: str
    prompt: str
    seed: int | None
    size: str
    n_references: int
    behaviour: str
    arrived_at: float
    outcome: Ending = "open"
    task_id: str | None = None
    charged_usd: float = 0.0
    ready_at: float | None = None
    polls: int = 0
    deliveries: int = 0
    keys_at_delivery: int = 0


class Books:
    """What the simulated hosts wrote down; safe to read while they are at work.

    Parameters
    ----------
    path
        A file that gets a JSON line at every change, for a reader in another process: see `read_books`.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open empty books."""
        self._path = path
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._rejected: Counter[tuple[str, int]] = Counter()
        self._peak_active: Counter[str] = Counter()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return all arrivals in order."""
        with self._lock:
            return tuple(self._entries)

    @property
    def charged_usd(self) -> float:
        """Return what all arrivals together were charged."""
        return math.fsum(entry.charged_usd for entry in self.entries)

    @property
    def keys_at_delivery(self) -> int:
        """Return how many requests for finished pictures carried a key."""
        return sum(entry.keys_at_delivery for entry in self.entries)

    @property
    def rejected(self) -> dict[tuple[str, int], int]:
        """Return how many requests were no arrivals, by host and HTTP status: wrong keys, bad requests."""
        with self._lock:
            return dict(self._rejected)

    def peak_active(self, host: str) -> int:
        """Return how many requests were queued or at work at once, at the most."""
        with self._lock:
            return self._peak_active[host]

    def open(self, **first: Any) -> int:
        """Enter an arrival, given all fields of `Entry` but the number, and return its number."""
        with self._lock:
            entry = Entry(number=len(self._entries), **first)
            self._entries.append(entry)
            self._write(entry)
            return entry.number

    def change(self, number: int, **changes: Any) -> None:
        """Change fields of an entry."""
        with self._lock:
            was, now = self._entries[number], replace(self._entries[number], **changes)
            if now != was:
                self._entries[number] = now
                self._write(now)

    def count_poll(self, number: int) -> int:
        """Count a question about a task, and return the count; the file learns of it at the entry's next change."""
        with self._lock:
            polls = self._entries[number].polls + 1
            self._entries[number] = replace(self._entries[number], polls=polls)
            return polls

    def count_delivery(self, number: int, with_key: bool) -> None:
        """Count a request for a finished picture."""
        with self._lock:
            was = self._entries[number]
            self._entries[number] = replace(
                was, deliveries=was.deliveries + 1, keys_at_delivery=was.keys_at_delivery + with_key
            )
            self._write(self._entries[number])

    def reject(self, host: str, status: int) -> None:
        """Count a request that was no arrival."""
        with self._lock:
            self._rejected[host, status] += 1

    def note_active(self, host: str, active: int) -> None:
        """Keep the largest number of requests at once."""
        with self._lock:
            self._peak_active[host] = max(self._peak_active[host], active)

    def _write(self, entry: Entry) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")


def read_books(path: Path) -> tuple[Entry, ...]:
    """Return the entries in a file that a simulator, perhaps still at work, writes; a torn last line is left out."""
    entries: dict[int, Entry] = {}
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            entry = Entry(**json.loads(line))
            entries[entry.number] = entry
    return tuple(entries[number] for number in sorted(entries))
