"""What simulated hosts share that take a request in as a task: the charge, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from evals.generation.simulated.call_log import CallOutcome
from evals.generation.simulated.charging import price_usd
from evals.generation.simulated.host import Job, Order
from evals.generation.simulated.server import SimulatedServer

_OUTCOMES: Mapping[str, CallOutcome] = {
    "refuse_prompt": "refused",
    "filter_image": "filtered",
    "error_status": "failed",
}


def take_in(server: SimulatedServer, order: Order) -> Job:
    """Take an order in as a task, which is charged whatever becomes of it."""
    job = server.take_in(order)
    server.charge(job, price_usd(order))
    return job


def conclude(job: Job) -> CallOutcome:
    """Write down what became of a job that is ready, and return it."""
    job.call.outcome = _OUTCOMES.get(job.behaviour, "ok")
    return job.call.outcome


def bearer(request: web.Request, scheme: str = "Bearer") -> str | None:
    """Return the key of an ``Authorization`` header of that scheme, None without one."""
    name, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if name.lower() == scheme.lower() and key.strip() else None


async def json_object(request: web.Request) -> dict[str, Any] | None:
    """Return the body if it is a JSON object, else None."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def used_seed(job: Job) -> int:
    """Return the seed that the host says it used: the one that was asked for, else one of its own choice."""
    return job.order.seed if job.order.seed is not None else int(job.task_id.split("-")[0], 16) // 2
