"""The primary metric of each dimension, and the star table of a run that no eval asked for."""

from __future__ import annotations

import pandas as pd

from evals.definition import StarRow
from metrics.catalogue import DIMENSIONS, METRICS, primary_metrics


def rows_without_eval(scores: pd.DataFrame, has_requests: bool) -> tuple[StarRow, ...]:
    """Return a star table for any score table: one row a suite and dimension, by the dimension's primary metric.

    Where the run tells its requests, cost and latency are rows as well.
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
                rows.append(StarRow(id=row_id, title=title, suite=suite, metrics={spec.id: 1.0}))
    if has_requests:
        rows += [
            StarRow(id="cost", title="Cost of a picture", computed="cost_per_image"),
            StarRow(id="latency", title="Latency", computed="latency"),
        ]
    return tuple(rows)
