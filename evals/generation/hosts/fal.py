"""fal: a request is queued, its status is asked for, and the result is fetched from an address of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from evals.facts.models import SAFETY_TOLERANCE, HostFacts, Offer
from evals.generation.answers import TEXT_ONLY, Ended, PollAnswer, Rejected, ResponseMetadata, Running, Task
from evals.generation.hosts.errors import failure, message_of, rejection
from evals.generation.hosts.fields import FLEX_GUIDANCE, FLEX_STEPS, api_id_of, as_data_uri, as_number, finished
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.plan import ImageRequest

if TYPE_CHECKING:
    import httpx2 as httpx

_PROMPT_REWRITING = {
    "flux-2": "enable_prompt_expansion",
    "flux-2-flex": "enable_prompt_expansion",
    "flux-pro": "enhance_prompt",
}
"""The field that turns prompt rewriting on or off, by family; FLUX.2 pro and max have none."""

_ACCELERATED = ("flux", "flux-2")
"""The families that fal speeds up at some loss unless told not to: ``acceleration`` is ``regular`` where it can be."""

_OF_THE_RUNNER = re.compile(r"runner_|startup_timeout|downstream_service_")
"""Types of errors of fal's machines (fal.ai/docs/documentation/model-apis/request-errors, read 2026-11-29)."""

_NOT_OF_THE_MODEL = (401, 402, 403, 404, 429)


class Fal(PollingHost):
    """Models on fal's queue; with reference images the offer's ``edit_api_id`` is asked.

    The size is sent in pixels (``image_size``), for Nano Banana as ``resolution``. The addresses for status and result
    are those that fal names: they cannot be made from the model's, and they get the key only if they are fal's.
    """

    def __init__(
        self, facts: HostFacts, key: str, base_url: str | None = None, client: httpx.AsyncClient | None = None
    ) -> None:
        """Keep the key in memory and open no connection."""
        super().__init__(facts, key, base_url, client)
        self._inference_s: dict[str, float] = {}  # named with the status, needed with the result

    def key_header(self) -> dict[str, str]:
        """Return fal's own form of the key's header."""
        return {"Authorization": f"Key {self._key}"}

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that queues a request."""
        api_id = api_id_of(offer, references)
        body: dict[str, Any] = {"prompt": request.prompt, "output_format": "png"}
        if "nano-banana" in api_id:
            body |= {"aspect_ratio": "1:1", "resolution": "0.5K" if request.size == "512" else request.size}
            # One picture, whatever the prompt says of several.
            body |= {"num_images": 1, "limit_generations": True}
        else:
            body["image_size"] = {"width": request.side, "height": request.side}
        if offer.safety_tolerance_at_most is not None:
            body["safety_tolerance"] = str(SAFETY_TOLERANCE)  # fal's is a list of texts
        if offer.takes_seed:
            body["seed"] = request.seed
        family = api_id.split("/")[1] if "/" in api_id else api_id
        if family in _PROMPT_REWRITING:
            body[_PROMPT_REWRITING[family]] = False
        if family in _ACCELERATED:
            body["acceleration"] = "none"
        if "flux-2-flex" in api_id:
            body |= {"num_inference_steps": FLEX_STEPS, "guidance_scale": FLEX_GUIDANCE}
        if references:
            body["image_urls"] = [as_data_uri(reference) for reference in references]
        return self.post(api_id, body)

    def read_error(self, answer: HttpAnswer) -> Rejected | Ended:
        """Return what an HTTP error means, with the type that fal gives it."""
        return rejection(answer) or _ended(answer)

    def read_task(self, answer: HttpAnswer) -> Task:
        """Return the queued request with the addresses of its status and its result."""
        queued = answer.json()
        return Task(str(queued["request_id"]), str(queued["status_url"]), str(queued["response_url"]))

    def read_poll_error(self, answer: HttpAnswer, task: Task) -> PollAnswer | None:
        """Return what an HTTP error means: the model's own ends the request, one of the queue does not."""
        return _model_error(answer) or super().read_poll_error(answer, task)

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall:
        """Return the request's state; for a completed one, first the GET of its result."""
        body = answer.json()
        if "images" in body or "image" in body:
            return self._result(body, task)
        status = str(body.get("status"))
        if status == "COMPLETED":
            inference_s = as_number((body.get("metrics") or {}).get("inference_time"))
            if inference_s is not None:
                self._inference_s[task.id] = inference_s
            self._misses.pop(task.id, None)  # fal knows it, whatever it answers about the result
            url = task.result_url or str(body["response_url"])
            return HttpCall("GET", url, self.keyed(url))
        if status in ("FAILED", "ERROR", "CANCELED", "CANCELLED"):
            return failure(status, str(body.get("error") or ""))
        if "status" not in body:
            return Ended("failed", "no_images", "the result holds no picture")
        return Running(status, queued=status == "IN_QUEUE")

    def _result(self, body: Mapping[str, Any], task: Task) -> PollAnswer:
        from_status_s = self._inference_s.pop(task.id, None)
        in_result_s = as_number((body.get("timings") or {}).get("inference"))
        seed = body.get("seed")
        metadata = ResponseMetadata(
            prompt_used=str(body["prompt"]) if body.get("prompt") else None,
            seed_used=seed if isinstance(seed, int) else None,
            generation_s=in_result_s if in_result_s is not None else from_status_s,
            text=str(body["description"]) if body.get("description") else None,  # Nano Banana's words
        )
        images = body.get("images") or [image for image in [body.get("image")] if image]
        flags = body.get("has_nsfw_concepts") or ()
        urls = [str(image["url"]) for image, is_withheld in zip_longest(images, flags) if image and not is_withheld]
        if urls:
            return finished(urls, metadata)
        if any(flags):
            return Ended("filtered", "has_nsfw_concepts", "fal's safety checker withheld the picture", metadata)
        if metadata.text:
            return Ended("refused", TEXT_ONLY, metadata.text, metadata)
        return Ended("failed", "no_images", "the result holds no picture", metadata)


def _model_error(answer: HttpAnswer) -> Ended | None:
    """Return the end that the model or its runner came to, None for an error of the queue itself."""
    if answer.status in _NOT_OF_THE_MODEL:
        return None
    body = answer.json_or_empty()
    kind = body.get("error_type")
    if isinstance(kind, str) and kind != "internal_error":
        return _with_runner(kind, failure(kind, message_of(answer)))
    return _ended(answer) if isinstance(body.get("detail"), list) else None


def _ended(answer: HttpAnswer) -> Ended:
    """Read ``{"detail": [{loc, msg, type}]}``: a type is a code, a message is for people."""
    detail = answer.json_or_empty().get("detail")
    first = detail[0] if isinstance(detail, list) and detail and isinstance(detail[0], dict) else {}
    kind, message = str(first.get("type") or f"http_{answer.status}"), message_of(answer)
    if kind == "no_media_generated":  # Nano Banana wrote, or said nothing, instead of drawing
        return Ended("refused", kind, message)
    if kind == "content_policy_violation":
        # Only words about an output say that there was a picture.
        about_output = any(word in message.lower() for word in ("output", "generated image"))
        return Ended("filtered" if about_output else "refused", kind, message)
    return _with_runner(kind, failure(kind, message))


def _with_runner(kind: str, ended: Ended) -> Ended:
    """Tell the failure of a machine, which another one may not share."""
    return replace(ended, passes=True) if ended.outcome == "failed" and _OF_THE_RUNNER.match(kind) else ended
