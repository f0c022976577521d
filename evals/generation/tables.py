"""The tables of a generated image set, derived from plan and ledger: ``requests.jsonl`` and ``metadata.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.files.atomic_files import write_atomically
from evals.generation.ledger import RequestState
from evals.generation.plan import ImageRequest
from evals.imageset.contract import (
    ANSWER_LOST,
    FILE_MISSING,
    IMAGES,
    METADATA,
    NO_FIRST_SHOT,
    OTHER_SIZE,
    REQUESTS,
    PlannedRow,
    RequestRow,
)
from evals.imageset.copying import copy_picture
from evals.imageset.imageset import write_metadata
from evals.suites.references import edit_mask, reference_contents
from evals.suites.suite import PromptItem

_ROUNDING = 0.1
"""The share of a side by which a picture may differ: models draw in steps of 16 to 64 pixels."""


def write_tables(
    folder: Path,
    requests: Sequence[ImageRequest],
    states: Mapping[str, RequestState],
    hosts: Mapping[str, str],
    simulated: bool = False,
) -> list[RequestRow]:
    """Write both tables anew, in the order of the plan, and return the rows of the requests.

    ``hosts`` names the host of each system; every row of both tables says whether the systems were ``simulated``.
    """
    stored = {f"{IMAGES}/{path.name}" for path in (folder / IMAGES).glob("*")}
    pairs = [(request, row) for request in requests if (row := request_row(request, states, stored, simulated))]
    rows = [row for _, row in pairs]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(folder / REQUESTS, content.encode())
    samples = [
        _metadata(folder, request, row, states, hosts[request.system], stored)
        for request, row in pairs
        if row["outcome"] == "ok"
    ]
    if samples:
        write_metadata(folder, samples)
    else:
        (folder / METADATA).unlink(missing_ok=True)
    return rows


def request_row(
    request: ImageRequest, states: Mapping[str, RequestState], stored: Container[str], simulated: bool
) -> RequestRow | None:
    """Return a request with its outcome, None while it has none.

    A later shot whose first shot brought no picture was never sent: it failed for that reason, at no cost. A picture
    whose file somebody deleted failed too, until the file is back. What the request has cost at most is ``cost_usd``
    and ``may_have_cost_usd`` together. ``stored`` are the file names of the pictures that are there.
    """
    state = states[request.sample_id]
    outcome, ending = state.outcome, state.ending
    if outcome is None:
        first = states[request.first_shot] if request.first_shot is not None else None
        if first is None or first.outcome is None or first.picture_file in stored:
            return None
        outcome, ending = "failed", {"reason": NO_FIRST_SHOT, "message": "the first shot brought no picture to send"}
    elif outcome == "ok" and state.picture_file not in stored:
        outcome, ending = "failed", {**ending, "reason": FILE_MISSING, "message": "it was made, its file is gone"}
    metadata = ending.get("metadata", {})
    unknown = outcome == "unknown"
    cost_usd = None if unknown else ending.get("cost_usd")
    return {
        **_planned(request),
        "outcome": outcome,
        "reason": ending.get("reason", ANSWER_LOST if unknown else None),
        "message": ending.get("message", "the run ended while it was in flight" if unknown else None),
        "note": OTHER_SIZE if outcome == "ok" and _has_other_size(ending["picture"], request.side) else None,
        "attempts": state.attempts,
        "cost_usd": cost_usd,
        "cost_basis": ending.get("cost_basis"),
        "may_have_cost_usd": round(state.spent_usd - (cost_usd or 0.0), 9),
        "latency_s": ending.get("latency_s"),
        "queue_s": ending.get("queue_s"),
        "generation_s": ending.get("generation_s"),
        "download_s": ending.get("download_s"),
        "in_flight": ending.get("in_flight"),
        "task_id": state.task.id if state.task else None,
        "model_version": metadata.get("model_version"),
        "prompt_used": metadata.get("prompt_used"),
        "seed_used": metadata.get("seed_used"),
        "answer_text": metadata.get("text"),
        "file_name": state.picture_file if outcome == "ok" else None,
        "other_files": ending.get("others") or None,
        "sent_at": state.sent_at,
        "ended_at": ending.get("at"),
        "simulated": simulated,
    }


def _has_other_size(picture: Mapping[str, Any], side: int) -> bool:
    """Tell whether a picture is not the square of that side, give or take what models round to."""
    return any(abs(picture[name] - side) > _ROUNDING * side for name in ("width", "height"))


def _planned(request: ImageRequest) -> PlannedRow:
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
        "text_is_complete": item.text_is_complete,
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


_OF_THE_REQUEST = (
    *("latency_s", "queue_s", "generation_s", "download_s", "in_flight", "cost_usd", "cost_basis"),
    *("model_version", "prompt_used", "seed_used", "simulated"),
)
_OF_THE_PICTURE = ("width", "height", "file_sha256", "pixel_sha256", "format", "n_bytes")


def _metadata(
    folder: Path,
    request: ImageRequest,
    row: RequestRow,
    states: Mapping[str, RequestState],
    host: str,
    stored: Container[str],
) -> dict[str, Any]:
    ending = states[request.sample_id].ending
    references = [copy_picture(folder, "references", content) for content in reference_contents(request.item)]
    first_picture = states[request.first_shot].picture_file if request.first_shot is not None else None
    if first_picture is not None and first_picture in stored:
        references.insert(0, first_picture)
    mask = edit_mask(request.item)
    columns: Mapping[str, Any] = row
    return {
        "file_name": row["file_name"],
        **_planned(request),
        **_described(request.item),
        "reference_images": references or None,
        "mask": copy_picture(folder, "masks", mask) if mask is not None else None,
        **{name: ending["picture"][name] for name in _OF_THE_PICTURE},
        **{name: columns[name] for name in _OF_THE_REQUEST},
        "model": request.system.rpartition("@")[0],
        "host": host,
        "created_at": row["ended_at"],
    }
