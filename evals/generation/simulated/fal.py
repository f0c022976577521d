"""Speaks the wire format of fal's queue: submit, ask for the status, fetch the response.

Like the vendor's queue it takes in whatever is JSON: what is wrong with a request shows at its response address (422).
A request is charged when it is taken in, whatever becomes of it; one with wrong fields costs nothing. An empty account
answers 403, as the vendor does.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import PIL.Image
from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.faults import Problem
from evals.generation.simulated.intake import Format, Intake, Job, Order, size_name
from evals.generation.simulated.references import size_if_picture
from evals.generation.simulated.service import SimulatedModel
from evals.generation.simulated.tasks import bearer, conclude, is_whole, json_object, picked_seed, reference, take_in

IMAGE_SIZES: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
"""The sizes that have a name, as width and height; ``auto`` (edits only) is that of the first reference."""

RESOLUTIONS: Mapping[str, str] = {"0.5K": "512", "1K": "1K", "2K": "2K", "4K": "4K"}
"""The sizes that Nano Banana is asked for in, instead of pixels; this simulator draws it as squares only."""

_TOLERANCES = ("1", "2", "3", "4", "5")
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


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    invalid: dict[str, Mapping[str, Any]] = {}

    async def submit(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        if denied is not None:
            return denied
        app = "{owner}/{app}".format_map(request.match_info)
        path = request.match_info.get("path")
        model = intake.model(f"{app}/{path}" if path else app)
        if model is None:
            wrong = f"Path /{path} not found" if path and intake.model(app) else f"Application '{app}' not found"
            return intake.reject(web.json_response({"detail": wrong}, status=404))
        body = await json_object(request)
        if body is None:
            unreadable = _detail(["body"], "JSON decode error", "json_invalid")
            return intake.reject(web.json_response(unreadable, status=422))
        here = f"{intake.address(request)}/{app}/requests"
        try:
            order = _order(model, body, is_edit=f"{app}/{path}" == model.edit_api_id)
        except Invalid as wrong_field:
            request_id = str(uuid.uuid4())
            invalid[request_id] = wrong_field.answer
            intake.books.reject(intake.name, 422)
            return web.json_response(_submitted(f"{here}/{request_id}", request_id))
        in_line = bool(body.get("sync_mode"))

        def accepted(job: Job) -> web.Response:
            if job.behaviour == "moderated_content":
                # The vendor's checker hands out a black picture in place of the one it withholds.
                black = replace(job.order, model=replace(job.order.model, artist=_black))
                intake.jobs[job.task_id] = replace(job, order=black)
            if in_line:
                data_uris.add(job.task_id)
            return web.json_response(_submitted(f"{here}/{job.task_id}", job.task_id))

        return await take_in(request, intake, order, bearer(request, "Key"), _dressed, accepted)

    async def status(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        if denied is not None:
            return denied
        request_id = request.match_info["request_id"]
        app = "{owner}/{app}".format_map(request.match_info)
        told = _addresses(f"{intake.address(request)}/{app}/requests/{request_id}", request_id)
        if request_id in invalid:
            return web.json_response({**told, "status": "COMPLETED", "logs": None, "metrics": {"inference_time": 0.0}})
        job = intake.jobs.get(request_id)
        if job is None:
            return _not_found()
        polls = intake.books.count_poll(job.number)
        if job.behaviour == "odd_status" and polls <= len(_ODD_STATUSES):
            return web.json_response({**told, "status": _ODD_STATUSES[polls - 1]}, status=202)
        if job.phase == "queued":
            return web.json_response({**told, "status": "IN_QUEUE", "queue_position": 0}, status=202)
        if job.phase == "working":
            return web.json_response({**told, "status": "IN_PROGRESS", "logs": None}, status=202)
        metrics = {"inference_time": round(job.ready_at - job.started_at, 9)}
        return web.json_response({**told, "status": "COMPLETED", "logs": None, "metrics": metrics})

    async def response(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        if denied is not None:
            return denied
        request_id = request.match_info["request_id"]
        if request_id in invalid:
            return web.json_response(invalid[request_id], status=422)
        job = intake.jobs.get(request_id)
        if job is None:
            return _not_found()
        if job.phase != "ready":
            return web.json_response({"detail": "Request is still in progress"}, status=400)
        ending = conclude(intake, job)
        if ending == "refused":
            flagged = _detail(["body", "prompt"], _FLAGGED, "content_policy_violation")
            return web.json_response(flagged, status=422, headers={"X-Fal-Retryable": "false"})
        if ending == "failed":
            return _failed(500, "The runner encountered an internal server error.", "runner_server_error")
        format = job.order.format
        url = delivery_address(request, intake, job)
        if request_id in data_uris:
            url = f"data:image/{format};base64,{base64.b64encode(await intake.picture(job)).decode()}"
        picture = {
            "url": url,
            "width": job.order.width,
            "height": job.order.height,
            "content_type": f"image/{format}",
            "file_name": f"{request_id}.{format}",
        }
        if _is_nano_banana(job.order.model):
            return web.json_response({"images": [picture], "description": ""})
        told = {
            "images": [picture],
            "timings": {"inference": round(job.ready_at - job.started_at, 9)},
            "seed": picked_seed(job),
            "has_nsfw_concepts": [ending == "filtered"],
            "prompt": job.order.prompt,
        }
        return web.json_response(told)

    data_uris: set[str] = set()
    return [
        web.post("/{owner}/{app}", submit),
        web.post("/{owner}/{app}/{path:.+}", submit),
        web.get("/{owner}/{app}/requests/{request_id}/status", status),
        web.get("/{owner}/{app}/requests/{request_id}", response),
        *delivery_routes(intake),
    ]


def _denied(request: web.Request, intake: Intake) -> web.Response | None:
    sent = bearer(request, "Key")
    if intake.key_fits(sent):
        return None
    wrong = "No user found for Key ID and Secret" if sent else "Authentication is required to access this application."
    return intake.reject(web.json_response({"detail": wrong}, status=401))


def _dressed(error: Problem) -> web.Response:
    if error.status == 402:
        return web.json_response({"detail": _EXHAUSTED}, status=403)
    if error.status == 401:
        return web.json_response({"detail": error.message}, status=401)
    answer = _failed(error.status, error.message, _ERROR_TYPES[error.status])
    answer.headers.update(error.headers)
    return answer


def _failed(status: int, message: str, kind: str) -> web.Response:
    told = {"detail": message, "error_type": kind}
    return web.json_response(told, status=status, headers={"X-Fal-Error-Type": kind})


def _not_found() -> web.Response:
    return web.json_response({"detail": "Request not found"}, status=404)


def _detail(where: Sequence[str], message: str, kind: str) -> dict[str, Any]:
    return {"detail": [{"loc": where, "msg": message, "type": kind, "url": f"https://docs.fal.ai/errors#{kind}"}]}


def _addresses(here: str, request_id: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "response_url": here,
        "status_url": f"{here}/status",
        "cancel_url": f"{here}/cancel",
    }


def _submitted(here: str, request_id: str) -> dict[str, Any]:
    return {"status": "IN_QUEUE", **_addresses(here, request_id), "logs": None, "metrics": {}, "queue_position": 0}


def _order(model: SimulatedModel, body: Mapping[str, Any], is_edit: bool) -> Order:
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        missing = prompt is None
        raise Invalid(
            "prompt",
            "Field required" if missing else "Input should be a valid string",
            "missing" if missing else "string_type",
        )
    seed = body.get("seed")
    if seed is not None and not is_whole(seed):
        raise Invalid("seed", "Input should be a valid integer", "int_type")
    if body.get("safety_tolerance", "2") not in _TOLERANCES:
        raise Invalid("safety_tolerance", "Input should be '1', '2', '3', '4' or '5'", "literal_error")
    for field in ("enable_safety_checker", "sync_mode"):
        if not isinstance(body.get(field, True), bool):
            raise Invalid(field, "Input should be a valid boolean", "bool_type")
    format = body.get("output_format", "jpeg")
    if format not in ("jpeg", "png"):
        raise Invalid("output_format", "Input should be 'jpeg' or 'png'", "literal_error")
    references = _references(model, body) if is_edit else ()
    width, height = _pixels_of_nano_banana(body) if _is_nano_banana(model) else _pixels(body, references, is_edit)
    largest = max(SIZES[size] for size in model.sizes)
    if width * height > largest**2:
        raise Invalid("image_size", f"At most {largest}x{largest} pixels", "image_too_large")
    size = size_name(width, height)
    return Order(model, prompt, seed, width, height, size, cast(Format, format), references)


def _pixels(body: Mapping[str, Any], references: Sequence[bytes], is_edit: bool) -> tuple[int, int]:
    asked = body.get("image_size", "auto" if is_edit else "landscape_4_3")
    if is_edit and asked == "auto":
        return size_if_picture(references[0]) or IMAGE_SIZES["square_hd"]
    if isinstance(asked, dict):
        for side in ("width", "height"):
            if not is_whole(asked.get(side), 1):
                raise Invalid("image_size", f"{side}: Input should be greater than 0", "greater_than")
        return asked["width"], asked["height"]
    if not isinstance(asked, str) or asked not in IMAGE_SIZES:
        listed = ", ".join(f"'{name}'" for name in IMAGE_SIZES)
        raise Invalid("image_size", f"Input should be one of {listed}, or width and height", "enum")
    return IMAGE_SIZES[asked]


def _is_nano_banana(model: SimulatedModel) -> bool:
    return "nano-banana" in model.api_id


def _pixels_of_nano_banana(body: Mapping[str, Any]) -> tuple[int, int]:
    if body.get("aspect_ratio", "1:1") != "1:1":
        raise Invalid("aspect_ratio", "This simulator draws squares only", "literal_error")
    resolution = body.get("resolution", "1K")
    if resolution not in RESOLUTIONS:
        raise Invalid("resolution", f"Input should be one of {', '.join(RESOLUTIONS)}", "literal_error")
    side = SIZES[RESOLUTIONS[resolution]]
    return side, side


def _references(model: SimulatedModel, body: Mapping[str, Any]) -> tuple[bytes, ...]:
    urls = body.get("image_urls")
    if urls is None:
        raise Invalid("image_urls", "Field required", "missing")
    if not isinstance(urls, list) or not urls or len(urls) > model.references_at_most:
        raise Invalid("image_urls", f"List should have from 1 to {model.references_at_most} items", "list_length")
    found = []
    for url in urls:
        is_url = isinstance(url, str) and url.startswith(("data:", "http://", "https://"))
        content = reference(url) if is_url else None
        if content is None:
            raise Invalid("image_urls", "Failed to download the file: no picture there", "file_download_error")
        found.append(content)
    return tuple(found)


def _black(
    prompt: str, seed: int | None, nth: int, width: int, height: int, references: Sequence[bytes]
) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (width, height))
