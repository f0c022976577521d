"""Pacing: how many requests a host has at once, how fast they follow each other, and pauses that the host asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Stop:
    """A wish to stop that interrupts every wait."""

    def __init__(self) -> None:
        """Wish nothing yet."""
        self._event = asyncio.Event()

    @property
    def wanted(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def ask(self) -> None:
        """Wish to stop."""
        self._event.set()

    async def sleep(self, seconds: float) -> bool:
        """Wait, and return at once with True when the wish to stop comes."""
        if seconds > 0 and not self.wanted:
            try:
                await asyncio.wait_for(self._event.wait(), seconds)
            except TimeoutError:
                return False
        return self.wanted


class Pace:
    """The pace of one host.

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
