"""Atlas Cloud: one address for all models, a prediction that is asked for by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from evals.facts.models import SAFETY_TOLERANCE, Offer
from evals.generation.answers import Ended, MalformedResponse, PollAnswer, ResponseMetadata, Running, Task
from evals.generation.hosts.errors import failure
from evals.generation.hosts.fields import api_id_of, as_data_uri, as_number, finished
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.plan import ImageRequest


class AtlasCloud(PollingHost):
    """Models on Atlas Cloud; with reference images the offer's ``edit_api_id`` is asked.

    The size is sent in pixels, ``"1024*1024"``, for Nano Banana as ``resolution``. PNG is asked for.
    """

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that creates a prediction."""
        body: dict[str, Any] = {
            "model": api_id_of(offer, references),
            "prompt": request.prompt,
            "output_format": "png",
        }
        if "nano-banana" in offer.api_id:
            body |= {"aspect_ratio": "1:1", "resolution": request.size.lower(), "enable_web_search": False}
        else:
            body["size"] = f"{request.side}*{request.side}"
        if offer.safety_tolerance_at_most is not None:
            body["safety_tolerance"] = SAFETY_TOLERANCE
        if offer.takes_seed:
            body["seed"] = request.seed
        if references:
            body["images"] = [as_data_uri(reference) for reference in references]
        return self.post("api/v1/model/generateImage", body)

    def read_task(self, answer: HttpAnswer) -> Task | Ended:
        """Return the accepted prediction, or its end. A finished one is asked for too: a crash cannot lose it then."""
        prediction = _prediction(answer)
        state = _state(prediction)
        if isinstance(state, Ended):
            return state
        task_id = str(prediction["id"])
        return Task(task_id, f"{self.base_url}/api/v1/model/prediction/{task_id}")

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer:
        """Return the prediction's state."""
        return _state(_prediction(answer))


def _prediction(answer: HttpAnswer) -> dict[str, Any]:
    body = answer.json()
    data = body.get("data", body)
    if not isinstance(data, dict):
        raise MalformedResponse("an answer without a prediction")
    return data


def _state(prediction: Mapping[str, Any]) -> PollAnswer:
    status = str(prediction.get("status"))
    inference_ms = as_number((prediction.get("timings") or {}).get("inference"))
    metadata = ResponseMetadata(
        model_version=str(prediction["model"]) if prediction.get("model") else None,
        generation_s=inference_ms / 1000 if inference_ms is not None else None,
    )
    error = str(prediction.get("error") or "")
    if status in ("completed", "succeeded"):
        flags = prediction.get("has_nsfw_contents") or ()
        pairs = zip_longest(prediction.get("outputs") or [], flags)
        outputs = [str(output) for output, is_withheld in pairs if output and not is_withheld]
        if outputs:
            return finished(outputs, metadata)
        if any(flags):
            return Ended("filtered", "has_nsfw_contents", error, metadata)
        return failure("no_output", error, metadata)
    if status in ("failed", "canceled", "timeout"):
        return failure(status, error, metadata)
    return Running(status, queued=status in ("created", "queued", "starting"))
