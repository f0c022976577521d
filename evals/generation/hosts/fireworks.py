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
    PollAnswer,
    ResponseMetadata,
    Running,
    SubmitAnswer,
    Task,
)
from evals.generation.hosts.delivery import as_seconds, finished, media_type
from evals.generation.hosts.http_answer import HttpAnswer, MalformedResponse
from evals.generation.hosts.http_host import HttpCall, as_base64
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.refusals import refused_submission
from evals.generation.plan import ImageRequest

_RANDOM_SEED = 0
_INSTEAD_OF_SEED_0 = 2**31 - 1


class Fireworks(PollingHost):
    """FLUX.1 on Fireworks.

    No size can be asked for, only an aspect ratio: a square picture has 1024 pixels a side (``1K``). A seed of 0 means
    "any seed" to dev and schnell, so 2**31 - 1 is sent in its place.
    """

    def submission(self, asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST to the model's workflow.

        Raises
        ------
        ValueError
            If there are more reference images than the one that Kontext takes.
        """
        model = offer.api_id if "/" in offer.api_id else f"accounts/fireworks/models/{offer.api_id}"
        url = f"{self.base_url}/inference/v1/workflows/{model}"
        body: dict[str, Any] = {"prompt": asked.prompt, "aspect_ratio": "1:1"}
        if "kontext" in model:
            body |= {"output_format": "png", "prompt_upsampling": False}
            if offer.takes_seed:
                body["seed"] = asked.seed
            if references:
                (only,) = _at_most_one(references, offer)
                body["input_image"] = as_base64(only)
            return HttpCall("POST", url, self.keyed(url), body)
        if references:
            raise ValueError(f"{offer.system} takes no reference images")
        if offer.takes_seed:
            body["seed"] = _INSTEAD_OF_SEED_0 if asked.seed == _RANDOM_SEED else asked.seed
        url += "/text_to_image"
        return HttpCall("POST", url, self.keyed(url, Accept="image/png"), body)

    async def submit(self, call: HttpCall) -> SubmitAnswer:
        """Send the call; the answer names no polling address, which is below the call's own."""
        answer = await super().submit(call)
        if isinstance(answer, Accepted):
            return Accepted(replace(answer.task, polling_url=f"{call.url}/get_result"))
        return answer

    def read_submission(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return the picture, or Kontext's task, still without its polling address."""
        refused = refused_submission(answer)
        if refused:
            return refused
        said = answer.headers.get("content-type", "")
        if said.startswith("image/") or media_type(answer.content).startswith("image/"):
            seed = answer.headers.get("seed", "")
            metadata = ResponseMetadata(seed_used=int(seed) if re.fullmatch(r"[0-9]{1,19}", seed) else None)
            return _unless_filtered(answer.headers.get("finish-reason"), Finished(answer.content, metadata=metadata))
        body = answer.json()
        if "request_id" in body:
            return Accepted(Task(str(body["request_id"]), polling_url=""))
        encoded = body["base64"]
        picture = finished(
            str(encoded[0] if isinstance(encoded, list) else encoded),
            ResponseMetadata(seed_used=_integer(body.get("seed"))),
        )
        return _unless_filtered(body.get("finishReason"), picture)

    def polling(self, task: Task) -> HttpCall:
        """Return the POST that asks for the result."""
        return HttpCall("POST", task.polling_url, self.keyed(task.polling_url), {"id": task.id})

    def read_poll(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall:
        """Return the task's state; the words are those of Black Forest Labs, whose models these are."""
        if answer.status == 200 and answer.json().get("status") == "Task not found":
            return self.missing_task(task)
        refused = self.refused_poll(answer, task)
        if refused:
            return refused
        body = answer.json()
        status, result = str(body.get("status")), body.get("result")
        details = {"sample": result} if isinstance(result, str) else result or {}
        metadata = ResponseMetadata(
            prompt_used=str(details["prompt"]) if details.get("prompt") else None,
            seed_used=_integer(details.get("seed")),
            generation_s=as_seconds(details.get("duration")),
        )
        if status == "Ready":
            if not details.get("sample"):
                raise MalformedResponse("a ready task without a picture")
            return finished(str(details["sample"]), metadata)
        if status in ("Request Moderated", "Content Moderated"):
            return Ended("refused" if status == "Request Moderated" else "filtered", status, _reasons(body), metadata)
        if status in ("Error", "Failed"):
            return Ended("failed", status, _reasons(body), metadata)
        return Running(status)


def _at_most_one(references: Sequence[bytes], offer: Offer) -> Sequence[bytes]:
    if len(references) > 1:
        raise ValueError(f"{offer.system} takes one reference image, not {len(references)}")
    return references


def _unless_filtered(finish_reason: Any, picture: Finished) -> SubmitAnswer:
    if finish_reason == "CONTENT_FILTERED":
        return Ended("filtered", "CONTENT_FILTERED", metadata=picture.metadata)
    return picture


def _reasons(body: dict[str, Any]) -> str:
    details = body.get("details")
    reasons = details.get("Moderation Reasons") if isinstance(details, dict) else None
    if isinstance(reasons, list):
        return ", ".join(map(str, reasons))
    return str(details or "")


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
