"""What a catalogue row says to people and programs: the metric with everything it needs, without loading a model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from metrics.catalogue import FEATURES, METRICS
from metrics.encoders.catalogue import ENCODERS, default_names
from metrics.operations import OPERATIONS
from metrics.specification import MetricSpec


def list_metrics() -> list[dict[str, Any]]:
    """Return every metric as JSON types.

    Each has id, version, title, unit, better (higher, lower, neither), range, dimension, subject, needs (image-set
    columns), encoders (for each role: the default ones, all libraries with their licences), controls and source.
    """
    measured = [_described(spec) for spec in METRICS]
    computed = [
        {
            **asdict(row),
            "range": list(row.range),
            "dimension": row.dimension,
            "subject": "requests",
            "needs": ["requests.jsonl"],
            "encoders": [],
            "controls": [],
        }
        for row in OPERATIONS
    ]
    return measured + computed


def _described(spec: MetricSpec) -> dict[str, Any]:
    roles = dict.fromkeys(FEATURES[feature].role for feature in spec.features)
    return {
        "id": spec.id,
        "version": spec.version,
        "title": spec.title,
        "unit": spec.unit,
        "better": spec.better,
        "range": list(spec.range),
        "dimension": spec.dimension,
        "subject": spec.subject,
        "needs": list(spec.columns),
        "encoders": [
            {
                "role": role,
                "default": list(default_names(role)),
                "libraries": {
                    row.library: row.licence
                    for row in ENCODERS
                    if row.role == role and row.library not in spec.unfit_encoders
                },
            }
            for role in roles
        ],
        "controls": list(spec.controls),
        "source": spec.source,
        "on_request": spec.on_request,
    }
