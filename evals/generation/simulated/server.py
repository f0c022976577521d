"""One simulated host at work: it takes orders in, keeps its tasks, draws, charges."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import PIL.Image
from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.call_log import Call, CallLog
from evals.generation.simulated.host import Format, Job, Order, SimulatedHost, SimulatedModel

_SERVED_S = 600.0


class SimulatedServer:
    """A simulated host while it is served; all of it runs in one event loop.

    A wire format checks key and body, lets an order be `take_in`, charges the job, and answers.

    ``name`` is the host's id, which is the prefix of its addresses; ``jobs`` are the tasks that it took in, by id;
    ``closing`` is set when the server stops.
    """

    def __init__(self, name: str, host: SimulatedHost, call_log: CallLog, threads: ThreadPoolExecutor) -> None:
        """Start without calls; ``threads`` draw."""
        self.name = name
        self.host = host
        self.call_log = call_log
        self.jobs: dict[str, Job] = {}
        self.closing = asyncio.Event()
        self._threads = threads
        self._drawn: Counter[tuple[str, str, int | None]] = Counter()

    def model(self, api_id: str) -> SimulatedModel | None:
        """Return the model of that name, or of that name for edits."""
        return next((model for model in self.host.models if api_id in (model.api_id, model.edit_api_id)), None)

    def key_fits(self, sent: str | None) -> bool:
        """Tell whether the key that was sent is the host's, or none is needed."""
        return self.host.key is None or sent == self.host.key

    def address(self, request: web.Request) -> str:
        """Return this host's base address as the client reached it."""
        return f"{request.scheme}://{request.host}/{self.name}"

    def take_in(self, order: Order) -> Job:
        """Take an order in, ready at once, and decide how it is answered."""
        behaviour = order.model.behaviours.get(order.prompt, "ok")
        drawing = (order.model.api_id, order.prompt, order.seed)
        nth, self._drawn[drawing] = self._drawn[drawing], self._drawn[drawing] + 1
        now = time.time()
        return Job(order, self.log(order, behaviour), behaviour, nth, self._new_id(now), now, now, now + _SERVED_S)

    def log(self, order: Order, behaviour: str) -> Call:
        """Enter an order in the call log."""
        n_references = len(order.references)
        call = Call(self.name, order.model.api_id, order.prompt, order.seed, n_references, behaviour)
        self.call_log.calls.append(call)
        return call

    def charge(self, job: Job, usd: float) -> None:
        """Charge a job, whatever becomes of it, and keep it under its task id."""
        self.jobs[job.task_id] = job
        job.call.task_id, job.call.charged_usd = job.task_id, usd

    def find(self, task_id: str) -> Job | None:
        """Return the task that a client asks about."""
        return self.jobs.get(task_id)

    async def work(self, job: Job) -> None:
        """Wait until the job is ready by the clock, or the server stops; for hosts that answer when they are done."""
        try:
            await asyncio.wait_for(self.closing.wait(), max(0.0, job.ready_at - time.time()))
        except TimeoutError:
            return

    async def picture(self, job: Job) -> bytes:
        """Return the finished picture's bytes; the same each time."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, render, job.order, job.nth)

    def _new_id(self, now: float) -> str:
        digest = hashlib.sha256(f"{self.name} {len(self.call_log.calls)} {now}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


def render(order: Order, nth: int) -> bytes:
    """Let the model's renderer draw an order and return the encoded picture.

    Raises
    ------
    ValueError
        If it drew another size than it was asked for.
    """
    picture = order.model.renderer(order.prompt, order.seed, nth, order.width, order.height, order.references)
    if picture.size != (order.width, order.height):
        raise ValueError(f"the renderer drew {picture.size}, asked for {order.width}x{order.height}")
    return encode(picture, order.format)


def encode(picture: PIL.Image.Image, format: Format) -> bytes:
    """Return a picture's bytes in a file format, made for speed rather than for small files."""
    buffer = io.BytesIO()
    if format == "png":
        picture.save(buffer, "PNG", compress_level=1)
    elif format == "jpeg":
        picture.convert("RGB").save(buffer, "JPEG", quality=92)
    else:
        picture.save(buffer, "WEBP", quality=90, method=0)
    return buffer.getvalue()


def size_name(width: int, height: int) -> str:
    """Return the smallest size, of `SIZES`, whose square has as many pixels, the largest if none has.

    Examples
    --------
    >>> size_name(1024, 1024), size_name(1376, 768), size_name(2048, 2048)
    ('1K', '1.5K', '2K')
    """
    fitting = [name for name, side in SIZES.items() if side * side >= width * height]
    return fitting[0] if fitting else list(SIZES)[-1]
