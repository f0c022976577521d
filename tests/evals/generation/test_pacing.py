"""Pacing: requests are spread, pauses hold for everybody, and a stop interrupts every wait."""

import asyncio
import time

import pytest

from evals.generation.pacing import RateLimiter, Stop


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when somebody sleeps."""

    class Clock:
        now = 100.0

        async def sleep(self, seconds):
            wake = self.now + seconds
            await asyncio.sleep(0)
            self.now = max(self.now, wake)
            return False

    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.mark.parametrize(
    ("per_minute", "pauses_s", "times"),
    [(30, (), [100, 102, 104, 106]), (None, (), [100] * 100), (None, (30, 5), [130] * 5)],
    ids=["a limit spreads requests over the minute", "no limit, no wait", "the longest pause holds for everybody"],
)
def test_every_request_has_its_turn(clock, per_minute, pauses_s, times):
    async def scene():
        rate_limiter, turns = RateLimiter(10, per_minute=per_minute), []
        for pause_s in pauses_s:
            rate_limiter.pause(pause_s)
        for _ in times:
            await rate_limiter.turn(clock.sleep)
            turns.append(clock.now)
        return turns

    assert asyncio.run(scene()) == times


def test_a_stop_ends_a_long_wait_at_once():
    async def scene():
        stop = Stop()
        asyncio.get_running_loop().call_soon(stop.request)
        return await stop.sleep(1e6), await stop.sleep(1e6), await Stop().sleep(0.01)

    assert asyncio.run(scene()) == (True, True, False)
