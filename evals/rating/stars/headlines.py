"""The metric that speaks for a dimension, and the star table of a run that no eval asked for."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from evals.definition import StarRow
from metrics.catalogue import METRICS, metric

HEADLINES: dict[str, tuple[str, ...]] = {
    "adherence": ("adherence.margin", "adherence.clip"),
    "identity": ("identity.self", "identity.reference", "identity.previous", "identity.people", "identity.pairs"),
    "text": ("text.similarity", "text.cer", "text.exact_lines", "text.wer"),
    "reproducibility": (
        "reproducibility.ssim",
        "reproducibility.mean_difference",
        "reproducibility.phash_distance",
        "reproducibility.identical",
    ),
    "editing": ("editing.preserved", "editing.direction", "editing.follows"),
    "structure": ("structure.all", "structure.objects"),
    "brand": ("brand.palette", "brand.consistency"),
}
"""The metric that speaks for a dimension: the first of these that was scored, never the largest.

Dimensions that are not listed have no metric that speaks for all of them.
"""


def rows_without_eval(scores: pd.DataFrame, has_requests: bool) -> tuple[StarRow, ...]:
    """Return a star table for any score table: one row a suite and dimension, by the dimension's headline metric.

    Parameters
    ----------
    scores
        The score table.
    has_requests
        Whether the run tells its requests, so that cost and latency are rows as well.
    """
    known = scores["metric"].isin([spec.id for spec in METRICS])
    own = scores[known & scores["control"].isna() & scores["value"].notna()]
    scored = own[["suite", "metric"]].fillna({"suite": ""}).drop_duplicates()
    by_suite: dict[str, list[str]] = {}
    for suite, name in scored.sort_values(["suite", "metric"]).itertuples(index=False):
        by_suite.setdefault(str(suite), []).append(str(name))
    rows = [_row(suite, name) for suite, names in by_suite.items() for name in _headlines(names)]
    if has_requests:
        rows += [
            StarRow("cost", "Cost of a picture", computed="cost_per_image"),
            StarRow("latency", "Latency", computed="latency"),
        ]
    return tuple(rows)


def _headlines(names: Iterable[str]) -> list[str]:
    measured = set(names)
    found = (next((name for name in wanted if name in measured), None) for wanted in HEADLINES.values())
    return [name for name in found if name is not None and metric(name).subject != "pair"]


def _row(suite: str, name: str) -> StarRow:
    spec = metric(name)
    title = f"{spec.title}, {suite}" if suite else spec.title
    return StarRow(f"{suite}:{spec.dimension}" if suite else spec.dimension, title, suite=suite, metrics={name: 1.0})
