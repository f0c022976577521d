"""Faults that a simulated host plays by script, in every wire format.

What is not taken in (`REJECTIONS`) is answered in the vendor's own shape; answers that are cut off, spoiled or never
sent are played by a middleware on the answer that a format gives.
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from evals.generation.simulated.call_log import CallLog
from evals.generation.simulated.host import Job, Order, SimulatedHost, SimulatedModel
from evals.generation.simulated.server import SimulatedServer
from evals.generation.simulated.serving import FORMATS as PRODUCT_FORMATS
from evals.generation.simulated.serving import serve
from tests.simulators import formats, vendor_errors

FORMATS: Mapping[str, str] = {
    **PRODUCT_FORMATS,
    **dict.fromkeys(("replicate", "fal", "fireworks", "atlascloud", "comfyui"), "tests.simulators.formats"),
}
"""Every wire format with the module that speaks it."""

REJECTIONS: Mapping[str, tuple[int, str] | None] = {
    "rate_limited": (429, "Too many requests; slow down."),
    "daily_quota": (429, "The quota of requests per day is used up."),
    "unavailable": (503, "The service is overloaded. Try again later."),
    "masked": (503, "The service is overloaded. Try again later."),  # an error with the status of a good answer
    "internal": (500, "An internal error has occurred."),
    "bad_key": (401, "Not authenticated: the API key is not valid."),
    "no_credit": (402, "Insufficient credits. Add credits to your account."),
    "echo_key": (401, "Not authenticated: the API key {key} is not valid."),
    "drop_before": None,  # the connection is cut before the request was taken in
}
"""What neither draws nor charges: HTTP status and message."""

SPOILED = ("gateway_timeout", "stall", "drop", "garbage", "truncated")
"""What is charged, and the answer lost: HTTP 504, never answered, cut off before or within the answer, nonsense."""

UNDELIVERABLE = ("not_an_image", "expired")
"""What is made and cannot be had: the bytes are no picture, or the address answers 403."""

MODERATED = ("refuse_prompt", "filter_image", "text_only")
"""What a moderating model does instead of drawing; the last one writes."""

ODD = ("two_pictures", "thought_only", "wrapped_base64")
"""Good answers of an odd shape: a second picture, one in a thought part alone, base64 with line breaks."""

SMALL = "small_picture"
"""A picture of half the side that was asked for."""

BEHAVIOURS = ("ok", "error_status", "never_ready", SMALL, *ODD, *MODERATED, *UNDELIVERABLE, *SPOILED, *REJECTIONS)

PASSING_FAULTS = (
    *(
        "rate_limited",
        "unavailable",
        "masked",
        "internal",
        "drop_before",
        "gateway_timeout",
        "drop",
        "garbage",
        "truncated",
    ),
    *("error_status", SMALL, *ODD, *MODERATED, *UNDELIVERABLE),
)
"""Faults after which the next request may be answered, and that make nobody wait for a time limit."""

_OF_TASKS = {"text_only": "refuse_prompt", "thought_only": "ok", "wrapped_base64": "ok"}
_ONE_PICTURE = {"two_pictures": "ok"}
_AT_ONCE = {"error_status": "internal", "never_ready": "stall", "expired": "not_an_image"}
FALLBACKS: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(FORMATS, _OF_TASKS),
    "google": _AT_ONCE,
    "vertex": _AT_ONCE,
    "bfl": {**_OF_TASKS, **_ONE_PICTURE, "daily_quota": "no_credit"},
    "fireworks": {**_OF_TASKS, **_ONE_PICTURE},
    "comfyui": {**dict.fromkeys((*MODERATED, *ODD), "ok"), "masked": "unavailable"},
}
"""What a host does for a behaviour that its wire format cannot show; the call log keeps the script's own word."""

Script = Callable[[int, str], str]
"""The behaviour of an arrival: its number at this host, from 0, and its prompt."""

_NONSENSE = b"<html><head><title>Please wait</title></head><body>Your request is being processed\xe2\x80\xa6</body>"


@dataclass(frozen=True, slots=True)
class FaultyHost(SimulatedHost):
    """A host that behaves by script and takes its time: in the queue and at work."""

    script: Script = lambda arrival, prompt: "ok"
    queue_s: float = 0.0
    work_s: float = 0.0
    retry_after_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that rejects a request, for a format to render; ``retry_after_s`` where waiting has a stated end."""

    behaviour: str
    status: int
    message: str
    retry_after_s: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after_s is None else {"Retry-After": f"{self.retry_after_s:g}"}


class Rejected(Exception):
    """A request is not taken in; without a problem the connection is cut."""

    def __init__(self, name: str, problem: Problem | None) -> None:
        self.name, self.problem = name, problem


_TAKEN_IN: ContextVar[list[tuple[SimulatedServer, Job]]] = ContextVar("taken_in")
"""The job that the format took in while it answered a request."""


class FaultyServer(SimulatedServer):
    """A simulated host that plays the script of its `FaultyHost`."""

    def __init__(self, name: str, host: SimulatedHost, call_log: CallLog, threads: ThreadPoolExecutor) -> None:
        super().__init__(name, host, call_log, threads)
        assert isinstance(host, FaultyHost)
        self.settings = host
        self._arrivals = 0

    def take_in(self, order: Order) -> Job:
        """Take an order in as the script says, or raise `Rejected`."""
        arrival, self._arrivals = self._arrivals, self._arrivals + 1
        scripted = self.settings.script(arrival, order.prompt)
        if scripted not in BEHAVIOURS:
            raise ValueError(f"the script of {self.name} says {scripted!r}; there is no such behaviour")
        behaviour = self.fallback(order).get(scripted, scripted)
        if behaviour in REJECTIONS:
            self.log(order, scripted).outcome = "rejected"
            raise Rejected(self.name, self._problem(behaviour))
        job = super().take_in(order)
        job.call.behaviour = scripted
        started_at = job.started_at + self.settings.queue_s
        job = replace(
            job,
            behaviour=behaviour,
            started_at=started_at,
            ready_at=float("inf") if behaviour == "never_ready" else started_at + self.settings.work_s,
            served_until=0.0 if behaviour == "expired" else job.served_until,
        )
        _TAKEN_IN.get().append((self, job))
        return job

    def fallback(self, order: Order) -> Mapping[str, str]:
        """Return what is done for behaviours that the format cannot show."""
        if self.name == "fireworks" and "kontext" not in order.model.api_id:
            return {**FALLBACKS[self.name], **_AT_ONCE}
        return FALLBACKS[self.name]

    def require_key(self, sent: str | None) -> None:
        if not self.key_fits(sent):
            raise Rejected(self.name, self._problem("bad_key"))

    def known_model(self, api_id: str) -> SimulatedModel:
        if (model := self.model(api_id)) is not None:
            return model
        raise Rejected(self.name, Problem("unknown_model", 404, f"Model not found: {api_id}"))

    async def picture(self, job: Job) -> bytes:
        if job.behaviour == "not_an_image":
            return b"<!DOCTYPE html><html><body>It works!</body></html>"
        if job.behaviour == SMALL:
            job = replace(job, order=replace(job.order, width=job.order.width // 2, height=job.order.height // 2))
        return await super().picture(job)

    def _problem(self, behaviour: str) -> Problem | None:
        rejection = REJECTIONS[behaviour]
        if rejection is None:
            return None
        wait_s = self.settings.retry_after_s if behaviour == "rate_limited" else None
        return Problem(behaviour, rejection[0], rejection[1].format(key=self.host.key), wait_s)


@contextmanager
def serve_faulty(
    hosts: Mapping[str, FaultyHost], call_log: CallLog | None = None, middlewares: Sequence[Middleware] = ()
) -> Iterator[dict[str, str]]:
    """Serve hosts in any of `FORMATS` by their scripts; yields their addresses."""
    with serve(hosts, call_log, FORMATS, FaultyServer, [*middlewares, _play]) as addresses:
        yield addresses


def storm(rate: float, seed: int) -> Script:
    """Return a script of `PASSING_FAULTS` for a share of the arrivals, each by the seed and its number alone."""

    def script(arrival: int, prompt: str) -> str:
        drawn = random.Random(f"storm {seed} {arrival}")
        return drawn.choice(PASSING_FAULTS) if drawn.random() < rate else "ok"

    return script


@web.middleware
async def _play(request: web.Request, handler: Handler) -> web.StreamResponse:
    taken_in: list[tuple[SimulatedServer, Job]] = []
    _TAKEN_IN.set(taken_in)
    try:
        answer = await handler(request)
    except Rejected as rejected:
        return _cut(request) if rejected.problem is None else _render(rejected.name, rejected.problem)
    assert isinstance(answer, web.Response)
    for server, job in taken_in:
        if job.behaviour in SPOILED:
            return await _spoil(request, server, job, answer)
        if job.behaviour in ODD and server.name in ("google", "vertex"):
            return _odd(job, answer)
    return answer


def _odd(job: Job, answer: web.Response) -> web.Response:
    """Change the shape of Google's answer; a second picture is charged like the first."""
    assert isinstance(answer.body, bytes)
    body = json.loads(answer.body)
    parts = body["candidates"][0]["content"]["parts"]
    if job.behaviour == "two_pictures":
        parts.append(parts[0])
        usage = body["usageMetadata"]
        (images,) = usage["candidatesTokensDetails"]
        usage["candidatesTokenCount"] += images["tokenCount"]
        price = job.order.model.terms["output_image_per_m"]
        assert isinstance(price, float)
        job.call.charged_usd += images["tokenCount"] * price / 1e6
        images["tokenCount"] *= 2
    elif job.behaviour == "thought_only":
        parts[0]["thought"] = True
    else:
        data = parts[0]["inlineData"]["data"]
        parts[0]["inlineData"]["data"] = "\n".join(data[n : n + 76] for n in range(0, len(data), 76)).rstrip("=")
    return web.json_response(body)


def _render(name: str, problem: Problem) -> web.Response:
    answer = (vendor_errors if name in PRODUCT_FORMATS else formats).render_error(name, problem)
    if problem.behaviour == "masked":
        answer.set_status(200)
    return answer


async def _spoil(request: web.Request, server: SimulatedServer, job: Job, answer: web.Response) -> web.StreamResponse:
    job.call.outcome = "lost"
    if job.behaviour == "gateway_timeout":
        return web.Response(status=504, text="<html><body><h1>504 Gateway Time-out</h1></body></html>")
    if job.behaviour == "garbage":
        return web.Response(body=_NONSENSE, content_type="text/html")
    if job.behaviour == "truncated":
        return await _truncated(request, answer)
    if job.behaviour == "stall":
        while request.transport is not None and not request.transport.is_closing() and not server.closing.is_set():
            await asyncio.sleep(0.05)
    return _cut(request)


def _cut(request: web.Request) -> web.Response:
    """Cut the connection before any answer; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _truncated(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = answer.body
    assert isinstance(body, bytes)
    response = web.StreamResponse(status=answer.status)
    response.content_type = answer.content_type
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) * 2 // 3])
    if request.transport is not None:
        request.transport.close()
    return response
