"""One simulated host at work: it takes requests in, plays its script, keeps its tasks, draws, charges."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import io
import time
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import PIL.Image
from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.books import Books, Ending
from evals.generation.simulated.service import BEHAVIOURS, Behaviour, Seconds, SimulatedHost, SimulatedModel

Format = Literal["png", "jpeg", "webp"]

TURNED_AWAY: frozenset[Behaviour] = frozenset(
    {
        "rate_limited",
        "daily_quota",
        "unavailable",
        "internal",
        "drop_before",
        "bad_key",
        "no_credit",
        "echo_key",
    }
)
"""Behaviours that neither draw nor charge."""

_CACHE_BYTES = 128 * 2**20
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a well-formed request asks for.

    ``size`` is the name that a price is listed under, of `SIZES`; ``prompt_used`` is the prompt as the host rewrote it,
    for hosts that do (the artist draws ``prompt`` all the same).
    """

    model: SimulatedModel
    prompt: str
    seed: int | None
    width: int
    height: int
    size: str
    format: Format
    references: tuple[bytes, ...] = ()
    prompt_used: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """An order that arrived: its number in the books, how it is to be answered, its place in time.

    ``arrival`` counts this host's arrivals from 0; ``nth`` says how often the same prompt and seed was drawn before.
    ``task_id`` is a name for it that never changes. Times are seconds since 1970.
    """

    order: Order
    number: int
    arrival: int
    behaviour: Behaviour
    nth: int
    task_id: str
    started_at: float
    ready_at: float

    @property
    def phase(self) -> Literal["queued", "working", "ready"]:
        """Return how far it is by the clock; one that is never ready stays at work."""
        now = time.time()
        if now < self.started_at:
            return "queued"
        return "ready" if now >= self.ready_at and self.behaviour != "never_ready" else "working"

    @property
    def progress(self) -> float:
        """Return the share of the work that is done, of 0 to 1."""
        if self.behaviour == "never_ready":
            return 0.5
        work_s = max(self.ready_at - self.started_at, 1e-9)
        return min(1.0, max(0.0, (time.time() - self.started_at) / work_s))


class Intake:
    """A simulated host while it is served; all of it runs in the server's event loop.

    A format checks key and body (`reject` what is wrong), asks `over_limit`, lets the order `arrive`, answers what
    `evals.generation.simulated.faults.turned_away` says, and otherwise charges, then answers unless
    `evals.generation.simulated.faults.spoiled` did.

    Attributes
    ----------
    name
        The wire format, which is the prefix of its addresses.
    host, books
        What it simulates, and where it writes down.
    jobs
        The tasks that it took in, by id; a format finds a task again here.
    closing
        Set when the server stops.
    """

    def __init__(self, name: str, host: SimulatedHost, books: Books, threads: ThreadPoolExecutor) -> None:
        """Start with no arrivals."""
        self.name = name
        self.host = host
        self.books = books
        self.jobs: dict[str, Job] = {}
        self.closing = asyncio.Event()
        self._threads = threads
        self._arrivals = 0
        self._played: Counter[str] = Counter()
        self._drawn: Counter[tuple[str, str, int | None]] = Counter()
        self._active: list[float] = []
        self._recent: deque[float] = deque()
        self._drawing: dict[tuple[object, ...], asyncio.Future[bytes]] = {}
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._kept_bytes = 0

    def model(self, api_id: str) -> SimulatedModel | None:
        """Return the model of that name, or of that name for edits."""
        return next((model for model in self.host.models if api_id in (model.api_id, model.edit_api_id)), None)

    def key_fits(self, sent: str | None) -> bool:
        """Tell whether the key that was sent is the host's, or none is needed."""
        return self.host.key is None or sent == self.host.key

    def address(self, request: web.Request) -> str:
        """Return this host's base address as the client reached it."""
        return f"{request.scheme}://{request.host}/{self.name}"

    def reject(self, response: web.Response) -> web.Response:
        """Count a request that was no arrival (wrong key, bad request, unknown model) and return its answer."""
        self.books.reject(self.name, response.status)
        return response

    def over_limit(self, order: Order) -> bool:
        """Tell whether a limit turns this request away now; the books then have it as rate limited."""
        now = time.time()
        while self._active and self._active[0] <= now:
            heapq.heappop(self._active)
        while self._recent and self._recent[0] <= now - _MINUTE_S:
            self._recent.popleft()
        active_limit, per_minute = self.host.active_limit, self.host.per_minute
        over = (active_limit is not None and len(self._active) >= active_limit) or (
            per_minute is not None and len(self._recent) >= per_minute
        )
        if over:
            self.books.change(self._enter(order, "rate_limited", now), outcome="turned_away")
        return over

    def arrive(self, order: Order, kin: Mapping[Behaviour, Behaviour] | None = None) -> Job:
        """Take an order in and let the script say what becomes of it.

        Parameters
        ----------
        order
            The request.
        kin
            What to do instead of a behaviour that the wire format cannot show; the books keep the script's own word.
        """
        now = time.time()
        arrival, self._arrivals = self._arrivals, self._arrivals + 1
        said = order.model.behaviours.get(order.prompt) or self._said(arrival, order.prompt)
        behaviour = (kin or {}).get(said, said)
        number = self._enter(order, said, now)
        nth = 0
        if behaviour not in TURNED_AWAY:
            drawn = (order.model.api_id, order.prompt, order.seed)
            nth, self._drawn[drawn] = self._drawn[drawn], self._drawn[drawn] + 1
        started_at = now + _seconds(self.host.queue_s, arrival)
        work_s = _seconds(self.host.work_s, arrival) + (self.host.slow_s if behaviour == "slow" else 0.0)
        task_id = str(uuid.UUID(bytes=hashlib.sha256(f"{self.name} {number} {now}".encode()).digest()[:16], version=4))
        self._recent.append(now)
        return Job(order, number, arrival, behaviour, nth, task_id, started_at, started_at + work_s)

    def turn_away(self, job: Job) -> None:
        """Write down that a job was not taken in and not charged."""
        self.books.change(job.number, outcome="turned_away")

    def charge(self, job: Job, usd: float, outcome: Ending = "open") -> None:
        """Charge a job, count it as active until it is ready, and keep it under its task id."""
        self.jobs[job.task_id] = job
        heapq.heappush(self._active, float("inf") if job.behaviour == "never_ready" else job.ready_at)
        self.books.note_active(self.name, len(self._active))
        self.books.change(
            job.number,
            charged_usd=usd,
            outcome=outcome,
            task_id=job.task_id,
            ready_at=None if job.behaviour == "never_ready" else job.ready_at,
        )

    def end(self, job: Job, outcome: Ending) -> None:
        """Write down what became of a job."""
        self.books.change(job.number, outcome=outcome)

    async def work(self, job: Job) -> None:
        """Wait until the job is ready by the clock, or the server stops; for hosts that answer when they are done."""
        try:
            await asyncio.wait_for(self.closing.wait(), max(0.0, job.ready_at - time.time()))
        except TimeoutError:
            return

    async def picture(self, job: Job) -> bytes:
        """Return the finished picture's bytes, drawn once; for ``not_an_image`` bytes that are none."""
        if job.behaviour == "not_an_image":
            return b"<!DOCTYPE html><html><body>It works!</body></html>"
        order = job.order
        references = tuple(hashlib.sha256(reference).digest() for reference in order.references)
        key = (order.model.api_id, order.prompt, order.seed, job.nth, order.width, order.height, order.format)
        wanted = (*key, references)
        if wanted in self._kept:
            return self._kept[wanted]
        if wanted not in self._drawing:
            loop = asyncio.get_running_loop()
            self._drawing[wanted] = loop.run_in_executor(self._threads, draw_picture, order, job.nth)
        # A client that hangs up must not stop the drawing that others wait for.
        content = await asyncio.shield(self._drawing[wanted])
        if self._drawing.pop(wanted, None) is not None:
            self._kept[wanted] = content
            self._kept_bytes += len(content)
            while self._kept_bytes > _CACHE_BYTES and len(self._kept) > 1:
                self._kept_bytes -= len(self._kept.popitem(last=False)[1])
        return content

    def _said(self, arrival: int, prompt: str) -> Behaviour:
        script = self.host.script
        if isinstance(script, Mapping):
            turn, self._played[prompt] = self._played[prompt], self._played[prompt] + 1
            in_turn = script.get(prompt, ())
            said = in_turn[turn] if turn < len(in_turn) else "ok"
        else:
            said = script(arrival, prompt)
        if said not in BEHAVIOURS:
            raise ValueError(f"the script of {self.name} says {said!r}; there is no such behaviour")
        return said

    def _enter(self, order: Order, behaviour: str, now: float) -> int:
        return self.books.open(
            host=self.name,
            api_id=order.model.api_id,
            prompt=order.prompt,
            seed=order.seed,
            size=f"{order.width}x{order.height}",
            n_references=len(order.references),
            behaviour=behaviour,
            arrived_at=now,
        )


def draw_picture(order: Order, nth: int) -> bytes:
    """Let the model's artist draw an order and return the encoded picture.

    Raises
    ------
    ValueError
        If the artist drew another size than it was asked for.
    """
    picture = order.model.artist(order.prompt, order.seed, nth, order.width, order.height, order.references)
    if picture.size != (order.width, order.height):
        raise ValueError(f"the artist drew {picture.size}, asked for {order.width}x{order.height}")
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
    ('1K', '2K', '2K')
    """
    fitting = [name for name, side in SIZES.items() if side * side >= width * height]
    return fitting[0] if fitting else list(SIZES)[-1]


def _seconds(seconds: Seconds, arrival: int) -> float:
    return seconds(arrival) if callable(seconds) else seconds
