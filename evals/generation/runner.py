"""Runs all requests of a plan side by side, and stops so that a later run can go on where this one was."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence

from evals.generation.asking import Desk, Line, ask
from evals.generation.ledger import Standing
from evals.generation.plan import ImageRequest


async def run_requests(requests: Sequence[ImageRequest], lines: Mapping[str, Line], desk: Desk) -> None:
    """Bring every request that has no outcome yet to one, as far as hosts, budget and the user allow.

    Parameters
    ----------
    requests
        The plan, in the order in which it is sent.
    lines
        Every system that the plan asks.
    desk
        Ledger, budget, pictures, patience and the wish to stop.

    Raises
    ------
    OSError
        If the disk fails. Nothing more is sent then, what is in flight is waited for, and the first error is raised.
    """
    asked = [request for request in requests if is_open(desk.ledger.standing(request.sample_id))]
    shots = {request.sample_id: asyncio.Event() for request in asked}
    errors: list[BaseException] = []

    async def attend(request: ImageRequest) -> None:
        try:
            if request.first_shot in shots:
                await shots[request.first_shot].wait()
            references = _references(request, desk)
            if references is not None:
                await ask(request, lines[request.system], desk, references)
        except (Exception, asyncio.CancelledError) as error:
            errors.append(error)
            desk.stop.ask()
        finally:
            shots[request.sample_id].set()

    with _interruptible(desk.stop.ask):
        await asyncio.gather(*(attend(request) for request in asked))
    hosts = {id(line.host): line.host for line in lines.values()}
    await asyncio.gather(*(host.aclose() for host in hosts.values()))
    if errors:
        raise errors[0]


def is_open(standing: Standing) -> bool:
    """Tell whether a request is to be sent or its accepted task asked for."""
    turned_away = standing.status == "failed" and standing.ending.get("turned_away")
    return standing.status == "pending" or standing.may_be_followed or bool(turned_away)


def _references(request: ImageRequest, desk: Desk) -> list[bytes] | None:
    """Return the images that are sent along; None if the first shot of the sequence has no picture."""
    references = [path.read_bytes() for path in request.references]
    if request.first_shot is not None:
        first = desk.ledger.standing(request.first_shot)
        if first.status != "ok":
            return None
        references.insert(0, desk.pictures.read(first.ending["picture"]["file_name"]))
    return references


@contextlib.contextmanager
def _interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) stop in good order; the second one leaves at once. Needs the main thread."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def interrupted() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
        stop()

    try:
        for number in signals:
            loop.add_signal_handler(number, interrupted)
    except (ValueError, RuntimeError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
