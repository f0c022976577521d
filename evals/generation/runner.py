"""Runs all requests of a plan side by side, and stops so that a later run can go on where this one was."""

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

from evals.generation.plan import ImageRequest
from evals.generation.request_loop import RunContext, SystemClient, run_request
from evals.suites.references import reference_contents


async def run_requests(
    requests: Sequence[ImageRequest], clients: Mapping[str, SystemClient], context: RunContext
) -> None:
    """Bring every request that has no outcome yet to one, as far as hosts, budget and the user allow.

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

    tasks = [asyncio.create_task(run_after_first_shot(request)) for request in open_requests]
    with _interruptible(context.stop.request):
        if tasks:
            await asyncio.wait(tasks)
    hosts = {id(client.host): client.host for client in clients.values()}
    await asyncio.gather(*(host.aclose() for host in hosts.values()))
    errors = [error for task in tasks if (error := task.exception()) is not None]
    if errors:
        raise errors[0]


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
