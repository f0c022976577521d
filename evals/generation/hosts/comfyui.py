"""ComfyUI: a workflow graph is queued on one's own server, its history tells the outcome, and holds the picture."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from evals.facts.models import HostFacts, Offer
from evals.generation.answers import (
    Ended,
    Finished,
    MalformedResponse,
    PollAnswer,
    Rejected,
    ResponseMetadata,
    Running,
    Task,
    UntrustedUrl,
)
from evals.generation.hosts.addresses import is_owned
from evals.generation.hosts.fields import as_number
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.plan import ImageRequest

if TYPE_CHECKING:
    import httpx2 as httpx

_SAVED = "9"


class ComfyUI(PollingHost):
    """A running ComfyUI server; the offer's ``api_id`` is a file in its ``models/checkpoints``.

    The workflow is text to image with ComfyUI's own default settings for the checkpoint's family. It takes no
    reference images: what a reference means differs from model to model and wants a workflow of its own.
    """

    def __init__(
        self, facts: HostFacts, key: str = "", base_url: str | None = None, client: httpx.AsyncClient | None = None
    ) -> None:
        """Open no connection; there is no key."""
        super().__init__(facts, key, base_url, client)
        self._client_id = uuid.uuid4().hex

    def key_header(self) -> dict[str, str]:
        """Return no header: the server asks for no key."""
        return {}

    def check_delivery(self, url: str) -> None:
        """Refuse a picture from anywhere but the server itself, which may be in a private network."""
        if not is_owned(url, self.base_url, ()):
            raise UntrustedUrl(f"{self.facts.id} named a delivery address that is not on the server itself")

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that queues the workflow; `ValueError` if there are reference images."""
        if references:
            raise ValueError(f"{offer.system} takes no reference images: the built-in workflow is text to image")
        return self.post("prompt", {"prompt": text_to_image(request, offer), "client_id": self._client_id})

    def read_error(self, answer: HttpAnswer) -> Rejected | Ended:
        """Return what an HTTP error means, or what the workflow's nodes object to."""
        if answer.status == 400 and b"node_errors" in answer.content:
            return _objection(answer.json())
        return super().read_error(answer)

    def read_task(self, answer: HttpAnswer) -> Task:
        """Return the queued workflow."""
        prompt_id = str(answer.json()["prompt_id"])
        return Task(prompt_id, f"{self.base_url}/history/{quote(prompt_id, safe='')}")

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall | None:
        """Return the workflow's state: from the history once it is over, from the queue before.

        One that is in neither may have moved to the history between the two questions, or the server was restarted.
        """
        body = answer.json()
        if "queue_running" in body and "queue_pending" in body:
            if _holds(body["queue_running"], task):
                return Running("running")
            return Running("pending", queued=True) if _holds(body["queue_pending"], task) else None
        if task.id not in body:
            return HttpCall("GET", f"{self.base_url}/queue")
        return self._read_history(body[task.id])

    def _read_history(self, entry: Mapping[str, Any]) -> PollAnswer:
        status = entry.get("status") or {}
        events = {str(name): details for name, details in status.get("messages") or ()}
        metadata = ResponseMetadata(generation_s=_work_s(events))
        for name in ("execution_error", "execution_interrupted"):
            if name in events:
                details = events[name]
                node = f"{details.get('node_type')} ({details.get('node_id')})"
                parts = [str(details[key]) for key in ("exception_type", "exception_message") if details.get(key)]
                message = " ".join(f"{node}: {': '.join(parts)}".rstrip(": ").split())
                return Ended("failed", name, message, metadata)
        outputs = entry.get("outputs") or {}
        images = [
            image for output in (outputs.get(_SAVED), *outputs.values()) for image in (output or {}).get("images") or ()
        ]
        if images:
            place = {key: str(images[0].get(key, "")) for key in ("filename", "subfolder", "type")}
            return Finished(url=f"{self.base_url}/view?{urlencode(place)}", metadata=metadata)
        if status.get("completed") is False and status.get("status_str") != "error":
            return Running(str(status.get("status_str")))
        return Ended("failed", "no_images", "the workflow ended without a picture", metadata)


def text_to_image(request: ImageRequest, offer: Offer) -> dict[str, Any]:
    """Return the workflow graph for one picture, in the format of ComfyUI's API.

    The sampler's input ``request`` belongs to no node and is ignored when it runs. It makes the graph of every request
    another one: otherwise the server would answer a repeat from its cache and nothing would be measured.
    """
    steps, guidance, scheduler = _settings(offer.api_id)
    sampler: dict[str, Any] = {
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
        "seed": request.seed,
        "steps": steps,
        "cfg": guidance,
        "sampler_name": "euler",
        "scheduler": scheduler,
        "denoise": 1.0,
        "request": request.sample_id,
    }
    size = {"width": request.side, "height": request.side, "batch_size": 1}
    return {
        "3": {"class_type": "KSampler", "inputs": sampler},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": offer.api_id}},
        "5": {"class_type": "EmptyLatentImage", "inputs": size},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": request.prompt, "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        _SAVED: {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "twinlens"}},
    }


def _settings(checkpoint: str) -> tuple[int, float, str]:
    """Return steps, guidance and scheduler: distilled models want no guidance, and schnell few steps."""
    name = checkpoint.lower()
    if "schnell" in name:
        return 4, 1.0, "simple"
    if "flux" in name:
        return 20, 1.0, "simple"
    return 20, 8.0, "normal"


def _objection(body: Mapping[str, Any]) -> Ended | Rejected:
    error = body.get("error")
    summary = error if isinstance(error, Mapping) else {"message": error}
    reason = str(summary.get("type") or "http_400")
    words = []
    for node_id, node in (body.get("node_errors") or {}).items():
        for problem in node.get("errors") or ():
            words.append(f"{node.get('class_type')} ({node_id}): {problem.get('message')}: {problem.get('details')}")
            unknown_file = problem.get("type") == "value_not_in_list"
            if unknown_file and node.get("class_type") == "CheckpointLoaderSimple":
                return Rejected(reason, words[-1], stops="put the checkpoint into the server's models/checkpoints")
    message = "; ".join(words) or f"{summary.get('message') or ''} {summary.get('details') or ''}".strip()
    return Ended("failed", reason, message)


def _holds(queue: Any, task: Task) -> bool:
    if not isinstance(queue, list):
        raise MalformedResponse("a queue that is not a list")
    return any(task.id in entry[:2] for entry in queue)


def _work_s(events: Mapping[str, Any]) -> float | None:
    begin = as_number((events.get("execution_start") or {}).get("timestamp"))
    end = as_number((events.get("execution_success") or {}).get("timestamp"))
    return (end - begin) / 1000 if begin is not None and end is not None and end >= begin else None
