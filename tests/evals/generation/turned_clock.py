"""A clock that a test's event loop turns: whoever sleeps wakes at once, hours pass in no time."""

import asyncio
import selectors
from types import SimpleNamespace

MODULES = ("request_loop", "pacing", "delivering", "hosts.polling_host")


_MOMENT_S = 1e-6


class _Selector(selectors.SelectSelector):
    """Turns the clock of its loop to the next timer instead of waiting for it."""

    loop: "TurnedLoop"

    def select(self, timeout=None):
        ready = super().select(0)
        if timeout is None and not ready:
            return super().select(None)
        # Every turn of a loop takes a moment: a wait too short for the clock would never end.
        self.loop.now += max(_MOMENT_S, 0.0 if ready else timeout or 0.0)
        return ready


class TurnedLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        selector = _Selector()
        selector.loop, self.now = self, 1000.0
        super().__init__(selector)

    def time(self):
        return self.now


def run_turned(work):
    with asyncio.Runner(loop_factory=TurnedLoop) as runner:
        return runner.run(work)


def now():
    return asyncio.get_running_loop().time()


def turn_clock(monkeypatch):
    """Let every `asyncio.run` have a turned loop, and the request loop its clock.

    Threads would be overtaken by the clock, so that their work is done in place.
    """

    async def in_place(function, *args):
        return function(*args)

    monkeypatch.setattr(asyncio, "to_thread", in_place)
    monkeypatch.setattr(asyncio, "run", run_turned)
    for module in MODULES:
        monkeypatch.setattr(f"evals.generation.{module}.time", SimpleNamespace(monotonic=now))
