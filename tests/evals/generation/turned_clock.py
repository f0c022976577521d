"""A clock that a test's event loop turns: whoever sleeps wakes at once, hours pass in no time."""

import asyncio
import selectors
from types import SimpleNamespace

MODULES = ("request_loop", "pacing", "delivering", "hosts.polling_host")


class _Selector(selectors.SelectSelector):
    """Turns the clock of its loop to the next timer instead of waiting for it."""

    loop: "TurnedLoop"

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(None)
        self.loop.now += timeout
        return ready


class TurnedLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        selector = _Selector()
        selector.loop, self.now = self, 1000.0
        super().__init__(selector)

    def time(self):
        return self.now


def turn_clock(monkeypatch):
    """Let `asyncio.run`, and the clock of the request loop, be those of a turned loop; returns the loop.

    Threads would be overtaken by the clock, so that their work is done in place.
    """
    loop = TurnedLoop()

    async def in_place(function, *args):
        return function(*args)

    def run(work):
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(work)

    monkeypatch.setattr(asyncio, "to_thread", in_place)
    monkeypatch.setattr(asyncio, "run", run)
    for module in MODULES:
        monkeypatch.setattr(f"evals.generation.{module}.time", SimpleNamespace(monotonic=loop.time))
    return loop
