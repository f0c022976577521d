"""Speaks the wire format of Black Forest Labs: submit, poll a cluster's own address, fetch from a signed one.

A request is charged when it is taken in, whatever becomes of it. ``daily_quota``, which this vendor does not have, is
answered as an empty account (402); prompts that are declined end as ``Request Moderated``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.charging import megapixels, price_usd
from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.faults import Problem, spoiled, turned_away
from evals.generation.simulated.intake import Format, Intake, Job, Order, size_name
from evals.generation.simulated.references import billed_megapixels, decoded, size_if_picture
from evals.generation.simulated.service import TASK_KIN, Behaviour, SimulatedModel

CLUSTER = "eu2"
"""The cluster that knows the tasks; asked anywhere else, a task is not found."""

_KIN: Mapping[Behaviour, Behaviour] = {**TASK_KIN, "daily_quota": "no_credit"}
_LARGEST = 4 * 1024 * 1024
_ODD_STATUSES = ("Reasoning", "Generating", "Polishing")
_USD_PER_CREDIT = 0.01
_CREDITS_AT_FIRST = 10_000.0
_RESOLUTIONS = {"512": "768sq", "1K": "1k", "2K": "2k", "4K": "4k"}
_FLUX_3_FIELDS = {"prompt", "aspect_ratio", "resolution", "images", "grounding", "safety_tolerance", "output_format"}
_FLUX_3_FIELDS |= {"webhook_url", "webhook_secret"}


class Invalid(ValueError):
    """A field of a request is wrong."""

    def __init__(self, field: str, message: str, kind: str) -> None:
        """Keep where, what, and the error's type, in the vendor's shape."""
        super().__init__(message)
        self.answer = {"detail": [{"loc": ["body", field], "msg": message, "type": kind}]}


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""

    async def submit(request: web.Request) -> web.StreamResponse:
        return await _submit(request, intake)

    async def get_result(request: web.Request) -> web.StreamResponse:
        job = intake.jobs.get(request.query.get("id", ""))
        if job is None or request.match_info.get("cluster") != CLUSTER:
            return web.json_response(_told(request.query.get("id"), "Task not found"), status=404)
        return web.json_response(_progress(request, intake, job, intake.books.count_poll(job.number)))

    async def credits_left(request: web.Request) -> web.StreamResponse:
        denied = _denied(request, intake)
        if denied is not None:
            return intake.reject(denied)
        spent = sum(entry.charged_usd for entry in intake.books.entries if entry.host == intake.name)
        return web.json_response({"credits": _CREDITS_AT_FIRST - spent / _USD_PER_CREDIT})

    return [
        web.get("/v1/credits", credits_left),
        web.get("/v1/get_result", get_result),
        web.get("/{cluster}/v1/get_result", get_result),
        web.post("/v1/{model}", submit),
        *delivery_routes(intake),
    ]


async def _submit(request: web.Request, intake: Intake) -> web.StreamResponse:
    denied = _denied(request, intake)
    if denied is not None:
        return intake.reject(denied)
    model = intake.model(request.match_info["model"])
    if model is None:
        return intake.reject(web.json_response({"detail": "Not Found"}, status=404))
    try:
        body = _body(await request.read())
        order = _order_of_flux_3(model, body) if model.api_id.startswith("flux-3") else _order(model, body)
    except Invalid as wrong:
        return intake.reject(web.json_response(wrong.answer, status=422))
    if intake.over_limit(order):
        limit = f"Rate limit exceeded: at most {intake.host.active_limit} active tasks."
        return web.json_response({"detail": limit}, status=429)
    job = intake.arrive(order, _KIN)
    refusal = turned_away(request, intake, job, request.headers.get("x-key"), _dressed)
    if refusal is not None:
        return refusal
    input_mp = billed_megapixels(order.references)
    cost_usd = price_usd(model, order.prompt, order.size, order.width, order.height, input_mp)
    intake.charge(job, cost_usd)
    cost = {
        "cost": round(cost_usd / _USD_PER_CREDIT, 6),
        "input_mp": float(sum(input_mp)),
        "output_mp": float(megapixels(order.width, order.height)),
    }
    if body.get("webhook_url"):
        told = {"id": job.task_id, "status": "Pending", "webhook_url": body["webhook_url"], **cost}
    else:
        polling_url = f"{intake.address(request)}/{CLUSTER}/v1/get_result?id={job.task_id}"
        told = {"id": job.task_id, "polling_url": polling_url, **cost}
    answer = web.json_response(told)
    return await spoiled(request, intake, job, answer) or answer


def _denied(request: web.Request, intake: Intake) -> web.Response | None:
    sent = request.headers.get("x-key")
    if intake.key_fits(sent):
        return None
    if sent is None:
        return web.json_response({"detail": "Not authenticated"}, status=403)
    return web.json_response({"detail": "Not authenticated - Invalid Authentication"}, status=401)


def _dressed(error: Problem) -> web.Response:
    return web.json_response({"detail": error.message}, status=error.status, headers=error.headers)


def _body(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        raise Invalid("0", "JSON decode error", "json_invalid") from None
    if not isinstance(body, dict):
        raise Invalid("0", "Input should be a valid dictionary", "model_attributes_type")
    return body


def _order(model: SimulatedModel, body: Mapping[str, Any]) -> Order:
    prompt = _prompt(body)
    _whole(body, "safety_tolerance", 2, 0, 6 if model.api_id.startswith("flux-pro-1.1") else 5)
    if model.api_id.endswith("-flex"):
        _whole(body, "steps", 50, 1, 50)
        guidance = body.get("guidance", 5)
        if isinstance(guidance, bool) or not isinstance(guidance, (int, float)) or not 1.5 <= guidance <= 10:
            raise Invalid("guidance", "Input should be a number from 1.5 to 10", "less_than_equal")
    names = ["input_image", *(f"input_image_{number}" for number in range(2, 9))]
    given = [(name, body[name]) for name in names if body.get(name) is not None]
    references = _references(model, given)
    width, height = _side(body, "width"), _side(body, "height")
    if not width or not height:
        fitting = size_if_picture(references[0]) if references else None
        auto = (
            (fitting[0] // 16 * 16, fitting[1] // 16 * 16)
            if fitting
            else ((2048, 2048) if model.api_id == "flux-pro-1.1-ultra" else (1024, 1024))
        )
        width, height = width or max(64, auto[0]), height or max(64, auto[1])
    largest = min(_LARGEST, max(SIZES[size] for size in model.sizes) ** 2)
    if width * height > largest:
        raise Invalid("width", f"Width times height must be at most {largest} pixels", "value_error")
    seed = body.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise Invalid("seed", "Input should be a valid integer", "int_type")
    used = prompt if _takes_prompt_as_it_is(model, body) else _rewritten(prompt)
    return Order(model, prompt, seed, width, height, size_name(width, height), _format(body), references, used)


def _order_of_flux_3(model: SimulatedModel, body: Mapping[str, Any]) -> Order:
    for field in body:
        if field not in _FLUX_3_FIELDS:
            raise Invalid(field, "Extra inputs are not permitted", "extra_forbidden")
    prompt = _prompt(body)
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


def _side(body: Mapping[str, Any], field: str) -> int:
    side = body.get(field) or 0
    if isinstance(side, bool) or not isinstance(side, int):
        raise Invalid(field, "Input should be a valid integer", "int_type")
    if side and side < 64:
        raise Invalid(field, "Input should be greater than or equal to 64", "greater_than_equal")
    if side % 16:
        raise Invalid(field, "Input should be a multiple of 16", "multiple_of")
    return side


def _whole(body: Mapping[str, Any], field: str, default: int, least: int, most: int) -> None:
    value = body.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(field, "Input should be a valid integer", "int_type")
    if value < least:
        raise Invalid(field, f"Input should be greater than or equal to {least}", "greater_than_equal")
    if value > most:
        raise Invalid(field, f"Input should be less than or equal to {most}", "less_than_equal")


def _format(body: Mapping[str, Any]) -> Format:
    formats: dict[object, Format] = {"jpeg": "jpeg", "png": "png", "webp": "webp"}
    asked = body.get("output_format") or "jpeg"
    if asked not in formats:
        raise Invalid("output_format", "Input should be 'jpeg', 'png' or 'webp'", "enum")
    return formats[asked]


def _references(model: SimulatedModel, given: list[tuple[str, Any]]) -> tuple[bytes, ...]:
    if len(given) > model.references_at_most:
        raise Invalid(given[-1][0], f"At most {model.references_at_most} input images", "too_long")
    return tuple(_reference(field, image) for field, image in given)


def _reference(field: str, image: Any) -> bytes:
    if not isinstance(image, str):
        raise Invalid(field, "Input should be a valid string", "string_type")
    if image.startswith(("http://", "https://")):
        return image.encode()  # not fetched: counted as a picture of unknown size
    content = decoded(image)
    if content is None or size_if_picture(content) is None:
        raise Invalid(field, "Invalid image: neither an address nor base64 of a picture", "value_error")
    return content


def _takes_prompt_as_it_is(model: SimulatedModel, body: Mapping[str, Any]) -> bool:
    if model.api_id.endswith("-flex"):
        return body.get("prompt_upsampling") is False
    return body.get("disable_pup") is True or "klein" in model.api_id


def _rewritten(prompt: str) -> str:
    return f"A highly detailed picture. {prompt} Soft natural light, rich texture, balanced composition."


def _progress(request: web.Request, intake: Intake, job: Job, polls: int) -> dict[str, Any]:
    if job.behaviour == "moderated_request":
        intake.end(job, "refused")
        return _told(job.task_id, "Request Moderated", details={"Moderation Reasons": ["Safety Filter"]})
    if job.behaviour == "odd_status" and polls <= len(_ODD_STATUSES):
        return _told(job.task_id, _ODD_STATUSES[polls - 1])
    if job.phase != "ready":
        return _told(job.task_id, "Pending")
    if job.behaviour == "moderated_content":
        intake.end(job, "filtered")
        return _told(job.task_id, "Content Moderated", details={"Moderation Reasons": ["Derivative Works Filter"]})
    if job.behaviour == "error_status":
        intake.end(job, "failed")
        return _told(job.task_id, "Error", details={"error": "The generation failed."})
    intake.end(job, "undeliverable" if job.behaviour in ("expired", "not_an_image") else "ok")
    chosen = int.from_bytes(hashlib.sha256(job.task_id.encode()).digest()[:4], "big") // 2
    result = {
        "start_time": job.started_at,
        "prompt": job.order.prompt_used,
        "seed": job.order.seed if job.order.seed is not None else chosen,
        "sample": delivery_address(request, intake, job),
    }
    return _told(job.task_id, "Ready", result)


def _told(
    task_id: str | None, status: str, result: Mapping[str, Any] | None = None, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"id": task_id, "status": status, "result": result, "progress": None, "details": details, "preview": None}
