"""Speaks Replicate's wire format: predictions of official models, asked for until they are done."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, cast

from aiohttp import web

from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.host import Format, Job, Order, SimulatedModel
from evals.generation.simulated.server import size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.tasks import bearer, conclude, is_whole, json_object, reference, take_in

_RATIOS = ("1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3", "custom")
_MEGAPIXELS = {"0.5 MP": 0.5, "1 MP": 1.0, "2 MP": 2.0, "4 MP": 4.0}
_LARGEST_SIDE = 2048
_FORMATS: Mapping[str, Format] = {"webp": "webp", "jpg": "jpeg", "png": "png"}
_TOP_FIELDS = frozenset({"input", "stream", "webhook", "webhook_events_filter"})
_INPUT_FIELDS = frozenset(
    {"prompt", "input_images", "aspect_ratio", "resolution", "width", "height"}
    | {"safety_tolerance", "seed", "output_format", "output_quality"}
)
_FLEX_FIELDS = frozenset({"steps", "guidance", "prompt_upsampling"})
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


class Invalid(ValueError):
    """A field of a request is wrong."""

    def __init__(self, field: str, message: str, kind: str) -> None:
        """Keep the answer that says so, in the vendor's shape."""
        super().__init__(message)
        self.answer = {
            "title": "Input validation failed",
            "detail": f"- {field}: {message}\n",
            "status": 422,
            "invalid_fields": [{"type": kind, "field": field, "description": message}],
        }


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    identities: dict[str, dict[str, Any]] = {}

    async def create(request: web.Request) -> web.StreamResponse:
        model = server.model("{owner}/{name}".format_map(request.match_info))
        if not server.key_fits(bearer(request)) or model is None:
            return _turned_away(request, server)
        try:
            fields = _input(await json_object(request))
            order = _order(model, fields)
        except Invalid as error:
            return web.json_response(error.answer, status=422)
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
        job = server.find(request.match_info["task_id"])
        if not server.key_fits(bearer(request)) or job is None:
            return _turned_away(request, server)
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


def _turned_away(request: web.Request, server: FaultyServer) -> web.Response:
    if server.key_fits(bearer(request)):
        return _error(404, "The requested resource could not be found.")
    which = "a valid" if "Authorization" in request.headers else "an"
    return _error(401, f"You did not pass {which} authentication token")


def _error(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"title": _TITLES[status], "detail": detail, "status": status}
    return web.json_response(body, status=status, headers=headers)


def _input(body: dict[str, Any] | None) -> dict[str, Any]:
    if body is None:
        raise Invalid("body", "The request body must be a JSON object", "invalid_type")
    for field in body:
        if field not in _TOP_FIELDS:
            raise Invalid(field, f"Additional property {field} is not allowed", "additional_property_not_allowed")
    if not isinstance(body.get("input"), dict):
        raise Invalid("input", "input is required", "required")
    return cast(dict[str, Any], body["input"])


def _order(model: SimulatedModel, fields: Mapping[str, Any]) -> Order:
    allowed = _INPUT_FIELDS | (_FLEX_FIELDS if model.api_id.endswith("-flex") else frozenset())
    for field in fields:
        if field not in allowed:
            _wrong(field, f"Additional property {field} is not allowed", "additional_property_not_allowed")
    prompt = fields.get("prompt")
    if not isinstance(prompt, str):
        _wrong("prompt", "prompt is required" if prompt is None else "Invalid type. Expected: string", "required")
    _whole(fields, "safety_tolerance", 1, 5)
    _whole(fields, "output_quality", 0, 100)
    _whole(fields, "seed", None, None)
    _whole(fields, "steps", 1, 50)
    if not isinstance(fields.get("prompt_upsampling", False), bool):
        _wrong("prompt_upsampling", "Invalid type. Expected: boolean", "invalid_type")
    guidance = fields.get("guidance", 5)
    if isinstance(guidance, bool) or not isinstance(guidance, (int, float)) or not 1.5 <= guidance <= 10:
        _wrong("guidance", "Must be from 1.5 to 10", "number_range")
    format = _choice(fields, "output_format", "webp", tuple(_FORMATS))
    references = _references(model, fields)
    width, height = _pixels(fields)
    size = size_name(width, height)
    if size not in model.sizes:
        _wrong("resolution", f"{width}x{height} pixels are more than this model makes", "enum")
    return Order(model, prompt, fields.get("seed"), width, height, size, _FORMATS[format], references)


def _pixels(fields: Mapping[str, Any]) -> tuple[int, int]:
    ratio = _choice(fields, "aspect_ratio", "1:1", _RATIOS)
    amount = _MEGAPIXELS[_choice(fields, "resolution", "1 MP", tuple(_MEGAPIXELS))]
    for side in ("width", "height"):
        _whole(fields, side, 256, _LARGEST_SIDE)
        if ratio == "custom" and side not in fields:
            _wrong(side, f"{side} is required when aspect_ratio is custom", "required")
    if ratio == "custom":
        return round(fields["width"] / 32) * 32, round(fields["height"] / 32) * 32
    across, _, down = ratio.partition(":")
    shape = int(across) / int(down)
    width, height = math.sqrt(amount * 2**20 * shape), math.sqrt(amount * 2**20 / shape)
    shrink = min(1.0, _LARGEST_SIDE / max(width, height))
    return round(width * shrink / 16) * 16, round(height * shrink / 16) * 16


def _references(model: SimulatedModel, fields: Mapping[str, Any]) -> tuple[bytes, ...]:
    images = fields.get("input_images", [])
    if not isinstance(images, list):
        _wrong("input_images", "Invalid type. Expected: array", "invalid_type")
    if len(images) > model.references_at_most:
        _wrong("input_images", f"Array must have at most {model.references_at_most} items", "array_max_items")
    pictures = []
    for number, image in enumerate(images):
        content = reference(image) if str(image).startswith("data:") else None
        if content is None:
            _wrong(f"input_images.{number}", "Does not match format 'uri' of a picture", "format")
        pictures.append(content)
    return tuple(pictures)


def _choice(fields: Mapping[str, Any], field: str, default: str, choices: tuple[str, ...]) -> str:
    value = fields.get(field, default)
    if value not in choices:
        quoted = ", ".join(f'"{choice}"' for choice in choices)
        _wrong(field, f"{field} must be one of the following: {quoted}", "enum")
    return cast(str, value)


def _whole(fields: Mapping[str, Any], field: str, least: int | None, most: int | None) -> None:
    value = fields.get(field)
    if value is not None and not is_whole(value):
        _wrong(field, "Invalid type. Expected: integer", "invalid_type")
    if value is not None and not is_whole(value, least, most):
        _wrong(field, f"Must be from {least} to {most}", "number_range")


def _wrong(field: str, message: str, kind: str) -> NoReturn:
    raise Invalid(f"input.{field}", message, kind)


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
