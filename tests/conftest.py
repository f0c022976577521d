"""Fixtures that every test may use."""

import functools
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import pytest
from click.testing import CliRunner
from hypothesis import settings

# A slow machine is no defect of the code under test: no property is held to a clock.
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")

# A defect that the command line would tell in a sentence is to be seen where it is.
os.environ.setdefault("TWINLENS_TRACEBACK", "1")

# Sentences are looked for in what is printed: they are not to be broken.
os.environ["COLUMNS"] = "140"


@pytest.fixture(autouse=True)
def _without_a_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no slow machine add a sign of life to what a command says; its own tests turn the clock themselves."""
    if not request.module.__name__.endswith("test_progress"):
        monkeypatch.setattr("evals.cli.progress.FIRST_S", 3600.0)
    # A notebook that was run in this process leaves it behind, and commands would draw bars.
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make the demo first, which takes a minute or two, and read it half-way: nobody is to wait for it meanwhile.

    Processes that share the tests keep to it with ``--no-loadscope-reorder``; else files of few tests come last.
    """
    files = dict.fromkeys(item.path for item in items)
    first, *readers = dict.fromkeys(i.path for i in items if "demo_run" in getattr(i, "fixturenames", ())) or [None]
    others = [path for path in files if path not in (first, *readers)]
    # Notebooks take half a minute: begun last, they would be what all wait for.
    others.sort(key=lambda path: "notebooks" not in path.parts)
    half = len(others) // 2
    place = {path: n for n, path in enumerate([first, *others[:half], *readers, *others[half:]])}
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish() -> None:
    """Spare the collector of garbage what was imported and collected: it would go through all of it again and again."""
    gc.collect()
    gc.freeze()


CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def _models_are_loaded_once() -> Iterator[None]:
    """Keep the models of the encoders that most tests score with: they are the same each time, and take seconds."""
    from metrics.encoders import ocr
    from metrics.encoders.embedded import encoder
    from metrics.encoders.runtime import threads

    def once(load: Callable[..., Any]) -> Callable[..., Any]:
        kept = functools.cache(lambda n_threads, *arguments: load(*arguments))
        return lambda *arguments: kept(threads(), *arguments)

    with pytest.MonkeyPatch.context() as patched:
        for module, name in ((ocr, "_rapidocr"), (encoder, "load_image_tower"), (encoder, "load_text_tower")):
            patched.setattr(module, name, once(getattr(module, name)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _disk_is_not_waited_for() -> Iterator[None]:
    """Sync no file: processes are killed here, the power is not cut, and what one wrote the next one reads."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function that finds development data beside the checkout, or skips the test that asks for it."""
    root = Path(os.environ.get("TWINLENS_SHARED", CHECKOUT.parent / "shared"))

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"development data {relative} is not beside the checkout (set TWINLENS_SHARED to its folder)")
        return path

    return find


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of ``twinlens demo``, to be read only; ``outcome.json`` in it is what the command printed.

    The demo takes a minute or two and is therefore run once, also where several processes share the tests.
    """
    from evals.cli.main import main

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    run = root / "demo"
    with filelock.FileLock(root / "demo.lock"):
        if not (run / "outcome.json").is_file():
            done = CliRunner().invoke(main, ["demo", "--out", str(run), "--json"], catch_exceptions=False)
            (run / "outcome.json").write_text(json.dumps({**json.loads(done.stdout), "exit_code": done.exit_code}))
    return run
