"""Systems whose seed does nothing: what repeats of one seed have in common, any two of their pictures have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pandas as pd

from evals.rating.controls import RELIABLE_AUC, ControlStatistic
from evals.rating.stars.prompt_scores import PromptScores
from metrics.controls import CONTROLS
from metrics.specification import MetricSpec

NO_EFFECT = "its seed shows no effect: other seeds give as much the same picture"


def systems_without_seed_effect(controls: Sequence[ControlStatistic], suite: str) -> frozenset[str]:
    """Return the systems for which no metric sees repeats of one seed more alike than pictures of two seeds.

    What a seed does is a property of the system, so it is each system's own different-seed control that must tell the
    two apart in any metric of the suite: with its whole interval above 0.5, or as probably as a reliable metric would.
    That few prompts prove nothing is no proof that a seed does nothing.
    """
    has_effect: dict[str, bool] = {}
    for row in controls:
        system, value = row["system"], row["value"]
        is_proof = CONTROLS[row["control"]].of_system and row["statistic"] == "auc"
        if is_proof and system is not None and value is not None and (row["suite"] or "") == suite:
            shows = value >= RELIABLE_AUC or (row["low"] is not None and row["low"] > 0.5)
            has_effect[system] = has_effect.get(system, False) or shows
    return frozenset(system for system, effect in has_effect.items() if not effect)


def without_their_other_seeds(measurements: pd.DataFrame, systems: Collection[str]) -> pd.DataFrame:
    """Return measurements without the different-seed controls of these systems, unless nobody else has any.

    Otherwise a system that draws one grey rectangle for everything would lift everybody's floor.
    """
    is_of_system = measurements["control"].isin([name for name, control in CONTROLS.items() if control.of_system])
    is_theirs = is_of_system & measurements["system"].isin(list(systems))
    return measurements[~is_theirs] if (is_of_system & ~is_theirs).any() else measurements


def at_the_floor(scores: PromptScores, spec: MetricSpec, systems: Collection[str]) -> PromptScores:
    """Return scores in which all pictures of these systems lie at the floor, where a metric is about seeds.

    They are as good as their own control, which is what one star means. They keep a star, for a row in which someone
    has none counts in nobody's total: a seed that does nothing would pay.
    """
    affected = scores.shares.columns.intersection(list(systems))
    if affected.empty or not any(CONTROLS[control].of_system for control in spec.controls):
        return scores

    def lowered(table: pd.DataFrame) -> pd.DataFrame:
        lowest = table.copy()
        lowest[affected] = lowest[affected].where(lowest[affected].isna(), 0.0)
        return lowest

    return replace(
        scores,
        shares=lowered(scores.shares),
        complete_case=lowered(scores.complete_case),
        lowest=lowered(scores.lowest),
        highest=lowered(scores.highest),
        cautions={**scores.cautions, **dict.fromkeys(affected, NO_EFFECT)},
    )
