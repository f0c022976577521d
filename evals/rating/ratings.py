"""Ratings: everything that a score table says about its systems, as one document that can be written as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from typing_extensions import TypedDict

from evals.rating.agreement import JudgeAgreement, judge_agreements
from evals.rating.comparison import PairedDifference, SystemMean, compare_systems, with_prompts
from evals.rating.controls import RELIABLE_AUC, ControlStatistic, control_statistics
from evals.rating.statistics.intervals import MIN_PROMPTS
from metrics.catalogue import METRICS, metric
from metrics.controls import CONTROLS

SCHEMA = 11
"""Of the document; it changes with what is in it, so that stored ratings of an older one are made anew."""

WELL_COVERED_PROMPTS = 20
"""Below this many prompts the intervals are rough, and a warning says so."""


class Ratings(TypedDict):
    """The document: means with intervals, paired differences, controls, how judges agree, and what to be wary of."""

    schema: int
    systems: list[str]
    rows: list[SystemMean]
    differences: list[PairedDifference]
    controls: list[ControlStatistic]
    agreements: list[JudgeAgreement]
    warnings: list[str]


def rate(scores: pd.DataFrame, seed: int = 0) -> Ratings:
    """Rate the systems of a score table.

    Parameters
    ----------
    scores
        The score table, one measurement a row. The result does not depend on the order of the rows.
    seed
        Of the bootstrap; the same table and seed give the same ratings.

    Returns
    -------
    Ratings
        Of plain Python values only, with None for what is undefined.
    """
    in_catalogue = scores["metric"].isin([spec.id for spec in METRICS])
    # A pair of images of two systems belongs to neither.
    usable = scores[in_catalogue & scores["system"].notna()]
    measurements = with_prompts(usable)
    targets = measurements[measurements["control"].isna()]
    rows, differences = compare_systems(targets, seed)
    controls = control_statistics(measurements, seed)
    return Ratings(
        schema=SCHEMA,
        systems=sorted(measurements["system"].unique()),
        rows=rows,
        differences=differences,
        controls=controls,
        agreements=judge_agreements(targets, seed),
        warnings=[
            *(
                f"{name} is not in this version's catalogue and was left out."
                for name in sorted(scores.loc[~in_catalogue, "metric"].unique())
            ),
            *_few_prompts(rows),
            *_mixed_encoders(usable[usable["control"].isna()]),
            *_failed_controls(controls),
            *_repeats_of_other_sizes(measurements),
        ],
    )


def _few_prompts(rows: Sequence[SystemMean]) -> Iterator[str]:
    by_suite: dict[str, list[int]] = {}
    for row in rows:
        if 0 < row["n_prompts"] < WELL_COVERED_PROMPTS:
            by_suite.setdefault(row["suite"] or "", []).append(row["n_prompts"])
    if by_suite:
        spans = {suite: dict.fromkeys([min(counts), max(counts)]) for suite, counts in sorted(by_suite.items())}
        counts = ", ".join(f"{suite or 'the set'} {' to '.join(map(str, span))}" for suite, span in spans.items())
        yield (
            f"Below {WELL_COVERED_PROMPTS} prompts intervals are rough and only large differences show, below "
            f"{MIN_PROMPTS} there is no interval. Prompts behind the numbers: {counts}."
        )


def _mixed_encoders(scores: pd.DataFrame) -> Iterator[str]:
    way = ["metric_version", "encoder", "weights_sha256"]
    scored = scores.loc[scores["value"].notna(), ["metric", "suite", "prompt_id", *way]]
    n_ways = scored[["metric", *way]].drop_duplicates()["metric"].value_counts()
    for metric_id in sorted(n_ways[n_ways > 1].index):
        rows = scored[scored["metric"] == metric_id]
        # Another engine for another script is meant so; another one for the same prompt is not.
        by_prompt = rows[["suite", "prompt_id", *way]].drop_duplicates()
        if by_prompt.duplicated(["suite", "prompt_id"]).any():
            encoders = ", ".join(sorted(rows["encoder"].dropna().unique()))
            yield (
                f"{metric(metric_id).title} was measured in more than one way on the same prompts (encoders: "
                f"{encoders}); encoder, weights and version must be the same for all systems, so score them together."
            )


def _failed_controls(controls: Sequence[ControlStatistic]) -> Iterator[str]:
    reported = {(row["metric"], row["suite"]) for row in controls}
    for row in controls:
        value, low, high = row["value"], row["low"], row["high"]
        if value is None or low is None or high is None or row["proven_by"]:
            continue
        if (metric(row["metric"]).ranks_as, row["suite"]) in reported:
            continue  # it was said of the metric that orders the same values in the same way
        where = f" on suite {row['suite']}" if row["suite"] else ""
        control = CONTROLS[row["control"]]
        if row["statistic"] == "auc" == control.proof and (low <= 0.5 or value < RELIABLE_AUC):
            yield (
                f"{metric(row['metric']).title}{where} {'cannot tell' if low <= 0.5 else 'tells only weakly'} on this "
                f"material: an own value beats the control {control.title} with probability "
                f"{value:.2f} ({low:.2f} to {high:.2f}), and 0.50 is chance."
            )
        if row["statistic"] == "seed_ratio" and high >= 1:
            yield (
                f"{row['system']}{where}: the seed has no effect that can be seen; images of one seed differ "
                f"{value:.2f} times ({low:.2f} to {high:.2f}) as much as images of different seeds."
            )


def _repeats_of_other_sizes(measurements: pd.DataFrame) -> Iterator[str]:
    seeds = measurements[measurements["control"].isin([row.id for row in CONTROLS.values() if row.of_system])]
    with_seeds = set(zip(seeds["system"], seeds["suite"], strict=True))
    targets = measurements[measurements["control"].isna()]
    differs = targets.assign(differs=targets["reason"].eq("size_differs")).groupby(["system", "suite", "metric"])
    counts = differs["differs"].agg(["sum", "size"])
    # Every metric over pixels has the same pairs; one of them is enough to count.
    of_systems = counts[counts["sum"] > 0].groupby(level=["system", "suite"]).max()
    for (system, suite), n, n_pairs in of_systems.itertuples(name=None):
        if (system, suite) in with_seeds:
            yield (
                f"{system}{f' on suite {suite}' if suite else ''}: {n} of {n_pairs} same-seed pairs differ in size "
                "and have no pixels to compare; without these, the worst ones, a seed ratio or an AUC against "
                "different seeds would flatter, so metrics over pixels have none."
            )
