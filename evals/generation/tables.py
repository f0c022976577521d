"""The tables of a generated image set, derived from plan and ledger: ``requests.jsonl`` and ``metadata.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.generation.ledger import RequestState
from evals.generation.pictures import copy_mask, copy_references
from evals.generation.plan import ImageRequest
from evals.imageset.contract import (
    ANSWER_LOST,
    FILE_MISSING,
    IMAGES,
    METADATA,
    NO_FIRST_SHOT,
    REQUESTS,
    PlannedRow,
    RequestRow,
)
from evals.imageset.imageset import write_atomically, write_metadata
from evals.suites.references import edit_mask, reference_contents
from evals.suites.suite import PromptItem


def write_tables(
    folder: Path,
    requests: Sequence[ImageRequest],
    states: Mapping[str, RequestState],
    hosts: Mapping[str, str],
    simulated: bool = False,
) -> list[RequestRow]:
    """Write both tables anew, in the order of the plan, and return the rows of the requests.

    Parameters
    ----------
    folder
        The image set.
    requests
        The plan.
    states
        How each request stands.
    hosts
        The host of each system.
    simulated
        Whether the systems were simulated, which every row of both tables says.
    """
    stored = {f"{IMAGES}/{path.name}" for path in (folder / IMAGES).glob("*")}
    rows = [row for request in requests if (row := request_row(request, states, stored, simulated)) is not None]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(folder / REQUESTS, content.encode())
    made = [request for request in requests if _is_stored(states.get(request.sample_id, RequestState()), stored)]
    if made:
        described = [_metadata(folder, request, states, hosts, stored) for request in made]
        write_metadata(folder, [{**row, "simulated": simulated} for row in described])
    else:
        (folder / METADATA).unlink(missing_ok=True)
    return rows


def request_row(
    request: ImageRequest, states: Mapping[str, RequestState], stored: Container[str], simulated: bool
) -> RequestRow | None:
    """Return a request with its outcome, None while it has none.

    A later shot whose first shot brought no picture was never sent: it failed for that reason, at no cost. A picture
    whose file somebody deleted failed too, until the file is back. What the request has cost at most is ``cost_usd``
    and ``may_have_cost_usd`` together.

    Parameters
    ----------
    request, states
        The request, and how all of them stand.
    stored
        The file names of the pictures that are there.
    simulated
        Whether the systems were simulated.
    """
    state = states.get(request.sample_id, RequestState())
    outcome, ending = state.outcome, state.ending
    if outcome is None:
        first = states.get(request.first_shot, RequestState()) if request.first_shot is not None else RequestState()
        if first.outcome is None or _is_stored(first, stored):
            return None
        outcome, ending = "failed", {"reason": NO_FIRST_SHOT, "message": "the first shot brought no picture to send"}
    elif outcome == "ok" and not _is_stored(state, stored):
        outcome, ending = "failed", {**ending, "reason": FILE_MISSING, "message": "it was made, its file is gone"}
    metadata = ending.get("metadata", {})
    unknown = outcome == "unknown"
    cost_usd = None if unknown else ending.get("cost_usd")
    return {
        **_asked(request),
        "outcome": outcome,
        "reason": ending.get("reason", ANSWER_LOST if unknown else None),
        "message": ending.get("message", "the run ended while it was in flight" if unknown else None),
        "attempts": state.attempts,
        "cost_usd": cost_usd,
        "cost_basis": ending.get("cost_basis"),
        "may_have_cost_usd": round(state.spent_usd - (cost_usd or 0.0), 9),
        "latency_s": ending.get("latency_s"),
        "queue_s": ending.get("queue_s"),
        "generation_s": ending.get("generation_s"),
        "download_s": ending.get("download_s"),
        "task_id": state.task.id if state.task else None,
        "model_version": metadata.get("model_version"),
        "prompt_used": metadata.get("prompt_used"),
        "seed_used": metadata.get("seed_used"),
        "answer_text": metadata.get("text"),
        "file_name": ending["picture"]["file_name"] if outcome == "ok" else None,
        "sent_at": state.sent_at,
        "ended_at": ending.get("at"),
        "simulated": simulated,
    }


def _is_stored(state: RequestState, stored: Container[str]) -> bool:
    return state.status == "ok" and state.ending["picture"]["file_name"] in stored


def _asked(request: ImageRequest) -> PlannedRow:
    return {
        "sample_id": request.sample_id,
        "system": request.system,
        "suite": request.suite,
        "prompt_id": request.item.id,
        "prompt": request.prompt,
        "seed": request.seed,
        "repeat": request.repeat,
        "size": request.size,
        "sequence_id": request.item.sequence_id,
        "shot": request.item.shot,
    }


def _described(item: PromptItem) -> dict[str, Any]:
    """Return what the metrics need to know of an item; entries of a list have the same keys, null where not given."""
    return {
        "expected_text": list(item.expected_text) or None,
        "language": item.language,
        "caption": item.caption,
        "source_caption": item.source_caption,
        "tags": list(item.tags) or None,
        "palette": list(item.palette) or None,
        "objects": [thing.model_dump() for thing in item.objects] or None,
        "absent": list(item.absent) or None,
        "relations": [relation.model_dump() for relation in item.relations] or None,
        "edit": item.edit.model_dump() if item.edit is not None else None,
    }


def _metadata(
    folder: Path,
    request: ImageRequest,
    states: Mapping[str, RequestState],
    hosts: Mapping[str, str],
    stored: Container[str],
) -> dict[str, Any]:
    ending = states[request.sample_id].ending
    picture, metadata = ending["picture"], ending.get("metadata", {})
    references = copy_references(folder, reference_contents(request.item))
    if request.first_shot is not None and _is_stored(states[request.first_shot], stored):
        references.insert(0, states[request.first_shot].ending["picture"]["file_name"])
    mask = edit_mask(request.item)
    return {
        "file_name": picture["file_name"],
        **_asked(request),
        **_described(request.item),
        "reference_images": references or None,
        "mask": copy_mask(folder, mask) if mask is not None else None,
        **{name: picture[name] for name in ("width", "height", "file_sha256", "pixel_sha256", "format", "n_bytes")},
        **{name: ending.get(name) for name in ("latency_s", "queue_s", "generation_s", "download_s")},
        **{name: ending.get(name) for name in ("cost_usd", "cost_basis")},
        "model": request.system.rpartition("@")[0],
        "host": hosts[request.system],
        "model_version": metadata.get("model_version"),
        "prompt_used": metadata.get("prompt_used"),
        "seed_used": metadata.get("seed_used"),
        "created_at": ending["at"],
    }
