"""The command ``twinlens metrics``: lists what can be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evals.cli.options import as_json, print_json
from evals.cli.tables import say

if TYPE_CHECKING:
    from metrics.specification import MetricSpec

_BETTER = {"higher": "higher is better", "lower": "lower is better", "neither": "descriptive"}


@click.command()
@as_json
def metrics(json_wanted: bool) -> None:
    """List every metric."""
    rows = list_metrics()
    if json_wanted:
        print_json(rows)
        return
    for row in rows:
        say(f"{row['id']:<32} {row['title']} [{row['unit']}; {_BETTER[row['better']]}; per {row['subject']}]")


def list_metrics() -> list[dict[str, Any]]:
    """Return every metric as JSON types, without loading a model.

    Each has id, version, title, unit, better (higher, lower, neither), range, dimension, subject, needs (image-set
    columns), encoders (for each role: the default ones, all libraries with their licences), controls and source.
    """
    from metrics.catalogue import METRICS
    from metrics.operations import OPERATIONS

    of_requests = {"subject": "requests", "needs": ["requests.jsonl"], "encoders": [], "controls": []}
    return [*map(_measured, METRICS), *({**_described(row), **of_requests} for row in OPERATIONS)]


def _described(row: Any) -> dict[str, Any]:
    keys = ("id", "version", "title", "unit", "better", "dimension", "source")
    return {**{key: getattr(row, key) for key in keys}, "range": list(row.range)}


def _measured(row: MetricSpec) -> dict[str, Any]:
    from metrics.encoders.catalogue import ENCODERS, default_names
    from metrics.features import FEATURES

    roles = dict.fromkeys(FEATURES[feature].role for feature in row.features)
    encoders = [
        {
            "role": role,
            "default": list(default_names(role)),
            "libraries": {
                encoder.library: encoder.licence
                for encoder in ENCODERS
                if encoder.role == role and encoder.library not in row.unfit_encoders
            },
        }
        for role in roles
    ]
    needs = {"subject": row.subject, "needs": list(row.columns), "encoders": encoders}
    return {**_described(row), **needs, "controls": list(row.controls), "on_request": row.on_request}
