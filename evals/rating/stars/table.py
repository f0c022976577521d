"""The star table: every row of an eval, measured, computed or declared, for every system, with all its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd
from typing_extensions import TypedDict

from evals.definition import Combine, StarRow
from evals.imageset.contract import ended_as
from evals.rating.comparison import number_or_none, with_prompts
from evals.rating.controls import ControlStatistic
from evals.rating.stars.cells import StarCell, StarDifference, star_cells, star_differences
from evals.rating.stars.chance import MOST_CHANCE, Places, joint_chance, no_room_above
from evals.rating.stars.computed_rows import LOG_SCALES, NOT_COUNTED, frozen_log_scale, score_computed, typical_values
from evals.rating.stars.declared_rows import DeclaredCell, declared_cell
from evals.rating.stars.prompt_scores import (
    WITHHELD,
    PromptScores,
    combined,
    score_jointly,
    score_prompts,
    with_units,
)
from evals.rating.stars.scales import FrozenScale, freeze_scale, share_of_scale
from evals.rating.stars.seed_effect import at_the_floor, systems_without_seed_effect, without_their_other_seeds
from metrics.catalogue import metric

Kind = Literal["measured", "computed", "declared"]


class Deciding(TypedDict):
    """A prompt that decides a row: where each system lies on the scale, and the samples to look at.

    ``against`` is true of the one that speaks most clearly for the other side (`evals.rating.stars.deciding`).
    """

    prompt: str
    shares: dict[str, float | None]
    samples: dict[str, list[str]]
    against: bool


class Component(TypedDict):
    """One metric of a row of several, rated by itself; ``cells`` is empty where its scale has a problem."""

    metric: str
    weight: float
    scale: FrozenScale
    cells: list[StarCell]


class TableRow(TypedDict):
    """One row of the star table.

    ``problem`` is None, or the sentence that says why nobody has stars in it. ``components`` are the metrics behind a
    measured row, ``declared_cells`` those of a declared one. ``combine`` says how the components make the row, and
    ``chance`` at which place of it one star lies (None where nobody has stars; ``chance_source`` is empty but for a row
    whose metrics combine geometrically, for else it is the components' own). ``places`` says by prompt where each
    system lies on the scale, from 0 to 1, ``deciding`` which of the prompts to look at first.
    """

    id: str
    title: str
    kind: Kind
    suite: str | None
    size: str | None
    weight: float
    unit: str
    components: list[Component]
    combine: Combine
    chance: float | None
    chance_source: str
    cells: list[StarCell]
    differences: list[StarDifference]
    declared_cells: list[DeclaredCell]
    places: dict[str, dict[str, float | None]]
    deciding: list[Deciding]
    problem: str | None


@dataclass(frozen=True, slots=True)
class RatedRow:
    """A row with the scores of its prompts, which totals are computed from; None where it has no stars.

    ``indistinguishable`` is true where it has none because nobody can be told from its control, ``are_prices`` where
    its values are prices, which are known and not measured. ``samples`` are those behind each prompt and system.
    """

    row: TableRow
    prompt_scores: PromptScores | None
    indistinguishable: bool = False
    are_prices: bool = False
    samples: Mapping[tuple[str, str], list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RatingInputs:
    """Everything that rows are rated from.

    ``systems`` are in the order of the table; ``measurements`` are the scores as `evals.rating.comparison.with_prompts`
    returns them, ``requests`` as `evals.rating.stars.prompt_scores.with_units` does, None where the run does not tell
    them; ``size`` is what the eval asks for where a row names none.
    """

    systems: tuple[str, ...]
    scores: pd.DataFrame
    measurements: pd.DataFrame
    requests: pd.DataFrame | None
    size: str | None
    controls: tuple[ControlStatistic, ...]


def rating_inputs(
    scores: pd.DataFrame,
    requests: pd.DataFrame | None,
    controls: Sequence[ControlStatistic],
    systems: Sequence[str] = (),
    size: str | None = None,
) -> RatingInputs:
    """Prepare the tables of a run for rating, in which prompts that ask for the same have one id.

    (See `evals.rating.stars.duplicate_prompts.merge_duplicate_prompts`.) Without ``systems`` all that the tables name
    are rated.
    """
    scores = scores[scores["system"].notna()].reset_index(drop=True)
    measurements = with_prompts(scores)
    by_unit = None if requests is None or requests.empty else with_units(requests)
    named = {*measurements["system"].unique(), *(() if by_unit is None else by_unit["system"].unique())}
    return RatingInputs(
        systems=tuple(system for system in systems if system in named) or tuple(sorted(named)),
        scores=scores,
        measurements=measurements,
        requests=by_unit,
        size=size,
        controls=tuple(controls),
    )


def rate_rows(rows: Sequence[StarRow], inputs: RatingInputs, seed: int = 0) -> list[RatedRow]:
    """Rate every row of a star table; `evals.rating.stars.verdicts.settle` says where one system is better.

    ``seed`` is that of the bootstrap; the same tables and seed give the same stars.
    """
    rated = []
    for row in rows:
        if row.declared is not None:
            result = _table_row(row, "declared", None, "rubric, 1 to 5")
            result["declared_cells"] = [declared_cell(row.declared, system) for system in inputs.systems]
            rated.append(RatedRow(result, None))
        else:
            rated.append((_measured if row.computed is None else _computed)(row, inputs, seed))
    return rated


def suite_of(row: StarRow, size: str | None) -> str | None:
    """Return a row's suite as its pictures have it: one of another size than the eval's is a suite of its own."""
    return f"{row.suite}@{row.size}" if row.suite and row.size and row.size != size else row.suite


def _table_row(
    row: StarRow, kind: Kind, suite: str | None, unit: str, problem: str | None = None, size: str | None = None
) -> TableRow:
    return TableRow(
        id=row.id,
        title=row.title,
        kind=kind,
        suite=suite,
        size=size or row.size,
        weight=row.weight,
        unit=unit,
        components=[],
        combine=row.combine,
        chance=None,
        chance_source="",
        cells=[],
        differences=[],
        declared_cells=[],
        places={},
        deciding=[],
        problem=problem,
    )


def _measured(row: StarRow, inputs: RatingInputs, seed: int) -> RatedRow:
    suite = str(suite_of(row, inputs.size))
    of_suite = inputs.measurements["suite"] == suite
    without_effect = systems_without_seed_effect(inputs.controls, suite)
    measurements, is_target = inputs.measurements[of_suite], inputs.measurements[of_suite]["control"].isna()
    targets, scores = measurements[is_target], inputs.scores[of_suite][is_target]
    measurements = without_their_other_seeds(measurements, without_effect)
    parts = [_component(name, weight, suite, measurements, inputs) for name, weight in row.metrics.items()]
    if targets.empty and _all_withheld(inputs.requests, suite):
        # Nothing needs a scale where every answer is a failure.
        for part in parts:
            _set_problem(part["scale"], None)
    broken = [part["scale"] for part in parts if part["scale"]["problem"]]
    problem = "; ".join(f"{scale['metric']}: {scale['problem']}" for scale in broken) or None
    if targets.empty and broken:
        problem = f"the run has no measurement on suite {suite}"
    unit = metric(next(iter(row.metrics))).unit if len(row.metrics) == 1 else "place on the scale, 0 to 1"
    result = _table_row(row, "measured", suite, unit, problem)
    result["components"] = parts
    prompt_scores: list[tuple[PromptScores, float]] = []
    for part in parts:
        if part["scale"]["problem"] is None:
            of_part = score_prompts(targets, scores, inputs.requests, part["scale"])
            of_part = at_the_floor(of_part, metric(part["metric"]), without_effect)
            means = targets[targets["metric"] == part["metric"]].groupby(["system", "prompt"])["value"].mean()
            part["cells"] = star_cells(of_part, inputs.systems, seed, means.groupby("system").mean())
            prompt_scores.append((of_part, part["weight"]))
    if broken:
        return RatedRow(
            result, None, indistinguishable=all(scale["indistinguishable_from_control"] for scale in broken)
        )
    if row.combine == "geometric":
        chance, result["chance_source"] = _joint_chance(parts, measurements)
        if chance > MOST_CHANCE:
            result["problem"] = no_room_above(chance, result["chance_source"])
            return RatedRow(result, None, indistinguishable=True)
        scales = [(part["scale"], part["weight"]) for part in parts]
        whole = score_jointly(targets, scores, inputs.requests, scales, chance)
    else:
        whole = combined(prompt_scores)
    result["chance"] = whole.chance
    result["cells"] = parts[0]["cells"] if len(parts) == 1 else star_cells(whole, inputs.systems, seed)
    result["differences"] = star_differences(whole, inputs.systems)
    result["places"] = {
        str(prompt): {system: number_or_none(share) for system, share in zip(inputs.systems, shares, strict=True)}
        for prompt, *shares in whole.shares.reindex(columns=list(inputs.systems)).itertuples(name=None)
    }
    return RatedRow(result, whole, samples=_samples_behind(targets, scores, set(row.metrics)))


def _joint_chance(parts: Sequence[Component], measurements: pd.DataFrame) -> tuple[float, str]:
    def places_on(scale: FrozenScale) -> Places:
        return lambda values: share_of_scale(values, scale)

    return joint_chance(
        measurements, [(metric(part["metric"]), part["weight"], places_on(part["scale"])) for part in parts]
    )


def _all_withheld(requests: pd.DataFrame | None, suite: str) -> bool:
    """Return whether systems withheld pictures of a suite, and none came."""
    if requests is None:
        return False
    of_suite = requests[(requests["suite"] == suite) | requests["suite"].isna()]
    return bool(ended_as(of_suite, *WITHHELD).any() and not ended_as(of_suite, "ok").any())


def _component(name: str, weight: float, suite: str, measurements: pd.DataFrame, inputs: RatingInputs) -> Component:
    spec = metric(name)
    rows = measurements[measurements["metric"] == name]
    controls = [row for row in inputs.controls if (row["metric"], row["suite"] or "") == (name, suite)]
    neutral = measurements[(measurements["metric"] == spec.bias_metric) & measurements["control"].isna()]
    neutral_mean = float(neutral.groupby("prompt")["value"].mean().mean())
    scale = freeze_scale(spec, suite, rows, controls, number_or_none(neutral_mean))
    targets = rows[rows["control"].isna()]
    if targets.empty:
        _set_problem(scale, f"not measured in this run on suite {suite}")
    elif targets["value"].isna().all() and not targets["reason"].isin(spec.system_failures).any():
        reasons = targets["reason"].value_counts()
        _set_problem(scale, f"not measured: {reasons.index[0]} ({int(reasons.iloc[0])} times)")
    return Component(metric=name, weight=weight, scale=scale, cells=[])


def _set_problem(scale: FrozenScale, problem: str | None) -> None:
    scale["problem"], scale["indistinguishable_from_control"] = problem, False


def _samples_behind(targets: pd.DataFrame, scores: pd.DataFrame, metrics: set[str]) -> dict[tuple[str, str], list[str]]:
    """Return the samples that the metrics of a row looked at, by prompt and system."""
    is_of_row = targets["metric"].isin(metrics)
    samples: dict[tuple[str, str], dict[str, None]] = {}
    units = targets.loc[is_of_row, ["prompt", "system"]].itertuples(index=False, name=None)
    for unit, ids in zip(units, scores.loc[is_of_row, "subject"], strict=True):
        samples.setdefault(unit, {}).update(dict.fromkeys(map(str, ids)))
    return {unit: list(ids) for unit, ids in samples.items()}


def _computed(row: StarRow, inputs: RatingInputs, seed: int) -> RatedRow:
    computed, size = str(row.computed), row.size or inputs.size
    scale = LOG_SCALES[computed]
    suite = suite_of(row, inputs.size)
    result = _table_row(row, "computed", suite, scale.unit, size=size)
    if inputs.requests is None:
        result["problem"] = "the run does not tell its requests, so neither time nor money is known"
        return RatedRow(result, None)
    # A simulator answers at once: its times say nothing of any API.
    requests = inputs.requests[~(inputs.requests["simulated"] & (computed == "latency"))]
    if requests.empty and not inputs.requests.empty:
        result["problem"] = "the APIs are simulated: nothing is known of their times"
        return RatedRow(result, None)
    prompt_scores = score_computed(computed, requests, suite, size)
    counts = prompt_scores.counts.sum()
    if counts["n_scored"] == 0 and (counts["n_left_out"] > 0 or counts["n_failed"] == 0):
        reasons = {reason for reasons in prompt_scores.reasons.values() for reason in reasons}
        why = next((words for reason, words in NOT_COUNTED.items() if reason in reasons), "")
        result["problem"] = f"no picture of size {size or 'any'} has a known {scale.title.lower()}{why}"
        return RatedRow(result, None)
    values = typical_values(computed, requests, suite, size)
    result["cells"] = star_cells(prompt_scores, inputs.systems, seed, values)
    frozen = frozen_log_scale(computed, suite)
    result["components"] = [Component(metric=computed, weight=1.0, scale=frozen, cells=result["cells"])]
    are_prices = computed == "cost_per_image"
    result["differences"] = star_differences(prompt_scores, inputs.systems, are_prices)
    return RatedRow(result, prompt_scores, are_prices=are_prices)
