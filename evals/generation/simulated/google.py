"""Speaks generateContent as AI Studio (``google``) and Vertex (``vertex``) do: one answer with the picture inside.

Behaviours of hosts with tasks become their kin here: moderated tasks a refused prompt or a filtered picture, a task
that is never ready a request that is never answered, a failed task an error 500, an expired address a picture that
is none, odd statuses a slow answer.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from aiohttp import web

from evals.generation.simulated.artists import plain_artist
from evals.generation.simulated.books import Ending
from evals.generation.simulated.charging import TokenUse, price_usd, token_use, tokens_usd
from evals.generation.simulated.faults import Problem, spoiled, turned_away
from evals.generation.simulated.google_requests import Asked, InvalidArgument, Surface, read_request
from evals.generation.simulated.intake import Intake, Job, encode
from evals.generation.simulated.service import Behaviour

_KIN: Mapping[Behaviour, Behaviour] = {
    "moderated_request": "refuse_prompt",
    "moderated_content": "filter_image",
    "error_status": "internal",
    "never_ready": "stall",
    "odd_status": "slow",
    "expired": "not_an_image",
}
_VERSIONS = {"google": "{version:v1|v1beta|v1alpha}", "vertex": "{version:v1|v1beta1}"}
_PATHS = {
    "google": "/models/{model}:generateContent",
    "vertex": "/projects/{project}/locations/{location}/publishers/google/models/{model}:generateContent",
}
_NO_PICTURE: Mapping[Behaviour, Ending] = {
    "refuse_prompt": "refused",
    "text_only": "refused",
    "filter_image": "filtered",
}
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_STATUS = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 401: "UNAUTHENTICATED"}


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes below this format's prefix; which of the two surfaces it is, the intake's name says."""
    surface = cast(Surface, intake.name)

    async def generate(request: web.Request) -> web.StreamResponse:
        return await _generate(request, intake, surface)

    return [web.post(f"/{_VERSIONS[surface]}{_PATHS[surface]}", generate)]


async def _generate(request: web.Request, intake: Intake, surface: Surface) -> web.StreamResponse:
    sent = _sent_key(request, surface)
    if not intake.key_fits(sent):
        return intake.reject(_bad_key(surface) if sent else _no_key(surface))
    model = intake.model(request.match_info["model"])
    if model is None:
        return intake.reject(_unknown_model(request, surface))
    try:
        asked = read_request(await request.read(), model, surface)
    except InvalidArgument as wrong:
        return intake.reject(_error(400, str(wrong), "INVALID_ARGUMENT"))
    if intake.over_limit(asked.order):
        return _quota(intake.host.retry_after_s, "GenerateRequestsPerMinutePerProjectPerModel")
    job = intake.arrive(asked.order, _KIN)
    refusal = turned_away(request, intake, job, sent, lambda error: _dressed(error, job, surface, intake))
    if refusal is not None:
        return refusal
    behaviour: Behaviour = job.behaviour if asked.for_picture or job.behaviour != "ok" else "text_only"
    use = _use(asked, behaviour)
    if model.kind == "tokens":
        intake.charge(job, tokens_usd(model, use))
    else:
        order = asked.order
        drawn = behaviour not in _NO_PICTURE
        intake.charge(job, price_usd(model, order.prompt, order.size, order.width, order.height) if drawn else 0.0)
    if behaviour != "refuse_prompt":
        await intake.work(job)
    answer = web.json_response(await _answer(asked, job, behaviour, use, intake))
    spoilt = await spoiled(request, intake, job, answer)
    if spoilt is None:
        intake.end(job, "undeliverable" if behaviour == "not_an_image" else _NO_PICTURE.get(behaviour, "ok"))
    return spoilt or answer


def _use(asked: Asked, behaviour: Behaviour) -> TokenUse:
    order = asked.order
    use = token_use(order.model, order.prompt, order.size, len(order.references))
    if behaviour == "text_only":
        return replace(use, image=0)
    return replace(use, image=0, text=0, thoughts=0) if behaviour in _NO_PICTURE else use


async def _answer(asked: Asked, job: Job, behaviour: Behaviour, use: TokenUse, intake: Intake) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if behaviour == "refuse_prompt":
        answer["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
    elif behaviour == "filter_image":
        message = "Unable to show the generated image. The image was filtered because of the safety policy."
        answer["candidates"] = [
            {"content": {}, "finishReason": "IMAGE_SAFETY", "finishMessage": message, "index": 0},
        ]
    else:
        parts = await _parts(asked, job, behaviour, intake)
        answer["candidates"] = [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}]
    answer["usageMetadata"] = _usage(use)
    answer["modelVersion"] = asked.order.model.api_id
    answer["responseId"] = job.task_id
    return answer


async def _parts(asked: Asked, job: Job, behaviour: Behaviour, intake: Intake) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if asked.with_thoughts or behaviour == "draft_thoughts":
        parts.append({"text": "**Composing the picture**\n\nI am weighing light and layout.", "thought": True})
    if behaviour == "text_only":
        return [*parts, {"text": "I can describe this picture, but I did not draw it."}]
    if behaviour == "draft_thoughts":
        for number in range(2):
            draft = plain_artist(f"draft {number} {asked.order.prompt}", 0, 0, 256, 256, ())
            parts.append({**_inline(encode(draft, asked.order.format), asked), "thought": True})
    if asked.with_text:
        parts.append({"text": "Here is your picture."})
    picture = _inline(await intake.picture(job), asked)
    return [*parts, {**picture, "thoughtSignature": base64.b64encode(job.task_id.encode()).decode()}]


def _inline(content: bytes, asked: Asked) -> dict[str, Any]:
    data = base64.b64encode(content).decode("ascii")
    return {"inlineData": {"mimeType": f"image/{asked.order.format}", "data": data}}


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


def _dressed(error: Problem, job: Job, surface: Surface, intake: Intake) -> web.Response:
    if job.behaviour == "rate_limited":
        return _quota(intake.host.retry_after_s, "GenerateRequestsPerMinutePerProjectPerModel")
    if job.behaviour == "daily_quota":
        return _quota(intake.host.retry_after_s, "GenerateRequestsPerDayPerProjectPerModel")
    if job.behaviour == "bad_key":
        return _bad_key(surface)
    if job.behaviour == "no_credit":
        return _no_billing(surface)
    return _error(error.status, error.message, _STATUS[error.status])


def _quota(retry_s: float, quota_id: str) -> web.Response:
    violations = [{"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests", "quotaId": quota_id}]
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_s:g}s"},
    ]
    message = "You exceeded your current quota, please check your plan."
    return _error(429, message, "RESOURCE_EXHAUSTED", details)


def _bad_key(surface: Surface) -> web.Response:
    if surface == "vertex":
        message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
        return _error(401, message, "UNAUTHENTICATED")
    info = {"@type": _ERROR_INFO, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    return _error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", [info])


def _no_key(surface: Surface) -> web.Response:
    if surface == "vertex":
        return _error(401, "Request is missing required authentication credential.", "UNAUTHENTICATED")
    message = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
    return _error(403, message, "PERMISSION_DENIED")


def _no_billing(surface: Surface) -> web.Response:
    if surface == "google":
        return _error(400, "Please enable billing on your project to use this model.", "FAILED_PRECONDITION")
    info = {"@type": _ERROR_INFO, "reason": "BILLING_DISABLED", "domain": "googleapis.com"}
    return _error(403, "This API method requires billing to be enabled.", "PERMISSION_DENIED", [info])


def _unknown_model(request: web.Request, surface: Surface) -> web.Response:
    asked = request.match_info
    if surface == "vertex":
        name = f"projects/{asked['project']}/locations/{asked['location']}/publishers/google/models/{asked['model']}"
        message = f"Publisher Model `{name}` was not found or your project does not have access to it."
    else:
        message = (
            f"models/{asked['model']} is not found for API version {asked['version']}, or is not supported for "
            "generateContent. Call ListModels to see the list of available models and their supported methods."
        )
    return _error(404, message, "NOT_FOUND")


def _error(status: int, message: str, name: str, details: Sequence[Mapping[str, Any]] = ()) -> web.Response:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = list(details)
    return web.json_response({"error": error}, status=status)
