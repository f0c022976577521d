"""Speaks Replicate's wire format: predictions of official models, asked for until they are done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.host import Job, Order, SimulatedModel
from evals.generation.simulated.server import size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.fields import InvalidField, check, is_flag, is_text, number, one_of, pictures, whole
from tests.simulators.tasks import bearer, conclude, json_object, take_in

_FORMATS = {"webp": "webp", "jpg": "jpeg", "png": "png"}
_RULES = {
    "prompt": is_text,
    "aspect_ratio": one_of("custom"),
    "width": whole(256, 2048),
    "height": whole(256, 2048),
    "seed": whole(),
    "safety_tolerance": whole(1, 5),
    "output_format": one_of(*_FORMATS),
    "output_quality": whole(0, 100),
    "input_images": lambda value: isinstance(value, list),
}
"""The fields of a request; shapes that are named and not written out in pixels are not simulated."""

_FLEX_RULES = {"steps": whole(1, 50), "guidance": number(1.5, 10), "prompt_upsampling": is_flag}
_REQUIRED = ("prompt", "aspect_ratio", "width", "height")
_ODD_STATUSES = ("booting", "warming")
_TITLES = {
    401: "Unauthenticated",
    402: "Insufficient credit",
    404: "Not found",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
}
_ERRORS = {
    "refused": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
    "filtered": "NSFW content detected in the generated image. Try running it again, or try a different prompt.",
    "failed": "An unexpected error occurred while the model ran. (E1000)",
}


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    identities: dict[str, dict[str, Any]] = {}

    async def create(request: web.Request) -> web.StreamResponse:
        server.require_key(bearer(request))
        model = server.known_model("{owner}/{name}".format_map(request.match_info))
        body = await json_object(request)
        try:
            check(body, {"input": lambda value: isinstance(value, dict)}, ("input",))
            fields = body["input"]
            order = _order(model, fields)
        except InvalidField as error:
            wrong = [{"type": "invalid", "field": f"input.{error.field}", "description": str(error)}]
            answer = {"title": "Input validation failed", "detail": f"- input.{error}", "status": 422}
            return web.json_response({**answer, "invalid_fields": wrong}, status=422)
        job = take_in(server, order)
        here = f"{server.address(request)}/v1/predictions/{job.task_id}"
        identities[job.task_id] = {
            "id": job.task_id,
            "model": model.api_id,
            "version": "hidden",
            "input": {field: value for field, value in fields.items() if field != "input_images"},
            "logs": "",
            "data_removed": False,
            "created_at": _instant(time.time()),
            "urls": {"get": here, "cancel": f"{here}/cancel"},
        }
        return web.json_response({**identities[job.task_id], **_UNFINISHED, "status": "starting"}, status=201)

    async def ask(request: web.Request) -> web.StreamResponse:
        server.require_key(bearer(request))
        job = server.find(request.match_info["task_id"])
        if job is None:
            return _error(404, "The requested resource could not be found.")
        status = server.odd_status(job, _ODD_STATUSES)
        state = {**_UNFINISHED, "status": status} if status else _progress(request, server, job)
        return web.json_response({**identities[job.task_id], **state})

    return [
        web.post("/v1/models/{owner}/{name}/predictions", create),
        web.get("/v1/predictions/{task_id}", ask),
        *delivery_routes(server),
    ]


def render_error(problem: Problem) -> web.Response:
    """Render an error in the vendor's shape."""
    message = problem.message
    if problem.retry_after_s is not None:
        message = f"Request was throttled. Expected available in {problem.retry_after_s:g} seconds."
    return _error(problem.status, message, problem.headers)


def _error(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"title": _TITLES[status], "detail": detail, "status": status}
    return web.json_response(body, status=status, headers=headers)


def _order(model: SimulatedModel, fields: Mapping[str, Any]) -> Order:
    check(fields, _RULES | (_FLEX_RULES if model.api_id.endswith("-flex") else {}), _REQUIRED)
    width, height = (round(fields[side] / 32) * 32 for side in ("width", "height"))
    size = size_name(width, height)
    if size not in model.sizes:
        raise InvalidField("width")
    references = pictures("input_images", fields.get("input_images", []), 0, model.references_at_most)
    format = _FORMATS[fields.get("output_format", "webp")]
    return Order(model, fields["prompt"], fields.get("seed"), width, height, size, format, references)


_UNFINISHED: Mapping[str, Any] = {"output": None, "error": None, "completed_at": None}


def _progress(request: web.Request, server: FaultyServer, job: Job) -> dict[str, Any]:
    if job.phase != "ready":
        return {**_UNFINISHED, "status": "starting" if job.phase == "queued" else "processing"}
    outcome = conclude(job)
    done = {
        "started_at": _instant(job.started_at),
        "completed_at": _instant(job.ready_at),
        "metrics": {"predict_time": round(job.ready_at - job.started_at, 9)},
    }
    if outcome in _ERRORS:
        return {**done, "status": "failed", "output": None, "error": _ERRORS[outcome]}
    return {**done, "status": "succeeded", "output": delivery_address(request, server, job), "error": None}


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
