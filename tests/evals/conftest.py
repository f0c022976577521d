"""Score tables for the tests of rating and reporting."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

COLUMNS = [
    "system", "suite", "prompt_id", "subject", "seed", "repeat", "sequence_id", "metric", "metric_version",
    "encoder", "weights_sha256", "control", "value", "reason", "details",
]  # fmt: skip


@pytest.fixture(scope="session")
def score_table() -> Callable[[list[dict[str, Any]]], pd.DataFrame]:
    """Return a function that makes a score table of a few columns, the others filled in."""
    usual = {
        "system": "left", "suite": "precise", "seed": 1, "repeat": 0, "sequence_id": None, "metric": "adherence.clip",
        "metric_version": 1, "encoder": "open_clip:tiny", "weights_sha256": "00", "control": None, "value": None,
        "reason": None, "details": None,
    }  # fmt: skip

    def make(rows: list[dict[str, Any]]) -> pd.DataFrame:
        full = [{**usual, "subject": [str(n)], **row} for n, row in enumerate(rows)]
        for row, complete in zip(rows, full, strict=True):
            if "encoder" not in row and complete["metric"].startswith("identity."):
                complete["encoder"] = "dlib:resnet_v1"
        table = pd.DataFrame(full, columns=COLUMNS)
        return table.astype({"value": float})

    return make
