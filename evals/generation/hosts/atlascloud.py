"""Atlas Cloud: one address for all models, a prediction that is asked for by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evals.facts.models import Offer
from evals.generation.answers import Accepted, Ended, PollAnswer, ResponseMetadata, Running, SubmitAnswer, Task
from evals.generation.hosts.delivery import as_data_uri, as_seconds, finished
from evals.generation.hosts.http_answer import HttpAnswer, MalformedResponse
from evals.generation.hosts.http_host import HttpCall
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.refusals import refused_submission, withheld
from evals.generation.plan import ImageRequest


class AtlasCloud(PollingHost):
    """Models on Atlas Cloud; with reference images the offer's ``edit_api_id`` is asked.

    The size is sent in pixels, ``"1024*1024"``. The FLUX.2 models have no field for the picture's format there.
    """

    def submission(self, asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that creates a prediction.

        Raises
        ------
        ValueError
            If there are reference images and the facts name no model that takes them.
        """
        if references and not offer.edit_api_id:
            raise ValueError(f"{offer.system} takes no reference images: the facts give it no edit_api_id")
        body: dict[str, Any] = {
            "model": (offer.edit_api_id if references else None) or offer.api_id,
            "prompt": asked.prompt,
            "size": f"{asked.side}*{asked.side}",
        }
        if offer.takes_seed:
            body["seed"] = asked.seed
        if references:
            body["images"] = [as_data_uri(reference) for reference in references]
        url = f"{self.base_url}/api/v1/model/generateImage"
        return HttpCall("POST", url, self.keyed(url), body)

    def read_submission(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return the accepted prediction, or its end. A finished one is asked for too: a crash cannot lose it then."""
        answer = _unwrapped(answer)
        refused = refused_submission(answer)
        if refused:
            return refused
        prediction = _prediction(answer)
        read = _read(prediction)
        if isinstance(read, Ended):
            return read
        task_id = str(prediction["id"])
        return Accepted(Task(task_id, f"{self.base_url}/api/v1/model/prediction/{task_id}"))

    def read_poll(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall:
        """Return the prediction's state."""
        answer = _unwrapped(answer)
        return self.refused_poll(answer, task) or _read(_prediction(answer))


def _unwrapped(answer: HttpAnswer) -> HttpAnswer:
    """Return the answer with the status that its envelope names: ``{"code": 429, "message": ...}`` may come as 200."""
    try:
        code = answer.json().get("code")
    except MalformedResponse:
        return answer
    if answer.status == 200 and isinstance(code, int) and 400 <= code < 600:
        return replace(answer, status=code)
    return answer


def _prediction(answer: HttpAnswer) -> dict[str, Any]:
    body = answer.json()
    data = body.get("data", body)
    if not isinstance(data, dict):
        raise MalformedResponse("an answer without a prediction")
    return data


def _read(prediction: Mapping[str, Any]) -> PollAnswer:
    status = str(prediction.get("status"))
    inference_ms = as_seconds((prediction.get("timings") or {}).get("inference"))
    metadata = ResponseMetadata(
        model_version=str(prediction["model"]) if prediction.get("model") else None,
        generation_s=inference_ms / 1000 if inference_ms is not None else None,
    )
    error = str(prediction.get("error") or "")
    if status in ("completed", "succeeded"):
        if any(prediction.get("has_nsfw_contents") or ()):
            return Ended("filtered", "has_nsfw_contents", error, metadata)
        outputs = prediction.get("outputs") or []
        if not outputs:
            return Ended(withheld(error) or "failed", "no_output", error, metadata)
        return finished(str(outputs[0]), metadata)
    if status in ("failed", "canceled", "timeout"):
        return Ended(withheld(error) or "failed", status, error, metadata)
    return Running(status, queued=status in ("created", "queued", "starting"))
