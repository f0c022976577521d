"""Fireworks AI: FLUX.1 dev and schnell answer with the picture itself, Kontext with a task. It hosts no FLUX.2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evals.facts.models import Offer
from evals.generation.answers import (
    Accepted,
    Ended,
    Finished,
    MalformedResponse,
    PollAnswer,
    ResponseMetadata,
    Running,
    SubmitAnswer,
    Task,
)
from evals.generation.hosts.bfl import ENDS
from evals.generation.hosts.fields import as_base64, as_integer, as_number, finished, media_type
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.plan import ImageRequest

_RANDOM_SEED = 0
_INSTEAD_OF_SEED_0 = 2**31 - 1


class Fireworks(PollingHost):
    """FLUX.1 on Fireworks.

    No size can be asked for, only an aspect ratio: a square picture has 1024 pixels a side (``1K``). A seed of 0 means
    "any seed" to dev and schnell, so 2**31 - 1 is sent in its place.
    """

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST to the model's workflow; `ValueError` for more references than the one Kontext takes."""
        model = offer.api_id if "/" in offer.api_id else f"accounts/fireworks/models/{offer.api_id}"
        path = f"inference/v1/workflows/{model}"
        body: dict[str, Any] = {"prompt": request.prompt, "aspect_ratio": "1:1"}
        if offer.takes_seed:
            body["seed"] = request.seed
        if "kontext" in model:
            if len(references) > 1:
                raise ValueError(f"{offer.system} takes one reference image, not {len(references)}")
            body |= {"output_format": "png", "prompt_upsampling": False}
            if references:
                body["input_image"] = as_base64(references[0])
            return self.post(path, body)
        if references:
            raise ValueError(f"{offer.system} takes no reference images")
        if body.get("seed") == _RANDOM_SEED:
            body["seed"] = _INSTEAD_OF_SEED_0
        return self.post(f"{path}/text_to_image", body, Accept="image/png")

    async def submit(self, call: HttpCall) -> SubmitAnswer:
        """Send the call; the answer names no polling address, which is below the call's own."""
        answer = await super().submit(call)
        if isinstance(answer, Accepted):
            return Accepted(replace(answer.task, polling_url=f"{call.url}/get_result"))
        return answer

    def read_task(self, answer: HttpAnswer) -> Task | SubmitAnswer:
        """Return the picture, or Kontext's task, still without its polling address."""
        content_type = answer.headers.get("content-type", "")
        if content_type.startswith("image/") or media_type(answer.content).startswith("image/"):
            seed, reason = answer.headers.get("seed", ""), answer.headers.get("finish-reason")
            metadata = ResponseMetadata(seed_used=int(seed) if re.fullmatch(r"[0-9]{1,19}", seed) else None)
            picture = Finished(answer.content, metadata=metadata)
        else:
            body = answer.json()
            if "request_id" in body:
                return Task(str(body["request_id"]), polling_url="")
            encoded, reason = body["base64"], body.get("finishReason")
            metadata = ResponseMetadata(seed_used=as_integer(body.get("seed")))
            picture = finished(encoded if isinstance(encoded, list) else [encoded], metadata)
        return Ended("filtered", reason, metadata=metadata) if reason == "CONTENT_FILTERED" else picture

    def polling(self, task: Task) -> HttpCall:
        """Return the POST that asks for the result."""
        return HttpCall("POST", task.polling_url, self.keyed(task.polling_url), {"id": task.id})

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer | None:
        """Return the task's state; the words are those of Black Forest Labs, whose models these are."""
        body = answer.json()
        if body.get("status") == "Task not found":
            return None
        status, result = str(body.get("status")), body.get("result")
        details = {"sample": result} if isinstance(result, str) else result or {}
        metadata = ResponseMetadata(
            prompt_used=str(details["prompt"]) if details.get("prompt") else None,
            seed_used=as_integer(details.get("seed")),
            generation_s=as_number(details.get("duration")),
        )
        if status == "Ready":
            if not details.get("sample"):
                raise MalformedResponse("a ready task without a picture")
            return finished([details["sample"]], metadata)
        if status in ENDS:
            return Ended(ENDS[status], status, _reasons(body), metadata)
        return Running(status)


def _reasons(body: dict[str, Any]) -> str:
    details = body.get("details")
    reasons = details.get("Moderation Reasons") if isinstance(details, dict) else None
    if isinstance(reasons, list):
        return ", ".join(map(str, reasons))
    return str(details or "")
