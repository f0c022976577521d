"""Runs the requests of a plan, what is timed one by one and all else side by side, and stops in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any

from evals.generation.ledger import RequestState
from evals.generation.plan import ImageRequest
from evals.generation.request_loop import RunContext, SystemClient, run_request
from evals.suites.references import reference_contents


async def run_requests(
    requests: Sequence[ImageRequest], clients: Mapping[str, SystemClient], context: RunContext
) -> None:
    """Bring every request that has no outcome yet to one, as far as hosts, budget and the user allow.

    What is timed comes before the bulk, in rounds: each system is asked the same thing once, and the next round begins
    when all have answered. So no system has more than one request in flight, and all are asked in the same minutes.

    Raises
    ------
    OSError
        If the disk fails. Nothing more is sent then, what is in flight is waited for, and the first error is raised.
    """
    states = context.ledger.states
    open_requests = [request for request in requests if states[request.sample_id].is_open]
    # Accepted tasks come first: others may wait for money that is held for them, in slots that they need.
    open_requests.sort(key=lambda request: not states[request.sample_id].may_be_followed)
    ended = {request.sample_id: asyncio.Event() for request in open_requests}

    async def run_after_first_shot(request: ImageRequest) -> None:
        try:
            if request.first_shot is not None and not states[request.sample_id].may_be_followed:
                if request.first_shot in ended:
                    await ended[request.first_shot].wait()
                first_picture = states[request.first_shot].picture_file
                if first_picture is None or not context.pictures.holds(first_picture):
                    return
            await run_request(request, clients[request.system], context, partial(_references, request, context))
        except BaseException:
            context.stop.request()
            raise
        finally:
            ended[request.sample_id].set()

    tasks: list[asyncio.Task[None]] = []
    with _interruptible(context.stop.request):
        for side_by_side in _phases(open_requests, states):
            if context.stop.requested:
                break
            started = [asyncio.create_task(run_after_first_shot(request)) for request in side_by_side]
            tasks += started
            if started:
                await asyncio.wait(started)
    hosts = {id(client.host): client.host for client in clients.values()}
    await asyncio.gather(*(host.aclose() for host in hosts.values()))
    errors = [error for task in tasks if (error := task.exception()) is not None]
    if errors:
        raise errors[0]


def _phases(requests: Sequence[ImageRequest], states: Mapping[str, RequestState]) -> list[list[ImageRequest]]:
    """Return which requests run side by side, one list after the other: accepted tasks, rounds of timing, the bulk."""
    rounds: dict[tuple[Any, ...], list[ImageRequest]] = {}
    others: tuple[list[ImageRequest], list[ImageRequest]] = ([], [])
    for request in requests:
        is_accepted = states[request.sample_id].may_be_followed
        if request.timed and not is_accepted:
            # First shots before all later ones, which wait for their pictures.
            key = (request.first_shot is not None, request.suite, request.item.id, request.seed, request.repeat)
            rounds.setdefault(key, []).append(request)
        else:
            others[not is_accepted].append(request)
    accepted, bulk = others
    in_order = [rounds[key] for key in sorted(rounds, key=lambda key: bool(key[0]))]
    # Tasks of an earlier process would be load on what is timed; the bulk may run beside them.
    return [accepted, *in_order, bulk] if rounds else [accepted + bulk]


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
