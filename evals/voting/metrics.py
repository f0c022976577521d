"""Each metric against people: on how many pairs it prefers what they prefer, and whether it orders pairs as they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.agreement import DECIMALS, kendall_of
from evals.rating.comparison import number_or_none
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers, bootstrap_estimate
from evals.voting.agreement import share_of_prompts
from evals.voting.clusters import more_prompts
from evals.voting.judgements import PAIR
from metrics.catalogue import METRICS

_SPECS = {spec.id: spec for spec in METRICS}


class MetricAgainstPeople(TypedDict):
    """How one metric does against the votes on one row.

    ``accuracy`` is the share of pairs, of those on which people lean to one side, where the metric leans to the same
    (a half where to none); 0.5 is chance. ``kendall`` is tau-b between the metric's lead and the people's on all pairs.
    ``in_row`` says that the row's stars are made of it, ``n_without`` how many pairs it has no value for,
    ``more_prompts`` about how many more would tell it from chance (0: it is told, null: no saying).
    """

    metric: str
    in_row: bool
    n_pairs: int
    n_without: int
    accuracy: float | None
    low: float | None
    high: float | None
    kendall: float | None
    kendall_low: float | None
    kendall_high: float | None
    more_prompts: int | None


def metrics_against_people(
    judged: pd.DataFrame, scores: pd.DataFrame, suite: str, in_row: Sequence[str], seed: int
) -> list[MetricAgainstPeople]:
    """Return every metric that has values on the pairs of a row, those of the row first, then the most accurate.

    Parameters
    ----------
    judged
        Rows of `evals.voting.judgements.judgements`, of one row of the star table.
    scores
        The score table; of it, what was measured of the samples that people saw.
    suite
        Of the row.
    in_row
        The metrics that the row's stars are made of.
    seed
        Of the bootstraps over prompts.
    """
    pairs, leads = leads_of_metrics(judged, scores, suite)
    rated = [_against(name, name in in_row, pairs, lead, seed) for name, lead in leads.items()]
    return sorted(
        (one for one in rated if one["n_pairs"]),
        key=lambda one: (not one["in_row"], -(one["accuracy"] or 0.0), one["metric"]),
    )


def leads_of_metrics(judged: pd.DataFrame, scores: pd.DataFrame, suite: str) -> tuple[pd.DataFrame, dict[str, Numbers]]:
    """Return the pairs of a row with people's lead for A (-0.5 to 0.5), and each metric's lead, above 0 if A is better.

    A metric's lead is NaN where it has no value for one of the two. Parameters as for `metrics_against_people`.
    """
    pairs = judged.groupby(PAIR).agg(
        lead=("preference", "mean"), samples_a=("samples_a", "first"), samples_b=("samples_b", "first")
    )
    pairs = pairs.assign(lead=pairs["lead"] - 0.5).reset_index()
    own = scores[scores["control"].isna() & scores["value"].notna() & scores["suite"].fillna("").eq(suite)]
    leads = {}
    for name, rows in own.groupby("metric"):
        spec = _SPECS.get(str(name))
        if spec is not None and spec.better != "neither":
            values = _values_of_sides(rows, pairs)
            first, second = (
                np.array([values.get(side, np.nan) for side in pairs[column]]) for column in ("samples_a", "samples_b")
            )
            leads[spec.id] = first - second if spec.better == "higher" else second - first
    return pairs, leads


def _values_of_sides(rows: pd.DataFrame, pairs: pd.DataFrame) -> Mapping[tuple[str, ...], float]:
    """Return the mean of a metric over all that it measured inside each side that was shown."""
    sides = {sample: side for name in ("samples_a", "samples_b") for side in pairs[name] for sample in side}
    values: dict[tuple[str, ...], list[float]] = {}
    for subject, value in zip(rows["subject"], rows["value"], strict=True):
        shown = {sides.get(sample) for sample in subject}
        if len(shown) == 1 and (side := shown.pop()) is not None:
            values.setdefault(side, []).append(float(value))
    return {side: float(np.mean(several)) for side, several in values.items()}


def _against(name: str, in_row: bool, pairs: pd.DataFrame, leads: Numbers, seed: int) -> MetricAgainstPeople:
    known = np.isfinite(leads)
    people, metric = pairs["lead"].to_numpy(np.float64)[known].round(9), leads[known].round(DECIMALS)
    prompts = pairs["prompt"][known].reset_index(drop=True)
    agreeing = pd.Series((1 + np.sign(people) * np.sign(metric)) / 2)[people != 0]
    accuracy = share_of_prompts(agreeing, prompts, seed)
    if not metric.any():  # it never leans: a half that says nothing of other prompts
        accuracy = replace(accuracy, low=np.nan, high=np.nan)
    kendall = _kendall(metric, people, pd.factorize(prompts)[0], seed)
    return MetricAgainstPeople(
        metric=name,
        in_row=in_row,
        n_pairs=int((people != 0).sum()),
        n_without=int((~known).sum()),
        accuracy=number_or_none(accuracy.value),
        low=number_or_none(accuracy.low),
        high=number_or_none(accuracy.high),
        kendall=number_or_none(kendall.value),
        kendall_low=number_or_none(kendall.low),
        kendall_high=number_or_none(kendall.high),
        more_prompts=more_prompts(accuracy),
    )


def _kendall(metric: Numbers, people: Numbers, prompts: np.ndarray, seed: int) -> Estimate:
    if len(np.unique(metric)) < 2 or len(np.unique(people)) < 2:
        return Estimate(0, np.nan, np.nan, np.nan)
    statistic = kendall_of(*(np.unique(side, return_inverse=True)[1].astype(np.int64) for side in (metric, people)))
    n_prompts = int(prompts.max()) + 1
    estimate = bootstrap_estimate(lambda draws: statistic(draws[:, prompts]), n_prompts, seed, size=len(prompts))
    if n_prompts < MIN_PROMPTS or abs(estimate.value) > 1 - 1e-9:  # every resample repeats perfect order
        return Estimate(n_prompts, estimate.value, np.nan, np.nan)
    return estimate
