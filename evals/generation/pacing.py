"""Pacing: how many requests a host has at once, how fast they follow each other, how long is waited and tried."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from evals.imageset.contract import Outcome


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


class InitialFailures:
    """How many requests of a system have failed in a run before anything else came of one.

    If the first ones all fail, something is wrong with all of them (a field that its host does not take any more, say),
    and the pictures of other systems would be paid for and compare with nothing.
    """

    AT_MOST = 5

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._n_failed: int | None = 0

    def record(self, outcome: Outcome) -> bool:
        """Count one more outcome, and return whether it was the failure that stops the system."""
        if self._n_failed is None or outcome in ("unknown", "timeout"):
            return False
        self._n_failed = self._n_failed + 1 if outcome == "failed" else None
        return self._n_failed == self.AT_MOST


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

    A host that turns a request away as one too many is asked more slowly from then on: as many requests as it took in
    since it last did so, spread over the time from the first of them until it takes in another one. The next request
    goes alone, then as many at once as were taken in. So an account that may send six a minute costs one needless
    request, and not one a picture.

    Parameters
    ----------
    concurrency
        Requests that may be in flight at once, tasks that the host is still working on included.
    per_minute
        Requests that may be sent a minute, None without a limit. They are spread evenly.
    careful
        Begin with one request, too: for hosts that answer at once whether they take a request in.
    """

    def __init__(self, concurrency: int, per_minute: float | None = None, careful: bool = False) -> None:
        """Start without any request in flight; ``n_taken_in`` counts those that the host took in."""
        self.concurrency = concurrency
        self.slots = asyncio.Semaphore(concurrency)
        self.n_taken_in = 0
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._next_at = 0.0
        self._unanswered = 0
        self._careful = careful
        self._since: float | None = None  # when the first was sent that counts in `_n_since`
        self._n_since = 0
        self._throttled = False
        self._answered = asyncio.Event()

    def pause(self, seconds: float) -> None:
        """Send nothing to the host for that long: it asked one request to wait and means all of them."""
        self._next_at = max(self._next_at, time.monotonic() + seconds)

    async def turn(self, sleep: Callable[[float], Awaitable[bool]]) -> None:
        """Wait until it is this request's turn; `answered` has to follow."""
        while True:
            if (wait := self._next_at - time.monotonic()) > 0:
                if await sleep(wait):
                    break
            elif self._careful and self._unanswered >= (1 if self._throttled else max(1, self._n_since)):
                self._answered.clear()
                await self._answered.wait()
            else:
                break
        self._unanswered += 1
        self._next_at = max(self._next_at, time.monotonic() + self._gap_s)

    def answered(self, sent: float | None, taken_in: bool) -> None:
        """Note that a request that had its turn was answered, or never sent, and whether the host took it in."""
        self._unanswered -= 1
        self._answered.set()
        if taken_in and sent is not None:
            self.n_taken_in += 1
            if self._since is None or self._throttled:
                self._since, self._n_since, self._throttled = sent, 0, False
            self._n_since += 1

    def throttle(self, delay_s: float | None) -> None:
        """Slow down after a request that was one too many; ``delay_s`` is the wait that the host asks for, if any.

        To be called before `answered`.
        """
        # What is not answered yet may have been taken in; if it was not, it will be back here.
        n_taken_in = self._n_since + self._unanswered - 1
        if delay_s is not None and self._since is not None and n_taken_in > 0:
            self._gap_s = max(self._gap_s, (time.monotonic() + delay_s - self._since) / n_taken_in)
        self._careful = self._throttled = True
        if delay_s is not None:
            self.pause(delay_s)
