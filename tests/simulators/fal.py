"""Speaks the wire format of fal's queue: submit, ask for the status, fetch the response.

Like the vendor's queue it takes in whatever is JSON: what is wrong with a request shows at its response address (422),
and costs nothing. An empty account answers 403, as the vendor does.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import PIL.Image
from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.host import Order, SimulatedModel
from evals.generation.simulated.server import size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.fields import InvalidField, check, is_flag, is_text, one_of, pictures, whole
from tests.simulators.tasks import bearer, conclude, json_object, take_in, used_seed

_RESOLUTIONS = {"0.5K": "512", "1K": "1K", "2K": "2K", "4K": "4K"}
_SIDES = {"width": whole(1), "height": whole(1)}
_RULES = {
    "prompt": is_text,
    "seed": whole(),
    "safety_tolerance": one_of("1", "2", "3", "4", "5"),
    "enable_safety_checker": is_flag,
    "output_format": one_of("jpeg", "png"),
    "aspect_ratio": one_of("1:1"),
    "resolution": one_of(*_RESOLUTIONS),
}
"""Names of sizes and other shapes than squares of Nano Banana are not simulated."""

_ODD_STATUSES = ("SCHEDULING", "WARMING_UP")
_ERROR_TYPES = {429: "rate_limited", 500: "internal_error", 503: "runner_scheduling_failure"}
_EXHAUSTED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
_FLAGGED = "The content could not be processed because it contained material flagged by a content checker."


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    invalid: dict[str, Mapping[str, Any]] = {}

    async def submit(request: web.Request) -> web.StreamResponse:
        server.require_key(bearer(request, "Key"))
        app = "{owner}/{app}".format_map(request.match_info)
        path = request.match_info.get("path")
        model = server.known_model(f"{app}/{path}" if path else app)
        body = await json_object(request)
        if body is None:
            return web.json_response(_detail(["body"], "JSON decode error", "json_invalid"), status=422)
        try:
            order = _order(model, body, is_edit=f"{app}/{path}" == model.edit_api_id)
        except InvalidField as error:
            request_id = str(uuid.uuid4())
            invalid[request_id] = _detail(["body", error.field], str(error), "value_error")
        else:
            job = take_in(server, order)
            request_id = job.task_id
            if job.behaviour == "filter_image":
                # The vendor's checker hands out a black picture in place of the one it withholds.
                black = replace(job.order, model=replace(model, renderer=_black))
                server.jobs[request_id] = replace(job, order=black)
        queued: dict[str, Any] = {"status": "IN_QUEUE", "logs": None, "metrics": {}, "queue_position": 0}
        return web.json_response({**_addresses(request, server, request_id), **queued})

    async def status(request: web.Request) -> web.StreamResponse:
        request_id = request.match_info["request_id"]
        addresses = _addresses(request, server, request_id)
        job = server.find(request_id)
        server.require_key(bearer(request, "Key"))
        if request_id in invalid:
            return web.json_response({**addresses, "status": "COMPLETED", "metrics": {"inference_time": 0.0}})
        if job is None:
            return _not_found()
        odd = server.odd_status(job, _ODD_STATUSES)
        if odd is not None or job.phase != "ready":
            waiting = "IN_QUEUE" if job.phase == "queued" else "IN_PROGRESS"
            return web.json_response({**addresses, "status": odd or waiting, "logs": None}, status=202)
        metrics = {"inference_time": round(job.ready_at - job.started_at, 9)}
        return web.json_response({**addresses, "status": "COMPLETED", "logs": None, "metrics": metrics})

    async def response(request: web.Request) -> web.StreamResponse:
        request_id = request.match_info["request_id"]
        server.require_key(bearer(request, "Key"))
        if request_id in invalid:
            return web.json_response(invalid[request_id], status=422)
        job = server.jobs.get(request_id)
        if job is None:
            return _not_found()
        if job.phase != "ready":
            return web.json_response({"detail": "Request is still in progress"}, status=400)
        outcome = conclude(job)
        if outcome == "refused":
            flagged = _detail(["body", "prompt"], _FLAGGED, "content_policy_violation")
            return web.json_response(flagged, status=422, headers={"X-Fal-Retryable": "false"})
        if outcome == "failed":
            return _failed(500, "The runner encountered an internal server error.", "runner_server_error")
        picture = {
            "url": delivery_address(request, server, job),
            "width": job.order.width,
            "height": job.order.height,
            "content_type": f"image/{job.order.format}",
            "file_name": f"{request_id}.{job.order.format}",
        }
        if _is_nano_banana(job.order.model):
            return web.json_response({"images": [picture], "description": ""})
        result = {
            "images": [picture],
            "timings": {"inference": round(job.ready_at - job.started_at, 9)},
            "seed": used_seed(job),
            "has_nsfw_concepts": [outcome == "filtered"],
            "prompt": job.order.prompt,
        }
        return web.json_response(result)

    return [
        web.post("/{owner}/{app}", submit),
        web.post("/{owner}/{app}/{path:.+}", submit),
        web.get("/{owner}/{app}/requests/{request_id}/status", status),
        web.get("/{owner}/{app}/requests/{request_id}", response),
        *delivery_routes(server),
    ]


def render_error(problem: Problem) -> web.Response:
    """Render an error in the vendor's shape."""
    if problem.status == 402:
        return web.json_response({"detail": _EXHAUSTED}, status=403)
    if problem.status in (401, 404):
        return web.json_response({"detail": problem.message}, status=problem.status)
    answer = _failed(problem.status, problem.message, _ERROR_TYPES[problem.status])
    answer.headers.update(problem.headers)
    return answer


def _failed(status: int, message: str, kind: str) -> web.Response:
    body = {"detail": message, "error_type": kind}
    return web.json_response(body, status=status, headers={"X-Fal-Error-Type": kind})


def _not_found() -> web.Response:
    return web.json_response({"detail": "Request not found"}, status=404)


def _detail(where: Sequence[str], message: str, kind: str) -> dict[str, Any]:
    return {"detail": [{"loc": where, "msg": message, "type": kind, "url": f"https://docs.fal.ai/errors#{kind}"}]}


def _addresses(request: web.Request, server: FaultyServer, request_id: str) -> dict[str, Any]:
    """Return a request's addresses, which leave out the path of an edit."""
    here = f"{server.address(request)}/{request.match_info['owner']}/{request.match_info['app']}/requests/{request_id}"
    return {
        "request_id": request_id,
        "response_url": here,
        "status_url": f"{here}/status",
        "cancel_url": f"{here}/cancel",
    }


def _order(model: SimulatedModel, body: Mapping[str, Any], is_edit: bool) -> Order:
    check(body, _RULES, closed=False)
    if _is_nano_banana(model):
        width = height = SIZES[_RESOLUTIONS[body.get("resolution", "1K")]]
    else:
        check(body.get("image_size"), _SIDES, tuple(_SIDES))
        width, height = body["image_size"]["width"], body["image_size"]["height"]
    if width * height > max(SIZES[size] for size in model.sizes) ** 2:
        raise InvalidField("image_size")
    references = pictures("image_urls", body.get("image_urls"), 1, model.references_at_most) if is_edit else ()
    size, format = size_name(width, height), body.get("output_format", "jpeg")
    return Order(model, body["prompt"], body.get("seed"), width, height, size, format, references)


def _is_nano_banana(model: SimulatedModel) -> bool:
    return "nano-banana" in model.api_id


def _black(
    prompt: str, seed: int | None, nth: int, width: int, height: int, references: Sequence[bytes]
) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (width, height))
