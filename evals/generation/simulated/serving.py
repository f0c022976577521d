"""Serves simulated hosts on this machine: one server, one address prefix for every host."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from evals.generation.simulated.call_log import CallLog
from evals.generation.simulated.host import SimulatedHost
from evals.generation.simulated.server import SimulatedServer

FORMATS: Mapping[str, str] = {
    "google": "evals.generation.simulated.google",
    "vertex": "evals.generation.simulated.google",
    "bfl": "evals.generation.simulated.bfl",
}
"""The hosts whose wire format is simulated, each with the module that speaks it: its ``routes(server)`` returns the
routes below the host's prefix."""

DRAWING_THREADS = 2
_LARGEST_REQUEST = 256 * 2**20


class SimulatorError(RuntimeError):
    """A simulator itself broke while it answered; what a client made of it proves nothing."""


@contextmanager
def serve(
    hosts: Mapping[str, SimulatedHost],
    call_log: CallLog | None = None,
    formats: Mapping[str, str] = FORMATS,
    server: type[SimulatedServer] = SimulatedServer,
    middlewares: Sequence[Middleware] = (),
) -> Iterator[dict[str, str]]:
    """Serve hosts, by their id, on a free port of 127.0.0.1, in a thread of its own.

    Yields
    ------
    dict[str, str]
        The address of every host; it stands for scheme and host name of the vendor's own (``https://api.bfl.ai``), so
        that a version such as ``/v1`` follows it.

    Raises
    ------
    SimulatorError
        On leaving, if a simulator broke while it answered.
    """
    started: Future[tuple[str, Callable[[], object]]] = Future()
    broken: list[BaseException] = []
    log = call_log or CallLog()

    async def run() -> None:
        stopping = asyncio.Event()
        threads = ThreadPoolExecutor(DRAWING_THREADS, "simulated-renderer")
        try:
            servers = [server(name, host, log, threads) for name, host in hosts.items()]
            app = web.Application(client_max_size=_LARGEST_REQUEST, middlewares=[_watch(broken), *middlewares])
            for one in servers:
                for route in importlib.import_module(formats[one.name]).routes(one):
                    app.router.add_route(route.method, f"/{one.name}{route.path}", route.handler)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        except BaseException as error:
            threads.shutdown()
            started.set_exception(error)
            return
        loop = asyncio.get_running_loop()
        stop = partial(loop.call_soon_threadsafe, stopping.set)
        started.set_result((f"http://127.0.0.1:{runner.addresses[0][1]}", stop))
        await stopping.wait()
        for one in servers:
            one.closing.set()
        await runner.cleanup()
        threads.shutdown(cancel_futures=True)

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="simulators", daemon=True)
    thread.start()
    origin, stop = started.result()
    try:
        yield {name: f"{origin}/{name}" for name in hosts}
    finally:
        stop()
        thread.join()
    if broken:
        raise SimulatorError(f"a simulator broke: {broken[0]!r}") from broken[0]


def _watch(broken: list[BaseException]) -> Middleware:
    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError, asyncio.CancelledError):
            raise
        except BaseException as error:
            broken.append(error)
            raise

    return watch
