"""What holds of every metric, and vectors to measure with."""

import json
import math
import pickle
from typing import Any

import numpy as np

from metrics.measurement import REASONS, Measurement, Subject


def assert_contract(metric, subjects, limits=(None, None)) -> None:
    """Check that values depend on neither batch nor order, keep their subject and range, and travel."""
    metric = pickle.loads(pickle.dumps(metric))
    measured = metric(subjects)
    alone = [metric([subject])[0] for subject in subjects]
    for together in (measured, metric(subjects[::-1])[::-1]):
        assert [one.sample_ids for one in together] == [subject.sample_ids for subject in subjects]
        assert [one.reason for one in together] == [one.reason for one in alone]
        for one, other in zip(together, alone, strict=True):
            assert one.value == other.value or math.isclose(one.value, other.value, abs_tol=1e-9)
    assert metric([]) == []
    low, high = limits
    for subject, one in zip(subjects, measured, strict=True):
        assert one.details.items() >= subject.details.items()
        assert json.loads(json.dumps(dict(one.details))) == one.details
        assert one.reason is None or one.reason in REASONS
        if one.value is not None:
            assert math.isfinite(one.value)
            assert low is None or low <= one.value
            assert high is None or one.value <= high


def measure(metric: Any, subject: Subject) -> Measurement:
    """Return a metric's only measurement of a subject, whose details a score table can hold."""
    (measured,) = metric([subject])
    assert json.loads(json.dumps(dict(measured.details))) == measured.details
    return measured


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float64)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def embedded(*vectors: np.ndarray) -> dict[str, Any]:
    """An embedded prompt of one clause a vector."""
    clauses = [f"clause {n}" for n in range(len(vectors))]
    return {"chunks": np.stack(vectors), "clauses": clauses, "n_tokens": 70 * len(vectors)}
