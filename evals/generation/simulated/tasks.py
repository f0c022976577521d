"""What hosts share that take a request in as a task: limits, faults, the charge, and what became of it when done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from evals.generation.simulated.books import Ending
from evals.generation.simulated.charging import price_usd
from evals.generation.simulated.faults import Problem, spoiled, turned_away
from evals.generation.simulated.intake import Intake, Job, Order
from evals.generation.simulated.references import billed_megapixels, decoded, size_if_picture
from evals.generation.simulated.service import TASK_KIN, Behaviour

_ENDINGS: Mapping[Behaviour, Ending] = {
    "moderated_request": "refused",
    "moderated_content": "filtered",
    "error_status": "failed",
    "expired": "undeliverable",
    "not_an_image": "undeliverable",
}


async def take_in(
    request: web.Request,
    intake: Intake,
    order: Order,
    sent_key: str | None,
    dressed: Callable[[Problem], web.Response],
    accepted: Callable[[Job], web.Response],
    kin: Mapping[Behaviour, Behaviour] = TASK_KIN,
) -> web.StreamResponse:
    """Take an order in as a task and answer: with the task, or with what the limits or the script put in its place.

    A task is charged here, whatever becomes of it.

    Parameters
    ----------
    request, intake
        The request and the host that it reached.
    order
        What it asks for.
    sent_key
        The key that came with it.
    dressed
        Gives an error the vendor's shape.
    accepted
        Gives a task that was taken in the vendor's shape.
    kin
        As in `Intake.arrive`.
    """
    if intake.over_limit(order):
        return dressed(Problem(429, "Too many requests at once.", intake.host.retry_after_s))
    job = intake.arrive(order, kin)
    refusal = turned_away(request, intake, job, sent_key, dressed)
    if refusal is not None:
        return refusal
    intake.charge(job, charge_usd(order))
    answer = accepted(job)
    return await spoiled(request, intake, job, answer) or answer


def conclude(intake: Intake, job: Job) -> Ending:
    """Write down what became of a job that is ready, and return it."""
    ending = _ENDINGS.get(job.behaviour, "ok")
    intake.end(job, ending)
    return ending


def charge_usd(order: Order) -> float:
    """Return what an order is charged in US dollars."""
    references_mp = billed_megapixels(order.references)
    return price_usd(order.model, order.prompt, order.size, order.width, order.height, references_mp)


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


def is_whole(value: Any, least: int | None = None, most: int | None = None) -> bool:
    """Tell whether a JSON value is a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return (least is None or value >= least) and (most is None or value <= most)


def reference(text: str) -> bytes | None:
    """Return the picture that base64 or a data URI holds, None if it holds none.

    A picture behind an address is not fetched: the address stands for it, as one of unknown size.
    """
    if text.startswith(("http://", "https://")):
        return text.encode()
    content = decoded(text)
    return content if content is not None and size_if_picture(content) is not None else None


def picked_seed(job: Job) -> int:
    """Return the seed that the host says it used: the one that was asked for, else one of its own choice."""
    return job.order.seed if job.order.seed is not None else int(job.task_id.split("-")[0], 16) // 2
