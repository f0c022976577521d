"""Speaks ComfyUI's wire format: queue a workflow graph, ask its history, view the saved picture.

A server of one's own neither charges nor moderates: a prompt is never declined and a picture never withheld. It asks
for no key; errors of a gateway (401, 402, 429, 503) come as a proxy before it would send them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from evals.generation.simulated.delivery import carries_key
from evals.generation.simulated.host import Job, Order
from evals.generation.simulated.server import size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.fields import is_text, number, one_of, whole
from tests.simulators.tasks import conclude, json_object, take_in


def _is_link(value: Any) -> bool:
    """Tell whether a value is an output of another node: ``[node id, output number]``."""
    return isinstance(value, list) and len(value) == 2 and is_text(value[0])


_RULES = {
    "CheckpointLoaderSimple": {"ckpt_name": is_text},
    "CLIPTextEncode": {"text": lambda value: isinstance(value, str), "clip": _is_link},
    "EmptyLatentImage": {"width": whole(16, 16384), "height": whole(16, 16384), "batch_size": whole(1, 4096)},
    "KSampler": {
        "model": _is_link,
        "seed": whole(0, 2**64 - 1),
        "steps": whole(1, 10000),
        "cfg": number(0.0, 100.0),
        "sampler_name": one_of("euler", "heun", "dpmpp_2m", "ddim", "lcm", "uni_pc"),
        "scheduler": one_of("simple", "normal", "karras", "exponential", "beta"),
        "positive": _is_link,
        "negative": _is_link,
        "latent_image": _is_link,
        "denoise": number(0.0, 1.0),
    },
    "VAEDecode": {"samples": _is_link, "vae": _is_link},
    "SaveImage": {"images": _is_link, "filename_prefix": is_text},
}
"""The nodes that text to image is made of, with their required inputs; a real server has hundreds."""

_ODD_STATUSES = ("paused", "paused")


class Objection(ValueError):
    """A graph that is not queued; ``answer`` is what the server says."""

    def __init__(self, kind: str, message: str, node_errors: Mapping[str, Any] | None = None):
        """Keep the answer in ComfyUI's shape."""
        super().__init__(message)
        error = {"type": kind, "message": message, "details": "", "extra_info": {}}
        self.answer = {"error": error, "node_errors": node_errors or {}}


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    entries: dict[str, list[Any]] = {}
    saved: dict[str, Job] = {}

    async def prompt(request: web.Request) -> web.StreamResponse:
        body = await json_object(request) or {}
        try:
            saving, order = _read(body.get("prompt"), server)
        except Objection as objection:
            return web.json_response(objection.answer, status=400)
        job = take_in(server, order)
        number, extra = len(entries), {"client_id": body.get("client_id")}
        entries[job.task_id] = [number, job.task_id, body["prompt"], extra, [saving]]
        saved[_file_name(entries[job.task_id])] = job
        return web.json_response({"prompt_id": job.task_id, "number": number, "node_errors": {}})

    async def history(request: web.Request) -> web.StreamResponse:
        prompt_id = request.match_info["prompt_id"]
        job = server.find(prompt_id)
        if job is None:
            return web.json_response({})
        entry, outputs = entries[prompt_id], {}
        odd = server.odd_status(job, _ODD_STATUSES)
        if odd is None and job.phase != "ready":
            return web.json_response({})
        if odd is None and conclude(job) != "failed":
            outputs[entry[4][0]] = {"images": [{"filename": _file_name(entry), "subfolder": "", "type": "output"}]}
        status = {"status_str": odd, "completed": False, "messages": []} if odd else _status(job)
        return web.json_response({prompt_id: {"prompt": entry, "outputs": outputs, "status": status, "meta": {}}})

    async def queue(request: web.Request) -> web.StreamResponse:
        by_phase: dict[str, list[Any]] = {"queued": [], "working": [], "ready": []}
        for prompt_id, entry in entries.items():
            by_phase[server.jobs[prompt_id].phase].append(entry)
        return web.json_response({"queue_running": by_phase["working"], "queue_pending": by_phase["queued"]})

    async def view(request: web.Request) -> web.StreamResponse:
        job = saved.get(request.query.get("filename", ""))
        if job is None:
            return web.Response(status=404)
        job.call.keys_at_delivery += carries_key(request, server)
        if job.phase != "ready" or job.behaviour in ("expired", "error_status"):
            return web.Response(status=404)
        return web.Response(body=await server.picture(job), content_type="image/png")

    return [
        web.post("/prompt", prompt),
        web.get("/history/{prompt_id}", history),
        web.get("/queue", queue),
        web.get("/view", view),
    ]


def render_error(problem: Problem) -> web.Response:
    """Render an error as a gateway before the server would."""
    text = f"{problem.status}: {problem.message}"
    return web.Response(status=problem.status, text=text, headers=problem.headers)


def _read(graph: Any, server: FaultyServer) -> tuple[str, Order]:
    """Return the id of the node that saves the picture and what the graph asks for, by the links that lead there."""
    if not isinstance(graph, dict) or not graph:
        raise Objection("prompt_no_outputs", "Prompt has no outputs")
    for node_id, node in graph.items():
        if node.get("class_type") not in _RULES:
            raise Objection("invalid_prompt", f"Cannot execute because node {node.get('class_type')} does not exist.")
        for name, fits in _RULES[node["class_type"]].items():
            value = node["inputs"].get(name)
            if not fits(value) or (_is_link(value) and value[0] not in graph):
                raise _wrong_input(node_id, node, name, "invalid_input_type")
            if name == "ckpt_name" and server.model(value) is None:
                raise _wrong_input(node_id, node, name, "value_not_in_list")

    def behind(node_id: str, *names: str) -> Mapping[str, Any]:
        for name in names:
            node_id = graph[node_id]["inputs"][name][0]
        inputs: Mapping[str, Any] = graph[node_id]["inputs"]
        return inputs

    saving = next(node_id for node_id, node in graph.items() if node["class_type"] == "SaveImage")
    sampler = ("images", "samples")
    latent, text = behind(saving, *sampler, "latent_image"), behind(saving, *sampler, "positive")["text"]
    model = server.model(behind(saving, *sampler, "model")["ckpt_name"])
    assert model is not None
    width, height, seed = latent["width"], latent["height"], behind(saving, *sampler)["seed"]
    return saving, Order(model, text, seed, width, height, size_name(width, height), "png")


def _wrong_input(node_id: str, node: Mapping[str, Any], name: str, kind: str) -> Objection:
    error = {"type": kind, "message": kind, "details": name, "extra_info": {"input_name": name}}
    errors = {node_id: {"errors": [error], "dependent_outputs": [], "class_type": node["class_type"]}}
    return Objection("prompt_outputs_failed_validation", "Prompt outputs failed validation", errors)


def _file_name(entry: list[Any]) -> str:
    return f"twinlens_{entry[0] + 1:05}_.png"


def _status(job: Job) -> dict[str, Any]:
    def event(name: str, at: float, **details: Any) -> list[Any]:
        return [name, {"prompt_id": job.task_id, **details, "timestamp": round(at * 1000)}]

    started = event("execution_start", job.started_at)
    if job.behaviour != "error_status":
        return {
            "status_str": "success",
            "completed": True,
            "messages": [started, event("execution_success", job.ready_at)],
        }
    problem = {"exception_type": "torch.OutOfMemoryError", "exception_message": "Allocation would exceed memory."}
    failed = event("execution_error", job.ready_at, node_id="3", node_type="KSampler", **problem)
    return {"status_str": "error", "completed": False, "messages": [started, failed]}
