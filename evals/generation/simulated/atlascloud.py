"""Speaks AtlasCloud's wire format: generateImage answers with a prediction id, which is asked for until it is done.

A request is charged when it is taken in, whatever becomes of it. Fields that the vendor's pages do not name are
ignored. Finished predictions are ``completed`` and ``succeeded`` in turn, since the vendor's pages name both.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.faults import Problem
from evals.generation.simulated.intake import Format, Intake, Job, Order, size_name
from evals.generation.simulated.service import SimulatedModel
from evals.generation.simulated.tasks import bearer, conclude, is_whole, json_object, reference, take_in

_LEAST_SIDE = 256
_ODD_STATUSES = ("created", "dispatched")
_ERRORS = {
    "refused": "The prompt was rejected: it was flagged by content moderation.",
    "filtered": "The generated image was withheld: it was flagged by content moderation (NSFW).",
    "failed": "The model failed while it ran.",
}


class Invalid(ValueError):
    """A field of a request is wrong; the message names it."""


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    in_line: set[str] = set()

    async def generate_image(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        if denied is not None:
            return denied
        body = await json_object(request)
        if body is None:
            return intake.reject(_error(400, "the body must be a JSON object"))
        model = intake.model(str(body.get("model")))
        if model is None:
            return intake.reject(_error(404, f"model not found: {body.get('model')}"))
        try:
            order = _order(model, body, is_edit=body["model"] == model.edit_api_id)
        except Invalid as wrong:
            return intake.reject(_error(400, str(wrong)))

        def accepted(job: Job) -> web.Response:
            if body.get("enable_base64_output"):
                in_line.add(job.task_id)
            return _success({**_told(request, intake, job, "processing"), "outputs": []})

        return await take_in(request, intake, order, bearer(request), _dressed, accepted)

    async def prediction(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        if denied is not None:
            return denied
        job = intake.jobs.get(request.match_info["task_id"])
        if job is None:
            return _error(404, "prediction not found")
        polls = intake.books.count_poll(job.number)
        if job.behaviour == "odd_status" and polls <= len(_ODD_STATUSES):
            return _success(_told(request, intake, job, _ODD_STATUSES[polls - 1]))
        if job.phase != "ready":
            return _success(_told(request, intake, job, "processing"))
        ending = conclude(intake, job)
        if ending in _ERRORS:
            told = _told(request, intake, job, "failed") | {"error": _ERRORS[ending]}
            return _success(told | {"has_nsfw_contents": [ending == "filtered"]})
        if job.task_id in in_line:
            output = base64.b64encode(await intake.picture(job)).decode()
        else:
            output = delivery_address(request, intake, job)
        told = _told(request, intake, job, "succeeded" if job.arrival % 2 else "completed")
        told |= {"outputs": [output], "has_nsfw_contents": [False]}
        return _success(told | {"timings": {"inference": round((job.ready_at - job.started_at) * 1000)}})

    return [
        web.post("/api/v1/model/generateImage", generate_image),
        web.get("/api/v1/model/prediction/{task_id}", prediction),
        *delivery_routes(intake),
    ]


def _denied(request: web.Request, intake: Intake) -> web.Response | None:
    if intake.key_fits(bearer(request)):
        return None
    return intake.reject(_error(401, "unauthorized: the API key is missing or not valid"))


def _dressed(error: Problem) -> web.Response:
    answer = _error(error.status, error.message)
    answer.headers.update(error.headers)
    return answer


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"code": status, "message": message, "data": None}, status=status)


def _success(told: Mapping[str, Any]) -> web.Response:
    return web.json_response({"code": 200, "message": "success", "data": told})


def _told(request: web.Request, intake: Intake, job: Job, status: str) -> dict[str, Any]:
    return {
        "id": job.task_id,
        "model": job.order.model.api_id,
        "status": status,
        "outputs": None,
        "error": "",
        "has_nsfw_contents": None,
        "urls": {"get": f"{intake.address(request)}/api/v1/model/prediction/{job.task_id}"},
    }


def _order(model: SimulatedModel, body: Mapping[str, Any], is_edit: bool) -> Order:
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise Invalid("prompt is required")
    seed = body.get("seed")
    if seed is not None and not is_whole(seed, -1):
        raise Invalid("seed must be a whole number")
    format = body.get("output_format", "jpeg")
    if format not in ("jpeg", "png"):
        raise Invalid("output_format must be jpeg or png")
    width, height = _pixels(model, body.get("size", "1024*1024"))
    references = _references(model, body) if is_edit else ()
    # A seed of -1 asks for one of the host's choice.
    chosen = None if seed == -1 else seed
    return Order(model, prompt, chosen, width, height, size_name(width, height), cast(Format, format), references)


def _pixels(model: SimulatedModel, size: Any) -> tuple[int, int]:
    asked = re.fullmatch(r"(\d{1,5})[*x](\d{1,5})", size) if isinstance(size, str) else None
    if asked is None:
        raise Invalid('size must be written as "1024*1024"')
    width, height = int(asked[1]), int(asked[2])
    largest = max(SIZES[name] for name in model.sizes)
    if not (_LEAST_SIDE <= width <= largest and _LEAST_SIDE <= height <= largest):
        raise Invalid(f"size must be from {_LEAST_SIDE} to {largest} pixels a side")
    return width, height


def _references(model: SimulatedModel, body: Mapping[str, Any]) -> tuple[bytes, ...]:
    images = body.get("images")
    if not isinstance(images, list) or not 1 <= len(images) <= model.references_at_most:
        raise Invalid(f"images must hold from 1 to {model.references_at_most} pictures")
    found = [reference(image) if isinstance(image, str) else None for image in images]
    if None in found:
        raise Invalid("images must be addresses or base64 of pictures")
    return tuple(content for content in found if content is not None)
