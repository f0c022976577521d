"""Replicate: a prediction is created at once and asked for until it has succeeded, failed or been canceled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evals.facts.models import SAFETY_TOLERANCE, Offer
from evals.generation.answers import TEXT_ONLY, Ended, PollAnswer, ResponseMetadata, Running, Task
from evals.generation.hosts.errors import failure, withheld
from evals.generation.hosts.fields import FLEX_GUIDANCE, FLEX_STEPS, as_data_uri, as_number, finished, seconds_between
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.plan import ImageRequest


class Replicate(PollingHost):
    """Models on Replicate, ``owner/name`` or, pinned, ``owner/name:version``.

    The size is sent as ``width`` and ``height`` with the aspect ratio ``custom``, which gives exactly the pixels asked
    for (``resolution`` gives about that many). PNG is asked for: WebP of quality 80 is the default. No ``Prefer: wait``
    is sent, so that the task's id is known, and safe in the ledger, before the work begins. Nano Banana has fields of
    its own: ``resolution``, and ``image_input`` for references.
    """

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST that creates a prediction."""
        api_id = offer.edit_api_id if references and offer.edit_api_id else offer.api_id
        is_nano_banana = "nano-banana" in api_id
        parameters: dict[str, Any] = {"prompt": request.prompt, "output_format": "png"}
        if is_nano_banana:
            parameters |= {"aspect_ratio": "1:1", "resolution": request.size}
        else:
            size = {"aspect_ratio": "custom", "width": request.side, "height": request.side}
            parameters |= {**size, "output_quality": 100}
        if offer.safety_tolerance_at_most is not None:
            parameters["safety_tolerance"] = SAFETY_TOLERANCE
        if offer.takes_seed:
            parameters["seed"] = request.seed
        if "flux-2-flex" in api_id:  # the one of the family with such fields
            parameters |= {"prompt_upsampling": False, "steps": FLEX_STEPS, "guidance": FLEX_GUIDANCE}
        if references:
            parameters["image_input" if is_nano_banana else "input_images"] = [
                as_data_uri(reference) for reference in references
            ]
        model, _, version = api_id.partition(":")
        if version:
            return self.post("v1/predictions", {"version": version, "input": parameters})
        return self.post(f"v1/models/{model}/predictions", {"input": parameters})

    def read_task(self, answer: HttpAnswer) -> Task | Ended:
        """Return the accepted prediction, or its end. A finished one is asked for too: a crash cannot lose it then."""
        prediction = answer.json()
        state = _state(prediction)
        if isinstance(state, Ended):
            return state
        task_id = str(prediction["id"])
        polling_url = (prediction.get("urls") or {}).get("get") or f"{self.base_url}/v1/predictions/{task_id}"
        return Task(task_id, str(polling_url))

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer:
        """Return the prediction's state."""
        return _state(answer.json())


def _state(prediction: Mapping[str, Any]) -> PollAnswer:
    status = str(prediction.get("status"))
    metadata = _metadata(prediction)
    if status == "succeeded":
        output = prediction.get("output")
        outputs = [
            each for each in (output if isinstance(output, list) else [output]) if isinstance(each, str) and each
        ]
        pictures = [each for each in outputs if re.match("https?://|data:", each)]
        written = "".join(outputs).strip()  # a model's words may come in pieces
        if not pictures and " " in written:
            return Ended("refused", TEXT_ONLY, written, replace(metadata, text=written))
        if outputs:
            return finished(pictures, metadata)
        logs = str(prediction.get("logs") or "")
        return Ended(withheld(logs) or "failed", "no_output", "the prediction succeeded without a picture", metadata)
    if status == "failed":
        error = str(prediction.get("error") or "no reason was given")
        code = re.search(r"\bE\d{3,4}\b", error)
        return failure(code.group() if code else "failed", error, metadata)
    if status in ("canceled", "aborted"):
        return failure(status, str(prediction.get("error") or ""), metadata)
    return Running(status, queued=status in ("starting", "queued"))


def _metadata(prediction: Mapping[str, Any]) -> ResponseMetadata:
    version = prediction.get("version")
    created, started, completed = (prediction.get(f"{event}_at") for event in ("created", "started", "completed"))
    measured = as_number((prediction.get("metrics") or {}).get("predict_time"))
    return ResponseMetadata(
        # Replicate says "hidden" where a vendor does not publish its versions.
        model_version=str(version) if version and version != "hidden" else None,
        queue_s=seconds_between(created, started),
        generation_s=measured if measured is not None else seconds_between(started, completed),
    )
