"""Fixtures that every test may use."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

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
    """Run what waits for the demo first: it takes minutes, and started last it would leave one process idle."""
    items.sort(key=lambda item: "demo_run" not in getattr(item, "fixturenames", ()))


CHECKOUT = Path(__file__).resolve().parents[1]


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
