"""fal: a request is queued, its status is asked for, and the result is fetched from an address of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals.facts.models import HostFacts, Offer
from evals.generation.answers import Accepted, Ended, PollAnswer, ResponseMetadata, Running, SubmitAnswer, Task
from evals.generation.hosts.delivery import as_data_uri, as_seconds, finished
from evals.generation.hosts.http_answer import HttpAnswer, MalformedResponse, message_of, refused_call
from evals.generation.hosts.http_host import HttpCall
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.refusals import withheld
from evals.generation.plan import ImageRequest

if TYPE_CHECKING:
    import httpx2 as httpx

_PROMPT_REWRITING = {
    "flux-2": "enable_prompt_expansion",
    "flux-2-flex": "enable_prompt_expansion",
    "flux-pro": "enhance_prompt",
}
"""The field that turns prompt rewriting on or off, by family; FLUX.2 pro and max have none."""

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
        self._inference_s: dict[str, float] = {}  # told with the status, wanted with the result

    def key_header(self) -> dict[str, str]:
        """Return fal's own form of the key's header."""
        return {"Authorization": f"Key {self._key}"}

    def submission(self, asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that queues a request.

        Raises
        ------
        ValueError
            If there are reference images and the facts name no model that takes them.
        """
        if references and not offer.edit_api_id:
            raise ValueError(f"{offer.system} takes no reference images: the facts give it no edit_api_id")
        api_id = (offer.edit_api_id if references else None) or offer.api_id
        body: dict[str, Any] = {"prompt": asked.prompt, "output_format": "png"}
        if "nano-banana" in api_id:
            body |= {"aspect_ratio": "1:1", "resolution": "0.5K" if asked.size == "512" else asked.size}
        else:
            body["image_size"] = {"width": asked.side, "height": asked.side}
        if offer.takes_seed:
            body["seed"] = asked.seed
        rewriting = _PROMPT_REWRITING.get(api_id.split("/")[1] if "/" in api_id else api_id)
        if rewriting:
            body[rewriting] = False
        if references:
            body["image_urls"] = [as_data_uri(reference) for reference in references]
        url = f"{self.base_url}/{api_id}"
        return HttpCall("POST", url, self.keyed(url), body)

    def read_submission(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return the queued request with the addresses of its status and its result."""
        if answer.status >= 400:
            return refused_call(answer) or _ended(answer)
        queued = answer.json()
        return Accepted(Task(str(queued["request_id"]), str(queued["status_url"]), str(queued["response_url"])))

    def read_poll(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall:
        """Return the request's state; for a completed one, first the GET of its result."""
        refused = _own_error(answer) or self.refused_poll(answer, task)
        if refused:
            return refused
        found = answer.json()
        if "images" in found or "image" in found:
            return self._result(found, task)
        status = str(found.get("status"))
        if status == "COMPLETED":
            inference_s = as_seconds((found.get("metrics") or {}).get("inference_time"))
            if inference_s is not None:
                self._inference_s[task.id] = inference_s
            url = task.result_url or str(found["response_url"])
            return HttpCall("GET", url, self.keyed(url))
        if status in ("FAILED", "ERROR", "CANCELED", "CANCELLED"):
            message = str(found.get("error") or "")
            return Ended(withheld(message) or "failed", status, message)
        if "status" not in found:
            return Ended("failed", "no_images", "the result holds no picture")
        return Running(status, queued=status == "IN_QUEUE")

    def _result(self, found: Mapping[str, Any], task: Task) -> PollAnswer:
        from_status_s = self._inference_s.pop(task.id, None)
        in_result_s = as_seconds((found.get("timings") or {}).get("inference"))
        seed = found.get("seed")
        metadata = ResponseMetadata(
            prompt_used=str(found["prompt"]) if found.get("prompt") else None,
            seed_used=seed if isinstance(seed, int) else None,
            generation_s=in_result_s if in_result_s is not None else from_status_s,
            text=str(found["description"]) if found.get("description") else None,  # Nano Banana's words
        )
        if any(found.get("has_nsfw_concepts") or ()):
            return Ended("filtered", "has_nsfw_concepts", "fal's safety checker withheld the picture", metadata)
        images = found.get("images") or [image for image in [found.get("image")] if image]
        if not images:
            return Ended("failed", "no_images", "the result holds no picture", metadata)
        return finished(str(images[0]["url"]), metadata)


def _own_error(answer: HttpAnswer) -> Ended | None:
    """Return the end that the model or its runner came to, None for an error of the queue itself."""
    if answer.status < 400 or answer.status in _NOT_OF_THE_MODEL:
        return None
    body = _body(answer)
    kind = body.get("error_type")
    if isinstance(kind, str) and kind != "internal_error":
        message = message_of(answer)
        return Ended(withheld(message) or "failed", kind, message)
    return _ended(answer) if isinstance(body.get("detail"), list) else None


def _ended(answer: HttpAnswer) -> Ended:
    """Read ``{"detail": [{loc, msg, type}]}``: a type is a code, a message is for people."""
    detail = _body(answer).get("detail")
    first = detail[0] if isinstance(detail, list) and detail and isinstance(detail[0], dict) else {}
    kind, message = str(first.get("type") or f"http_{answer.status}"), message_of(answer)
    if kind in ("content_policy_violation", "no_media_generated"):
        # Both come instead of a picture; only words about an output say that there was one.
        about_output = any(word in message.lower() for word in ("output", "generated image"))
        return Ended("filtered" if about_output else "refused", kind, message)
    return Ended(withheld(message) or "failed", kind, message)


def _body(answer: HttpAnswer) -> dict[str, Any]:
    try:
        return answer.json()
    except MalformedResponse:
        return {}
