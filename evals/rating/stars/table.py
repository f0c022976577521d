"""The star table: every row of an eval, measured, computed or declared, for every system, with all its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.definition import StarRow
from evals.imageset.contract import ended_as
from evals.rating.comparison import number_or_none, with_prompts
from evals.rating.controls import ControlStatistic
from evals.rating.stars.cells import StarCell, StarDifference, settle, star_cells, star_differences
from evals.rating.stars.computed_rows import LOG_SCALES, frozen_log_scale, score_computed, typical_values
from evals.rating.stars.declared_rows import DeclaredCell, declared_cell
from evals.rating.stars.prompt_scores import WITHHELD, PromptScores, combined, score_prompts, with_units
from evals.rating.stars.scales import FrozenScale, freeze_scale
from metrics.catalogue import metric

Kind = Literal["measured", "computed", "declared"]

DECIDING_PROMPTS = 3
"""How many prompts a row names as its evidence: those on which the systems lie farthest apart."""


class Deciding(TypedDict):
    """A prompt that decides a row: where each system lies on the scale, and the samples to look at."""

    prompt: str
    shares: dict[str, float | None]
    samples: dict[str, list[str]]


class Component(TypedDict):
    """One metric of a row of several, rated by itself; ``cells`` is empty where its scale has a problem."""

    metric: str
    weight: float
    scale: FrozenScale
    cells: list[StarCell]


class TableRow(TypedDict):
    """One row of the star table.

    ``problem`` is None, or the sentence that says why nobody has stars in it. ``components`` are the metrics behind a
    measured row, ``declared_cells`` those of a declared one.
    """

    id: str
    title: str
    kind: Kind
    suite: str | None
    size: str | None
    weight: float
    unit: str
    components: list[Component]
    cells: list[StarCell]
    differences: list[StarDifference]
    declared_cells: list[DeclaredCell]
    deciding: list[Deciding]
    problem: str | None


@dataclass(frozen=True, slots=True)
class RatedRow:
    """A row with the scores of its prompts, which totals are computed from; None where it has no stars.

    ``indistinguishable`` is true where it has none because nobody can be told from its control.
    """

    row: TableRow
    prompt_scores: PromptScores | None
    indistinguishable: bool = False


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that rows are rated from.

    Attributes
    ----------
    systems
        In the order of the table.
    scores, measurements
        The score table, and the same as `evals.rating.comparison.with_prompts` returns it.
    requests
        As `evals.rating.stars.prompt_scores.with_units` returns them, None where the run does not tell them.
    size
        The size that the eval asks for where a row names none.
    controls
        The statistics of all controls.
    """

    systems: tuple[str, ...]
    scores: pd.DataFrame
    measurements: pd.DataFrame
    requests: pd.DataFrame | None
    size: str | None
    controls: tuple[ControlStatistic, ...]


def material(
    scores: pd.DataFrame,
    requests: pd.DataFrame | None,
    controls: Sequence[ControlStatistic],
    systems: Sequence[str] = (),
    size: str | None = None,
) -> Material:
    """Prepare the tables of a run for rating.

    Parameters
    ----------
    scores, requests
        The score table, and the requests behind it where they are known; prompts that ask for the same under one id
        (`evals.rating.stars.duplicate_prompts.merge_duplicate_prompts`).
    controls
        As `evals.rating.controls.control_statistics` returns them.
    systems
        The systems in the order of the table; those that the tables name otherwise.
    size
        Of the eval.
    """
    scores = scores[scores["system"].notna()].reset_index(drop=True)
    measurements = with_prompts(scores)
    asked = None if requests is None or requests.empty else with_units(requests)
    named = set(measurements["system"]) | (set(asked["system"]) if asked is not None else set())
    return Material(
        systems=tuple(system for system in systems if system in named) or tuple(sorted(named)),
        scores=scores,
        measurements=measurements,
        requests=asked,
        size=size,
        controls=tuple(controls),
    )


def rate_rows(rows: Sequence[StarRow], given: Material, seed: int = 0) -> list[RatedRow]:
    """Rate every row of a star table; the differences of all of them are one family for Holm's correction.

    Parameters
    ----------
    rows
        The rows of the eval.
    given
        The tables.
    seed
        Of the bootstrap; the same tables and seed give the same stars.
    """
    rated = [_rated(row, given, seed) for row in rows]
    settle([difference for one in rated for difference in one.row["differences"]])
    return rated


def _rated(row: StarRow, given: Material, seed: int) -> RatedRow:
    if row.declared is not None:
        return RatedRow(_declared(row, given), None)
    if row.computed is not None:
        return _computed(row, given, seed)
    return _measured(row, given, seed)


def _suite_of(row: StarRow, given: Material) -> str | None:
    """Return the suite as its pictures have it: one of another size than the eval's is a suite of its own."""
    return f"{row.suite}@{row.size}" if row.suite and row.size and row.size != given.size else row.suite


def _empty(row: StarRow, kind: Kind, suite: str | None, unit: str, problem: str | None) -> TableRow:
    return TableRow(
        id=row.id,
        title=row.title,
        kind=kind,
        suite=suite,
        size=row.size,
        weight=row.weight,
        unit=unit,
        components=[],
        cells=[],
        differences=[],
        declared_cells=[],
        deciding=[],
        problem=problem,
    )


def _measured(row: StarRow, given: Material, seed: int) -> RatedRow:
    suite = str(_suite_of(row, given))
    of_suite = given.measurements["suite"] == suite
    measurements, scores = given.measurements[of_suite], given.scores[of_suite]
    is_own = measurements["control"].isna()
    own, own_scores = measurements[is_own], scores[is_own]
    parts = [_component(name, weight, suite, measurements, given) for name, weight in row.metrics.items()]
    if own.empty and _all_withheld(given.requests, suite):
        # Nothing needs a scale where every answer is a failure.
        for part in parts:
            part["scale"]["problem"], part["scale"]["indistinguishable_from_control"] = None, False
    problems = [f"{part['metric']}: {part['scale']['problem']}" for part in parts if part["scale"]["problem"]]
    unit = metric(next(iter(row.metrics))).unit if len(row.metrics) == 1 else "place on the scale, 0 to 1"
    if own.empty and problems:
        problems = [f"the run has no measurement on suite {suite}"]
    found = _empty(row, "measured", suite, unit, "; ".join(problems) or None)
    found["components"] = parts
    prompt_scores: list[tuple[PromptScores, float]] = []
    for part in parts:
        if part["scale"]["problem"] is None:
            of_part = score_prompts(own, own_scores, given.requests, part["scale"])
            part["cells"] = star_cells(of_part, given.systems, seed)
            _add_values(part["cells"], own[own["metric"] == part["metric"]])
            prompt_scores.append((of_part, part["weight"]))
    if problems:
        broken = [part["scale"] for part in parts if part["scale"]["problem"]]
        return RatedRow(found, None, indistinguishable=all(scale["indistinguishable_from_control"] for scale in broken))
    whole = combined(prompt_scores)
    found["cells"] = part["cells"] if len(parts) == 1 else star_cells(whole, given.systems, seed)
    found["differences"] = star_differences(whole, given.systems)
    found["deciding"] = _deciding(whole, given.systems, own, own_scores, set(row.metrics))
    return RatedRow(found, whole)


def _all_withheld(requests: pd.DataFrame | None, suite: str) -> bool:
    """Return whether systems withheld pictures of a suite, and none came."""
    if requests is None:
        return False
    of_suite = requests[(requests["suite"] == suite) | requests["suite"].isna()]
    return bool(ended_as(of_suite, *WITHHELD).any() and not ended_as(of_suite, "ok").any())


def _component(name: str, weight: float, suite: str, measurements: pd.DataFrame, given: Material) -> Component:
    spec = metric(name)
    rows = measurements[measurements["metric"] == name]
    controls = [row for row in given.controls if (row["metric"], row["suite"] or "") == (name, suite)]
    neutral = measurements[(measurements["metric"] == spec.bias_metric) & measurements["control"].isna()]
    neutral_mean = float(neutral.groupby("prompt")["value"].mean().mean())
    scale = freeze_scale(spec, suite, rows, controls, number_or_none(neutral_mean))
    own = rows[rows["control"].isna()]
    if own.empty:
        scale["problem"], scale["indistinguishable_from_control"] = f"not measured in this run on suite {suite}", False
    elif own["value"].isna().all() and not own["reason"].isin(spec.system_failures).any():
        reasons = own["reason"].value_counts()
        scale["problem"] = f"not measured: {reasons.index[0]} ({int(reasons.iloc[0])} times)"
        scale["indistinguishable_from_control"] = False
    return Component(metric=name, weight=weight, scale=scale, cells=[])


def _add_values(cells: Sequence[StarCell], own: pd.DataFrame) -> None:
    means = own.groupby(["system", "prompt"])["value"].mean().groupby("system").mean()
    for cell in cells:
        cell["value"] = number_or_none(float(means.get(cell["system"], np.nan)))


def _deciding(
    prompt_scores: PromptScores, systems: Sequence[str], own: pd.DataFrame, scores: pd.DataFrame, metrics: set[str]
) -> list[Deciding]:
    """Return the prompts on which the systems lie farthest apart; of equal ones the first by name."""
    shares = prompt_scores.shares.reindex(columns=list(systems))
    spread = (shares.max(axis=1) - shares.min(axis=1)).sort_index().sort_values(ascending=False, kind="stable")
    prompts = list(spread[spread > 0].index[:DECIDING_PROMPTS])
    chosen = own["prompt"].isin(prompts) & own["metric"].isin(metrics)
    samples: dict[tuple[str, str], dict[str, None]] = {}
    for prompt, system, ids in zip(
        own.loc[chosen, "prompt"], own.loc[chosen, "system"], scores.loc[chosen, "subject"], strict=True
    ):
        samples.setdefault((prompt, system), {}).update(dict.fromkeys(map(str, ids)))
    return [
        Deciding(
            prompt=str(prompt),
            shares={system: number_or_none(value) for system, value in zip(systems, shares.loc[prompt], strict=True)},
            samples={system: list(samples.get((prompt, system), {})) for system in systems},
        )
        for prompt in prompts
    ]


def _computed(row: StarRow, given: Material, seed: int) -> RatedRow:
    computed, size = str(row.computed), row.size or given.size
    scale = LOG_SCALES[computed]
    suite = _suite_of(row, given)
    frozen = frozen_log_scale(computed, suite)
    found = _empty(row, "computed", suite, scale.unit, None)
    found["size"] = size
    if given.requests is None:
        found["problem"] = "the run does not tell its requests, so neither time nor money is known"
        return RatedRow(found, None)
    prompt_scores = score_computed(computed, given.requests, suite, size)
    counts = prompt_scores.counts.sum()
    if counts["n_scored"] == 0 and (counts["n_left_out"] > 0 or counts["n_failed"] == 0):
        found["problem"] = f"no picture of size {size or 'any'} has a known {scale.title.lower()}"
        return RatedRow(found, None)
    found["cells"] = star_cells(prompt_scores, given.systems, seed)
    middle = typical_values(computed, given.requests, suite, size)
    for cell in found["cells"]:
        cell["value"] = number_or_none(float(middle.get(cell["system"], np.nan)))
    found["components"] = [Component(metric=computed, weight=1.0, scale=frozen, cells=found["cells"])]
    found["differences"] = star_differences(prompt_scores, given.systems)
    return RatedRow(found, prompt_scores)


def _declared(row: StarRow, given: Material) -> TableRow:
    found = _empty(row, "declared", None, "rubric, 1 to 5", None)
    found["declared_cells"] = [declared_cell(str(row.declared), system) for system in given.systems]
    return found
