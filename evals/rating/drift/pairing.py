"""Pairs the measurements of two runs by prompt, and says of what cannot be paired why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.imageset.contract import Outcome, ended_as
from evals.imageset.prompts import words_of_prompt
from evals.rating.comparison import reason_counts, with_prompts
from evals.rating.drift.tables import RunTables, asked_requests
from evals.rating.statistics.estimates import score_differences
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers, paired_differences
from metrics.catalogue import METRICS
from metrics.operations import OPERATIONS, OperationSpec
from metrics.specification import MetricSpec

TOLERANCE = 1e-5
"""Values that differ by less, relative to themselves or to one, are equal: another batch or processor does that."""

RATES: Mapping[str, Outcome] = {"operations.refusal_rate": "refused", "operations.filter_rate": "filtered"}
"""The rates of requests that are compared prompt by prompt, with the outcome that each counts."""

_WAY = {"metric_version": "version", "encoder": "encoder", "weights_sha256": "weights' hash"}
"""What must be the same of a metric in both runs, and what a reason calls it."""


_PairingResult: TypeAlias = "tuple[MetricSpec | OperationSpec, str, tuple[str, str], Pairing | str]"


class NotCompared(TypedDict):
    """A metric of a system on a suite that could not be compared, and why."""

    metric: str
    suite: str | None
    system_a: str
    system_b: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pairing:
    """One metric of one system on one suite in both runs, over the prompts that have a value in both.

    ``a`` and ``b`` are one value a prompt of ``prompts``: its mean in either run, that of B equal to that of A where
    they differ by less than `TOLERANCE`. ``rows_a`` and ``rows_b`` are the measurements, with ``prompt``, ``subject``
    (list of sample ids), ``value`` and ``reason``.
    """

    spec: MetricSpec | OperationSpec
    suite: str | None
    system_a: str
    system_b: str
    prompts: tuple[str, ...]
    a: Numbers
    b: Numbers
    rows_a: pd.DataFrame
    rows_b: pd.DataFrame

    def differences(self) -> Numbers:
        """Return run B minus run A for each prompt."""
        return paired_differences(self.b, self.a)

    def estimate(self) -> Estimate:
        """Return the mean difference with its interval and p-value."""
        (estimate,) = score_differences(self.b[:, None], self.a[:, None], self.spec.range, self.spec.rate)
        return estimate


def pair_runs(
    first: RunTables, second: RunTables, pairs: Sequence[tuple[str, str]]
) -> tuple[list[Pairing], list[NotCompared]]:
    """Return every metric of every pair of systems that either run has: paired, or with the reason why not.

    In the order of the catalogue, then by suite, then in the order of the pairs; the rates of refusals come last.
    Metrics over arbitrary pairs of images are left out: which pairs there are depends on the whole set.

    Parameters
    ----------
    first, second
        The tables of run A and run B.
    pairs
        (name in run A, name in run B) of each system.
    """
    paired: list[Pairing] = []
    not_compared: list[NotCompared] = []
    for spec, suite, pair, result in [*_metrics(first, second, pairs), *_rates(first, second, pairs)]:
        if isinstance(result, Pairing):
            paired.append(result)
        else:
            not_compared.append(
                NotCompared(metric=spec.id, suite=suite or None, system_a=pair[0], system_b=pair[1], reason=result)
            )
    return paired, not_compared


def _metrics(first: RunTables, second: RunTables, pairs: Sequence[tuple[str, str]]) -> Iterator[_PairingResult]:
    other_prompts = _suites_with_other_prompts(first, second)
    a, b = (_measurements(run.scores) for run in (first, second))
    suites: dict[str, set[str]] = {}
    for metric_id, suite, _ in a.keys() | b.keys():
        suites.setdefault(metric_id, set()).add(suite)
    for spec in METRICS:
        for suite in sorted(suites.get(spec.id, ()) if spec.subject != "pair" else ()):
            for pair in pairs:
                rows_a, rows_b = a.get((spec.id, suite, pair[0])), b.get((spec.id, suite, pair[1]))
                if rows_a is None and rows_b is None:
                    continue
                if rows_a is None or rows_b is None:
                    result: Pairing | str = f"run {'A' if rows_a is None else 'B'} has no measurement of it"
                elif spec.decoys and suite in other_prompts:
                    result = "it depends on the suite's other prompts, and the runs have pictures of different ones"
                else:
                    result = _pairing(spec, suite, pair, rows_a, rows_b)
                yield spec, suite, pair, result


def _rates(first: RunTables, second: RunTables, pairs: Sequence[tuple[str, str]]) -> Iterator[_PairingResult]:
    for pair in pairs:
        requests = [asked_requests(run, system) for run, system in zip((first, second), pair, strict=True)]
        sides = [rows for rows in requests if rows is not None]
        if len(sides) < 2:
            continue  # a note says so, once for the whole run
        for spec in OPERATIONS:
            if spec.id in RATES:
                # Requests as measurements: 1 where one ended as the rate counts, 0 where it did not.
                ended = (
                    rows.assign(
                        metric=spec.id,
                        suite="",
                        prompt=rows["suite"] + "/" + rows["prompt"],
                        value=ended_as(rows, RATES[spec.id]).astype(float),
                    )
                    for rows in sides
                )
                yield spec, "", pair, _pairing(spec, "", pair, *ended)


def _pairing(
    spec: MetricSpec | OperationSpec, suite: str, pair: tuple[str, str], rows_a: pd.DataFrame, rows_b: pd.DataFrame
) -> Pairing | str:
    means_a, means_b = _by_prompt(rows_a), _by_prompt(rows_b)
    if empty := [name for name, means in (("A", means_a), ("B", means_b)) if means.empty]:
        reasons = ", ".join(sorted({reason for rows in (rows_a, rows_b) for reason in reason_counts(rows)}))
        return f"nothing has a value in run {' and run '.join(empty)} ({reasons})"
    shared = pd.concat([means_a, means_b], axis=1, join="inner", keys=["a", "b"]).sort_index()
    # Most runs agree throughout; only where they do not is it worth a look which prompts that concerns.
    if _other_way(rows_a, rows_b) and (
        reason := _other_way(*(rows[rows["prompt"].isin(shared.index)] for rows in (rows_a, rows_b)))
    ):
        return reason
    if len(shared) < MIN_PROMPTS:
        return f"prompts with a value in both runs: {len(shared)}, and {MIN_PROMPTS} are needed"
    a, b = (shared[side].to_numpy(np.float64) for side in ("a", "b"))
    return Pairing(
        spec=spec,
        suite=suite or None,
        system_a=pair[0],
        system_b=pair[1],
        prompts=tuple(map(str, shared.index)),
        a=a,
        b=np.where(np.isclose(b, a, rtol=TOLERANCE, atol=TOLERANCE), a, b),
        rows_a=rows_a,
        rows_b=rows_b,
    )


def _by_prompt(rows: pd.DataFrame) -> pd.Series[float]:
    return rows[rows["value"].notna()].groupby("prompt")["value"].mean()


def _measurements(scores: pd.DataFrame) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Return a run's measurements without controls by metric, suite and system, with how and of what each was made."""
    targets = scores[scores["system"].notna() & scores["control"].isna()]
    rows = with_prompts(targets).assign(
        subject=targets["subject"], metric_version=targets["metric_version"], weights_sha256=targets["weights_sha256"]
    )
    groups = rows.groupby(["metric", "suite", "system"])
    return {(str(metric), str(suite), str(system)): group for (metric, suite, system), group in groups}


def _suites_with_other_prompts(first: RunTables, second: RunTables) -> set[str]:
    a, b = (
        {str(suite): set(map(words_of_prompt, prompts)) for suite, prompts in run.samples.groupby("suite")["prompt"]}
        for run in (first, second)
    )
    return {suite for suite in a.keys() & b.keys() if a[suite] != b[suite]}


def _other_way(rows_a: pd.DataFrame, rows_b: pd.DataFrame) -> str | None:
    """Return what differs in how two runs measured the same prompts, None where nothing does."""
    # Several ways in one run are meant so (another script has another engine): it is their set that must agree.
    for column, noun in _WAY.items():
        a, b = (
            {str(way) for way in rows.loc[rows["value"].notna(), column].dropna().unique()} if column in rows else set()
            for rows in (rows_a, rows_b)
        )
        if a != b:
            return f"its {noun} differs: {_shortly(a)} in run A, {_shortly(b)} in run B"
    return None


def _shortly(ways: set[str]) -> str:
    # A hash is known by its beginning.
    return ", ".join(way[:12] if len(way) == 64 else way for way in sorted(ways)) or "none"
