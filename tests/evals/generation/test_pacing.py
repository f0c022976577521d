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


def test_requests_are_spread_over_the_minute(clock):
    async def scene():
        rate_limiter, times = RateLimiter(10, per_minute=30), []
        for _ in range(4):
            await rate_limiter.turn(clock.sleep)
            times.append(clock.now)
        return times

    assert asyncio.run(scene()) == [100, 102, 104, 106]


def test_without_a_limit_nobody_waits(clock):
    async def scene():
        rate_limiter = RateLimiter(10)
        for _ in range(100):
            await rate_limiter.turn(clock.sleep)
        return clock.now

    assert asyncio.run(scene()) == 100


def test_a_pause_holds_for_every_request_and_a_shorter_one_does_not_cut_it(clock):
    async def scene():
        rate_limiter = RateLimiter(10)
        rate_limiter.pause(30)
        rate_limiter.pause(5)
        await asyncio.gather(*(rate_limiter.turn(clock.sleep) for _ in range(5)))
        return clock.now

    assert asyncio.run(scene()) == 130


def test_a_stop_ends_a_long_wait_at_once():
    async def scene():
        stop = Stop()
        asyncio.get_running_loop().call_soon(stop.request)
        return await stop.sleep(1e6), await stop.sleep(1e6)

    assert asyncio.run(scene()) == (True, True)


def test_a_wait_that_nobody_interrupts_ends_without_a_stop():
    assert asyncio.run(Stop().sleep(0.01)) is False
