"""Every reader of what comes from outside: a strategy of junk that begins as valid input, and what reads it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import strategies as st

from evals.definition import definition_path, read_definition
from evals.files.data_files import data_path
from evals.generation.answers import Expired, MalformedResponse, Task, UntrustedUrl
from evals.generation.hosts import HOSTS
from evals.generation.hosts.local import Local, LocalCall, _Loaded
from evals.generation.ledger import Ledger, _with_checksum, read_events, replay
from evals.generation.pictures import NotAPicture, Pictures
from evals.generation.witnesses import check_ledger
from evals.imageset.decoding import UnreadableImage, check_header, decode_bytes, picture_size, pixel_bytes
from evals.imageset.imageset import read_image_set, read_requests
from evals.imageset.masks import decode_mask
from evals.rating.operations import operations
from evals.rating.stage import rate_run
from evals.reporting.thumbnails import read_thumbnail
from evals.run import Run, table_of
from evals.suites.suite import read_suite
from tests.evals.generation.hosts.conftest import an_offer, image_request, opened
from tests.fuzzing.junk import VALUES, damaged, exchanged
from tests.run_folder import seal, write_run

REFUSALS_OF_HOSTS = (Expired, MalformedResponse, UntrustedUrl, httpx.TransportError)
"""What the request loop expects beside answers."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed: where it lies, the junk, and its reader; ``refusals`` are those that no user sees."""

    name: str
    junk: Callable[[Path], st.SearchStrategy[Any]]
    read: Callable[[Path, Any], object]
    refusals: tuple[type[Exception], ...] = ()


def jsonl(*rows: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Rows of which one has junk in it, or their bytes damaged."""
    whole = b"\n".join(json.dumps(row).encode() for row in rows)
    lines = st.tuples(*(st.just(row) | exchanged(row) for row in rows))
    return damaged(whole) | lines.map(lambda each: b"\n".join(json.dumps(row).encode() for row in each))


def picture(kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


# An image set and its ledger

SAMPLES = [
    {
        **{"file_name": f"images/{n}.png", "system": "ab"[n], "prompt": "p", "suite": "s", "prompt_id": "q", "seed": 1},
        **{"repeat": n, "sequence_id": "s", "shot": n, "expected_text": ["OPEN"], "palette": ["#c8102e"], "mask": None},
        **{"objects": [{"name": "cup", "count": 2, "position": "left"}], "absent": ["dog"], "latency_s": 1.5},
        **{"relations": [{"first": "cup", "relation": "on", "second": "box"}], "tags": ["a"], "size": "1K"},
        **{"edit": {"does": "recolour", "target": "cup", "to": "red"}, "reference_images": ["images/0.png"]},
    }
    for n in range(2)
]
REQUESTS = [
    {
        **{"sample_id": f"s{n}", "system": "ab"[n % 2], "prompt": "p", "suite": "s", "prompt_id": "q", "seed": 1},
        **{"outcome": "ok" if n < 3 else "refused", "reason": None, "cost_usd": 0.1, "may_have_cost_usd": 0.0},
        **{"latency_s": 2.0, "queue_s": 0.5, "generation_s": 1.0, "download_s": 0.5, "size": "1K", "in_flight": 1},
        **{"sent_at": f"2026-07-22T09:00:0{n}.000+00:00", "ended_at": f"2026-07-22T09:00:1{n}.000+00:00"},
    }
    for n in range(4)
]
EVENTS: list[dict[str, Any]] = [
    {"event": "opened", "at": "2026-07-22T09:00:00.000+00:00", "plan_sha256": "p"},
    {"event": "submitted", "at": "2026-07-22T09:00:00.000+00:00", "sample_id": "a", "max_cost_usd": 0.05},
    {"event": "accepted", "at": "t", "sample_id": "a",
     "task": {"id": "t1", "polling_url": "https://x", "result_url": None, "cost_usd": 0.03}},
    {"event": "completed", "at": "t", "sample_id": "a", "cost_usd": 0.02, "metadata": {"seed_used": 1},
     "picture": {"file_name": "images/0.png", "width": 1, "height": 1}},
    {"event": "submitted", "at": "t", "sample_id": "b", "max_cost_usd": 0.05},
    {"event": "rejected", "at": "t", "sample_id": "b", "possible_cost_usd": 0.05},
    {"event": "failed", "at": "t", "sample_id": "b", "reason": "delivery_failed", "at_most_usd": 1},
]  # fmt: skip


def image_set(folder: Path) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for n in range(2):
        (folder / f"images/{n}.png").write_bytes(picture())
    return folder


def read_metadata(folder: Path, content: bytes) -> None:
    image_set(folder).joinpath("metadata.jsonl").write_bytes(content)
    table_of(read_image_set(folder).rows)


def read_requests_file(folder: Path, content: bytes) -> None:
    (folder / "requests.jsonl").write_bytes(content)
    rows = read_requests(folder)
    if rows:
        table = table_of(rows)
        operations(table.assign(simulated=False))


def ledger_lines(folder: Path) -> st.SearchStrategy[bytes]:
    def written(events: Any) -> bytes:
        return b"".join(_with_checksum(json.dumps(event).encode()) + b"\n" for event in events)

    lines = st.tuples(*(st.just(event) | exchanged(event) for event in EVENTS))
    return damaged(written(EVENTS)) | lines.map(written)


def read_ledger(folder: Path, content: bytes) -> None:
    (folder / "ledger.jsonl").write_bytes(content)
    for state in replay(read_events(folder / "ledger.jsonl")[0]).values():
        assert state.spent_usd >= 0 or state.outcome
        assert state.is_open or state.picture_file != ""
    check_ledger(folder)
    Ledger(folder / "ledger.jsonl").close()


# YAML


def yaml_file(path: Path) -> st.SearchStrategy[bytes]:
    text = path.read_bytes()
    document = yaml.safe_load(text)
    if "items" in document:
        document["items"] = document["items"][:2]
    # Every JSON document but half a character is YAML.
    values = exchanged(document).map(lambda each: json.dumps(each, ensure_ascii=False).encode("utf-8", "replace"))
    return damaged(text) | values


def read_yaml(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], None]:
    def write_and_read(folder: Path, content: bytes) -> None:
        (folder / name).write_bytes(content)
        read(folder / name)

    return write_and_read


# The score table

SCORES = [
    {"system": system, "prompt_id": f"p{n}", "subject": [f"{system}{n}"], "metric": "structure.counts", "value": 0.5}
    | {"details": {"found": 2}, "control": None}
    for system in "ab"
    for n in range(6)
]


def run_of(folder: Path) -> Path:
    if not (folder / "run").is_dir():
        rows = [{"sample_id": row["subject"][0], "file_name": "x.png", "prompt": row["prompt_id"], **row, "seed": 1,
                 "suite": "signs", "repeat": 0, "subject": None} for row in SCORES]  # fmt: skip
        write_run(folder / "run", rows, SCORES)
    return folder / "run"


def score_tables(folder: Path) -> st.SearchStrategy[bytes]:
    path = run_of(folder / "whole") / "scores.parquet"  # the other one is written over
    content, table = path.read_bytes(), pq.read_table(path)

    def with_columns(changes: list[tuple[str, Any]]) -> bytes:
        changed = table
        for name, value in changes:
            with contextlib.suppress(pa.ArrowException, OverflowError, UnicodeEncodeError, RecursionError, TypeError):
                column = pa.array([value] * len(table))
                place = changed.schema.get_field_index(name)
                changed = changed.set_column(place, name, column) if place >= 0 else changed.append_column(name, column)
        out = io.BytesIO()
        with contextlib.suppress(pa.ArrowException):
            pq.write_table(changed, out)
        return out.getvalue()

    change = st.tuples(st.sampled_from([*table.column_names, "more"]), VALUES)
    return damaged(content) | st.lists(change, min_size=1, max_size=2).map(with_columns)


def read_scores(folder: Path, content: bytes) -> None:
    (run_of(folder) / "scores.parquet").write_bytes(content)
    seal(folder / "run")
    assert Run(folder / "run").scores is not None
    rate_run(Run(folder / "run"))


# What hosts answer

ANSWERS: list[Any] = [
    {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0K"}}]},
                     "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 8}, "modelVersion": "m"},
    {"promptFeedback": {"blockReason": "SAFETY"}},
    {"id": "1", "polling_url": "https://api.bfl.ai/v1/get_result?id=1", "cost": 3.0, "input_mp": 0, "output_mp": 1},
    {"id": "1", "status": "Ready", "result": {"sample": "https://delivery.bfl.ai/x.png", "seed": 1, "duration": 2.0}},
    {"id": "1", "version": "v", "status": "succeeded", "output": ["https://replicate.delivery/x.png"], "logs": "",
     "urls": {"get": "https://api.replicate.com/v1/predictions/1"}, "metrics": {"predict_time": 2.0},
     "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:01Z", "completed_at": None},
    {"request_id": "1", "status_url": "https://queue.fal.run/x/requests/1/status", "status": "IN_QUEUE",
     "response_url": "https://queue.fal.run/x/requests/1"},
    {"status": "COMPLETED", "metrics": {"inference_time": 3.75}},
    {"images": [{"url": "https://fal.media/x.png", "width": 1}], "seed": 1, "has_nsfw_concepts": [False],
     "timings": {"inference": 2.5}, "prompt": "p"},
    {"id": "1", "base64": ["data:image/png;base64,iVBORw0K"], "finishReason": "SUCCESS", "seed": 42},
    {"code": 200, "data": {"id": "1", "status": "completed", "outputs": ["https://static.atlascloud.ai/x.png"],
                           "timings": {"inference": 5}, "has_nsfw_contents": [False], "error": ""}},
    {"prompt_id": "1", "number": 1, "node_errors": {}},
    {"1": {"status": {"status_str": "success", "completed": True, "messages": [["execution_start", {"timestamp": 1}]]},
           "outputs": {"9": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}}}},
    {"error": {"code": 429, "message": "wait 9s", "status": "X", "details": [{"retryDelay": "3s"}]}},
    {"detail": [{"loc": ["body", "x"], "msg": "too long", "type": "t"}]},
]  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "location", "seed", "finish-reason", "x-request-id"]),
    st.sampled_from(["7", "9" * 400, "-1", "image/png", "https://[", "//x", "CONTENT_FILTERED", "Thu, 32 Foo", "é"]),
    max_size=2,
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 301, 302, 400, 401, 403, 404, 408, 422, 429, 500, 503, 504, 529])
BODIES = st.sampled_from(ANSWERS).flatmap(exchanged).map(lambda body: json.dumps(body).encode())
BYTES = st.sampled_from(ANSWERS).flatmap(lambda body: damaged(json.dumps(body).encode())) | damaged(picture())


def read_answer(name: str) -> Callable[[Path, Any], None]:
    base = {"comfyui": "http://127.0.0.1:8188"}.get(name, "https://x")

    def submit_poll_and_fetch(folder: Path, answer: tuple[int, dict[str, str], bytes]) -> None:
        status, headers, body = answer
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        host = opened(name, lambda request: httpx.Response(status, headers=raw, content=body))

        async def ask() -> None:
            await host.submit(host.prepare(image_request(), an_offer(name), []))
            addresses = {"polling_url": f"{host.base_url}/1", "result_url": f"{host.base_url}/2"}
            with contextlib.suppress(*REFUSALS_OF_HOSTS):
                await host.poll(Task("1", **addresses))
            await host.download("https://images.example.com/x.png" if base == "https://x" else f"{base}/view?x")

        asyncio.run(ask())

    return submit_poll_and_fetch


def read_pipeline(folder: Path, made: tuple[Any, Any]) -> None:
    host = Local(SimpleNamespace(id="local"))  # type: ignore[arg-type]
    images, flags = made
    pipeline: Any = lambda **_: SimpleNamespace(images=images, nsfw_content_detected=flags)  # noqa: E731
    host._loaded["w"] = _Loaded(pipeline, frozenset(("prompt", "width", "height")), "v")
    asyncio.run(host.submit(LocalCall("w", "p", None, 64, (), {})))


# Pictures

ANIMATED = {"save_all": True, "append_images": [PIL.Image.new("RGB", (16, 12), "red")]}
PICTURES = [
    *(picture(kind) for kind in ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")),
    *(picture("PNG", mode) for mode in ("1", "L", "P", "RGBA", "I;16")),
    picture("JPEG", progressive=True), picture("JPEG", "CMYK"), picture("WEBP", lossless=True),
    picture("GIF", **ANIMATED), picture("TIFF", compression="tiff_deflate"), picture("TIFF", "RGBA"),
    picture("PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
]  # fmt: skip


def read_picture(folder: Path, content: bytes) -> None:
    path = folder / "x.png"
    path.write_bytes(content)
    assert check_header(path) is None or isinstance(check_header(path), str)
    assert pixel_bytes(path) >= 0
    read_thumbnail(path)
    for read in (picture_size, decode_bytes, lambda _: decode_mask(path), partial(Pictures(folder, {}).store, "s")):
        with contextlib.suppress(UnreadableImage, NotAPicture):
            read(content)


TARGETS = [
    Target("metadata.jsonl", lambda folder: jsonl(*SAMPLES), read_metadata),
    Target("requests.jsonl", lambda folder: jsonl(*REQUESTS), read_requests_file),
    Target("ledger.jsonl", ledger_lines, read_ledger),
    Target("eval", lambda folder: yaml_file(definition_path("flux2-vs-nano-banana")),
           read_yaml("eval.yaml", read_definition)),
    *(Target(f"suite {name}", lambda folder, name=name: yaml_file(data_path(f"suites/{name}.yaml")),  # type: ignore[misc]
             read_yaml("suite.yaml", read_suite)) for name in ("scenes", "editing", "stories")),
    Target("scores.parquet", score_tables, read_scores),
    *(Target(f"answers of {name}", lambda folder: st.tuples(STATUSES, HEADERS, BODIES | BYTES), read_answer(name),
             REFUSALS_OF_HOSTS) for name in HOSTS if name != "local"),
    Target("answers of local", lambda folder: st.tuples(st.lists(VALUES, max_size=2) | VALUES, VALUES), read_pipeline),
    Target("pictures", lambda folder: st.sampled_from(PICTURES).flatmap(damaged), read_picture),
]  # fmt: skip
