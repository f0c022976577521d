"""Pacing: how many requests a host has at once, how fast they follow each other, how long is waited and tried."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long things are tried.

    A request that is rejected is sent ``attempts`` times, and a picture downloaded as often. Where the host names no
    wait, the first is ``backoff_s``, doubled each time up to ``longest_backoff_s``; one that asks for more than
    ``longest_wait_s`` is not asked any more in this run. A task is asked for after an eighth of the time that it has
    taken so far (a thirty-second where that time is rated), between ``first_poll_s`` and ``longest_poll_s``, and ends
    as a timeout after ``task_s``; for ``grace_s`` it is still asked for when the run or its system stops.
    """

    attempts: int = 8
    backoff_s: float = 1.0
    longest_backoff_s: float = 60.0
    longest_wait_s: float = 600.0
    first_poll_s: float = 0.2
    longest_poll_s: float = 3.0
    task_s: float = 900.0
    grace_s: float = 60.0

    def backoff(self, attempt: int) -> float:
        """Return the jittered wait after an attempt, counted from 1."""
        longest = min(self.longest_backoff_s, self.backoff_s * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)


class Stop:
    """A request to stop that interrupts every wait."""

    def __init__(self) -> None:
        """Go on until `request` is called."""
        self._event = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask for the stop."""
        self._event.set()

    async def sleep(self, seconds: float) -> bool:
        """Wait, and return at once with True when the stop is requested."""
        if seconds > 0 and not self.requested:
            try:
                await asyncio.wait_for(self._event.wait(), seconds)
            except TimeoutError:
                return False
        return self.requested


class RateLimiter:
    """How fast one host is asked.

    Parameters
    ----------
    concurrency
        Requests that may be in flight at once, tasks that the host is still working on included.
    per_minute
        Requests that may be sent a minute, None without a limit. They are spread evenly.
    """

    def __init__(self, concurrency: int, per_minute: float | None = None) -> None:
        """Start without any request in flight."""
        self.slots = asyncio.Semaphore(concurrency)
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._next_at = 0.0

    def pause(self, seconds: float) -> None:
        """Send nothing to the host for that long: it asked one request to wait and means all of them."""
        self._next_at = max(self._next_at, time.monotonic() + seconds)

    async def turn(self, sleep: Callable[[float], Awaitable[bool]]) -> None:
        """Wait until it is this request's turn."""
        while (wait := self._next_at - time.monotonic()) > 0:
            if await sleep(wait):
                return
        self._next_at = time.monotonic() + self._gap_s
