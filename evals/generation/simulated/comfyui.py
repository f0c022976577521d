"""Speaks ComfyUI's wire format: queue a workflow graph, ask its history, view the saved picture.

A server of one's own neither charges nor moderates: a prompt is never declined and a picture never withheld. It asks
for no key; errors of a gateway (401, 402, 429, 503) come as a proxy before it would send them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from aiohttp import BodyPartReader, web

from evals.generation.simulated.comfyui_graphs import Asked, Objection, read_graph
from evals.generation.simulated.delivery import carries_key
from evals.generation.simulated.faults import Problem
from evals.generation.simulated.intake import Intake, Job, Order, size_name
from evals.generation.simulated.service import Behaviour
from evals.generation.simulated.tasks import bearer, conclude, json_object, take_in

_KIN: Mapping[Behaviour, Behaviour] = {
    "refuse_prompt": "ok",
    "filter_image": "ok",
    "text_only": "ok",
    "draft_thoughts": "ok",
    "moderated_request": "ok",
    "moderated_content": "ok",
}
_ODD_POLLS = 2


def routes(intake: Intake) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    queued: dict[str, tuple[Asked, list[Any]]] = {}
    saved: dict[tuple[str, str], Job] = {}
    uploads: dict[str, bytes] = {}

    async def prompt(request: web.Request) -> web.StreamResponse:
        if not intake.key_fits(bearer(request)):
            return intake.reject(web.Response(status=401, text="401: Unauthorized"))
        body = await json_object(request)
        try:
            if body is None or "prompt" not in body:
                raise Objection("no_prompt", "No prompt provided")
            asked = read_graph(body["prompt"], [model.api_id for model in intake.host.models], uploads)
        except Objection as objection:
            return intake.reject(web.json_response(objection.answer, status=400))
        model = intake.model(asked.model_file)
        assert model is not None  # the graph was checked against the models that there are
        size = size_name(asked.width, asked.height)
        references = tuple(uploads[name] for name in asked.reference_names)
        order = Order(model, asked.prompt, asked.seed, asked.width, asked.height, size, "png", references)
        graph, extra = body["prompt"], {"client_id": body.get("client_id"), **(body.get("extra_data") or {})}

        def accepted(job: Job) -> web.Response:
            queued[job.task_id] = asked, [job.number, job.task_id, graph, extra, [asked.saved_by]]
            saved[_place(asked, job)] = job
            return web.json_response({"prompt_id": job.task_id, "number": job.number, "node_errors": {}})

        return await take_in(request, intake, order, bearer(request), _dressed, accepted, _KIN)

    async def history(request: web.Request) -> web.StreamResponse:
        prompt_id = request.match_info["prompt_id"]
        job = intake.jobs.get(prompt_id)
        if job is None:
            return web.json_response({})
        polls = intake.books.count_poll(job.number)
        asked, entry = queued[prompt_id]
        if job.behaviour == "odd_status" and polls <= _ODD_POLLS:
            status = {"status_str": "paused", "completed": False, "messages": []}
            return web.json_response({prompt_id: {"prompt": entry, "outputs": {}, "status": status, "meta": {}}})
        if job.phase != "ready":
            return web.json_response({})
        outputs: dict[str, Any] = {}
        if conclude(intake, job) != "failed":
            subfolder, filename = _place(asked, job)
            outputs[asked.saved_by] = {"images": [{"filename": filename, "subfolder": subfolder, "type": "output"}]}
        told = {"prompt": entry, "outputs": outputs, "status": _status(job, entry), "meta": {}}
        return web.json_response({prompt_id: told})

    async def queue(request: web.Request) -> web.StreamResponse:
        by_phase: dict[str, list[Any]] = {"queued": [], "working": [], "ready": []}
        for prompt_id, (_, entry) in queued.items():
            by_phase[intake.jobs[prompt_id].phase].append(entry)
        return web.json_response({"queue_running": by_phase["working"], "queue_pending": by_phase["queued"]})

    async def view(request: web.Request) -> web.StreamResponse:
        filename, subfolder = request.query.get("filename"), request.query.get("subfolder", "")
        if not filename:
            return web.Response(status=400)
        if request.query.get("type", "output") == "input":
            content = uploads.get(filename)
            return web.Response(status=404) if content is None else web.Response(body=content)
        job = saved.get((subfolder, filename))
        if job is None:
            return web.Response(status=404)
        intake.books.count_delivery(job.number, carries_key(request, intake))
        if job.phase != "ready" or job.behaviour in ("expired", "error_status"):
            return web.Response(status=404)
        headers = {"Content-Disposition": f'filename="{filename}"'}
        return web.Response(body=await intake.picture(job), content_type="image/png", headers=headers)

    async def upload(request: web.Request) -> web.StreamResponse:
        fields = await _fields(request)
        if "image" not in fields:
            return web.Response(status=400)
        name, content = fields["image"]
        if not name:
            return web.Response(status=400)
        if fields.get("overwrite", ("", b""))[1] not in (b"true", b"1"):
            name = _free_name(name, content, uploads)
        uploads[name] = content
        return web.json_response({"name": name, "subfolder": "", "type": "input"})

    return [
        web.post("/prompt", prompt),
        web.get("/history/{prompt_id}", history),
        web.get("/queue", queue),
        web.get("/view", view),
        web.post("/upload/image", upload),
    ]


def _dressed(error: Problem) -> web.Response:
    return web.Response(status=error.status, text=f"{error.status}: {error.message}", headers=error.headers)


def _place(asked: Asked, job: Job) -> tuple[str, str]:
    subfolder, _, prefix = asked.filename_prefix.rpartition("/")
    return subfolder, f"{prefix}_{job.number + 1:05}_.png"


def _status(job: Job, entry: list[Any]) -> dict[str, Any]:
    def event(name: str, at: float, **details: Any) -> list[Any]:
        return [name, {"prompt_id": job.task_id, **details, "timestamp": round(at * 1000)}]

    started = [event("execution_start", job.started_at), event("execution_cached", job.started_at, nodes=[])]
    if job.behaviour != "error_status":
        messages = [*started, event("execution_success", job.ready_at)]
        return {"status_str": "success", "completed": True, "messages": messages}
    graph = entry[2]
    node_id = next(node_id for node_id, node in graph.items() if "Sampler" in node["class_type"])
    failed = event(
        "execution_error",
        job.ready_at,
        node_id=node_id,
        node_type=graph[node_id]["class_type"],
        executed=[],
        exception_message="Allocation on device would exceed allowed memory.",
        exception_type="torch.OutOfMemoryError",
        traceback=[],
        current_inputs={},
        current_outputs=[],
    )
    return {"status_str": "error", "completed": False, "messages": [*started, failed]}


async def _fields(request: web.Request) -> dict[str, tuple[str, bytes]]:
    if not request.content_type.startswith("multipart/"):
        return {}
    found = {}
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name:
            found[part.name] = (part.filename or "", bytes(await part.read()))
    return found


def _free_name(name: str, content: bytes, uploads: Mapping[str, bytes]) -> str:
    """Return the name, or one with a number behind it while another picture has that name."""
    stem, dot, ending = name.rpartition(".")
    tried, number = name, 0
    while tried in uploads and hashlib.sha256(uploads[tried]).digest() != hashlib.sha256(content).digest():
        number += 1
        tried = f"{stem if dot else name} ({number}){dot}{ending if dot else ''}"
    return tried
