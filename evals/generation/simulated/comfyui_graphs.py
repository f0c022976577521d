"""ComfyUI's workflow graphs: which nodes there are, what is wrong with a graph, and which picture it asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Graph: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Nodes by id; each has a ``class_type`` and ``inputs``, values or links ``[node id, output number]``."""

_LINK = "link"
_TEXT = "text"
_FILE = "file"
_MODEL = "model file"
_UPLOAD = "uploaded picture"
_SAMPLERS = ("euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "ddim", "lcm", "uni_pc")
_SCHEDULERS = ("simple", "normal", "karras", "exponential", "sgm_uniform", "beta", "ddim_uniform")
_SIDE = (16, 16384)
_SEED = (0, 2**64 - 1)
_STEPS = (1, 10000)
_LATENT = {"width": _SIDE, "height": _SIDE, "batch_size": (1, 4096)}

_Kind: TypeAlias = str | tuple[int | float, int | float] | tuple[str, ...]

NODES: Mapping[str, Mapping[str, _Kind]] = {
    "CheckpointLoaderSimple": {"ckpt_name": _MODEL},
    "UNETLoader": {"unet_name": _MODEL, "weight_dtype": ("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")},
    "CLIPLoader": {"clip_name": _FILE, "type": _FILE},
    "DualCLIPLoader": {"clip_name1": _FILE, "clip_name2": _FILE, "type": _FILE},
    "VAELoader": {"vae_name": _FILE},
    "LoraLoaderModelOnly": {"model": _LINK, "lora_name": _FILE, "strength_model": (-100.0, 100.0)},
    "CLIPTextEncode": {"text": _TEXT, "clip": _LINK},
    "ConditioningZeroOut": {"conditioning": _LINK},
    "FluxGuidance": {"conditioning": _LINK, "guidance": (0.0, 100.0)},
    "ReferenceLatent": {"conditioning": _LINK},
    "LoadImage": {"image": _UPLOAD},
    "ImageScaleToTotalPixels": {"image": _LINK, "upscale_method": _FILE, "megapixels": (0.01, 16.0)},
    "VAEEncode": {"pixels": _LINK, "vae": _LINK},
    "EmptyLatentImage": _LATENT,
    "EmptySD3LatentImage": _LATENT,
    "EmptyFlux2LatentImage": _LATENT,
    "KSampler": {
        "model": _LINK,
        "seed": _SEED,
        "steps": _STEPS,
        "cfg": (0.0, 100.0),
        "sampler_name": _SAMPLERS,
        "scheduler": _SCHEDULERS,
        "positive": _LINK,
        "negative": _LINK,
        "latent_image": _LINK,
        "denoise": (0.0, 1.0),
    },
    "RandomNoise": {"noise_seed": _SEED},
    "KSamplerSelect": {"sampler_name": _SAMPLERS},
    "BasicScheduler": {"model": _LINK, "scheduler": _SCHEDULERS, "steps": _STEPS, "denoise": (0.0, 1.0)},
    "Flux2Scheduler": {"steps": _STEPS, "width": _SIDE, "height": _SIDE},
    "BasicGuider": {"model": _LINK, "conditioning": _LINK},
    "CFGGuider": {"model": _LINK, "positive": _LINK, "negative": _LINK, "cfg": (0.0, 100.0)},
    "SamplerCustomAdvanced": {
        "noise": _LINK,
        "guider": _LINK,
        "sampler": _LINK,
        "sigmas": _LINK,
        "latent_image": _LINK,
    },
    "VAEDecode": {"samples": _LINK, "vae": _LINK},
    "SaveImage": {"images": _LINK, "filename_prefix": _TEXT},
    "PreviewImage": {"images": _LINK},
}
"""The nodes that the simulated server has, with their required inputs."""

OUTPUTS = frozenset({"SaveImage", "PreviewImage"})
"""The nodes whose pictures are kept."""


class Objection(ValueError):
    """A graph that is not queued; ``answer`` is what the server says."""

    def __init__(
        self, kind: str, message: str, details: str = "", node_errors: Mapping[str, Any] | None = None
    ) -> None:
        """Keep the answer in ComfyUI's shape."""
        super().__init__(message)
        error = {"type": kind, "message": message, "details": details, "extra_info": {}}
        self.answer = {"error": error, "node_errors": node_errors or {}}


@dataclass(frozen=True, slots=True)
class Asked:
    """The picture that a graph asks for: the node that saves it, and what it is to be made from."""

    saved_by: str
    filename_prefix: str
    model_file: str
    prompt: str
    seed: int
    width: int
    height: int
    reference_names: tuple[str, ...]


def read_graph(graph: Any, model_files: Collection[str], uploads: Collection[str]) -> Asked:
    """Return the picture that a graph asks for, found by following the links from the node that saves it.

    Parameters
    ----------
    graph
        What was posted as ``prompt``.
    model_files
        The models that are installed.
    uploads
        The pictures that were uploaded.

    Raises
    ------
    Objection
        If the server would not queue the graph.
    """
    saved_by = check_graph(graph, model_files, uploads)[0]
    sampler = _first(graph, saved_by, {"KSampler", "SamplerCustomAdvanced"})
    noise = _first(graph, sampler, {"KSampler", "RandomNoise"})
    latent = _first(
        graph, _linked(graph, sampler, "latent_image"), {name for name in NODES if name.startswith("Empty")}
    )
    loader = _first(graph, sampler, {"CheckpointLoaderSimple", "UNETLoader"})
    conditioned = sampler if _class(graph, sampler) == "KSampler" else _linked(graph, sampler, "guider")
    positive = _linked(graph, conditioned, "positive" if "positive" in _inputs(graph, conditioned) else "conditioning")
    encoder = _first(graph, positive, {"CLIPTextEncode"})
    loaded = [node for node in _upstream(graph, positive) if _class(graph, node) == "LoadImage"]
    seed_name = "seed" if _class(graph, noise) == "KSampler" else "noise_seed"
    file_name = "ckpt_name" if _class(graph, loader) == "CheckpointLoaderSimple" else "unet_name"
    return Asked(
        saved_by=saved_by,
        filename_prefix=str(_inputs(graph, saved_by).get("filename_prefix", "ComfyUI_temp")),
        model_file=str(_value(graph, loader, file_name)),
        prompt=str(_value(graph, encoder, "text")),
        seed=int(_value(graph, noise, seed_name)),
        width=int(_value(graph, latent, "width")),
        height=int(_value(graph, latent, "height")),
        reference_names=tuple(str(_value(graph, node, "image")) for node in loaded),
    )


def check_graph(graph: Any, model_files: Collection[str], uploads: Collection[str]) -> list[str]:
    """Return the ids of the nodes that keep pictures, if every node that they need is there and filled in.

    Raises
    ------
    Objection
        If not.
    """
    if not isinstance(graph, dict) or not graph:
        raise Objection("prompt_no_outputs", "Prompt has no outputs")
    for node_id, node in graph.items():
        if not isinstance(node, dict) or "class_type" not in node:
            missing = "Cannot execute because a node is missing the class_type property."
            raise Objection("invalid_prompt", missing, f"Node ID '#{node_id}'")
        if node["class_type"] not in NODES:
            unknown = f"Cannot execute because node {node['class_type']} does not exist."
            raise Objection("invalid_prompt", unknown, f"Node ID '#{node_id}'")
    saving = [node_id for node_id in graph if _class(graph, node_id) in OUTPUTS]
    if not saving:
        raise Objection("prompt_no_outputs", "Prompt has no outputs")
    needed = list(dict.fromkeys(node_id for start in saving for node_id in _upstream(graph, start)))
    node_errors = {
        node_id: {"errors": errors, "dependent_outputs": saving, "class_type": _class(graph, node_id)}
        for node_id in needed
        if (errors := list(_errors(graph, node_id, model_files, uploads)))
    }
    if node_errors:
        kind, message = "prompt_outputs_failed_validation", "Prompt outputs failed validation"
        raise Objection(kind, message, node_errors=node_errors)
    return saving


def _errors(
    graph: Graph, node_id: str, model_files: Collection[str], uploads: Collection[str]
) -> Iterator[dict[str, Any]]:
    given = _inputs(graph, node_id)
    for name, kind in NODES[_class(graph, node_id)].items():
        if name not in given:
            yield _error("required_input_missing", "Required input is missing", name, name)
        elif isinstance(given[name], list):
            if not _is_link(graph, given[name]):
                yield _error("bad_linked_input", "Bad linked input, must be a length-2 list of [node_id, slot]", name)
        elif kind == _LINK:
            yield _error("bad_linked_input", "Bad linked input, must be a length-2 list of [node_id, slot]", name)
        elif kind == _MODEL and given[name] not in model_files:
            yield _not_listed(name, given[name], model_files)
        elif kind == _UPLOAD and given[name] not in uploads:
            yield _error(
                "custom_validation_failed",
                "Custom validation failed for node",
                name,
                f"Invalid image file: {given[name]}",
            )
        elif isinstance(kind, tuple):
            yield from _value_errors(name, given[name], kind)


def _value_errors(name: str, value: Any, kind: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    if isinstance(kind[0], str):
        if value not in kind:
            yield _not_listed(name, value, kind)
        return
    try:
        number = type(kind[0])(value)
    except (TypeError, ValueError):
        wanted = "INT" if isinstance(kind[0], int) else "FLOAT"
        yield _error("invalid_input_type", f"Failed to convert an input value to a {wanted} value", name, str(value))
        return
    if number < kind[0]:
        yield _error("value_smaller_than_min", f"Value {number} smaller than min of {kind[0]}", name, name)
    if number > kind[1]:
        yield _error("value_bigger_than_max", f"Value {number} bigger than max of {kind[1]}", name, name)


def _not_listed(name: str, value: Any, values: Collection[str]) -> dict[str, Any]:
    return _error("value_not_in_list", "Value not in list", name, f"{name}: '{value}' not in {sorted(values)}")


def _error(kind: str, message: str, name: str, details: str = "") -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}


def _class(graph: Graph, node_id: str) -> str:
    return str(graph[node_id]["class_type"])


def _inputs(graph: Graph, node_id: str) -> Mapping[str, Any]:
    found = graph[node_id].get("inputs")
    return found if isinstance(found, dict) else {}


def _is_link(graph: Graph, value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in graph


def _value(graph: Graph, node_id: str, name: str) -> Any:
    value = _inputs(graph, node_id)[name]
    if isinstance(value, list):
        raise Objection("invalid_prompt", f"This simulator wants {name} of node {node_id} written out, not linked.")
    return value


def _linked(graph: Graph, node_id: str, name: str) -> str:
    link = _inputs(graph, node_id).get(name)
    if not isinstance(link, list) or not _is_link(graph, link):
        raise Objection("invalid_prompt", f"This simulator cannot follow {name} of node {node_id}.")
    return str(link[0])


def _upstream(graph: Graph, node_id: str) -> list[str]:
    """Return the node and all that it is made from, nearest first."""
    found = [node_id]
    for reached in found:
        links = [value[0] for value in _inputs(graph, reached).values() if _is_link(graph, value)]
        found.extend(node for node in dict.fromkeys(links) if node not in found)
    return found


def _first(graph: Graph, start: str, classes: Collection[str]) -> str:
    for node_id in _upstream(graph, start):
        if _class(graph, node_id) in classes:
            return node_id
    raise Objection("invalid_prompt", f"This simulator finds no {' or '.join(sorted(classes))} behind node {start}.")
