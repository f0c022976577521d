"""Speaks Fireworks' wire format: FLUX.1 answers with the picture itself, FLUX.1 Kontext with a request id to poll.

A model that answers with the picture shows what a task would end in as well as it can: a declined prompt as HTTP 400,
a withheld picture as ``CONTENT_FILTERED`` with a black one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import PIL.Image
from aiohttp import web

from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.host import Format, Job, Order, SimulatedModel
from evals.generation.simulated.server import encode, size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.fields import InvalidField, Rule, check, is_flag, is_text, number, one_of, pictures, whole
from tests.simulators.tasks import bearer, conclude, json_object, take_in, used_seed

_WORKFLOWS = "/inference/v1/workflows/accounts/fireworks/models"
_RULES = {
    "prompt": is_text,
    "seed": whole(0),
    "aspect_ratio": one_of("1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21", "4:3", "3:4"),
}
_AT_ONCE_RULES = {**_RULES, "guidance_scale": number(0, math.inf), "num_inference_steps": whole(1, 50)}
_TASK_RULES = {
    **_RULES,
    "input_image": is_text,
    "output_format": one_of("jpeg", "png"),
    "safety_tolerance": whole(0, 6),
    "prompt_upsampling": is_flag,
}
_ODD_STATUSES = ("Reasoning", "Generating")


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""

    async def text_to_image(request: web.Request) -> web.StreamResponse:
        model = _model(request, server, is_task_model=False)
        format: Format = "png" if request.headers.get("Accept") == "image/png" else "jpeg"
        try:
            order = _order(model, await json_object(request), _AT_ONCE_RULES, format)
        except InvalidField as error:
            return _error(400, str(error))
        job = take_in(server, order)
        await server.work(job)
        outcome = conclude(job)
        if outcome == "refused":
            return _error(400, "The prompt was flagged by the content filter.", "content_filtered")
        black = PIL.Image.new("RGB", (order.width, order.height))
        picture = encode(black, format) if outcome == "filtered" else await server.picture(job)
        reason = "CONTENT_FILTERED" if outcome == "filtered" else "SUCCESS"
        headers = {"Finish-Reason": reason, "Seed": str(used_seed(job))}
        return web.Response(body=picture, content_type=f"image/{format}", headers=headers)

    async def submit(request: web.Request) -> web.StreamResponse:
        model = _model(request, server, is_task_model=True)
        try:
            order = _order(model, await json_object(request), _TASK_RULES, "jpeg")
        except InvalidField as error:
            return _error(400, str(error))
        return web.json_response({"request_id": take_in(server, order).task_id})

    async def get_result(request: web.Request) -> web.StreamResponse:
        model = _model(request, server, is_task_model=True)
        task_id = ((await json_object(request)) or {}).get("id")
        if not isinstance(task_id, str):
            return _error(400, "id: field required")
        job = server.find(task_id)
        if job is None or job.order.model is not model:
            return web.json_response(_state(task_id, "Task not found"))
        return web.json_response(_progress(request, server, job))

    return [
        web.post(_WORKFLOWS + "/{model}/text_to_image", text_to_image),
        web.post(_WORKFLOWS + "/{model}/get_result", get_result),
        web.post(_WORKFLOWS + "/{model}", submit),
        *delivery_routes(server),
    ]


def render_error(problem: Problem) -> web.Response:
    """Render an error in the vendor's shape."""
    return _error(problem.status, problem.message, "error", problem.headers)


def _error(
    status: int, message: str, code: str = "invalid_request_error", headers: Mapping[str, str] | None = None
) -> web.Response:
    error = {"object": "error", "type": code, "code": code, "message": message}
    return web.json_response({"error": error}, status=status, headers=headers)


def _model(request: web.Request, server: FaultyServer, is_task_model: bool) -> SimulatedModel:
    server.require_key(bearer(request))
    name = request.match_info["model"]
    model = server.known_model(name, f"accounts/fireworks/models/{name}")
    return model if ("kontext" in model.api_id) is is_task_model else server.known_model(f"{name} at this address")


def _order(model: SimulatedModel, body: Any, rules: Mapping[str, Rule], format: Format) -> Order:
    """Return the order; every shape has about 1024 x 1024 pixels, and the price of its square."""
    check(body, rules)
    across, _, down = body.get("aspect_ratio", "1:1").partition(":")
    shape = int(across) / int(down)
    width, height = (round(1024 * math.sqrt(stretched) / 16) * 16 for stretched in (shape, 1 / shape))
    image = [body["input_image"]] if "input_image" in body else []
    references = pictures("input_image", image, 0, model.references_at_most, as_uri=False)
    format, size = body.get("output_format", format), size_name(1024, 1024)
    return Order(model, body["prompt"], body.get("seed"), width, height, size, format, references)


def _progress(request: web.Request, server: FaultyServer, job: Job) -> dict[str, Any]:
    odd = server.odd_status(job, _ODD_STATUSES)
    if odd is not None or job.phase != "ready":
        return _state(job.task_id, odd or "Pending") | {"progress": 0.5}
    outcome = conclude(job)
    if outcome in ("refused", "filtered"):
        status = "Request Moderated" if outcome == "refused" else "Content Moderated"
        return _state(job.task_id, status) | {"details": {"Moderation Reasons": ["Safety Filter"]}}
    if outcome == "failed":
        return _state(job.task_id, "Error") | {"details": {"error": "The generation failed."}}
    result = {
        "sample": delivery_address(request, server, job),
        "prompt": job.order.prompt,
        "seed": used_seed(job),
        "start_time": job.started_at,
        "end_time": job.ready_at,
        "duration": job.ready_at - job.started_at,
    }
    return _state(job.task_id, "Ready") | {"result": result}


def _state(task_id: str, status: str) -> dict[str, Any]:
    return {"id": task_id, "status": status, "result": None, "progress": None, "details": None}
