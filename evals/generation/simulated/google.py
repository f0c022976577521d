"""Speaks generateContent as AI Studio (``google``) and Vertex (``vertex``) do: one answer with the picture inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from aiohttp import web

from evals.generation.simulated.call_log import CallOutcome
from evals.generation.simulated.charging import TokenUse, price_usd, token_use, tokens_usd
from evals.generation.simulated.google_requests import InvalidArgument, Surface, read_request
from evals.generation.simulated.host import Job
from evals.generation.simulated.server import SimulatedServer

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_PATHS = {
    "google": "/{version:v1|v1beta|v1alpha}/models/{model}:generateContent",
    "vertex": "/{version:v1|v1beta1}/projects/{project}/locations/{location}/publishers/google/models/"
    "{model}:generateContent",
}
_WITHOUT_PICTURE: Mapping[str, CallOutcome] = {
    "refuse_prompt": "refused",
    "text_only": "refused",
    "filter_image": "filtered",
}


def routes(server: SimulatedServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix; which of the two surfaces it is, the server's name says."""
    surface = cast(Surface, server.name)

    async def generate(request: web.Request) -> web.StreamResponse:
        key = _sent_key(request, surface)
        if not server.key_fits(key):
            return bad_key(surface, key)
        model = server.model(request.match_info["model"])
        if model is None:
            return _unknown_model(request, surface)
        try:
            order = read_request(await request.read(), model, surface)
        except InvalidArgument as error:
            return error_answer(400, str(error), "INVALID_ARGUMENT")
        job = server.take_in(order)
        size = None if job.behaviour in ("refuse_prompt", "filter_image") else order.size
        use = token_use(model, order.prompt, size, len(order.references))
        if job.behaviour == "text_only":
            use = replace(use, image=0)
        per_picture = 0.0 if job.behaviour in _WITHOUT_PICTURE else price_usd(order)
        server.charge(job, tokens_usd(model, use) if model.kind == "tokens" else per_picture)
        if job.behaviour != "refuse_prompt":
            await server.work(job)
        answer = {
            **await _content(job, server),
            "usageMetadata": _usage(use),
            "modelVersion": model.api_id,
            "responseId": job.task_id,
        }
        job.call.outcome = _WITHOUT_PICTURE.get(job.behaviour, "ok")
        return web.json_response(answer)

    return [web.post(_PATHS[surface], generate)]


async def _content(job: Job, server: SimulatedServer) -> dict[str, Any]:
    if job.behaviour == "refuse_prompt":
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    if job.behaviour == "filter_image":
        message = "Unable to show the generated image. The image was filtered because of the safety policy."
        withheld = {"content": {}, "finishReason": "IMAGE_SAFETY", "finishMessage": message, "index": 0}
        return {"candidates": [withheld]}
    part: dict[str, Any]
    if job.behaviour == "text_only":
        part = {"text": "I can describe this picture, but I did not draw it."}
    else:
        data = base64.b64encode(await server.picture(job)).decode("ascii")
        signature = base64.b64encode(job.task_id.encode()).decode()
        inline = {"mimeType": f"image/{job.order.format}", "data": data}
        part = {"inlineData": inline, "thoughtSignature": signature}
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}]}


def _usage(use: TokenUse) -> dict[str, Any]:
    prompt, candidates = use.prompt_text + use.prompt_image, use.image + use.text
    prompt_details = [{"modality": "TEXT", "tokenCount": use.prompt_text}]
    if use.prompt_image:
        prompt_details.append({"modality": "IMAGE", "tokenCount": use.prompt_image})
    usage: dict[str, Any] = {"promptTokenCount": prompt, "totalTokenCount": prompt + candidates + use.thoughts}
    if candidates:
        usage["candidatesTokenCount"] = candidates
    if use.image:
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": use.image}]
    if use.thoughts:
        usage["thoughtsTokenCount"] = use.thoughts
    return {**usage, "promptTokensDetails": prompt_details, "serviceTier": "standard"}


def _sent_key(request: web.Request, surface: Surface) -> str | None:
    if surface == "google":
        return request.headers.get("x-goog-api-key") or request.query.get("key")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" and token else None


def bad_key(surface: Surface, key: str | None) -> web.Response:
    """Return the answer to a key that is not the host's, or to none."""
    if surface == "vertex":
        message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
        missing = "Request is missing required authentication credential."
        return error_answer(401, message if key else missing, "UNAUTHENTICATED")
    if not key:
        who = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
        return error_answer(403, who, "PERMISSION_DENIED")
    info = {"@type": ERROR_INFO, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    return error_answer(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", [info])


def _unknown_model(request: web.Request, surface: Surface) -> web.Response:
    path = request.match_info
    if surface == "vertex":
        name = f"projects/{path['project']}/locations/{path['location']}/publishers/google/models/{path['model']}"
        message = f"Publisher Model `{name}` was not found or your project does not have access to it."
    else:
        message = (
            f"models/{path['model']} is not found for API version {path['version']}, or is not supported for "
            "generateContent. Call ListModels to see the list of available models and their supported methods."
        )
    return error_answer(404, message, "NOT_FOUND")


def error_answer(status: int, message: str, name: str, details: Sequence[Mapping[str, Any]] = ()) -> web.Response:
    """Return an error in the vendor's shape."""
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = list(details)
    return web.json_response({"error": error}, status=status)
