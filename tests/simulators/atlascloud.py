"""Speaks AtlasCloud's wire format: generateImage answers with a prediction id, which is asked for until it is done.

Fields that the vendor's pages do not name are ignored. Finished predictions are ``completed`` and ``succeeded`` in
turn, since the vendor's pages name both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from evals.facts.pricing import SIZES
from evals.generation.simulated.delivery import delivery_address, delivery_routes
from evals.generation.simulated.host import Job, Order, SimulatedModel
from evals.generation.simulated.server import size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.fields import InvalidField, check, is_text, one_of, pictures, whole
from tests.simulators.tasks import bearer, conclude, json_object, take_in

_RULES = {"prompt": is_text, "seed": whole(0), "output_format": one_of("jpeg", "png"), "size": is_text}
_LEAST_SIDE = 256
_ODD_STATUSES = ("created", "dispatched")
_ERRORS = {
    "refused": "The prompt was rejected: it was flagged by content moderation.",
    "filtered": "The generated image was withheld: it was flagged by content moderation (NSFW).",
    "failed": "The model failed while it ran.",
}


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    done: list[str] = []

    async def generate_image(request: web.Request) -> web.StreamResponse:
        server.require_key(bearer(request))
        body = await json_object(request)
        if body is None:
            return _error(400, "the body must be a JSON object")
        model = server.known_model(str(body.get("model")))
        try:
            order = _order(model, body)
        except InvalidField as error:
            return _error(400, str(error))
        job = take_in(server, order)
        return _success({**_state(request, server, job, "processing"), "outputs": []})

    async def prediction(request: web.Request) -> web.StreamResponse:
        job = server.find(request.match_info["task_id"])
        server.require_key(bearer(request))
        if job is None:
            return _error(404, "prediction not found")
        odd = server.odd_status(job, _ODD_STATUSES)
        if odd is not None or job.phase != "ready":
            return _success(_state(request, server, job, odd or "processing"))
        outcome = conclude(job)
        if outcome in _ERRORS:
            failed = {"error": _ERRORS[outcome], "has_nsfw_contents": [outcome == "filtered"]}
            return _success({**_state(request, server, job, "failed"), **failed})
        done.append(job.task_id)
        return _success(
            {
                **_state(request, server, job, "completed" if len(done) % 2 else "succeeded"),
                "outputs": [delivery_address(request, server, job)],
                "has_nsfw_contents": [False],
                "timings": {"inference": round((job.ready_at - job.started_at) * 1000)},
            }
        )

    return [
        web.post("/api/v1/model/generateImage", generate_image),
        web.get("/api/v1/model/prediction/{task_id}", prediction),
        *delivery_routes(server),
    ]


def render_error(problem: Problem) -> web.Response:
    """Render an error in the vendor's shape."""
    return _error(problem.status, problem.message, problem.headers)


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"code": status, "message": message, "data": None}, status=status, headers=headers)


def _success(state: Mapping[str, Any]) -> web.Response:
    return web.json_response({"code": 200, "message": "success", "data": state})


def _state(request: web.Request, server: FaultyServer, job: Job, status: str) -> dict[str, Any]:
    return {
        "id": job.task_id,
        "model": job.order.model.api_id,
        "status": status,
        "outputs": None,
        "error": "",
        "has_nsfw_contents": None,
        "urls": {"get": f"{server.address(request)}/api/v1/model/prediction/{job.task_id}"},
    }


def _order(model: SimulatedModel, body: Mapping[str, Any]) -> Order:
    check(body, _RULES, closed=False)
    sides = re.fullmatch(r"(\d{1,5})[*x](\d{1,5})", body.get("size", "1024*1024"))
    width, height = map(int, sides.groups()) if sides else (0, 0)
    largest = max(SIZES[name] for name in model.sizes)
    if not (_LEAST_SIDE <= width <= largest and _LEAST_SIDE <= height <= largest):
        raise InvalidField("size")
    is_edit = body["model"] == model.edit_api_id
    references = pictures("images", body.get("images"), 1, model.references_at_most) if is_edit else ()
    format = body.get("output_format", "jpeg")
    return Order(model, body["prompt"], body.get("seed"), width, height, size_name(width, height), format, references)
