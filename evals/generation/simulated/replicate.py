"""Speaks Replicate's wire format: predictions of official models, asked for with or without ``Prefer: wait``.

A request is charged when it is taken in, whatever becomes of it.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, cast

from aiohttp import web

from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.faults import Problem
from evals.generation.simulated.intake import Format, Intake, Job, Order, size_name
from evals.generation.simulated.references import size_if_picture
from evals.generation.simulated.service import SimulatedModel
from evals.generation.simulated.tasks import bearer, conclude, is_whole, json_object, reference, take_in

ASPECT_RATIOS = ("1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3")
"""The shapes that may be asked for, beside ``match_input_image`` and ``custom``."""

RESOLUTIONS: Mapping[str, float] = {"0.5 MP": 0.5, "1 MP": 1.0, "2 MP": 2.0, "4 MP": 4.0}
"""The amounts of pixels that may be asked for, in megapixels of 1024 x 1024, beside ``match_input_image``."""

_LONGEST_WAIT_S = 60
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


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    asked: dict[str, dict[str, Any]] = {}
    canceled: set[str] = set()

    def prediction(request: web.Request, job: Job) -> dict[str, Any]:
        if job.task_id in canceled:
            return {**asked[job.task_id], "status": "canceled", "output": None, "error": None}
        return {**asked[job.task_id], **_progress(request, intake, job)}

    async def create(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        if denied is not None:
            return denied
        model = intake.model("{owner}/{name}".format_map(request.match_info))
        if model is None:
            return intake.reject(_not_found())
        try:
            wait_s = _wait_s(request)
            given = _input(await json_object(request))
            order = _order(model, given)
        except Invalid as wrong:
            return intake.reject(web.json_response(wrong.answer, status=422))
        taken: list[Job] = []

        def accepted(job: Job) -> web.Response:
            taken.append(job)
            asked[job.task_id] = _identity(request, intake, job, given)
            return web.json_response(prediction(request, job), status=201)

        answer = await take_in(request, intake, order, bearer(request), _dressed, accepted)
        if not wait_s or not taken or answer.status != 201:
            return answer
        until_ready_s = taken[0].ready_at - time.time()
        await _wait(intake, wait_s if taken[0].behaviour == "never_ready" else min(wait_s, until_ready_s))
        told = prediction(request, taken[0])
        return web.json_response(told, status=201 if told["status"] in ("succeeded", "failed") else 202)

    async def ask(request: web.Request) -> web.StreamResponse:
        job = intake.jobs.get(request.match_info["task_id"])
        denied = _denied(request, intake)
        if denied is not None or job is None:
            return denied or _not_found()
        polls = intake.books.count_poll(job.number)
        if job.behaviour == "odd_status" and polls <= len(_ODD_STATUSES):
            return web.json_response({**asked[job.task_id], "status": _ODD_STATUSES[polls - 1], "output": None})
        return web.json_response(prediction(request, job))

    async def cancel(request: web.Request) -> web.StreamResponse:
        job = intake.jobs.get(request.match_info["task_id"])
        denied = _denied(request, intake)
        if denied is not None or job is None:
            return denied or _not_found()
        if job.phase != "ready":
            canceled.add(job.task_id)
            intake.end(job, "failed")
        return web.json_response(prediction(request, job))

    return [
        web.post("/v1/models/{owner}/{name}/predictions", create),
        web.get("/v1/predictions/{task_id}", ask),
        web.post("/v1/predictions/{task_id}/cancel", cancel),
        *delivery_routes(intake),
    ]


def _denied(request: web.Request, intake: Intake) -> web.Response | None:
    if intake.key_fits(bearer(request)):
        return None
    said = "a valid" if "Authorization" in request.headers else "an"
    return intake.reject(_error(401, f"You did not pass {said} authentication token"))


def _dressed(error: Problem) -> web.Response:
    message = error.message
    if error.status == 429 and error.retry_after_s is not None:
        message = f"Request was throttled. Expected available in {error.retry_after_s:g} seconds."
    answer = _error(error.status, message)
    answer.headers.update(error.headers)
    return answer


def _not_found() -> web.Response:
    return _error(404, "The requested resource could not be found.")


def _error(status: int, detail: str) -> web.Response:
    return web.json_response({"title": _TITLES[status], "detail": detail, "status": status}, status=status)


async def _wait(intake: Intake, seconds: float) -> None:
    try:
        await asyncio.wait_for(intake.closing.wait(), max(0.0, seconds))
    except TimeoutError:
        return


def _wait_s(request: web.Request) -> int:
    prefer = request.headers.get("Prefer", "")
    asked = re.fullmatch(r"wait(?:=(\d+))?", prefer.strip())
    if asked is None:
        return 0
    seconds = int(asked[1] or _LONGEST_WAIT_S)
    if not 1 <= seconds <= _LONGEST_WAIT_S:
        raise Invalid("Prefer", f"wait must be from 1 to {_LONGEST_WAIT_S}", "number_range")
    return seconds


def _input(body: dict[str, Any] | None) -> dict[str, Any]:
    if body is None:
        raise Invalid("body", "The request body must be a JSON object", "invalid_type")
    for field in body:
        if field not in _TOP_FIELDS:
            raise Invalid(field, f"Additional property {field} is not allowed", "additional_property_not_allowed")
    given = body.get("input")
    if not isinstance(given, dict):
        raise Invalid("input", "input is required", "required")
    return given


def _order(model: SimulatedModel, given: Mapping[str, Any]) -> Order:
    is_flex = model.api_id.endswith("-flex")
    for field in given:
        if field not in _INPUT_FIELDS and not (is_flex and field in _FLEX_FIELDS):
            _wrong(field, f"Additional property {field} is not allowed", "additional_property_not_allowed")
    prompt = given.get("prompt")
    if not isinstance(prompt, str):
        _wrong("prompt", "prompt is required" if prompt is None else "Invalid type. Expected: string", "required")
    _whole(given, "safety_tolerance", 1, 5)
    _whole(given, "output_quality", 0, 100)
    _whole(given, "seed", None, None)
    _whole(given, "steps", 1, 50)
    if not isinstance(given.get("prompt_upsampling", False), bool):
        _wrong("prompt_upsampling", "Invalid type. Expected: boolean", "invalid_type")
    guidance = given.get("guidance", 5)
    if isinstance(guidance, bool) or not isinstance(guidance, (int, float)) or not 1.5 <= guidance <= 10:
        _wrong("guidance", "Must be from 1.5 to 10", "number_range")
    format = _choice(given, "output_format", "webp", tuple(_FORMATS))
    references = _references(model, given)
    width, height = _pixels(given, references)
    size = size_name(width, height)
    if size not in model.sizes:
        _wrong("resolution", f"{width}x{height} pixels are more than this model makes", "enum")
    return Order(model, prompt, given.get("seed"), width, height, size, _FORMATS[format], references)


def _pixels(given: Mapping[str, Any], references: tuple[bytes, ...]) -> tuple[int, int]:
    shape = _choice(given, "aspect_ratio", "1:1", (*ASPECT_RATIOS, "match_input_image", "custom"))
    resolution = _choice(given, "resolution", "1 MP", (*RESOLUTIONS, "match_input_image"))
    for side in ("width", "height"):
        _whole(given, side, 256, _LARGEST_SIDE)
        if shape == "custom" and side not in given:
            _wrong(side, f"{side} is required when aspect_ratio is custom", "required")
    if shape == "custom":
        return tuple(round(given[side] / 32) * 32 for side in ("width", "height"))
    first = size_if_picture(references[0]) if references else None
    if shape == "match_input_image":
        ratio = first[0] / first[1] if first else 1.0
    else:
        across, _, down = shape.partition(":")
        ratio = int(across) / int(down)
    if resolution == "match_input_image":
        amount = min(4.0, max(0.5, first[0] * first[1] / 2**20)) if first else 1.0
    else:
        amount = RESOLUTIONS[resolution]
    width, height = math.sqrt(amount * 2**20 * ratio), math.sqrt(amount * 2**20 / ratio)
    shrink = min(1.0, _LARGEST_SIDE / max(width, height))
    return round(width * shrink / 16) * 16, round(height * shrink / 16) * 16


def _references(model: SimulatedModel, given: Mapping[str, Any]) -> tuple[bytes, ...]:
    images = given.get("input_images", [])
    if not isinstance(images, list):
        _wrong("input_images", "Invalid type. Expected: array", "invalid_type")
    if len(images) > model.references_at_most:
        _wrong("input_images", f"Array must have at most {model.references_at_most} items", "array_max_items")
    found = []
    for number, image in enumerate(images):
        is_uri = isinstance(image, str) and image.startswith(("data:", "http://", "https://"))
        content = reference(image) if is_uri else None
        if content is None:
            _wrong(f"input_images.{number}", "Does not match format 'uri' of a picture", "format")
        found.append(content)
    return tuple(found)


def _choice(given: Mapping[str, Any], field: str, default: str, choices: tuple[str, ...]) -> str:
    value = given.get(field, default)
    if value not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        _wrong(field, f"{field} must be one of the following: {listed}", "enum")
    return cast(str, value)


def _whole(given: Mapping[str, Any], field: str, least: int | None, most: int | None) -> None:
    value = given.get(field)
    if value is None:
        return
    if not is_whole(value):
        _wrong(field, "Invalid type. Expected: integer", "invalid_type")
    if not is_whole(value, least, most):
        _wrong(field, f"Must be from {least} to {most}", "number_range")


def _wrong(field: str, message: str, kind: str) -> NoReturn:
    raise Invalid(f"input.{field}", message, kind)


def _identity(request: web.Request, intake: Intake, job: Job, given: Mapping[str, Any]) -> dict[str, Any]:
    here = f"{intake.address(request)}/v1/predictions/{job.task_id}"
    return {
        "id": job.task_id,
        "model": job.order.model.api_id,
        "version": "hidden",
        "input": {field: value for field, value in given.items() if field != "input_images"},
        "logs": "",
        "data_removed": False,
        "created_at": _instant(time.time()),
        "urls": {"get": here, "cancel": f"{here}/cancel"},
    }


def _progress(request: web.Request, intake: Intake, job: Job) -> dict[str, Any]:
    if job.phase != "ready":
        status = "starting" if job.phase == "queued" else "processing"
        return {"status": status, "output": None, "error": None, "completed_at": None}
    ending = conclude(intake, job)
    told = {
        "started_at": _instant(job.started_at),
        "completed_at": _instant(job.ready_at),
        "metrics": {"predict_time": round(job.ready_at - job.started_at, 9)},
    }
    if ending in _ERRORS:
        return {**told, "status": "failed", "output": None, "error": _ERRORS[ending]}
    return {**told, "status": "succeeded", "output": delivery_address(request, intake, job), "error": None}


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
