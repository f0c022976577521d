"""Networks as ONNX graphs, kept on this machine: to build one imports half of torch, to read one takes milliseconds."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import io
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.encoders.runtime import threads
from metrics.encoders.weights import sha256_of, weights_folder

if TYPE_CHECKING:
    import torch

_VERSION = "2"
"""Change it when a tower is built or exported in another way."""

_PACKAGES = ("torch", "timm", "transformers")
_building = threading.Lock()  # torch exports one network at a time


def session_of(weights: Path, name: str, build: Callable[[], bytes]) -> Any:
    """Return onnxruntime's session of the graph that ``build`` makes of a file of weights, from the cache if it can.

    The cache is the folder ``graphs`` in the folder of weights. A graph is known by the hash of its weights and the
    releases of what builds it, and carries a hash of its own: a damaged one is built again.
    """
    import onnxruntime

    releases = [importlib.metadata.version(package) for package in _PACKAGES]
    key = hashlib.sha256("|".join([_VERSION, name, sha256_of(weights), *releases]).encode()).hexdigest()
    path = weights_folder() / "graphs" / f"{name}-{key[:16]}.onnx"
    graph = _read(path)
    if graph is None:
        with _building:
            graph = build()
        _write(path, graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()  # its own default leaves every second hardware thread idle
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, graph = content[:32], content[32:]
    return graph if hashlib.sha256(graph).digest() == digest else None


def _write(path: Path, graph: bytes) -> None:
    # Without a place for it, it is built again next time.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(graph).digest() + graph)
        os.replace(file.name, path)


def exported(
    network: torch.nn.Module, inputs: Mapping[str, torch.Tensor], output: str, dynamic: Mapping[str, Sequence[str]]
) -> bytes:
    """Return a network as an ONNX graph; ``dynamic`` names the first axes of inputs and output, of any length."""
    import torch

    graph: Any = io.BytesIO()
    with warnings.catch_warnings():
        # the newer exporter needs one more package and takes twenty times as long for the same graph
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(inputs.values()),
            graph,
            dynamo=False,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={each: dict(enumerate(axes)) for each, axes in dynamic.items()},
        )
    content: bytes = graph.getvalue()
    return content


def with_padding_inside(network: torch.nn.Module) -> torch.nn.Module:
    """Return a network to be exported, whose convolutions of timm that pad first become one node of the graph each.

    As a step of its own the padding costs a sixth of the tower's time: onnxruntime lays the pixels out anew around it.
    """
    import torch
    from timm.layers.conv2d_same import Conv2dSame

    class OneNode(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, layer: Any) -> torch.Tensor:
            # Run only while the graph is drawn, which takes the shape from it.
            return torch.nn.functional.conv2d(x, weight, None, layer.stride, layer.kernel_size[0] // 2, 1, layer.groups)

        @staticmethod
        def symbolic(graph: Any, x: Any, weight: Any, layer: Any) -> Any:
            return graph.op("Conv", x, weight, auto_pad_s="SAME_UPPER", strides_i=layer.stride, group_i=layer.groups)

    one_node: Any = OneNode.apply
    padding_first: list[Any] = [layer for layer in network.modules() if isinstance(layer, Conv2dSame)]
    for layer in padding_first:
        layer.forward = functools.partial(lambda layer, x: one_node(x, layer.weight, layer), layer)
    return network
