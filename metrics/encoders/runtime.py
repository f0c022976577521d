"""What the model libraries find on this machine: a device, threads, exact arithmetic, and imports that succeed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar

from metrics.encoders.catalogue import EncoderUnavailable

Item = TypeVar("Item")
Feature = TypeVar("Feature")

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
TOKENIZING = threading.Lock()
"""Held while a tokenizer of transformers works: it sets itself up anew in every call, and not for two at once."""

_gpu = threading.RLock()
_importing = threading.Lock()
_kept_alive: list[Any] = []  # torch forgets the schemas of a library that is collected


def torch_device(device: str) -> str:
    """Return the device to run on: ``auto`` is CUDA if there is one, else CPU; any other name must work here.

    Raises EncoderUnavailable if torch cannot use the device.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise EncoderUnavailable(f"torch cannot use the device {device!r} here; take auto or cpu") from error
    return device


MOST_WORKERS = 8
"""Pictures that are encoded at once at most: each of them takes memory of its own."""


def cores() -> int:
    """Return how many cores to use: ``OMP_NUM_THREADS`` where it is set, else all that this process may use.

    Processes that share a machine set the variable, or their models wait for each other's threads.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    setting = os.environ.get("OMP_NUM_THREADS", "")
    if setting.isdigit() and int(setting) > 0:
        return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers() -> int:
    """Return how many inputs to encode at once: pictures side by side use cores better than threads in one picture."""
    return min(cores(), MOST_WORKERS)


def threads() -> int:
    """Return how many threads a model has for one input, so that `workers` of them use all `cores`."""
    return cores() // workers()


class Lazy(Generic[Item]):
    """What is made when it is first called for, once, by whichever thread comes first; a failure is tried again."""

    def __init__(self, make: Callable[[], Item]) -> None:
        """Keep how it is made."""
        self._make = make
        self._lock = threading.Lock()
        self._made: list[Item] = []

    def __call__(self) -> Item:
        """Return it."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
        return self._made[0]


@contextmanager
def exact_inference() -> Iterator[None]:
    """Run torch without gradients, and without TF32: cuDNN's default would let a value depend on its batch.

    A GPU serves one caller at a time: there is one, and the setting is the process's own.
    """
    import torch

    if not torch.cuda.is_available():
        if torch.get_num_threads() != threads():
            torch.set_num_threads(threads())
        with torch.inference_mode():
            yield
        return
    with _gpu, torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def encode_by_key(
    items: Sequence[Item],
    key: Callable[[Item], Hashable],
    batch_size: int,
    encode: Callable[[Sequence[Item]], Sequence[Feature]],
) -> list[Feature]:
    """Return the features of items in order, encoded in batches of one key, whose items cannot change each other's."""
    members: dict[Hashable, list[int]] = {}
    for n, item in enumerate(items):
        members.setdefault(key(item), []).append(n)
    features: dict[int, Feature] = {}
    for places in members.values():
        for start in range(0, len(places), batch_size):
            batch = places[start : start + batch_size]
            features.update(zip(batch, encode([items[n] for n in batch]), strict=True))
    return [features[n] for n in range(len(items))]


def import_torchvision() -> ModuleType:
    """Import torchvision, standing in for its compiled operators only where the import dies for want of them.

    torchvision's CUDA wheel beside a CPU torch cannot load its compiled part, and the import then fails with ``operator
    torchvision::nms does not exist``. Transforms, which is all that open_clip, transformers and torchmetrics take from
    it, need none of the operators. A healthy torchvision is imported as it is. Raises ImportError if torchvision is not
    installed, RuntimeError if the import fails for any other reason.
    """
    with _importing:  # what fails is taken apart, and several threads load models
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


def import_open_clip() -> Any:
    """Import and return open_clip, whatever torchvision is beside it.

    Raises EncoderUnavailable if open_clip or what it is built on cannot be imported.
    """
    try:
        import_torchvision()
        return import_module("open_clip")
    except (ImportError, RuntimeError) as error:
        raise EncoderUnavailable(f"open_clip cannot be imported ({error}); pip install open_clip_torch") from error
