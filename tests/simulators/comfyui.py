"""Speaks ComfyUI's wire format: queue a workflow graph, ask its history, view the saved picture.

A server of one's own neither charges nor moderates: a prompt is never declined and a picture never withheld. It asks
for no key; errors of a gateway (401, 402, 429, 503) come as a proxy before it would send them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from aiohttp import web

from evals.generation.simulated.delivery import carries_key
from evals.generation.simulated.host import Job, Order
from evals.generation.simulated.server import size_name
from tests.simulators.faults import FaultyServer, Problem
from tests.simulators.tasks import bearer, conclude, json_object, take_in

Graph: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Nodes by id; each has a ``class_type`` and ``inputs``, values or links ``[node id, output number]``."""

_LINK, _TEXT, _MODEL = "link", "text", "model file"
_SIDE = (16, 16384)
_Kind: TypeAlias = str | tuple[int | float, int | float] | tuple[str, ...]

NODES: Mapping[str, Mapping[str, _Kind]] = {
    "CheckpointLoaderSimple": {"ckpt_name": _MODEL},
    "CLIPTextEncode": {"text": _TEXT, "clip": _LINK},
    "EmptyLatentImage": {"width": _SIDE, "height": _SIDE, "batch_size": (1, 4096)},
    "KSampler": {
        "model": _LINK,
        "seed": (0, 2**64 - 1),
        "steps": (1, 10000),
        "cfg": (0.0, 100.0),
        "sampler_name": ("euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "ddim", "lcm", "uni_pc"),
        "scheduler": ("simple", "normal", "karras", "exponential", "sgm_uniform", "beta", "ddim_uniform"),
        "positive": _LINK,
        "negative": _LINK,
        "latent_image": _LINK,
        "denoise": (0.0, 1.0),
    },
    "VAEDecode": {"samples": _LINK, "vae": _LINK},
    "SaveImage": {"images": _LINK, "filename_prefix": _TEXT},
}
"""The nodes that text to image is made of, with their required inputs; a real server has hundreds."""

_ODD_STATUSES = ("paused", "paused")


class Objection(ValueError):
    """A graph that is not queued; ``answer`` is what the server says."""

    def __init__(self, kind: str, message: str, details: str = "", node_errors: Mapping[str, Any] | None = None):
        """Keep the answer in ComfyUI's shape."""
        super().__init__(message)
        error = {"type": kind, "message": message, "details": details, "extra_info": {}}
        self.answer = {"error": error, "node_errors": node_errors or {}}


def routes(server: FaultyServer) -> list[web.RouteDef]:
    """Return the routes below this format's prefix."""
    entries: dict[str, list[Any]] = {}
    saved: dict[tuple[str, str], Job] = {}

    async def prompt(request: web.Request) -> web.StreamResponse:
        if not server.key_fits(bearer(request)):
            return web.Response(status=401, text="401: Unauthorized")
        body = await json_object(request)
        try:
            if body is None or "prompt" not in body:
                raise Objection("no_prompt", "No prompt provided")
            saving = check_graph(body["prompt"], [model.api_id for model in server.host.models])
            order = _order(body["prompt"], saving, server)
        except Objection as objection:
            return web.json_response(objection.answer, status=400)
        job = take_in(server, order)
        number, extra = len(entries), {"client_id": body.get("client_id")}
        entries[job.task_id] = [number, job.task_id, body["prompt"], extra, [saving]]
        saved[_place(entries[job.task_id])] = job
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
            subfolder, filename = _place(entry)
            outputs[entry[4][0]] = {"images": [{"filename": filename, "subfolder": subfolder, "type": "output"}]}
        status = {"status_str": odd, "completed": False, "messages": []} if odd else _status(job, entry)
        return web.json_response({prompt_id: {"prompt": entry, "outputs": outputs, "status": status, "meta": {}}})

    async def queue(request: web.Request) -> web.StreamResponse:
        by_phase: dict[str, list[Any]] = {"queued": [], "working": [], "ready": []}
        for prompt_id, entry in entries.items():
            by_phase[server.jobs[prompt_id].phase].append(entry)
        return web.json_response({"queue_running": by_phase["working"], "queue_pending": by_phase["queued"]})

    async def view(request: web.Request) -> web.StreamResponse:
        filename, subfolder = request.query.get("filename"), request.query.get("subfolder", "")
        if not filename:
            return web.Response(status=400)
        job = saved.get((subfolder, filename))
        if job is None:
            return web.Response(status=404)
        job.call.keys_at_delivery += carries_key(request, server)
        if job.phase != "ready" or job.behaviour in ("expired", "error_status"):
            return web.Response(status=404)
        headers = {"Content-Disposition": f'filename="{filename}"'}
        return web.Response(body=await server.picture(job), content_type="image/png", headers=headers)

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


def check_graph(graph: Any, model_files: Collection[str]) -> str:
    """Return the id of the node that saves the picture, if every node that it needs is there and filled in.

    Raises
    ------
    Objection
        If not.
    """
    if not isinstance(graph, dict) or not graph:
        raise Objection("prompt_no_outputs", "Prompt has no outputs")
    for node_id, node in graph.items():
        where = f"Node ID '#{node_id}'"
        if not isinstance(node, dict) or "class_type" not in node:
            missing = "Cannot execute because a node is missing the class_type property."
            raise Objection("invalid_prompt", missing, where)
        if node["class_type"] not in NODES:
            unknown = f"Cannot execute because node {node['class_type']} does not exist."
            raise Objection("invalid_prompt", unknown, where)
    saving = [node_id for node_id, node in graph.items() if node["class_type"] == "SaveImage"]
    if not saving:
        raise Objection("prompt_no_outputs", "Prompt has no outputs")
    node_errors = {
        node_id: {"errors": errors, "dependent_outputs": saving, "class_type": graph[node_id]["class_type"]}
        for node_id in _upstream(graph, saving[0])
        if (errors := list(_errors(graph, node_id, model_files)))
    }
    if node_errors:
        kind, message = "prompt_outputs_failed_validation", "Prompt outputs failed validation"
        raise Objection(kind, message, node_errors=node_errors)
    return str(saving[0])


def _order(graph: Graph, saving: str, server: FaultyServer) -> Order:
    """Return the picture that a graph asks for, found by following the links from the node that saves it."""
    sampler = _first(graph, saving, "KSampler")
    latent = _inputs(graph, _first(graph, _inputs(graph, sampler)["latent_image"][0], "EmptyLatentImage"))
    positive = _inputs(graph, _first(graph, _inputs(graph, sampler)["positive"][0], "CLIPTextEncode"))
    loader = _inputs(graph, _first(graph, _inputs(graph, sampler)["model"][0], "CheckpointLoaderSimple"))
    model = server.model(loader["ckpt_name"])
    assert model is not None  # the graph was checked against the models that there are
    width, height = latent["width"], latent["height"]
    size = size_name(width, height)
    return Order(model, positive["text"], _inputs(graph, sampler)["seed"], width, height, size, "png")


def _errors(graph: Graph, node_id: str, model_files: Collection[str]) -> Iterator[dict[str, Any]]:
    inputs = _inputs(graph, node_id)
    for name, kind in NODES[str(graph[node_id]["class_type"])].items():
        if name not in inputs:
            yield _error("required_input_missing", "Required input is missing", name, name)
        elif isinstance(inputs[name], list) or kind == _LINK:
            if not _is_link(graph, inputs[name]):
                yield _error("bad_linked_input", "Bad linked input, must be a length-2 list of [node_id, slot]", name)
        elif kind == _MODEL and inputs[name] not in model_files:
            yield _not_listed(name, inputs[name], model_files)
        elif isinstance(kind, tuple):
            yield from _value_errors(name, inputs[name], kind)


def _value_errors(name: str, value: Any, kind: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    if isinstance(kind[0], str):
        if value not in kind:
            yield _not_listed(name, value, kind)
        return
    try:
        number = type(kind[0])(value)
    except (TypeError, ValueError):
        type_name = "INT" if isinstance(kind[0], int) else "FLOAT"
        yield _error("invalid_input_type", f"Failed to convert an input value to a {type_name} value", name, str(value))
        return
    if number < kind[0]:
        yield _error("value_smaller_than_min", f"Value {number} smaller than min of {kind[0]}", name, name)
    if number > kind[1]:
        yield _error("value_bigger_than_max", f"Value {number} bigger than max of {kind[1]}", name, name)


def _not_listed(name: str, value: Any, values: Collection[str]) -> dict[str, Any]:
    return _error("value_not_in_list", "Value not in list", name, f"{name}: '{value}' not in {sorted(values)}")


def _error(kind: str, message: str, name: str, details: str = "") -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}


def _inputs(graph: Graph, node_id: str) -> Mapping[str, Any]:
    inputs = graph[node_id].get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def _is_link(graph: Graph, value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in graph


def _upstream(graph: Graph, node_id: str) -> list[str]:
    """Return the node and all that it is made from, nearest first."""
    nodes = [node_id]
    for reached in nodes:
        links = [value[0] for value in _inputs(graph, reached).values() if _is_link(graph, value)]
        nodes.extend(node for node in dict.fromkeys(links) if node not in nodes)
    return nodes


def _first(graph: Graph, start: str, class_type: str) -> str:
    for node_id in _upstream(graph, start):
        if graph[node_id]["class_type"] == class_type:
            return node_id
    raise Objection("invalid_prompt", f"This simulator finds no {class_type} behind node {start}.")


def _place(entry: list[Any]) -> tuple[str, str]:
    number, _, graph, _, (saving,) = entry
    subfolder, _, prefix = str(_inputs(graph, saving)["filename_prefix"]).rpartition("/")
    return subfolder, f"{prefix}_{number + 1:05}_.png"


def _status(job: Job, entry: list[Any]) -> dict[str, Any]:
    def event(name: str, at: float, **details: Any) -> list[Any]:
        return [name, {"prompt_id": job.task_id, **details, "timestamp": round(at * 1000)}]

    started = [event("execution_start", job.started_at), event("execution_cached", job.started_at, nodes=[])]
    if job.behaviour != "error_status":
        messages = [*started, event("execution_success", job.ready_at)]
        return {"status_str": "success", "completed": True, "messages": messages}
    node_id = _first(entry[2], entry[4][0], "KSampler")
    failed = event(
        "execution_error",
        job.ready_at,
        node_id=node_id,
        node_type="KSampler",
        executed=[],
        exception_message="Allocation on device would exceed allowed memory.",
        exception_type="torch.OutOfMemoryError",
        traceback=[],
        current_inputs={},
        current_outputs=[],
    )
    return {"status_str": "error", "completed": False, "messages": [*started, failed]}
