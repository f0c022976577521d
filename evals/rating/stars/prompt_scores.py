"""Every outcome of a row on the scale from 0 to 1: what was measured, what a system failed at, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from evals.imageset.contract import NO_FIRST_SHOT, Outcome, ended_as
from evals.rating.comparison import column_of
from evals.rating.request_figures import moments_of
from evals.rating.stars.scales import FrozenScale, share_of_scale
from metrics.catalogue import metric
from metrics.specification import SubjectKind

WITHHELD: tuple[Outcome, ...] = ("refused", "filtered")
"""Outcomes in which the system gave no picture by its own will: they count as 0."""

LOST: tuple[Outcome, ...] = ("failed", "timeout", "unknown")
"""Outcomes in which network, disk or host broke down: they are left out, and bounds say what they could change."""

NOT_ASKED = (
    "no_checkable_object",
    "no_checkable_colour",
    "no_checkable_relation",
    "no_checkable_position",
    "no_source",
    "no_mask",
    "unclear_mask",
    "mask_covers_all",
    "mask_is_empty",
    "texts_agree",
    "no_decoys",
)
"""Reasons that lie in the prompt item: it asks nothing of the metric, and so is none of its prompts.

They hold for all systems or for none: where another one was measured on the prompt, the item does ask, and what is
missing is missing for this system alone.
"""

NOT_ASKED_OF_SYSTEM = "not_asked_of_system"
"""The reason of a picture that lacks a metric which others on its prompt have, as an expected text or a source does."""

_GROUP = ["system", "suite", "prompt", "original_id", "repeat"]
"""What is delivered together: one asking of a sequence with all of its shots, whatever seed each of them has."""

_SEED_GROUP = ["system", "suite", "prompt", "original_id", "prompt_id", "shot", "seed"]
"""What is asked for with one seed: the repeats of a picture."""

_ENDINGS = ["ok", "withheld", "lost"]

_COUNTS = ["n_scored", "n_failed", "n_left_out"]


@dataclass(frozen=True, slots=True)
class PromptScores:
    """One metric (or one row of several) on one suite, by prompt and system.

    ``chance`` is the place that arrangements known to be wrong have in the mean, where one star lies (see
    `evals.rating.stars.chance`); ``rates`` says that places of 0 and 1 alone are outcomes of a rate.
    ``shares`` has the index prompt and one column a system: mean place on the scale, 0 to 1, failures of the system as
    0; NaN where nothing is known. ``complete_case`` is the same without the system's failures, ``lowest`` and
    ``highest`` are the same if everything that was left out had been worst, or best. ``counts`` has the index system
    and ``n_scored``, ``n_failed`` and ``n_left_out`` outcomes; ``reasons`` counts the reasons for failing or leaving
    out. ``asked_at`` is when each prompt was asked, in seconds, where a score drifts with the hour: ``first`` and
    ``last`` request, by system. ``cautions`` say what the scores of a system hold for.
    """

    shares: pd.DataFrame
    complete_case: pd.DataFrame
    lowest: pd.DataFrame
    highest: pd.DataFrame
    counts: pd.DataFrame
    reasons: dict[str, dict[str, int]]
    chance: float = 0.0
    rates: bool = False
    asked_at: pd.DataFrame | None = None
    cautions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, placed: pd.DataFrame, absent: pd.DataFrame | None = None, chance: float = 0.0, rates: bool = False
    ) -> PromptScores:
        """Average outcomes inside their prompts.

        ``placed`` has one row an outcome: ``system prompt value reason share failed left_out``; ``share`` is NaN where
        it was left out. ``absent`` are outcomes that no row speaks of: ``system prompt n_failed n_left_out``; what
        failed was withheld, what was left out was lost.
        """
        keys = ["prompt", "system"]
        counted = placed[keys].assign(
            total=placed["share"].fillna(0.0),
            n_scored=(placed["value"].notna() & ~placed["failed"]).astype(float),
            n_failed=placed["failed"].astype(float),
            n_left_out=placed["left_out"].astype(float),
        )
        table = counted.groupby(keys).sum()
        if absent is not None and len(absent):
            lacking = absent.groupby(keys)[["n_failed", "n_left_out"]].sum()
            table = table.add(lacking, fill_value=0.0)[table.columns].fillna(0.0)
        total, scored, failed, left_out = (_by_system(table[name]) for name in ("total", *_COUNTS))
        # Where nothing is known, zero over zero is NaN.
        return cls(
            shares=total / (scored + failed),
            complete_case=total / scored,
            lowest=total / (scored + failed + left_out),
            highest=(total + left_out) / (scored + failed + left_out),
            counts=table.groupby("system")[_COUNTS].sum().astype(int),
            reasons=_reasons(placed, absent),
            chance=chance,
            rates=rates,
        )


def _by_system(column: pd.Series[float]) -> pd.DataFrame:
    prompts = column.index.unique("prompt").sort_values()
    systems = column.index.unique("system").sort_values()
    sides = {system: column.xs(system, level="system").reindex(prompts) for system in systems}
    return pd.DataFrame(sides, index=prompts, columns=systems, dtype=float)


def with_units(requests: pd.DataFrame) -> pd.DataFrame:
    """Return the requests of a run with the columns that outcomes are grouped by; ``prompt`` is the unit.

    A request that names no prompt is a prompt of its placed; one without a suite is of every suite (``suite`` is NaN).
    """
    sequence, original_id = column_of(requests, "sequence_id"), column_of(requests, "original_id")
    alone = pd.Series([f"request {place}" for place in range(len(requests))], requests.index, dtype=object)
    prompt_id = column_of(requests, "prompt_id").astype(object)
    unit = sequence.astype(object).where(sequence.notna(), prompt_id)
    unit = unit.where(unit.notna(), alone).astype(str)
    by_unit = pd.DataFrame(
        {
            "system": column_of(requests, "system").astype(str),
            "suite": column_of(requests, "suite").astype(object),
            "prompt": unit,
            "original_id": original_id.where(original_id.notna(), unit).astype(str),
            "prompt_id": prompt_id.where(prompt_id.notna(), alone).astype(str),
            "shot": _numbered(column_of(requests, "shot"), np.inf),
            "seed": _digits(column_of(requests, "seed")),
            "repeat": _digits(column_of(requests, "repeat"), "0"),
            "size": column_of(requests, "size"),
            "latency_s": pd.to_numeric(column_of(requests, "latency_s"), errors="coerce"),
            "cost_usd": pd.to_numeric(column_of(requests, "cost_usd"), errors="coerce"),
            "in_flight": pd.to_numeric(column_of(requests, "in_flight"), errors="coerce"),
            "simulated": column_of(requests, "simulated").eq(True),
            "sent_at": moments_of(requests, "sent_at"),
            "note": column_of(requests, "note"),
            "outcome": column_of(requests, "outcome").astype(str),
        }
    )
    never_sent = column_of(requests, "reason").eq(NO_FIRST_SHOT)
    if never_sent.any():
        # Later shots that were never sent are withheld where the first shot of them was.
        groups = [by_unit[name] for name in _GROUP]
        withheld_first = ended_as(by_unit, *WITHHELD).groupby(groups, dropna=False).transform("any")
        by_unit["outcome"] = by_unit["outcome"].where(~(never_sent & withheld_first), WITHHELD[0])
    return by_unit


def _digits(column: pd.Series[Any], nothing: str = "") -> list[str]:
    """Return whole numbers as texts: exact for each of 64 bits, and none of them is what stands for nothing."""
    return [nothing if missing else str(int(value)) for value, missing in zip(column, column.isna(), strict=True)]


def _numbered(column: pd.Series[Any], nothing: float) -> pd.Series[float]:
    return pd.to_numeric(column, errors="coerce").astype(float).fillna(nothing)


def score_prompts(
    measurements: pd.DataFrame, scores: pd.DataFrame, requests: pd.DataFrame | None, scale: FrozenScale
) -> PromptScores:
    """Return where every prompt of every system lies on the scale of one metric on one suite.

    Parameters
    ----------
    measurements, scores
        Rows (no controls) of the suite, as `evals.rating.comparison.with_prompts` returns them, and the same rows
        of the score table.
    requests
        As `with_units` returns them, None where the run does not tell them.
    scale
        Of the metric on the suite. It may be without ends if there is no value to be put on it.
    """
    spec = metric(scale["metric"])
    placed, chance = _placed(measurements, scores, scale), scale["chance"] or 0.0
    if requests is None:
        return PromptScores.of(placed, None, chance, spec.rate)
    requested = _asked(measurements, requests, scale["suite"] or "", placed)
    absent = _absent(requested, spec.subject)
    if spec.subject in ("shots", "consecutive"):
        # A shot alone: how many pairs the others would have made with it, the requests tell.
        of_requests = _keys(placed, _GROUP).isin(_keys(requested[requested["ok"] == 1], _GROUP))
        placed = placed[~(placed["reason"].eq("too_few_shots") & of_requests)]
    if spec.subject == "consecutive":
        # The neighbour never came: the scored pair is one with the shot after that, and nobody asked for it.
        placed = placed[~_keys(placed, [*_GROUP, "prompt_id"]).isin(_without_next(requested))]
    if spec.subject == "sequence":
        # Without one of its shots no sequence was delivered, whatever the others are like.
        incomplete = _keys(placed, _GROUP).isin(_keys(absent[absent["n_failed"] > 0], _GROUP))
        placed = placed.assign(
            share=placed["share"].mask(incomplete, 0.0),
            failed=placed["failed"] | incomplete,
            left_out=placed["left_out"] & ~incomplete,
            reason=placed["reason"].mask(incomplete, "withheld"),
        )
        absent = absent[~_keys(absent, _GROUP).isin(_keys(placed, _GROUP))]
    return PromptScores.of(placed, absent, chance, spec.rate)


def score_jointly(
    measurements: pd.DataFrame,
    scores: pd.DataFrame,
    requests: pd.DataFrame | None,
    parts: Sequence[tuple[FrozenScale, float]],
    chance: float,
) -> PromptScores:
    r"""Return the same of several metrics of single pictures, combined picture by picture: what fails in one fails.

    A picture with the places :math:`u_k` under the weights :math:`w_k` is at

    .. math:: \prod_k u_k^{w_k / \sum w},

    0 where one of them is 0, and rising with each (VIEScore, Ku et al. 2024, takes the root of what is followed times
    what looks right). A picture of which one is a failure of the system is a failure; else one that could not be
    measured leaves it out, unless another is 0; what its prompt asks of no system is weighed by the others. ``chance``
    is that of the row.
    """
    tables = [_placed(measurements, scores, scale).assign(weight=weight) for scale, weight in parts]
    outcomes = pd.concat(tables).sort_values(["failed", "left_out"], ascending=False, kind="stable")
    with np.errstate(divide="ignore"):
        outcomes["log"] = outcomes["weight"] * np.log(outcomes["share"].to_numpy(np.float64))
    grouped = outcomes.groupby("sample", sort=False)
    # What is to be said of a picture is said by the first of its rows: a failure before a gap before a value.
    placed = grouped.first()
    joint: pd.Series[float] = (grouped["log"].sum(min_count=1) / grouped["weight"].sum()).map(np.exp)
    n_asked = sum(placed["prompt"].isin(table["prompt"]).astype(int) for table in tables)
    lacks_one = grouped["weight"].size() < n_asked
    placed["reason"] = placed["reason"].mask(lacks_one & placed["reason"].isna(), NOT_ASKED_OF_SYSTEM)
    known = (~(grouped["left_out"].any() | lacks_one) | (joint == 0)) & ~placed["failed"]
    placed["share"] = joint.where(known).mask(placed["failed"], 0.0)
    placed["left_out"] = placed["share"].isna()
    placed["value"], placed["reason"] = joint.where(known), placed["reason"].mask(known)
    if requests is None:
        return PromptScores.of(placed, None, chance)
    requested = _asked(measurements, requests, parts[0][0]["suite"] or "", placed)
    return PromptScores.of(placed, _absent(requested, "sample"), chance)


def _asked(measurements: pd.DataFrame, requests: pd.DataFrame, suite: str, placed: pd.DataFrame) -> pd.DataFrame:
    """Return the requests that ask something of a row, and how each ended."""
    # On other prompts of the suite something was measured, so their pictures came: they ask nothing of the metric.
    unasked = set(measurements.loc[measurements["suite"] == suite, "prompt"]) - set(placed["prompt"])
    return _with_endings(requests, suite, unasked)


def _placed(measurements: pd.DataFrame, scores: pd.DataFrame, scale: FrozenScale) -> pd.DataFrame:
    """Return what was measured, with its place on the scale and the group of requests that it comes from."""
    is_target = (measurements["suite"] == (scale["suite"] or "")) & (measurements["metric"] == scale["metric"])
    answered = measurements.loc[is_target & measurements["value"].notna(), "prompt"]
    is_target &= ~measurements["reason"].isin(NOT_ASKED) | measurements["prompt"].isin(answered)
    measurements, scores = measurements[is_target], scores[is_target]
    placed = measurements[["system", "suite", "prompt", "prompt_id", "sample", "value", "reason"]].copy()
    placed["original_id"] = scores["original_id"] if "original_id" in scores else placed["prompt"]
    placed["repeat"] = _digits(scores["repeat"], "0")
    placed["failed"] = placed["reason"].isin(metric(scale["metric"]).system_failures)
    places = share_of_scale(placed["value"], scale) if placed["value"].notna().any() else placed["value"]
    placed["share"] = places.mask(placed["failed"], 0.0)
    placed["left_out"] = placed["share"].isna()
    return placed


def _keys(rows: pd.DataFrame, columns: list[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[columns])


def _with_endings(requests: pd.DataFrame, suite: str, unasked: set[str]) -> pd.DataFrame:
    """Return the requests of a suite that ask something of a metric, and how each ended: 1 in one of three columns."""
    of_suite = requests[(requests["suite"] == suite) | requests["suite"].isna()]
    of_suite = of_suite[~of_suite["prompt"].isin(unasked)].assign(suite=suite)
    return of_suite.assign(
        ok=ended_as(of_suite, "ok").astype(int),
        withheld=ended_as(of_suite, *WITHHELD).astype(int),
        lost=ended_as(of_suite, *LOST).astype(int),
    )


def _absent(requested: pd.DataFrame, subject: SubjectKind) -> pd.DataFrame:
    """Return how many subjects each group of requests lacks, by whose fault: ``n_failed`` and ``n_left_out``."""
    if subject == "sequence":
        counts = requested.groupby(_GROUP)[_ENDINGS].sum()
        counts["n_failed"] = (counts["withheld"] > 0).astype(int)
        counts["n_left_out"] = ((counts["ok"] == 0) & (counts["withheld"] == 0)).astype(int)
    else:
        counts = _subjects(requested, subject)
        # Those that there are, would be without what was withheld, and would be without what was lost as well.
        counts["n_failed"], counts["n_left_out"] = (counts[b] - counts[a] for a, b in pairwise(_ENDINGS))
    return counts[(counts["n_failed"] > 0) | (counts["n_left_out"] > 0)].reset_index()


def _subjects(requested: pd.DataFrame, subject: SubjectKind) -> pd.DataFrame:
    """Return how many subjects the pictures of each group make: those that came, with the withheld, with all."""
    if subject == "repeats":
        pictures = _so_far(requested).groupby(_SEED_GROUP).sum()
        return pictures * (pictures - 1) // 2
    by_shot = _by_shot(requested)
    within = by_shot.groupby(_GROUP)
    if subject == "shots":
        # Every two pictures, but for those of one shot.
        return (within.sum() ** 2 - (by_shot**2).groupby(_GROUP).sum()) // 2
    if subject == "consecutive":
        return (by_shot * within.shift(-1)).groupby(_GROUP).sum().astype(int)
    return within.sum()


def _so_far(requested: pd.DataFrame) -> pd.DataFrame:
    """Return the requests with their endings added up: came, came or withheld, all."""
    return requested.assign(**requested[_ENDINGS].cumsum(axis=1)).set_index([*_SEED_GROUP, "repeat"])[_ENDINGS]


def _by_shot(requested: pd.DataFrame) -> pd.DataFrame:
    return _so_far(requested).groupby([*_GROUP, "shot"]).sum()


def _without_next(requested: pd.DataFrame) -> pd.MultiIndex:
    """Return the shots, by group and prompt, of whose next one no picture came."""
    by_shot = _by_shot(requested)
    following = by_shot.groupby(_GROUP)["ok"].shift(-1)
    is_last_that_came = _keys(requested, [*_GROUP, "shot"]).isin(following[following == 0].index)
    return _keys(requested[is_last_that_came], [*_GROUP, "prompt_id"])


def _reasons(placed: pd.DataFrame, absent: pd.DataFrame | None) -> dict[str, dict[str, int]]:
    counts = Counter(placed[["system", "reason"]].dropna().itertuples(index=False, name=None))
    if absent is not None:
        for name, reason in (("n_failed", "withheld"), ("n_left_out", "lost")):
            for system, n in zip(absent["system"], absent[name], strict=True):
                counts[system, reason] += int(n)
    by_system: dict[str, dict[str, int]] = {}
    for (system, reason), n in sorted(counts.items()):
        if n:
            by_system.setdefault(str(system), {})[str(reason)] = n
    return by_system


def combined(parts: list[tuple[PromptScores, float]]) -> PromptScores:
    """Return the weighted mean of several metrics on the same prompts, of what chance gives as of all else.

    A prompt that asks nothing of a metric is weighed by the others; one of which a metric could not be measured for a
    system is unknown for that system. Each part enters with a weight above 0, so that lowering any never raises the
    whole.
    """
    if len(parts) == 1:
        return parts[0][0]
    all_scores = [part for part, _ in parts]
    prompts = pd.Index(sorted(set().union(*(part.shares.index for part in all_scores))), name="prompt")
    systems = pd.Index(sorted(set().union(*(part.shares.columns for part in all_scores))), name="system")
    is_asked = np.array([prompts.isin(part.shares.index) for part in all_scores])
    weights_of = np.array([weight for _, weight in parts])
    weights = weights_of @ is_asked

    def mean_of(name: str) -> pd.DataFrame:
        total = np.zeros((len(prompts), len(systems)))
        for (part, weight), has_it in zip(parts, is_asked, strict=True):
            table: pd.DataFrame = getattr(part, name)
            total += np.where(has_it[:, None], weight * table.reindex(index=prompts, columns=systems).to_numpy(), 0.0)
        return pd.DataFrame(total / weights[:, None], prompts, systems)

    chances = np.array([part.chance for part in all_scores])
    counts = pd.concat([part.counts for part in all_scores]).groupby("system").sum()
    reasons: dict[str, dict[str, int]] = {}
    for part in all_scores:
        for system, of_part in part.reasons.items():
            for reason, n in of_part.items():
                reasons.setdefault(system, {})[reason] = reasons.get(system, {}).get(reason, 0) + n
    return PromptScores(
        shares=mean_of("shares"),
        complete_case=mean_of("complete_case"),
        lowest=mean_of("lowest"),
        highest=mean_of("highest"),
        counts=counts,
        reasons=reasons,
        chance=float((((weights_of * is_asked.T) @ chances) / weights).mean()) if len(prompts) else 0.0,
        cautions={system: caution for part in all_scores for system, caution in part.cautions.items()},
    )
