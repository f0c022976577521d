"""Makes torchvision importable beside a CPU-only torch, which lacks the operators its compiled part would bring."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept_alive: list[Any] = []  # torch forgets the schemas of a library that is collected


def import_torchvision() -> ModuleType:
    """Import torchvision, standing in for its compiled operators only where the import dies for want of them.

    torchvision's CUDA wheel beside a CPU torch cannot load its compiled part, and the import then fails with
    ``operator torchvision::nms does not exist``. Transforms, which is all that open_clip, transformers and
    torchmetrics take from it, need none of the operators. A healthy torchvision is imported as it is.

    Returns
    -------
    module
        ``torchvision``.

    Raises
    ------
    ImportError
        If torchvision is not installed.
    RuntimeError
        If the import fails for any other reason.
    """
    try:
        return import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    if not _kept_alive:
        import torch

        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS:
            library.define(schema)  # type: ignore[no-untyped-call]
        _kept_alive.append(library)
    return import_module("torchvision")
