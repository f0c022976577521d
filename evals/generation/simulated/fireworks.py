"""Speaks Fireworks' wire format: FLUX.1 answers with the picture itself, FLUX.1 Kontext with a request id to poll.

A request is charged when it is taken in, whatever becomes of it. A model that answers with the picture shows what a
task would end in as well as it can: a declined prompt as HTTP 400, a withheld picture as ``CONTENT_FILTERED`` with a
black one, an error as HTTP 500; ``never_ready`` never answers.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any, cast

import PIL.Image
from aiohttp import web

from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.faults import Problem, spoiled, turned_away
from evals.generation.simulated.intake import Format, Intake, Job, Order, encode, size_name
from evals.generation.simulated.service import Behaviour, SimulatedModel
from evals.generation.simulated.tasks import (
    bearer,
    charge_usd,
    conclude,
    is_whole,
    json_object,
    picked_seed,
    reference,
    take_in,
)

ASPECT_RATIOS = ("1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21", "4:3", "3:4")
"""The shapes that may be asked for; every picture has about 1024 x 1024 pixels."""

_WORKFLOWS = "/inference/v1/workflows/accounts/fireworks/models"
_ACCOUNT = "accounts/fireworks/models/"
_AT_ONCE_FIELDS = frozenset({"prompt", "aspect_ratio", "guidance_scale", "num_inference_steps", "seed"})
_TASK_FIELDS = frozenset(
    {"prompt", "input_image", "seed", "aspect_ratio", "output_format", "safety_tolerance", "prompt_upsampling"}
    | {"webhook_url", "webhook_secret"}
)
_ODD_STATUSES = ("Reasoning", "Generating")
_AT_ONCE: Mapping[Behaviour, Behaviour] = {
    "moderated_request": "refuse_prompt",
    "text_only": "refuse_prompt",
    "moderated_content": "filter_image",
    "error_status": "internal",
    "never_ready": "stall",
    "draft_thoughts": "ok",
    "expired": "ok",
    "odd_status": "ok",
}


class Invalid(ValueError):
    """A field of a request is wrong; the message names it."""


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""

    async def text_to_image(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        model = _model(request, intake)
        if denied is not None or model is None or _is_task_model(model):
            return denied or intake.reject(_unknown(request))
        accept = request.headers.get("Accept", "*/*")
        try:
            body = _body(await json_object(request), _AT_ONCE_FIELDS)
            _whole(body, "num_inference_steps", 1, 50)
            guidance = body.get("guidance_scale", 3.5)
            if isinstance(guidance, bool) or not isinstance(guidance, (int, float)) or guidance < 0:
                raise Invalid("guidance_scale: must be a number of 0 or more")
            order = _order(model, body, "png" if accept in ("image/png", "application/json") else "jpeg")
        except Invalid as wrong:
            return intake.reject(_error(400, str(wrong)))
        return await _at_once(request, intake, order, accept)

    async def submit(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        model = _model(request, intake)
        if denied is not None or model is None or not _is_task_model(model):
            return denied or intake.reject(_unknown(request))
        try:
            body = _body(await json_object(request), _TASK_FIELDS)
            _whole(body, "safety_tolerance", 0, 6)
            format = body.get("output_format") or "jpeg"
            if format not in ("jpeg", "png"):
                raise Invalid("output_format: must be jpeg or png")
            order = _order(model, body, cast(Format, format))
        except Invalid as wrong:
            return intake.reject(_error(400, str(wrong)))

        def accepted(job: Job) -> web.Response:
            return web.json_response({"request_id": job.task_id})

        return await take_in(request, intake, order, bearer(request), _dressed, accepted)

    async def get_result(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        model = _model(request, intake)
        if denied is not None or model is None or not _is_task_model(model):
            return denied or intake.reject(_unknown(request))
        task_id = ((await json_object(request)) or {}).get("id")
        if not isinstance(task_id, str):
            return intake.reject(_error(400, "id: field required"))
        job = intake.jobs.get(task_id)
        if job is None or job.order.model is not model:
            return web.json_response(_told(task_id, "Task not found"))
        return web.json_response(_progress(request, intake, job, intake.books.count_poll(job.number)))

    return [
        web.post(_WORKFLOWS + "/{model}/text_to_image", text_to_image),
        web.post(_WORKFLOWS + "/{model}/get_result", get_result),
        web.post(_WORKFLOWS + "/{model}", submit),
        *delivery_routes(intake),
    ]


async def _at_once(request: web.Request, intake: Intake, order: Order, accept: str) -> web.StreamResponse:
    if intake.over_limit(order):
        return _dressed(Problem(429, "Too many requests at once.", intake.host.retry_after_s))
    job = intake.arrive(order, _AT_ONCE)
    refusal = turned_away(request, intake, job, bearer(request), _dressed)
    if refusal is not None:
        return refusal
    intake.charge(job, charge_usd(order))
    if job.behaviour == "stall":
        return await spoiled(request, intake, job, web.Response()) or web.Response()
    await intake.work(job)
    if job.behaviour == "refuse_prompt":
        intake.end(job, "refused")
        return _error(400, "The prompt was flagged by the content filter.", "content_filtered")
    is_filtered = job.behaviour == "filter_image"
    if is_filtered:
        intake.end(job, "filtered")
    else:
        conclude(intake, job)
    black = PIL.Image.new("RGB", (order.width, order.height))
    picture = encode(black, order.format) if is_filtered else await intake.picture(job)
    reason = "CONTENT_FILTERED" if is_filtered else "SUCCESS"
    if accept == "application/json":
        in_line = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        told = {"id": job.task_id, "base64": [in_line], "finishReason": reason, "seed": picked_seed(job)}
        answer = web.json_response(told)
    else:
        headers = {"Finish-Reason": reason, "Seed": str(picked_seed(job))}
        answer = web.Response(body=picture, content_type=f"image/{order.format}", headers=headers)
    return await spoiled(request, intake, job, answer) or answer


def _denied(request: web.Request, intake: Intake) -> web.Response | None:
    if intake.key_fits(bearer(request)):
        return None
    return intake.reject(_error(401, "The API key you provided is invalid.", "unauthorized"))


def _model(request: web.Request, intake: Intake) -> SimulatedModel | None:
    name = request.match_info["model"]
    return intake.model(name) or intake.model(_ACCOUNT + name)


def _is_task_model(model: SimulatedModel) -> bool:
    return "kontext" in model.api_id


def _unknown(request: web.Request) -> web.Response:
    return _error(
        404, f"Model not found, inaccessible, and/or not deployed: {request.match_info['model']}", "not_found"
    )


def _dressed(error: Problem) -> web.Response:
    answer = _error(error.status, error.message, "error")
    answer.headers.update(error.headers)
    return answer


def _error(status: int, message: str, code: str = "invalid_request_error") -> web.Response:
    told = {"object": "error", "type": code, "code": code, "message": message}
    return web.json_response({"error": told}, status=status)


def _body(body: dict[str, Any] | None, fields: frozenset[str]) -> dict[str, Any]:
    if body is None:
        raise Invalid("the body must be a JSON object")
    for field in body:
        if field not in fields:
            raise Invalid(f"Extra inputs are not permitted, field: '{field}'")
    if not isinstance(body.get("prompt"), str):
        raise Invalid("prompt: must be a string")
    return body


def _order(model: SimulatedModel, body: Mapping[str, Any], format: Format) -> Order:
    _whole(body, "seed", 0, None)
    shape = body.get("aspect_ratio") or "1:1"
    if shape not in ASPECT_RATIOS:
        raise Invalid(f"aspect_ratio: must be one of {', '.join(ASPECT_RATIOS)}")
    across, _, down = shape.partition(":")
    ratio = int(across) / int(down)
    width, height = (round(1024 * math.sqrt(stretched) / 16) * 16 for stretched in (ratio, 1 / ratio))
    references = _references(model, body)
    # The price of a shape is that of its square: all have about as many pixels.
    return Order(model, body["prompt"], body.get("seed"), width, height, size_name(1024, 1024), format, references)


def _references(model: SimulatedModel, body: Mapping[str, Any]) -> tuple[bytes, ...]:
    given = body.get("input_image")
    if given is None:
        return ()
    content = reference(given) if isinstance(given, str) and model.references_at_most else None
    if content is None:
        raise Invalid("input_image: must be base64 or an address of a picture")
    return (content,)


def _whole(body: Mapping[str, Any], field: str, least: int, most: int | None) -> None:
    value = body.get(field)
    if value is not None and not is_whole(value, least, most):
        raise Invalid(f"{field}: must be a whole number from {least}" + (f" to {most}" if most is not None else ""))


def _progress(request: web.Request, intake: Intake, job: Job, polls: int) -> dict[str, Any]:
    if job.behaviour == "odd_status" and polls <= len(_ODD_STATUSES):
        return _told(job.task_id, _ODD_STATUSES[polls - 1])
    if job.phase != "ready":
        return _told(job.task_id, "Pending") | {"progress": job.progress}
    ending = conclude(intake, job)
    if ending == "refused":
        return _told(job.task_id, "Request Moderated") | {"details": {"Moderation Reasons": ["Safety Filter"]}}
    if ending == "filtered":
        return _told(job.task_id, "Content Moderated") | {"details": {"Moderation Reasons": ["Safety Filter"]}}
    if ending == "failed":
        return _told(job.task_id, "Error") | {"details": {"error": "The generation failed."}}
    result = {
        "sample": delivery_address(request, intake, job),
        "prompt": job.order.prompt,
        "seed": picked_seed(job),
        "start_time": job.started_at,
        "end_time": job.ready_at,
        "duration": job.ready_at - job.started_at,
    }
    return _told(job.task_id, "Ready") | {"result": result}


def _told(task_id: str, status: str) -> dict[str, Any]:
    return {"id": task_id, "status": status, "result": None, "progress": None, "details": None}
