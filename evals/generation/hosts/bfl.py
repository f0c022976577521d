"""Black Forest Labs' own API: submit, ask at the address that the answer names, fetch from a signed address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evals.facts.models import SAFETY_TOLERANCE, Offer
from evals.generation.answers import (
    Ended,
    Finished,
    MalformedResponse,
    PollAnswer,
    ResponseMetadata,
    Running,
    Task,
)
from evals.generation.hosts.errors import passes
from evals.generation.hosts.fields import FLEX_GUIDANCE, FLEX_STEPS, as_base64, as_integer, as_number
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.plan import ImageRequest

_CREDITS_PER_USD = 100.0
_BY_ASPECT_RATIO = ("flux-pro-1.1-ultra", "flux-kontext-pro", "flux-kontext-max")
"""The models that take no width and height."""

_UNKNOWN = "Task not found"
_QUEUED = ("Pending", "Queued")
ENDS: Mapping[str, Literal["refused", "filtered", "failed"]] = {
    "Request Moderated": "refused",
    "Content Moderated": "filtered",
    "Error": "failed",
    "Failed": "failed",
}
"""What the status of a task without a picture means."""

_ENDED = ("Ready", *ENDS)


class Bfl(PollingHost):
    """FLUX models at their maker.

    The prompt is sent as it is: the rewriting that the models do by default is switched off where there is a field
    for it, and ``metadata.prompt_used`` shows whether that worked.
    """

    def key_header(self) -> dict[str, str]:
        """Return the vendor's own header for the key."""
        return {"x-key": self._key}

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that makes a task."""
        body = _flux_3_body if offer.api_id.startswith("flux-3") else _body
        return self.post(f"v1/{offer.api_id}", body(request, offer, references))

    def read_task(self, answer: HttpAnswer) -> Task:
        """Return the task; the polling address is the vendor's own, as another cluster would not know the task."""
        body = answer.json()
        task_id, polling_url = body.get("id"), body.get("polling_url")
        if not isinstance(task_id, str) or not re.fullmatch(r"[\w-]{1,200}", task_id, re.ASCII):
            raise MalformedResponse("a task without an id")
        if not isinstance(polling_url, str) or not polling_url:
            polling_url = f"{self.base_url}/v1/get_result?id={task_id}"
        return Task(task_id, polling_url, cost_usd=_usd(body.get("cost")))

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer | None:
        """Return how far the task is; a status that is not known counts as still running."""
        if answer.status == 202:
            return Running("accepted")
        body = answer.json()
        status = body.get("status")
        if not isinstance(status, str):
            raise MalformedResponse("a task without a status")
        return None if status == _UNKNOWN else _outcome(status, body, task)

    def read_poll_error(self, answer: HttpAnswer, task: Task) -> PollAnswer | None:
        """Return what an HTTP error means for a task; the server's own may carry how the task ended."""
        body = answer.json_or_empty()
        status = body.get("status")
        if status == _UNKNOWN:
            return None
        if answer.status >= 500 and status in _ENDED:
            return _outcome(str(status), body, task)
        return super().read_poll_error(answer, task)


def _body(request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> dict[str, Any]:
    by_pixels = {"width": request.side, "height": request.side}
    body: dict[str, Any] = {
        "prompt": request.prompt,
        **({"seed": request.seed} if offer.takes_seed else {}),
        **({"aspect_ratio": "1:1"} if offer.api_id in _BY_ASPECT_RATIO else by_pixels),
        "safety_tolerance": SAFETY_TOLERANCE,
        "output_format": "png",
    }
    for number, image in enumerate(references, start=1):
        body["input_image" if number == 1 else f"input_image_{number}"] = as_base64(image)
    if offer.api_id.startswith(("flux-2-flex", "flux-pro-1.1", "flux-kontext")):
        body["prompt_upsampling"] = False
    elif not offer.api_id.startswith(("flux-2-klein", "flux-dev")):
        body["disable_pup"] = True
    if offer.api_id.startswith("flux-2-flex"):
        body |= {"steps": FLEX_STEPS, "guidance": FLEX_GUIDANCE}
    return body


def _flux_3_body(request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> dict[str, Any]:
    """Return the body of FLUX 3, which refuses every field that it does not know; it has no seed.

    Grounding looks things up on the web, so that the same prompt would not be asked twice. Of Klein only the fields are
    known that all models of FLUX 3 have.
    """
    body: dict[str, Any] = {"prompt": request.prompt, "aspect_ratio": "1:1", "resolution": request.size.lower()}
    if offer.api_id != "flux-3-image-klein":
        body |= {"grounding": False, "safety_tolerance": SAFETY_TOLERANCE}
    return {**body, "images": [as_base64(image) for image in references]} if references else body


def _outcome(status: str, body: Mapping[str, Any], task: Task) -> PollAnswer:
    result = body.get("result")
    result = result if isinstance(result, dict) else {}
    named_usd = _usd(body.get("cost"))
    prompt = result.get("prompt")
    metadata = ResponseMetadata(
        prompt_used=prompt if isinstance(prompt, str) and prompt else None,
        seed_used=as_integer(result.get("seed")),
        cost_usd=task.cost_usd if named_usd is None else named_usd,
    )
    if status == "Ready":
        sample = result.get("sample")
        if not isinstance(sample, str) or not sample:
            raise MalformedResponse("a task that is ready without an address of its picture")
        return Finished(url=sample, metadata=metadata)
    if status in ENDS:
        outcome, words = ENDS[status], _details(body)
        return Ended(outcome, status, words, metadata, outcome == "failed" and passes(words))
    return Running(status, queued=status in _QUEUED)


def _details(body: Mapping[str, Any]) -> str:
    """Return the vendor's words on how a task ended, ``Moderation Reasons: Derivative Works Filter``."""
    details = body.get("details") or body.get("result") or ""
    if isinstance(details, dict):
        details = "; ".join(
            f"{name}: {', '.join(map(str, words)) if isinstance(words, list) else words}"
            for name, words in details.items()
            if name != "sample"
        )
    return " ".join(str(details).split())[:2_000]


def _usd(credits: Any) -> float | None:
    number = as_number(credits, below=1e9)
    return None if number is None else number / _CREDITS_PER_USD
