"""Speaks the wire format of fal's queue: submit, ask for the status, fetch the response.

Like the vendor's queue it takes in whatever is JSON: what is wrong with a request shows at its response address (422),
and costs nothing. An empty account answers 403, as the vendor does.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import PIL.Image
from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.host import Format, Order, SimulatedModel
from evals.generation.simulated.server import size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.tasks import bearer, conclude, is_whole, json_object, reference, take_in, used_seed

_RESOLUTIONS: Mapping[str, str] = {"0.5K": "512", "1K": "1K", "2K": "2K", "4K": "4K"}
_ODD_STATUSES = ("SCHEDULING", "WARMING_UP")
_ERROR_TYPES = {429: "rate_limited", 500: "internal_error", 503: "runner_scheduling_failure"}
_EXHAUSTED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
_FLAGGED = "The content could not be processed because it contained material flagged by a content checker."


class Invalid(ValueError):
    """A field of a request is wrong."""

    def __init__(self, field: str, message: str, kind: str) -> None:
        """Keep the answer that says so, in the vendor's shape."""
        super().__init__(message)
        self.answer = _detail(["body", field], message, kind)


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    invalid: dict[str, Mapping[str, Any]] = {}

    async def submit(request: web.Request) -> web.StreamResponse:
        if not server.key_fits(bearer(request, "Key")):
            return _denied(request)
        app = "{owner}/{app}".format_map(request.match_info)
        path = request.match_info.get("path")
        model = server.model(f"{app}/{path}" if path else app)
        if model is None:
            wrong = f"Path /{path} not found" if path and server.model(app) else f"Application '{app}' not found"
            return web.json_response({"detail": wrong}, status=404)
        body = await json_object(request)
        if body is None:
            return web.json_response(_detail(["body"], "JSON decode error", "json_invalid"), status=422)
        try:
            order = _order(model, body, is_edit=f"{app}/{path}" == model.edit_api_id)
        except Invalid as error:
            request_id = str(uuid.uuid4())
            invalid[request_id] = error.answer
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
        if not server.key_fits(bearer(request, "Key")):
            return _denied(request)
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
        if not server.key_fits(bearer(request, "Key")):
            return _denied(request)
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
    if problem.status == 401:
        return web.json_response({"detail": problem.message}, status=401)
    answer = _failed(problem.status, problem.message, _ERROR_TYPES[problem.status])
    answer.headers.update(problem.headers)
    return answer


def _denied(request: web.Request) -> web.Response:
    no_user = "No user found for Key ID and Secret"
    wrong = no_user if bearer(request, "Key") else "Authentication is required to access this application."
    return web.json_response({"detail": wrong}, status=401)


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
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise Invalid("prompt", "Input should be a valid string", "missing" if prompt is None else "string_type")
    if body.get("seed") is not None and not is_whole(body["seed"]):
        raise Invalid("seed", "Input should be a valid integer", "int_type")
    if body.get("safety_tolerance", "2") not in ("1", "2", "3", "4", "5"):
        raise Invalid("safety_tolerance", "Input should be '1', '2', '3', '4' or '5'", "literal_error")
    if not isinstance(body.get("enable_safety_checker", True), bool):
        raise Invalid("enable_safety_checker", "Input should be a valid boolean", "bool_type")
    format = body.get("output_format", "jpeg")
    if format not in ("jpeg", "png"):
        raise Invalid("output_format", "Input should be 'jpeg' or 'png'", "literal_error")
    references = _references(model, body) if is_edit else ()
    width, height = _square_of_nano_banana(body) if _is_nano_banana(model) else _pixels(body)
    largest = max(SIZES[size] for size in model.sizes)
    if width * height > largest**2:
        raise Invalid("image_size", f"At most {largest}x{largest} pixels", "image_too_large")
    size = size_name(width, height)
    return Order(model, prompt, body.get("seed"), width, height, size, cast(Format, format), references)


def _pixels(body: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and height as they are written out; names of sizes are not simulated."""
    size = body.get("image_size")
    if not isinstance(size, dict) or not all(is_whole(size.get(side), 1) for side in ("width", "height")):
        raise Invalid("image_size", "Input should be width and height greater than 0", "greater_than")
    return size["width"], size["height"]


def _is_nano_banana(model: SimulatedModel) -> bool:
    return "nano-banana" in model.api_id


def _square_of_nano_banana(body: Mapping[str, Any]) -> tuple[int, int]:
    if body.get("aspect_ratio", "1:1") != "1:1":
        raise Invalid("aspect_ratio", "This simulator draws squares only", "literal_error")
    resolution = body.get("resolution", "1K")
    if resolution not in _RESOLUTIONS:
        raise Invalid("resolution", f"Input should be one of {', '.join(_RESOLUTIONS)}", "literal_error")
    side = SIZES[_RESOLUTIONS[resolution]]
    return side, side


def _references(model: SimulatedModel, body: Mapping[str, Any]) -> tuple[bytes, ...]:
    urls = body.get("image_urls")
    if not isinstance(urls, list) or not urls or len(urls) > model.references_at_most:
        raise Invalid("image_urls", f"List should have from 1 to {model.references_at_most} items", "list_length")
    pictures = [reference(url) if str(url).startswith("data:") else None for url in urls]
    if None in pictures:
        raise Invalid("image_urls", "Failed to download the file: no picture there", "file_download_error")
    return tuple(content for content in pictures if content is not None)


def _black(
    prompt: str, seed: int | None, nth: int, width: int, height: int, references: Sequence[bytes]
) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (width, height))
