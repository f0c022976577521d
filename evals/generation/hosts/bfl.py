"""Black Forest Labs' own API: submit, ask at the address that the answer names, fetch from a signed address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evals.facts.models import Offer
from evals.generation.answers import (
    Accepted,
    Ended,
    Finished,
    PollAnswer,
    Rejected,
    ResponseMetadata,
    Running,
    SubmitAnswer,
    Task,
)
from evals.generation.hosts.http_host import HttpAnswer, HttpCall, MalformedResponse, as_base64
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.refusals import refused_submission
from evals.generation.plan import ImageRequest

_CREDITS_PER_USD = 100.0
_BY_ASPECT_RATIO = ("flux-pro-1.1-ultra", "flux-kontext-pro", "flux-kontext-max")
"""The models that take no width and height."""

_QUEUED = ("Pending", "Queued")
_ENDED = ("Ready", "Request Moderated", "Content Moderated", "Error", "Failed")


class Bfl(PollingHost):
    """FLUX models at their maker.

    The prompt is sent as it is: the rewriting that the models do by default is switched off where there is a field
    for it, and ``metadata.prompt_used`` shows whether that worked.
    """

    def key_header(self) -> dict[str, str]:
        """Return the vendor's own header for the key."""
        return {"x-key": self._key}

    def submission(self, asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that makes a task."""
        url = f"{self.base_url}/v1/{offer.api_id}"
        body = _flux_3_body if offer.api_id.startswith("flux-3") else _body
        return HttpCall("POST", url, self.keyed(url), body(asked, offer, references))

    def read_submission(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return the task; the polling address is the vendor's own, as another cluster would not know the task."""
        refused = refused_submission(answer)
        if refused:
            if isinstance(refused, Rejected) and refused.delay_s is None:
                return replace(refused, delay_s=_retry_after_s(answer))
            return refused
        body = answer.json()
        task_id, polling_url = body.get("id"), body.get("polling_url")
        if not isinstance(task_id, str) or not re.fullmatch(r"[\w-]{1,200}", task_id, re.ASCII):
            raise MalformedResponse("a task without an id")
        if not isinstance(polling_url, str) or not polling_url:
            polling_url = f"{self.base_url}/v1/get_result?id={task_id}"
        return Accepted(Task(task_id, polling_url, cost_usd=_usd(body.get("cost"))))

    def read_poll(self, answer: HttpAnswer, task: Task) -> PollAnswer:
        """Return how far the task is; a status that is not known counts as still running."""
        if answer.status == 202:
            return Running("accepted")
        status = _status(answer)
        if status == "Task not found" or answer.status in (404, 410):
            return self.missing_task(task)
        refused = self.refused_poll(answer, task)
        if refused and not (answer.status >= 500 and status in _ENDED):
            return refused
        if status is None:
            raise MalformedResponse("a task without a status")
        return _outcome(status, answer.json(), task)


def _body(asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> dict[str, Any]:
    body: dict[str, Any] = {"prompt": asked.prompt}
    square: dict[str, Any]
    if offer.takes_seed:
        body["seed"] = asked.seed
    square = {"width": asked.side, "height": asked.side}
    if offer.api_id in _BY_ASPECT_RATIO:
        square = {"aspect_ratio": "1:1"}
    body |= {**square, "safety_tolerance": 2, "output_format": "png"}
    for number, image in enumerate(references, start=1):
        body["input_image" if number == 1 else f"input_image_{number}"] = as_base64(image)
    if offer.api_id.startswith(("flux-2-flex", "flux-pro-1.1", "flux-kontext")):
        body["prompt_upsampling"] = False
    elif not offer.api_id.startswith(("flux-2-klein", "flux-dev")):
        body["disable_pup"] = True
    return body


def _flux_3_body(asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> dict[str, Any]:
    """Return the body of FLUX 3, which refuses every field that it does not know; it has no seed.

    Grounding looks things up on the web, so that the same prompt would not be asked twice.
    """
    body = {"prompt": asked.prompt, "aspect_ratio": "1:1", "resolution": asked.size.lower(), "grounding": False}
    return {**body, "images": [as_base64(image) for image in references]} if references else body


def _outcome(status: str, body: Mapping[str, Any], task: Task) -> PollAnswer:
    result = body.get("result")
    result = result if isinstance(result, dict) else {}
    named_usd = _usd(body.get("cost"))
    prompt, seed = result.get("prompt"), result.get("seed")
    metadata = ResponseMetadata(
        prompt_used=prompt if isinstance(prompt, str) and prompt else None,
        seed_used=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        cost_usd=task.cost_usd if named_usd is None else named_usd,
    )
    if status == "Ready":
        sample = result.get("sample")
        if not isinstance(sample, str) or not sample:
            raise MalformedResponse("a task that is ready without an address of its picture")
        return Finished(url=sample, metadata=metadata)
    if status == "Request Moderated":
        return Ended("refused", status, _details(body), metadata)
    if status == "Content Moderated":
        return Ended("filtered", status, _details(body), metadata)
    if status in ("Error", "Failed"):
        return Ended("failed", status, _details(body), metadata)
    return Running(status, queued=status in _QUEUED)


def _status(answer: HttpAnswer) -> str | None:
    """Return the task's status, None where there is none. An error's answer may carry one, and need not be JSON."""
    try:
        status = answer.json().get("status")
    except MalformedResponse:
        if answer.status < 400:
            raise
        return None
    return status if isinstance(status, str) else None


def _details(body: Mapping[str, Any]) -> str:
    """Return the vendor's words on how a task ended, ``Moderation Reasons: Derivative Works Filter``."""
    details = body.get("details") or body.get("result") or ""
    if isinstance(details, dict):
        shown = {
            name: ", ".join(map(str, found)) if isinstance(found, list) else str(found)
            for name, found in details.items()
            if name != "sample"
        }
        details = "; ".join(f"{name}: {words}" for name, words in shown.items())
    return " ".join(str(details).split())[:2_000]


def _usd(credits: Any) -> float | None:
    is_price = isinstance(credits, (int, float)) and not isinstance(credits, bool) and 0 <= credits < 1e9
    return credits / _CREDITS_PER_USD if is_price else None


def _retry_after_s(answer: HttpAnswer) -> float | None:
    """Return the ``retry_after`` that the vendor's guides show in the body of a 429."""
    try:
        seconds: Any = answer.json().get("retry_after")
    except MalformedResponse:
        return None
    is_wait = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 1e6
    return float(seconds) if is_wait else None
