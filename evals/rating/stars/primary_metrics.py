"""The primary metric of each dimension, and the star table of a run that no eval asked for."""

from __future__ import annotations

import pandas as pd

from evals.definition import StarRow
from metrics.catalogue import DIMENSIONS, METRICS, primary_metrics

EDITING = ("editing.direction", "editing.preserved")
"""What an edit is worth: it follows, and it keeps the rest. One without the other is worth nothing."""


def rows_without_eval(scores: pd.DataFrame, has_requests: bool) -> tuple[StarRow, ...]:
    """Return a star table for any score table: one row a suite and dimension, by the dimension's primary metric.

    Edits are rated by both of `EDITING` together where both were measured. Where the run tells its requests, cost and
    latency are rows as well.
    """
    known = scores["metric"].isin([spec.id for spec in METRICS])
    targets = scores[known & scores["control"].isna() & scores["value"].notna()]
    scored = targets[["suite", "metric"]].fillna({"suite": ""}).drop_duplicates()
    by_suite: dict[str, list[str]] = {}
    for suite, name in scored.sort_values(["suite", "metric"]).itertuples(index=False):
        by_suite.setdefault(str(suite), []).append(str(name))
    dimensions = dict.fromkeys([*DIMENSIONS, *(spec.dimension for spec in METRICS)])
    rows = []
    for suite, names in by_suite.items():
        for dimension in dimensions:
            spec = next((spec for spec in primary_metrics(dimension) if spec.id in names), None)
            if spec is not None and spec.subject != "pair":
                title = f"{spec.title}, {suite}" if suite else spec.title
                row_id = f"{suite}:{spec.dimension}" if suite else spec.dimension
                if spec.id in EDITING and set(EDITING) <= set(names):
                    title = f"Precision editing, {suite}" if suite else "Precision editing"
                    metrics = dict.fromkeys(EDITING, 1.0)
                    rows.append(StarRow(id=row_id, title=title, suite=suite, metrics=metrics, combine="geometric"))
                else:
                    rows.append(StarRow(id=row_id, title=title, suite=suite, metrics={spec.id: 1.0}))
    if has_requests:
        rows += [
            StarRow(id="cost", title="Cost of a picture", computed="cost_per_image"),
            StarRow(id="latency", title="Latency", computed="latency"),
        ]
    return tuple(rows)
