"""What of two runs is held to: some rows of the star table, and which changes are a failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from evals.definition import StarRow
from evals.files.yaml_files import suggestion
from evals.rating.drift.changes import Drift, DriftError, MetricDrift
from evals.rating.stars.table import suite_of
from metrics.catalogue import METRICS
from metrics.operations import OPERATIONS

FailOn: TypeAlias = Literal["worse", "change"]

Chosen: TypeAlias = frozenset[tuple[str | None, str]]
"""(suite, metric) of what is compared; of None every suite."""


def chosen_rows(names: Sequence[str], rows: Iterable[StarRow]) -> dict[str, Chosen]:
    """Return what is compared for each name: a row of the star table by its id, or a metric on every suite.

    Raises
    ------
    DriftError
        If there is no such row or metric, or the row is computed or declared, which has no measurements to compare.

    Examples
    --------
    >>> rows = [StarRow(id="text", title="Text", suite="typography", metrics={"text.similarity": 1.0})]
    >>> chosen_rows(["text", "text.cer"], rows)
    {'text': frozenset({('typography', 'text.similarity')}), 'text.cer': frozenset({(None, 'text.cer')})}
    """
    by_id = {row.id: row for row in rows}
    metrics = {spec.id for spec in METRICS} | {spec.id for spec in OPERATIONS}
    chosen: dict[str, Chosen] = {}
    for name in names:
        if name in by_id and not by_id[name].metrics:
            raise DriftError(f"--rows: {name!r} is computed or declared; only measured rows can be compared")
        if name in by_id:
            row = by_id[name]
            suites = {row.suite, suite_of(row, None)}  # at the eval's own size, or at another
            chosen[name] = frozenset((suite, metric) for suite in suites for metric in row.metrics)
        elif name in metrics:
            chosen[name] = frozenset({(None, name)})
        else:
            raise DriftError(f"--rows: there is no row or metric {name!r}; {suggestion(name, [*by_id, *metrics])}")
    return chosen


def is_chosen(suite: str | None, metric: str, chosen: Iterable[tuple[str | None, str]]) -> bool:
    """Return whether a metric on a suite is among what is compared."""
    return any(name == metric and of_suite in (None, suite) for of_suite, name in chosen)


def check_compared(drift: Drift, chosen: dict[str, Chosen]) -> None:
    """Refuse a row that was asked for and has nothing to compare: silence is no success.

    Raises
    ------
    DriftError
        That names the row, and why.
    """
    for name, of_row in chosen.items():
        if not any(is_chosen(row["suite"], row["metric"], of_row) for row in drift["rows"]):
            reasons = [
                entry["reason"] for entry in drift["not_compared"] if is_chosen(entry["suite"], entry["metric"], of_row)
            ]
            why = reasons[0] if reasons else "neither run has measured it"
            raise DriftError(f"row {name!r} could not be compared: {why}")


def failed_rows(drift: Drift, fail_on: FailOn | None) -> list[MetricDrift]:
    """Return the rows that have changed in a way that is a failure: for the worse, or in any way."""
    if fail_on is None:
        return []
    return [row for row in drift["rows"] if row["changed"] and (fail_on == "change" or row["direction"] == "worse")]
