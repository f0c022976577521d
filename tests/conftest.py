"""Fixtures that every test may use."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no defect of the code under test: no property is held to a clock.
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")

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
