"""Whether systems have changed between two runs: paired differences over the prompts that both runs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.files.yaml_files import suggestion
from evals.rating.comparison import number_or_none, reason_counts
from evals.rating.drift.pairing import NotCompared, Pairing, pair_runs
from evals.rating.drift.records import (
    FigureDrift,
    PixelIdentity,
    VersionDrift,
    figure_drifts,
    pixel_identities,
    setting_notes,
    version_drifts,
)
from evals.rating.drift.tables import RunTables, prompts_of, reworded, with_one_wording
from evals.rating.statistics.families import holm
from evals.rating.statistics.intervals import Estimate
from evals.rating.statistics.power import ALPHA, smallest_detectable_effect
from metrics.specification import Better


class DriftError(ValueError):
    """The two runs have nothing that could be compared; the message is one sentence that says what to do."""


class PromptChange(TypedDict):
    """What changed on one prompt (or one sequence): its mean in both runs, and the samples that it comes from."""

    prompt: str
    a: float
    b: float
    change: float
    samples_a: list[str]
    samples_b: list[str]


class MetricDrift(TypedDict):
    """One metric of one system on one suite: run B minus run A over the prompts that have a value in both.

    The interval is Student's t over the prompts' differences, Newcombe's where both runs have rates, at 95 % for this
    row alone; ``p_holm`` is Holm's over all rows, and ``changed`` says that it is below 0.05. ``direction`` is better,
    worse, or other for a metric without a better one; None where nothing changed. ``smallest_detectable`` is the
    difference that as many prompts, differing as much, show with 80 % power among as many rows; None where all prompts
    differ by the same. ``unscored_a`` and ``unscored_b`` count measurements without a value, by reason.
    """

    metric: str
    title: str
    unit: str
    better: Better
    suite: str | None
    system_a: str
    system_b: str
    n_prompts: int
    mean_a: float
    mean_b: float
    difference: float
    low: float | None
    high: float | None
    p_value: float
    p_holm: float
    changed: bool
    direction: str | None
    smallest_detectable: float | None
    unscored_a: dict[str, int]
    unscored_b: dict[str, int]
    largest: list[PromptChange]


class Drift(TypedDict):
    """The document: what changed and what did not, what could not be compared, what the runs' records say.

    ``systems`` are the pairs that were compared, (name in run A, name in run B). ``changed`` says that any row did.
    """

    schema: int
    systems: list[tuple[str, str]]
    changed: bool
    rows: list[MetricDrift]
    not_compared: list[NotCompared]
    figures: list[FigureDrift]
    versions: list[VersionDrift]
    pixels: list[PixelIdentity]
    notes: list[str]


def drift(
    first: RunTables,
    second: RunTables,
    systems: Sequence[tuple[str, str]] = (),
    only: Callable[[str | None, str], bool] = lambda suite, metric: True,
    n_largest: int = 5,
) -> Drift:
    """Compare the systems of two runs on the prompts that both asked.

    A prompt that is worded otherwise in run B is another prompt. A metric whose version, encoder or weights differ is
    listed and not compared: that change is not the system's. So is one that depends on the other prompts of the
    suite, where these differ.

    Parameters
    ----------
    first, second
        The tables of run A and run B.
    systems
        (name in run A, name in run B) of what is compared; by default every name that both runs have.
    only
        Says of a suite and a metric whether it is compared. The correction is over what is: choose before you look.
    n_largest
        How many of the prompts that changed most each row names.

    Returns
    -------
    Drift
        Of plain Python values only. Rows are in the order of the catalogue, then by suite and system.

    Raises
    ------
    DriftError
        If a run lacks a system that was asked for, or the runs share no system or no prompt.
    """
    pairs = _pairs(first, second, systems)
    other_words = reworded(first, second)
    if not any((prompts_of(first, a) & prompts_of(second, b)) - other_words for a, b in pairs):
        raise DriftError("the two runs share no prompt of these systems; compare runs that asked the same suites")
    paired, not_compared = pair_runs(*with_one_wording(first, second, other_words), pairs)
    paired = [pairing for pairing in paired if only(pairing.suite, pairing.spec.id)]
    not_compared = [entry for entry in not_compared if only(entry["suite"], entry["metric"])]
    estimates = [pairing.estimate() for pairing in paired]
    adjusted = holm([estimate.p_value for estimate in estimates])
    # Holm's first step is Bonferroni's: what is seen at that level is seen wherever the row comes among the others.
    alpha = ALPHA / max(1, len(paired))
    rows = [_row(*columns, alpha, n_largest) for columns in zip(paired, estimates, adjusted, strict=True)]
    notes = setting_notes(first, second, pairs)
    if other_words:
        suite, unit = min(other_words)
        many = f"{len(other_words)} prompts are" if len(other_words) > 1 else "One prompt is"
        more = " ..." if len(other_words) > 1 else ""
        notes.insert(0, f"{many} worded otherwise in run B and left out: {unit} of {suite}{more}.")
    return Drift(
        schema=1,
        systems=pairs,
        changed=any(row["changed"] for row in rows),
        rows=rows,
        not_compared=not_compared,
        figures=figure_drifts(first, second, pairs),
        versions=version_drifts(first, second, pairs),
        pixels=pixel_identities(first, second, pairs),
        notes=notes,
    )


def _pairs(first: RunTables, second: RunTables, systems: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    a, b = first.systems(), second.systems()
    for name, known, run in [(pair[side], (a, b)[side], "AB"[side]) for pair in systems for side in (0, 1)]:
        if name not in known:
            raise DriftError(f"run {run} has no system {name!r}; {suggestion(name, known)}")
    pairs = list(dict.fromkeys(systems)) or [(name, name) for name in a if name in b]
    if not pairs:
        raise DriftError(
            f"the two runs share no system ({', '.join(a)} in run A, {', '.join(b)} in run B); name two versions of "
            "one with --systems OLD=NEW"
        )
    return pairs


def _row(pairing: Pairing, estimate: Estimate, p_holm: float, alpha: float, n_largest: int) -> MetricDrift:
    spec, differences = pairing.spec, pairing.differences()
    changed = p_holm < ALPHA
    is_better = (estimate.value > 0) == (spec.better == "higher")
    direction = "other" if spec.better == "neither" else "better" if is_better else "worse"
    spread = float(differences.std(ddof=1)) if np.ptp(differences) > 0 else 0.0
    return MetricDrift(
        metric=spec.id,
        title=spec.title,
        unit=spec.unit,
        better=spec.better,
        suite=pairing.suite,
        system_a=pairing.system_a,
        system_b=pairing.system_b,
        n_prompts=estimate.n_prompts,
        mean_a=float(pairing.a.mean()),
        mean_b=float(pairing.b.mean()),
        difference=estimate.value,
        low=number_or_none(estimate.low),
        high=number_or_none(estimate.high),
        p_value=estimate.p_value,
        p_holm=p_holm,
        changed=changed,
        direction=direction if changed else None,
        smallest_detectable=spread * smallest_detectable_effect(len(differences), alpha=alpha) if spread else None,
        unscored_a=reason_counts(pairing.rows_a),
        unscored_b=reason_counts(pairing.rows_b),
        largest=_largest(pairing, n_largest),
    )


def _largest(pairing: Pairing, n_largest: int) -> list[PromptChange]:
    differences = pairing.differences()
    # Stable, so that equal changes keep the order of the prompts.
    places = [place for place in np.argsort(-np.abs(differences), kind="stable")[:n_largest] if differences[place]]
    prompts = [pairing.prompts[place] for place in places]
    samples_a, samples_b = _samples(pairing.rows_a, prompts), _samples(pairing.rows_b, prompts)
    return [
        PromptChange(
            prompt=prompt,
            a=float(pairing.a[place]),
            b=float(pairing.b[place]),
            change=float(differences[place]),
            samples_a=list(samples_a[prompt]),
            samples_b=list(samples_b[prompt]),
        )
        for place, prompt in zip(places, prompts, strict=True)
    ]


def _samples(rows: pd.DataFrame, prompts: Sequence[str]) -> dict[str, dict[str, None]]:
    """Return the samples behind the mean of each prompt, each once, in the order of the table."""
    behind: dict[str, dict[str, None]] = {prompt: {} for prompt in prompts}
    scored = rows[rows["prompt"].isin(prompts) & rows["value"].notna()]
    for prompt, subject in zip(scored["prompt"], scored["subject"], strict=True):
        behind[prompt] |= dict.fromkeys(map(str, subject))
    return behind
