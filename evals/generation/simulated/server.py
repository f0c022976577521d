"""Serves simulated hosts on this machine: one server, one address prefix for every wire format."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from evals.generation.simulated.intake import Intake
from evals.generation.simulated.service import Simulation

FORMATS: Mapping[str, str] = {
    "google": "evals.generation.simulated.google",
    "vertex": "evals.generation.simulated.google",
    "bfl": "evals.generation.simulated.bfl",
    "replicate": "evals.generation.simulated.replicate",
    "fal": "evals.generation.simulated.fal",
    "fireworks": "evals.generation.simulated.fireworks",
    "atlascloud": "evals.generation.simulated.atlascloud",
    "comfyui": "evals.generation.simulated.comfyui",
}
"""Every wire format with the module that speaks it, whose ``routes(intake)`` returns its routes below the prefix."""

_LARGEST_REQUEST = 256 * 2**20
_DRAWING_THREADS = 2


class SimulatorError(RuntimeError):
    """A simulator itself broke while it answered; what a client made of it proves nothing."""


@contextmanager
def serve(simulation: Simulation) -> Iterator[dict[str, str]]:
    """Serve a simulation on a free port of 127.0.0.1, in a thread of its own.

    Yields
    ------
    dict[str, str]
        The address of every host, by wire format; it stands for scheme and host name of the vendor's own
        (``https://api.bfl.ai``), so that a version such as ``/v1`` follows it.

    Raises
    ------
    ValueError
        If there is no such wire format.
    SimulatorError
        On leaving, if a simulator broke while it answered.
    """
    for name in simulation.hosts:
        if name not in FORMATS:
            raise ValueError(f"there is no wire format {name!r}; there are {', '.join(FORMATS)}")
    started: Future[tuple[str, Callable[[], None]]] = Future()
    broken: list[BaseException] = []
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(simulation, started, broken)), name="simulators", daemon=True
    )
    thread.start()
    origin, stop = started.result()
    try:
        yield {name: f"{origin}/{name}" for name in simulation.hosts}
    finally:
        stop()
        thread.join()
    if broken:
        raise SimulatorError(f"a simulator broke: {broken[0]!r}") from broken[0]


async def _serve(
    simulation: Simulation, started: Future[tuple[str, Callable[[], None]]], broken: list[BaseException]
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    threads = ThreadPoolExecutor(_DRAWING_THREADS, "simulated-artist")
    try:
        intakes = [Intake(name, host, simulation.books, threads) for name, host in simulation.hosts.items()]
        app = web.Application(client_max_size=_LARGEST_REQUEST, middlewares=[_watch(broken)])
        for intake in intakes:
            for route in importlib.import_module(FORMATS[intake.name]).routes(intake):
                app.router.add_route(route.method, f"/{intake.name}{route.path}", route.handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, port = runner.addresses[0]
    except BaseException as error:
        threads.shutdown()
        started.set_exception(error)
        return
    started.set_result((f"http://127.0.0.1:{port}", lambda: _set(loop, stopping)))
    await stopping.wait()
    for intake in intakes:
        intake.closing.set()
    await runner.cleanup()
    threads.shutdown(cancel_futures=True)


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


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
