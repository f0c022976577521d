"""The list of all metrics: complete, plain data, and instant."""

import json

import pandas as pd
from click.testing import CliRunner

from evals.cli.main import main
from evals.cli.metrics import list_metrics
from evals.rating.operations import operations
from metrics.catalogue import METRICS
from metrics.operations import OPERATIONS


def test_every_metric_is_listed_once_with_everything_it_needs():
    listed = list_metrics()
    ids = [row["id"] for row in listed]
    assert ids[: len(METRICS)] == [spec.id for spec in METRICS]
    assert len(set(ids)) == len(ids) == len(METRICS) + len(OPERATIONS)
    assert json.loads(CliRunner().invoke(main, ["metrics", "--json"]).stdout) == listed
    for row in listed:
        assert all((row["source"], row["unit"], row["title"], row["version"] >= 1)), row["id"]
        assert {"range", "controls"} <= row.keys()
        assert row["better"] in ("higher", "lower", "neither")
        for encoder in row["encoders"]:
            assert encoder["libraries"]
            assert all(encoder["libraries"].values())


def test_a_metric_names_no_encoder_that_failed_its_control():
    (row,) = (row for row in list_metrics() if row["id"] == "quality.cinematic")
    (encoder,) = row["encoders"]
    assert "embedded" not in encoder["libraries"]
    assert "open_clip" in encoder["libraries"]


def test_what_is_listed_of_operations_is_what_is_computed():
    request = {"system": "a@b", "suite": "s", "size": "1K", "prompt_id": "p", "outcome": "ok", "latency_s": 2.0}
    (row,) = operations(pd.DataFrame([request]))
    assert {spec.id for spec in OPERATIONS} == set(row["figures"])
