"""torchvision beside a torch that lacks its operators: imported, and a healthy one left alone."""

import sys
from types import ModuleType

import pytest

from metrics.encoders import runtime
from metrics.encoders.runtime import import_torchvision


def test_transforms_work_after_the_import_which_is_done_once():
    torchvision = import_torchvision()
    assert torchvision.transforms.CenterCrop(2)
    assert sys.modules["torchvision"] is torchvision is import_torchvision()


def test_a_healthy_torchvision_is_imported_as_it_is(monkeypatch):
    healthy = ModuleType("torchvision")
    monkeypatch.setitem(sys.modules, "torchvision", healthy)
    kept = list(runtime._kept_alive)
    assert import_torchvision() is healthy
    assert runtime._kept_alive == kept


def test_any_other_failure_is_passed_on(monkeypatch):
    def fail(name: str) -> ModuleType:
        raise RuntimeError("CUDA versions differ")

    monkeypatch.setattr(runtime, "import_module", fail)
    with pytest.raises(RuntimeError, match="CUDA versions differ"):
        import_torchvision()
