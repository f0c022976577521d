"""Every outcome of a row on the scale from 0 to 1: what was measured, what a system failed at, what was left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evals.rating.operations import NEVER_SENT
from evals.rating.scales import SYSTEM_FAILURES, FrozenScale, share_of_scale
from metrics.catalogue import metric
from metrics.specification import SubjectKind

WITHHELD = ("refused", "filtered")
"""Outcomes in which the system gave no picture by its own will: they count as 0."""

LOST = ("failed", "timeout", "unknown")
"""Outcomes in which network, disk or host broke down: they are left out, and bounds say what they could change."""

_GROUP = ["system", "suite", "prompt", "seed", "repeat"]
_COUNTS = ["n_scored", "n_failed", "n_left_out"]


@dataclass(frozen=True, slots=True)
class PromptOutcomes:
    """One metric (or one row of several) on one suite, by prompt and system.

    Attributes
    ----------
    shares
        Index prompt, one column a system: mean place on the scale, 0 to 1, failures of the system as 0; NaN where
        nothing is known.
    complete_case
        The same without the system's failures.
    lowest, highest
        The same if everything that was left out had been worst, or best.
    counts
        Index system: ``n_scored``, ``n_failed`` and ``n_left_out`` outcomes.
    reasons
        For each system, how often each reason for a failure or for leaving out occurred.
    """

    shares: pd.DataFrame
    complete_case: pd.DataFrame
    lowest: pd.DataFrame
    highest: pd.DataFrame
    counts: pd.DataFrame
    reasons: dict[str, dict[str, int]]

    @classmethod
    def of(cls, own: pd.DataFrame, absent: pd.DataFrame | None = None) -> PromptOutcomes:
        """Average outcomes inside their prompts.

        Parameters
        ----------
        own
            One row an outcome: ``system prompt value reason share failed left_out``; ``share`` is NaN where it was
            left out.
        absent
            Outcomes that no row speaks of: ``system prompt n_failed n_left_out``.
        """
        keys = ["prompt", "system"]
        groups = own.assign(n_scored=own["value"].notna() & ~own["failed"]).groupby(keys)
        table = groups.agg(
            total=("share", "sum"),
            n_scored=("n_scored", "sum"),
            n_failed=("failed", "sum"),
            n_left_out=("left_out", "sum"),
        )
        if absent is not None and len(absent):
            lacking = absent.groupby(keys)[["n_failed", "n_left_out"]].sum()
            table = table.add(lacking, fill_value=0.0)[["total", *_COUNTS]].fillna(0.0)
        known = table["n_scored"] + table["n_failed"]
        everything = known + table["n_left_out"]
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls(
                shares=_by_system(table["total"] / known),
                complete_case=_by_system(table["total"] / table["n_scored"]),
                lowest=_by_system(table["total"] / everything),
                highest=_by_system((table["total"] + table["n_left_out"]) / everything),
                counts=table.groupby("system")[_COUNTS].sum().astype(int),
                reasons=_counted(own["system"], own["reason"]),
            )


def _by_system(values: pd.Series[float]) -> pd.DataFrame:
    table = values.where(np.isfinite(values)).reset_index(name="share")
    return table.pivot_table(index="prompt", columns="system", values="share", dropna=False)


def one_id_per_prompt(scores: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the score table with one ``prompt_id`` for prompts of a suite that ask for the same.

    Two ids with the same words and the same pictures are one prompt asked twice: counted as two they would make every
    interval too narrow. Shots of a sequence are left alone, since their sequence is the unit already.

    Parameters
    ----------
    scores
        The score table, or the requests of the run.
    samples
        The rows of the image set, with ``suite``, ``prompt_id`` and ``prompt``.
    """
    if samples.empty or "prompt_id" not in scores:
        return scores
    asked = samples[[name for name in ("suite", "prompt_id", "prompt") if name in samples]].copy()
    for column in ("reference_images", "mask", "sequence_id"):
        asked[column] = samples[column].map(repr) if column in samples else ""
    asked = asked.drop_duplicates(["suite", "prompt_id"]).sort_values("prompt_id")
    first = asked.groupby(["suite", "prompt", "reference_images", "mask", "sequence_id"])["prompt_id"].transform(
        "first"
    )
    renamed = asked[first != asked["prompt_id"]].assign(first=first)
    if renamed.empty:
        return scores
    names = {(suite, old): new for suite, old, new in renamed[["suite", "prompt_id", "first"]].itertuples(index=False)}
    keys = zip(scores["suite"], scores["prompt_id"], strict=True)
    return scores.assign(prompt_id=[names.get(key, key[1]) for key in keys])


def with_units(requests: pd.DataFrame) -> pd.DataFrame:
    """Return the requests of a run with the columns that outcomes are grouped by; ``prompt`` is the unit.

    A request that names no prompt is a prompt of its own; one without a suite is of every suite (``suite`` is NaN).
    """
    n = len(requests)

    def column(name: str) -> pd.Series[str]:
        return requests[name] if name in requests else pd.Series([None] * n, requests.index, dtype=object)

    unit = column("sequence_id").where(column("sequence_id").notna(), column("prompt_id"))
    own = pd.Series([f"request {place}" for place in range(n)], requests.index, dtype=object)
    return pd.DataFrame(
        {
            "system": column("system").astype(str),
            "suite": column("suite"),
            "prompt": unit.where(unit.notna(), own).astype(str),
            "prompt_id": column("prompt_id").where(column("prompt_id").notna(), own).astype(str),
            "shot": column("shot"),
            "seed": column("seed"),
            "repeat": column("repeat"),
            "size": column("size"),
            "outcome": _whose_fault(column("outcome"), column("reason"), column("system"), column("suite"), unit),
            "latency_s": pd.to_numeric(column("latency_s"), errors="coerce"),
            "cost_usd": pd.to_numeric(column("cost_usd"), errors="coerce"),
        }
    )


def _whose_fault(outcome: pd.Series[str], reason: pd.Series[str], *group: pd.Series[str]) -> pd.Series[str]:
    """Return the outcomes, later shots that were never sent as withheld where the first shot was."""
    never_sent = reason.eq(NEVER_SENT)
    if not never_sent.any():
        return outcome.astype(str)
    withheld_first = outcome.isin(WITHHELD).groupby(list(group), dropna=False).transform("any")
    return outcome.astype(str).where(~(never_sent & withheld_first), WITHHELD[0])


def prompt_outcomes(
    measurements: pd.DataFrame, scores: pd.DataFrame, requests: pd.DataFrame | None, scale: FrozenScale
) -> PromptOutcomes:
    """Return where every prompt of every system lies on the scale of one metric on one suite.

    Parameters
    ----------
    measurements, scores
        Own rows (no controls) of the suite, as `evals.rating.comparison.with_prompts` returns them, and the same rows
        of the score table.
    requests
        As `with_units` returns them, None where the run does not tell them.
    scale
        Of the metric on the suite.
    """
    spec, suite = metric(scale["metric"]), scale["suite"] or ""
    is_own = (measurements["metric"] == spec.id) & (measurements["suite"] == suite)
    own = measurements.loc[is_own, ["system", "prompt", "value", "reason"]].copy()
    own["seed"], own["repeat"] = scores.loc[is_own, "seed"], scores.loc[is_own, "repeat"]
    own["share"] = share_of_scale(own["value"], scale)
    own.loc[own["reason"].isin(SYSTEM_FAILURES), "share"] = 0.0
    own["failed"], own["left_out"] = own["reason"].isin(SYSTEM_FAILURES), own["share"].isna()
    if requests is None:
        return PromptOutcomes.of(own)
    absent = _absent(requests, spec.subject, suite, _unasked(measurements, own, suite))
    if spec.subject == "sequence":
        # Without one of its shots no sequence was delivered, whatever the others are like.
        broken = absent[absent["n_failed"] > 0].set_index(_GROUP).index
        at = pd.MultiIndex.from_frame(own.assign(suite=suite)[_GROUP])
        incomplete = at.isin(broken)
        own.loc[incomplete, "share"], own.loc[incomplete, "failed"] = 0.0, True
        own["left_out"] = own["left_out"] & ~incomplete
        absent = absent[~absent.set_index(_GROUP).index.isin(at)]
    return PromptOutcomes.of(own, absent)


def _unasked(measurements: pd.DataFrame, own: pd.DataFrame, suite: str) -> frozenset[str]:
    """Return the prompts of the suite that ask nothing of the metric: others were measured on them, it was not."""
    seen = measurements.loc[measurements["suite"] == suite, "prompt"]
    return frozenset(seen) - frozenset(own["prompt"])


def _absent(requests: pd.DataFrame, subject: SubjectKind, suite: str, unasked: frozenset[str]) -> pd.DataFrame:
    """Return how many subjects each group of requests lacks, by whose fault: ``n_failed`` and ``n_left_out``."""
    of_suite = requests[(requests["suite"] == suite) | requests["suite"].isna()]
    of_suite = of_suite[~of_suite["prompt"].isin(unasked)].assign(suite=suite)
    group = _GROUP if subject != "repeats" else ["system", "suite", "prompt", "prompt_id", "shot", "seed"]
    counted = of_suite.assign(
        ok=of_suite["outcome"].eq("ok"),
        withheld=of_suite["outcome"].isin(WITHHELD),
        lost=of_suite["outcome"].isin(LOST),
    )
    counts = counted.groupby(group, dropna=False, as_index=False)[["ok", "withheld", "lost"]].sum()
    if subject == "sequence":
        counts["n_failed"] = (counts["withheld"] > 0).astype(int)
        counts["n_left_out"] = ((counts["ok"] == 0) & (counts["withheld"] == 0)).astype(int)
    else:
        delivered = _subjects(counts["ok"], subject)
        with_withheld = _subjects(counts["ok"] + counts["withheld"], subject)
        with_all = _subjects(counts["ok"] + counts["withheld"] + counts["lost"], subject)
        counts["n_failed"], counts["n_left_out"] = with_withheld - delivered, with_all - with_withheld
    return counts[(counts["n_failed"] > 0) | (counts["n_left_out"] > 0)]


def _subjects(n: pd.Series[int], subject: SubjectKind) -> pd.Series[int]:
    """Return how many subjects so many pictures of one group make."""
    if subject in ("shots", "repeats", "pair"):
        return n * (n - 1) // 2
    return (n - 1).clip(lower=0) if subject == "consecutive" else n


def _counted(systems: pd.Series[str], reasons: pd.Series[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    counts = pd.DataFrame({"system": systems, "reason": reasons}).dropna().value_counts().sort_index()
    for system, reason, n in counts.reset_index().itertuples(index=False):
        found.setdefault(str(system), {})[str(reason)] = int(n)
    return found


def combined(parts: list[tuple[PromptOutcomes, float]]) -> PromptOutcomes:
    """Return the weighted mean of several metrics on the same prompts.

    A prompt that asks nothing of a metric is weighed by the others; one of which a metric could not be measured for a
    system is unknown for that system. Each part enters with a weight above 0, so that lowering any never raises the
    whole.
    """
    if len(parts) == 1:
        return parts[0][0]
    outcomes = [part for part, _ in parts]
    prompts = pd.Index(sorted(set().union(*(part.shares.index for part in outcomes))), name="prompt")
    systems = pd.Index(sorted(set().union(*(part.shares.columns for part in outcomes))), name="system")
    asked = np.array([prompts.isin(part.shares.index) for part in outcomes])
    weights = np.array([weight for _, weight in parts]) @ asked

    def mean_of(name: str) -> pd.DataFrame:
        total = np.zeros((len(prompts), len(systems)))
        for (part, weight), has_it in zip(parts, asked, strict=True):
            table: pd.DataFrame = getattr(part, name)
            total += np.where(has_it[:, None], weight * table.reindex(index=prompts, columns=systems).to_numpy(), 0.0)
        return pd.DataFrame(total / weights[:, None], prompts, systems)

    counts = pd.concat([part.counts for part in outcomes]).groupby("system").sum()
    reasons: dict[str, dict[str, int]] = {}
    for part in outcomes:
        for system, of_part in part.reasons.items():
            for reason, n in of_part.items():
                reasons.setdefault(system, {})[reason] = reasons.get(system, {}).get(reason, 0) + n
    return PromptOutcomes(
        shares=mean_of("shares"),
        complete_case=mean_of("complete_case"),
        lowest=mean_of("lowest"),
        highest=mean_of("highest"),
        counts=counts,
        reasons=reasons,
    )
