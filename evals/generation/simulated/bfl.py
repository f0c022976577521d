"""Speaks the wire format of Black Forest Labs: submit, poll a cluster's own address, fetch from a signed one.

A request is charged when it is taken in, whatever becomes of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from evals.facts.pricing import SIZES, megapixels
from evals.generation.simulated.charging import billed_megapixels, price_usd
from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.host import Format, Job, Order, SimulatedModel
from evals.generation.simulated.references import decoded, size_if_picture
from evals.generation.simulated.server import SimulatedServer, size_name

CLUSTER = "eu2"
"""The cluster that knows the tasks; anywhere else a task is not found."""

_LARGEST = 4 * 1024 * 1024
_USD_PER_CREDIT = 0.01
_RESOLUTIONS = {"512": "768sq", "1K": "1k", "1.5K": "1.5k", "2K": "2k", "4K": "4k"}
_SQUARE_ONLY = ("flux-kontext", "flux-pro-1.1-ultra")
"""Models that take an aspect ratio in place of pixels; this simulator draws squares only."""

_MOST_GUIDANCE = {"flux-2-flex": 10, "flux-dev": 5}
"""The models that take steps and guidance."""

_FLUX_3_FIELDS = {"prompt", "aspect_ratio", "resolution", "images", "grounding", "safety_tolerance", "output_format"}


class Invalid(ValueError):
    """A field of a request is wrong."""

    def __init__(self, field: str, message: str, kind: str) -> None:
        """Keep where, what, and the error's type, in the vendor's shape."""
        super().__init__(message)
        self.answer = {"detail": [{"loc": ["body", field], "msg": message, "type": kind}]}


def routes(server: SimulatedServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""

    async def submit(request: web.Request) -> web.StreamResponse:
        key = request.headers.get("x-key")
        if not server.key_fits(key):
            wrong = "Not authenticated" + (" - Invalid Authentication" if key else "")
            return web.json_response({"detail": wrong}, status=401 if key else 403)
        model = server.model(request.match_info["model"])
        if model is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        try:
            order = read_body(model, await request.read())
        except Invalid as error:
            return web.json_response(error.answer, status=422)
        job = server.take_in(order)
        cost_usd = price_usd(order)
        server.charge(job, cost_usd)
        accepted = {
            "id": job.task_id,
            "polling_url": f"{server.address(request)}/{CLUSTER}/v1/get_result?id={job.task_id}",
            "cost": round(cost_usd / _USD_PER_CREDIT, 6),
            "input_mp": float(billed_megapixels(order.references)),
            "output_mp": float(megapixels(order.width, order.height)),
        }
        return web.json_response(accepted)

    async def get_result(request: web.Request) -> web.StreamResponse:
        task_id = request.query.get("id", "")
        job = server.find(task_id)
        if job is None or request.match_info.get("cluster") != CLUSTER:
            return web.json_response(_state(task_id, "Task not found"), status=404)
        return web.json_response(_progress(request, server, job))

    return [
        web.get("/v1/get_result", get_result),
        web.get("/{cluster}/v1/get_result", get_result),
        web.post("/v1/{model}", submit),
        *delivery_routes(server),
    ]


def read_body(model: SimulatedModel, content: bytes) -> Order:
    """Return what the body of a submission asks for.

    Raises
    ------
    Invalid
        If the service would answer 422.
    """
    try:
        body = json.loads(content)
    except ValueError:
        raise Invalid("0", "JSON decode error", "json_invalid") from None
    if not isinstance(body, dict):
        raise Invalid("0", "Input should be a valid dictionary", "model_attributes_type")
    return _order_of_flux_3(model, body) if model.api_id.startswith("flux-3") else _order(model, body)


def _order(model: SimulatedModel, body: Mapping[str, Any]) -> Order:
    prompt = _prompt(body)
    is_flux_2 = model.api_id.startswith("flux-2")
    _whole(body, "safety_tolerance", 2, 0, 5 if is_flux_2 else 6)
    most_guidance = _MOST_GUIDANCE.get(model.api_id)
    if most_guidance is not None:
        _whole(body, "steps", 28, 1, 50)
        guidance = body.get("guidance", 3)
        if isinstance(guidance, bool) or not isinstance(guidance, (int, float)) or not 1.5 <= guidance <= most_guidance:
            raise Invalid("guidance", f"Input should be a number from 1.5 to {most_guidance}", "less_than_equal")
    names = ["input_image", *(f"input_image_{number}" for number in range(2, 9))]
    references = _references(model, [(name, body[name]) for name in names if body.get(name) is not None])
    width, height = (1024, 1024) if is_flux_2 else (1024, 768)
    if model.api_id.startswith(_SQUARE_ONLY):
        width = height = 2048 if model.api_id.endswith("-ultra") else 1024
    else:
        bounds = (64, None, 16) if is_flux_2 else (256, 1440, 32)
        width, height = _side(body, "width", width, *bounds), _side(body, "height", height, *bounds)
    largest = min(_LARGEST, max(SIZES[size] for size in model.sizes) ** 2)
    if width * height > largest:
        raise Invalid("width", f"Width times height must be at most {largest} pixels", "value_error")
    seed = body.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise Invalid("seed", "Input should be a valid integer", "int_type")
    used = f"A highly detailed picture. {prompt} Soft natural light, rich texture, balanced composition."
    if model.api_id.endswith("-flex") or not is_flux_2:
        is_rewritten = _is_true(body, "prompt_upsampling", is_flux_2)
    else:
        is_rewritten = not _is_true(body, "disable_pup", False) and "klein" not in model.api_id
    format = _format(body, "png" if "kontext" in model.api_id else "jpeg")
    size = size_name(width, height)
    return Order(model, prompt, seed, width, height, size, format, references, used if is_rewritten else prompt)


def _order_of_flux_3(model: SimulatedModel, body: Mapping[str, Any]) -> Order:
    for field in body:
        if field not in _FLUX_3_FIELDS:
            raise Invalid(field, "Extra inputs are not permitted", "extra_forbidden")
    prompt = _prompt(body)
    _whole(body, "safety_tolerance", 2, 0, 5)
    _is_true(body, "grounding", True)
    resolutions = {_RESOLUTIONS[size]: size for size in model.sizes}
    resolution = body.get("resolution", "1k")
    if resolution not in resolutions:
        raise Invalid("resolution", f"Input should be one of {', '.join(resolutions)}", "enum")
    if body.get("aspect_ratio", "1:1") != "1:1":
        raise Invalid("aspect_ratio", "This simulator draws squares only", "enum")
    images = body.get("images") or []
    if not isinstance(images, list) or len(images) > 10:
        raise Invalid("images", "List should have at most 10 items", "too_long")
    references = _references(model, [("images", image) for image in images])
    size = resolutions[resolution]
    side = 768 if resolution == "768sq" else SIZES[size]
    return Order(model, prompt, None, side, side, size, _format(body), references, prompt)


def _prompt(body: Mapping[str, Any]) -> str:
    if "prompt" not in body:
        raise Invalid("prompt", "Field required", "missing")
    prompt = body["prompt"]
    if not isinstance(prompt, str):
        raise Invalid("prompt", "Input should be a valid string", "string_type")
    return prompt


def _is_true(body: Mapping[str, Any], field: str, default: bool) -> bool:
    value = body.get(field)
    if value is not None and not isinstance(value, bool):
        raise Invalid(field, "Input should be a valid boolean", "bool_type")
    return default if value is None else value


def _side(body: Mapping[str, Any], field: str, default: int, least: int, most: int | None, step: int) -> int:
    side = _whole({field: body.get(field) or default}, field, default, least, most)
    if side % step:
        raise Invalid(field, f"Input should be a multiple of {step}", "multiple_of")
    return side


def _whole(body: Mapping[str, Any], field: str, default: int, least: int, most: int | None) -> int:
    value = body.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(field, "Input should be a valid integer", "int_type")
    if value < least:
        raise Invalid(field, f"Input should be greater than or equal to {least}", "greater_than_equal")
    if most is not None and value > most:
        raise Invalid(field, f"Input should be less than or equal to {most}", "less_than_equal")
    return value


def _format(body: Mapping[str, Any], default: Format = "jpeg") -> Format:
    formats: dict[object, Format] = {"jpeg": "jpeg", "png": "png", "webp": "webp"}
    name = body.get("output_format") or default
    if name not in formats:
        raise Invalid("output_format", "Input should be 'jpeg', 'png' or 'webp'", "enum")
    return formats[name]


def _references(model: SimulatedModel, images: list[tuple[str, Any]]) -> tuple[bytes, ...]:
    if len(images) > model.references_at_most:
        raise Invalid(images[-1][0], f"At most {model.references_at_most} input images", "too_long")
    contents = []
    for field, image in images:
        content = decoded(image) if isinstance(image, str) else None
        if content is None or size_if_picture(content) is None:
            raise Invalid(field, "Invalid image: no base64 of a picture", "value_error")
        contents.append(content)
    return tuple(contents)


def _progress(request: web.Request, server: SimulatedServer, job: Job) -> dict[str, Any]:
    if job.behaviour == "refuse_prompt":
        job.call.outcome = "refused"
        return _state(job.task_id, "Request Moderated", details={"Moderation Reasons": ["Safety Filter"]})
    if job.phase != "ready":
        return _state(job.task_id, "Pending")
    if job.behaviour == "filter_image":
        job.call.outcome = "filtered"
        return _state(job.task_id, "Content Moderated", details={"Moderation Reasons": ["Derivative Works Filter"]})
    if job.behaviour == "error_status":
        job.call.outcome = "failed"
        return _state(job.task_id, "Error", details={"error": "The generation failed."})
    job.call.outcome = "ok"
    random_seed = int.from_bytes(hashlib.sha256(job.task_id.encode()).digest()[:4], "big") // 2
    result = {
        "start_time": job.started_at,
        "prompt": job.order.prompt_used,
        "seed": job.order.seed if job.order.seed is not None else random_seed,
        "sample": delivery_address(request, server, job),
    }
    return _state(job.task_id, "Ready", result)


def _state(
    task_id: str, status: str, result: Mapping[str, Any] | None = None, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"id": task_id, "status": status, "result": result, "progress": None, "details": details, "preview": None}
