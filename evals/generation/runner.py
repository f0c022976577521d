"""Runs the requests of a plan, what is timed one by one and all else side by side, and stops in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any

from evals.generation.order import PromptGroup, prompt_groups, slices
from evals.generation.plan import ImageRequest
from evals.generation.prices import worst_request_usd
from evals.generation.request_loop import RunContext, SystemClient, run_request
from evals.suites.references import reference_contents

_AT_WORK = 2
"""Requests that are begun for every slot of a host: pictures that are brought home need none, and others wait."""


async def run_requests(
    requests: Sequence[ImageRequest], clients: Mapping[str, SystemClient], context: RunContext
) -> None:
    """Bring every request that has no outcome yet to one, as far as hosts, budget and the user allow.

    The requests of a prompt are begun together, by all systems and with money for all of them, so that whatever stops
    the run leaves prompts that compare. What is timed has its systems for itself: each is asked the same thing once,
    and the next round begins when all have answered, so that all are asked in the same minutes.

    Raises
    ------
    OSError
        If the disk fails. Nothing more is sent then, what is in flight is waited for, and the first error is raised.
    """
    states = context.ledger.states
    open_requests = [request for request in requests if states[request.sample_id].is_open]
    dispatcher = _Dispatcher(clients, context, open_requests)
    accepted = [request for request in open_requests if states[request.sample_id].may_be_followed]
    others = [request for request in open_requests if not states[request.sample_id].may_be_followed]
    with _interruptible(context.stop.request):
        # Accepted tasks come first: others may wait for money that is held for them, in slots that they need.
        dispatcher.start(accepted)
        groups = prompt_groups(others)
        for timed, side_by_side in slices(groups):
            # Neither tasks of an earlier process nor what is asked side by side may be load on what is timed.
            if timed:
                await dispatcher.all_ended()
            for group in timed:
                if await dispatcher.may_begin(group):
                    for at_once in group.rounds():
                        dispatcher.start(at_once, group)
                        await dispatcher.all_ended()
            for group in side_by_side:
                if await dispatcher.may_begin(group):
                    dispatcher.start(group.requests, group)
        await dispatcher.all_ended()
    context.budget.refused_usd = dispatcher.refused_usd(groups)
    hosts = {id(client.host): client.host for client in clients.values()}
    await asyncio.gather(*(host.aclose() for host in hosts.values()))
    errors = [error for task in dispatcher.tasks if (error := task.exception()) is not None]
    if errors:
        raise errors[0]


class _Dispatcher:
    """Begins the requests of a run, prompt by prompt, as soon as no host has many that wait for a slot.

    So the slowest host is never idle, and no other one is far ahead of it. ``tasks`` are all requests that were begun.
    """

    def __init__(
        self, clients: Mapping[str, SystemClient], context: RunContext, requests: Sequence[ImageRequest]
    ) -> None:
        self.clients = clients
        self.context = context
        self.tasks: list[asyncio.Task[None]] = []
        self._at_work: set[asyncio.Task[None]] = set()
        self._ended = {request.sample_id: asyncio.Event() for request in requests}
        self._capacity: dict[int, int] = {}
        for client in clients.values():
            self._capacity[id(client.rate_limiter)] = client.rate_limiter.concurrency * _AT_WORK
            if client.offer.concurrency:
                self._capacity[id(client)] = client.offer.concurrency * _AT_WORK
        self._n_at_work: Counter[int] = Counter()
        self._one_ended = asyncio.Event()

    def start(self, requests: Sequence[ImageRequest], group: PromptGroup | None = None) -> None:
        """Begin requests side by side, of a group or of none."""
        for request in requests:
            first = self._ended.get(request.first_shot or "")
            waits_for = first if first is not None and not self._is_accepted(request) and not first.is_set() else None
            if waits_for is None:
                self._count(request, 1)
            task = asyncio.create_task(self._run(request, group, waits_for))
            self.tasks.append(task)
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    async def all_ended(self) -> None:
        """Wait until nothing is at work."""
        if self._at_work:
            await asyncio.wait(self._at_work)

    async def may_begin(self, group: PromptGroup) -> bool:
        """Wait until a group can be begun; False if it cannot be asked of all its systems."""
        context = self.context
        while not context.stop.requested and any(self._n_at_work[key] >= n for key, n in self._capacity.items()):
            self._one_ended.clear()
            await self._one_ended.wait()
        if not self._can_be_compared(group):
            return False
        prices = self._prices(group) if context.budget.limit_usd is not None else {}
        if not await context.budget.reserve(prices):
            return False
        if self._can_be_compared(group):
            return True
        for sample_id in prices:
            await context.budget.leave(sample_id)
        return False

    def refused_usd(self, groups: Sequence[PromptGroup]) -> float:
        """Return what a later run has to reserve for the first group that the budget left out, wholly or in part."""
        refused, states = self.context.budget.refused, self.context.ledger.states
        for group in groups:
            if any(request.sample_id in refused for request in group.requests):
                left = [request for request in group.requests if states[request.sample_id].is_open]
                return sum(max(self._price(request), refused.get(request.sample_id, 0.0)) for request in left)
        return 0.0

    def _prices(self, group: PromptGroup) -> dict[str, float]:
        going_on = [request for request in group.requests if not self.clients[request.system].stopped]
        return {request.sample_id: self._price(request) for request in going_on}

    def _price(self, request: ImageRequest) -> float:
        client = self.clients[request.system]
        return (worst_request_usd(request, client.offer) or 0.0) * client.surcharge

    def _can_be_compared(self, group: PromptGroup) -> bool:
        """Tell whether a group is worth its money: nobody of it has stopped for good, or two at least have not."""
        systems = {request.system for request in group.requests}
        going_on = {system for system in systems if not self.clients[system].stopped}
        compares = self.context.keep_going or going_on == systems or len(going_on) > 1
        return compares and not self.context.stop.requested

    async def _run(self, request: ImageRequest, group: PromptGroup | None, waits_for: asyncio.Event | None) -> None:
        context, state = self.context, self.context.ledger.states[request.sample_id]
        try:
            if waits_for is not None:
                await waits_for.wait()
                self._count(request, 1)
            if request.first_shot is not None and not self._is_accepted(request):
                first_picture = context.ledger.states[request.first_shot].picture_file
                if first_picture is None or not context.pictures.holds(first_picture):
                    await context.budget.leave(request.sample_id)
                    return
            await run_request(request, self.clients[request.system], context, partial(_references, request, context))
            if group is not None and state.status == "pending" and not context.keep_going:
                stopped = self.clients[request.system].stopped
                if not (stopped and self._can_be_compared(group)):
                    context.abandoned.update(other.sample_id for other in group.requests)
        except BaseException:
            context.stop.request()
            raise
        finally:
            self._count(request, -1)
            self._ended[request.sample_id].set()
            self._one_ended.set()

    def _is_accepted(self, request: ImageRequest) -> bool:
        return self.context.ledger.states[request.sample_id].may_be_followed

    def _count(self, request: ImageRequest, n: int) -> None:
        client = self.clients[request.system]
        self._n_at_work.update({id(client.rate_limiter): n, id(client): n})


def _references(request: ImageRequest, context: RunContext) -> list[bytes]:
    references = reference_contents(request.item)
    if request.first_shot is not None:
        first_picture = context.ledger.states[request.first_shot].picture_file
        assert first_picture is not None
        references.insert(0, context.pictures.read(first_picture))
    return references


@contextlib.contextmanager
def _interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) stop in good order; the second one does what it did before.

    Only the main thread hears signals. Loops on Windows take no handlers of their own, so the process's are used.
    """
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def interrupted(number: int, frame: FrameType | None) -> None:
        restore()
        print("stopping: what is in flight is waited for; once more leaves at once", file=sys.stderr)
        loop.call_soon_threadsafe(stop)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, interrupted) or signal.SIG_DFL
    try:
        yield
    finally:
        restore()
