"""Faults on the wire: errors before a request is taken in, and answers that are cut off, spoiled or never sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from evals.generation.simulated.intake import TURNED_AWAY, Intake, Job

_NONSENSE = b"<html><head><title>Please wait</title></head><body>Your request is being processed\xe2\x80\xa6</body>"


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that turns a request away: what a format dresses in its own shape.

    ``retry_after_s`` is None where waiting has no stated end.
    """

    status: int
    message: str
    retry_after_s: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Return the ``Retry-After`` header, for hosts that send one."""
        return {} if self.retry_after_s is None else {"Retry-After": f"{self.retry_after_s:g}"}


def problem(intake: Intake, job: Job, sent_key: str | None) -> Problem | None:
    """Return the error that the job's behaviour stands for, None if it is none or the connection is to be cut."""
    wait_s = intake.host.retry_after_s
    return {
        "rate_limited": Problem(429, "Too many requests; slow down.", wait_s),
        "daily_quota": Problem(429, "The quota of requests per day is used up."),
        "unavailable": Problem(503, "The service is overloaded. Try again later."),
        "internal": Problem(500, "An internal error has occurred."),
        "bad_key": Problem(401, "Not authenticated: the API key is not valid."),
        "no_credit": Problem(402, "Insufficient credits. Add credits to your account."),
        "echo_key": Problem(401, f"Not authenticated: the API key {sent_key} is not valid."),
    }.get(job.behaviour)


def turned_away(
    request: web.Request, intake: Intake, job: Job, sent_key: str | None, dressed: Callable[[Problem], web.Response]
) -> web.Response | None:
    """Return the answer to a job that is not taken in, in the vendor's shape that ``dressed`` gives it; else None.

    Call it before the job is charged.
    """
    if job.behaviour not in TURNED_AWAY:
        return None
    intake.turn_away(job)
    error = problem(intake, job, sent_key)
    return cut(request) if error is None else dressed(error)


async def spoiled(request: web.Request, intake: Intake, job: Job, answer: web.Response) -> web.StreamResponse | None:
    """Play the faults of a charged request on the answer it would get; None if the behaviour is none of them.

    A host that answers when the work is done waits for it before.
    """
    if job.behaviour not in ("gateway_timeout", "stall", "drop", "garbage", "truncated"):
        return None
    intake.end(job, "lost")
    if job.behaviour == "gateway_timeout":
        return web.Response(status=504, text="<html><body><h1>504 Gateway Time-out</h1></body></html>")
    if job.behaviour == "garbage":
        return web.Response(body=_NONSENSE, content_type="text/html")
    if job.behaviour == "truncated":
        return await _truncated(request, answer)
    if job.behaviour == "stall":
        await _stall(request, intake)
    return cut(request)


def cut(request: web.Request) -> web.Response:
    """Cut the connection before any answer; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _stall(request: web.Request, intake: Intake) -> None:
    while request.transport is not None and not request.transport.is_closing() and not intake.closing.is_set():
        await asyncio.sleep(0.05)


async def _truncated(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = answer.body if isinstance(answer.body, bytes) else b"{}"
    response = web.StreamResponse(status=answer.status)
    response.content_type = answer.content_type
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) * 2 // 3])
    if request.transport is not None:
        request.transport.close()
    return response
