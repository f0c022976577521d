"""Systems side by side: means over prompts, and paired differences on the prompts that two systems share."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.statistics.estimates import score_differences, score_means
from evals.rating.statistics.intervals import Estimate
from metrics.catalogue import METRICS, metric
from metrics.specification import Better, MetricSpec


class SystemMean(TypedDict):
    """One metric of one system on one suite: the mean over prompts, its 95 % interval, and what could not be scored.

    The interval is the studentised bootstrap's; that of a rate that was 0 or 1 on every prompt is Wilson's.
    ``n_prompts`` prompts are behind the mean; ``n_scored`` and ``n_unscored`` count measurements, ``reasons`` says
    why the latter have no value. ``mean`` is None where nothing was scored, ``low`` and ``high`` below 5 prompts.
    """

    metric: str
    title: str
    unit: str
    better: Better
    suite: str | None
    system: str
    encoder: str | None
    n_prompts: int
    n_scored: int
    n_unscored: int
    reasons: dict[str, int]
    mean: float | None
    low: float | None
    high: float | None


class PairedDifference(TypedDict):
    """System A minus system B on the prompts that both have values for.

    The interval is Student's t over the prompts' differences, Newcombe's where both are rates; None below 5 prompts.
    No system is called better by it: it is one of very many, and only a row of the star table is corrected for that.
    """

    metric: str
    suite: str | None
    system_a: str
    system_b: str
    n_prompts: int
    mean: float | None
    low: float | None
    high: float | None


def number_or_none(value: float) -> float | None:
    """Return a plain float, None for NaN, as JSON has no NaN.

    Examples
    --------
    >>> number_or_none(np.float64(0.5)), number_or_none(float("nan"))
    (0.5, None)
    """
    return float(value) if np.isfinite(value) else None


def column_of(rows: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return a column, of nulls where the table does not have it."""
    return rows[name] if name in rows else pd.Series(None, index=rows.index, dtype=object)


def with_prompts(scores: pd.DataFrame) -> pd.DataFrame:
    """Return what rating needs of the score table, with a column ``prompt``: the unit that is resampled and paired.

    The unit is the prompt; where the prompt is a shot of a sequence it is the whole sequence, since its shots show
    the same people in the same place and are not independent. A missing suite becomes the empty string. ``sample`` is
    the first sample of the subject, the one that a control is about.
    """
    suite = scores["suite"].astype(object)
    sequence = scores["sequence_id"].astype(object)
    return pd.DataFrame(
        {
            "metric": scores["metric"].astype(str),
            "suite": suite.where(suite.notna(), "").astype(str),
            "system": scores["system"].astype(str),
            "prompt": sequence.where(sequence.notna(), scores["prompt_id"]).astype(str),
            "prompt_id": scores["prompt_id"].astype(str),
            "sample": [str(sample_ids[0]) for sample_ids in scores["subject"]],
            "control": scores["control"],
            "value": scores["value"].astype(float),
            "reason": scores["reason"],
            "encoder": scores["encoder"],
        }
    )


def prompt_means(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the mean value of each prompt: repeats, shots and pairs are averaged inside the prompt first.

    Parameters
    ----------
    measurements
        Rows of `with_prompts`; rows without a value are passed over, never counted as zero.

    Returns
    -------
    DataFrame
        Index (metric, suite, prompt), sorted; one column a system, NaN where it has no value for that prompt.
    """
    scored = measurements[measurements["value"].notna()]
    return scored.pivot_table(index=["metric", "suite", "prompt"], columns="system", values="value", aggfunc="mean")


def compare_systems(measurements: pd.DataFrame, seed: int) -> tuple[list[SystemMean], list[PairedDifference]]:
    """Return the mean of every (metric, suite, system) and the paired differences of every two systems.

    Parameters
    ----------
    measurements
        Rows of `with_prompts`, controls left out.
    seed
        Of the bootstrap.

    Returns
    -------
    means, differences
        In the order of the catalogue, then by suite, then by system. Metrics without a better direction and metrics
        over arbitrary pairs of images have no differences.
    """
    measurements = measurements[["metric", "suite", "system", "prompt", "encoder", "value", "reason"]]
    groups = {(str(name), str(suite)): rows for (name, suite), rows in measurements.groupby(["metric", "suite"])}
    scored = dict(iter(prompt_means(measurements).groupby(level=["metric", "suite"])))
    nothing = pd.DataFrame(index=pd.MultiIndex.from_arrays([[], [], []]), dtype=float)
    means: list[SystemMean] = []
    differences: list[PairedDifference] = []
    for metric_id, suite in sorted(groups, key=lambda key: (METRICS.index(metric(key[0])), key[1])):
        spec, rows = metric(metric_id), groups[metric_id, suite]
        systems, prompts = sorted(rows["system"].unique()), sorted(rows["prompt"].unique())
        table = scored.get((metric_id, suite), nothing).droplevel([0, 1]).reindex(prompts, columns=systems)
        values = table.to_numpy(np.float64)
        by_system = dict(iter(rows.groupby("system")))
        for system, estimate in zip(systems, score_means(values, spec.range, seed, spec.rate), strict=True):
            means.append(_system_mean(spec, suite, system, by_system[system], estimate))
        # Pairs of any two images mix same and different people on purpose; a higher mean of them is no better.
        if spec.better != "neither" and spec.subject != "pair" and len(systems) > 1:
            first, second = np.array(list(combinations(range(len(systems)), 2))).T
            estimates = score_differences(values[:, first], values[:, second], spec.range, spec.rate)
            for a, b, estimate in zip(first, second, estimates, strict=True):
                differences.append(_paired_difference(spec, suite, systems[a], systems[b], estimate))
    return means, differences


def reason_counts(rows: pd.DataFrame) -> dict[str, int]:
    """Count the measurements without a value by their reason."""
    counts = Counter(rows["reason"][rows["value"].isna()].dropna())
    return {str(reason): counts[reason] for reason in sorted(counts)}


def _system_mean(spec: MetricSpec, suite: str, system: str, rows: pd.DataFrame, estimate: Estimate) -> SystemMean:
    n_scored = int(rows["value"].count())
    return SystemMean(
        metric=spec.id,
        title=spec.title,
        unit=spec.unit,
        better=spec.better,
        suite=suite or None,
        system=system,
        encoder=", ".join(sorted(rows["encoder"].dropna().unique())) or None,
        n_prompts=estimate.n_prompts,
        n_scored=n_scored,
        n_unscored=len(rows) - n_scored,
        reasons=reason_counts(rows),
        mean=number_or_none(estimate.value),
        low=number_or_none(estimate.low),
        high=number_or_none(estimate.high),
    )


def _paired_difference(
    spec: MetricSpec, suite: str, system_a: str, system_b: str, estimate: Estimate
) -> PairedDifference:
    return PairedDifference(
        metric=spec.id,
        suite=suite or None,
        system_a=system_a,
        system_b=system_b,
        n_prompts=estimate.n_prompts,
        mean=number_or_none(estimate.value),
        low=number_or_none(estimate.low),
        high=number_or_none(estimate.high),
    )
