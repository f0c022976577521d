"""The list of all metrics: complete, plain data, and instant."""

import json

from evals.cli.metrics import list_metrics
from evals.rating.operations import operations
from metrics.catalogue import METRICS
from metrics.operations import OPERATIONS


def test_every_metric_is_listed_once_with_everything_it_needs():
    listed = list_metrics()
    ids = [row["id"] for row in listed]
    assert len(set(ids)) == len(ids) == len(METRICS) + len(OPERATIONS)
    assert json.loads(json.dumps(listed)) == listed
    for row in listed:
        assert row["source"]
        assert row["unit"]
        assert row["version"] >= 1
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
    import pandas as pd

    request = {
        "system": "a@b",
        "suite": "s",
        "size": "1K",
        "prompt_id": "p",
        "outcome": "ok",
        "reason": None,
        "attempts": 1,
        "latency_s": 2.0,
        "queue_s": None,
        "generation_s": 2.0,
        "download_s": None,
        "cost_usd": 0.03,
        "may_have_cost_usd": 0.0,
        "sent_at": "2026-11-23T00:00:00+00:00",
        "ended_at": "2026-11-23T00:00:02+00:00",
        "width": 1024,
        "height": 1024,
    }
    (row,) = operations(pd.DataFrame([request]))
    assert {spec.id for spec in OPERATIONS} == set(row["figures"])
