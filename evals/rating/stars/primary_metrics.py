"""The primary metric of each dimension, and the star table of a run that no eval asked for."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from evals.definition import StarRow
from metrics.catalogue import DIMENSIONS, METRICS, metric, primary_metrics


def rows_without_eval(scores: pd.DataFrame, has_requests: bool) -> tuple[StarRow, ...]:
    """Return a star table for any score table: one row a suite and dimension, by the dimension's primary metric.

    Parameters
    ----------
    scores
        The score table.
    has_requests
        Whether the run tells its requests, so that cost and latency are rows as well.
    """
    known = scores["metric"].isin([spec.id for spec in METRICS])
    targets = scores[known & scores["control"].isna() & scores["value"].notna()]
    scored = targets[["suite", "metric"]].fillna({"suite": ""}).drop_duplicates()
    by_suite: dict[str, list[str]] = {}
    for suite, name in scored.sort_values(["suite", "metric"]).itertuples(index=False):
        by_suite.setdefault(str(suite), []).append(str(name))
    rows = [_row(suite, name) for suite, names in by_suite.items() for name in _primary(names)]
    if has_requests:
        rows += [
            StarRow(id="cost", title="Cost of a picture", computed="cost_per_image"),
            StarRow(id="latency", title="Latency", computed="latency"),
        ]
    return tuple(rows)


def _primary(scored: Collection[str]) -> list[str]:
    dimensions = dict.fromkeys([*DIMENSIONS, *(spec.dimension for spec in METRICS)])
    first = (next((spec for spec in primary_metrics(name) if spec.id in scored), None) for name in dimensions)
    return [spec.id for spec in first if spec is not None and spec.subject != "pair"]


def _row(suite: str, name: str) -> StarRow:
    spec = metric(name)
    title = f"{spec.title}, {suite}" if suite else spec.title
    row_id = f"{suite}:{spec.dimension}" if suite else spec.dimension
    return StarRow(id=row_id, title=title, suite=suite, metrics={name: 1.0})
