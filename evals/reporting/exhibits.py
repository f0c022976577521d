"""The evidence of every prompt: what each system made of it, what was seen in the pictures, and what they scored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from evals.imageset.prompts import words_of_prompt
from evals.rating.stars.document import Stars
from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts
from evals.rating.stars.prompt_scores import WITHHELD
from evals.reporting import formatting
from evals.reporting.annotations import Annotations, Measured, annotations_of
from evals.run import Run
from metrics.catalogue import METRICS

_SPECS = {row.id: row for row in METRICS}

_OF_THE_WHOLE_RUN = ("encoder_unavailable", "encoder_unfit")
"""Reasons that hold for every picture alike; they are said once, where the tables say what was not measured."""

Key = tuple[str, str]
"""A suite, and a prompt or sequence of it: the unit that the star table counts."""

Row = Mapping[str, Any]
"""A sample, None where a column says nothing."""

_SHOWN = ["sample_id", "system", "suite", "prompt_id", "prompt", "sequence_id", "shot", "seed", "repeat",
          "width", "height", "reference_images"]  # fmt: skip

_Ending = tuple[tuple[str, ...], tuple[str, ...], bool]
"""Of requests without a picture: what was asked, how it ended, and whether the system withheld one by its own will."""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric with its value in words, or with the reason why there is none; ``of_row``: a star is made of it."""

    metric: str
    title: str
    value: str
    scored: bool
    of_row: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One sample: what tells it apart from the others of its prompt, what was seen in it and what it scored.

    ``size`` is that of the scored picture in pixels, None where the run does not tell it.
    """

    sample_id: str
    label: str
    size: tuple[int, int] | None
    annotations: Annotations
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that are laid over each other to show where they differ: two samples, or a source and a sample."""

    label: str
    source: str
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """What one system made of a prompt.

    ``outcomes`` says what came of requests without a picture. ``withheld`` is whether the system refused or filtered
    one, ``unscored`` whether a star lacks a value; ``scores`` are those of several pictures together.
    """

    system: str
    pictures: tuple[Picture, ...]
    outcomes: tuple[str, ...]
    withheld: bool
    unscored: bool
    pair: Pair | None
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One prompt, or one sequence of shots, side by side over all systems.

    ``sources`` are the pictures that were sent along, ``places`` where each system lies on the scale of each row of the
    star table that counts the prompt, by row id.
    """

    suite: str
    unit: str
    prompts: tuple[str, ...]
    sources: tuple[str, ...]
    columns: tuple[Column, ...]
    places: Mapping[str, Mapping[str, float | None]]

    def higher(self, row_id: str) -> str | None:
        """Return the system that lies higher than all others on the scale of a row, None where there is none."""
        ranked = sorted(
            ((place, name) for name, place in self.places[row_id].items() if place is not None), reverse=True
        )
        return ranked[0][1] if len(ranked) > 1 and ranked[0][0] > ranked[1][0] else None

    @property
    def spread(self) -> float:
        """How far apart the systems lie at most, as a share of the scale."""
        known = [[place for place in row.values() if place is not None] for row in self.places.values()]
        return max((max(places) - min(places) for places in known if places), default=0.0)


@dataclass
class _Measured:
    """The scores of one prompt and system: of single pictures by sample, of several by metric."""

    of_sample: dict[str, list[Score]] = field(default_factory=lambda: defaultdict(list))
    details: dict[str, list[Measured]] = field(default_factory=lambda: defaultdict(list))
    together: dict[str, list[tuple[float | None, str]]] = field(default_factory=lambda: defaultdict(list))
    repeats: list[tuple[str, float | None, list[str]]] = field(default_factory=list)


def collect(run: Run, stars: Stars, systems: Sequence[str]) -> dict[Key, Exhibit]:
    """Return the evidence of every prompt that was asked, in the order of the suites; prompts by name."""
    if run.samples.empty:
        return {}
    groups = _groups(merge_duplicate_prompts(run.samples.reset_index(drop=True), run.samples, run.requests))
    of_row = _metrics_of_rows(stars)
    measured, endings = _measured(run.scores, groups, of_row), _endings(run)
    asked = {key: texts for (key, _), (texts, _, _) in endings.items()}
    places, made = _places(stars), set(run.samples.get("file_name", ()))
    return {
        key: Exhibit(
            suite=key[0],
            unit=key[1],
            prompts=_prompts(rows) if rows else asked[key],
            sources=_sources(rows, made),
            columns=tuple(_columns(systems, key, rows, measured, endings, of_row)),
            places=places.get(key, {}),
        )
        for key, rows in ({key: groups.get(key, []) for key in (*groups, *asked)}).items()
    }


def _groups(samples: pd.DataFrame) -> dict[Key, list[Row]]:
    """Return the samples of every prompt or sequence, in the order of a report."""
    sample = samples.reindex(columns=_SHOWN)
    sequence = sample["sequence_id"]
    sample["unit"] = sequence.where(sequence.notna(), sample["prompt_id"]).astype(str)
    sample["suite"] = sample["suite"].fillna("").astype(str)
    suites = {suite: place for place, suite in enumerate(dict.fromkeys(sample["suite"]))}
    # Repeats of a seed stand together, and so do the shots of a sequence, whatever seed each of them has.
    of_seed, of_repeat = sample["seed"].where(sequence.isna()), pd.to_numeric(sample["repeat"], errors="coerce")
    keyed = sample.assign(place=sample["suite"].map(suites), of_seed=of_seed, of_repeat=of_repeat.fillna(0))
    ordered = keyed.sort_values(["place", "unit", "of_seed", "of_repeat", "shot", "seed"], kind="stable")
    groups: dict[Key, list[Row]] = {}
    for row in ordered[[*_SHOWN, "unit"]].astype(object).where(ordered.notna(), None).to_dict("records"):
        groups.setdefault((row["suite"], row["unit"]), []).append({str(name): value for name, value in row.items()})
    return groups


def _metrics_of_rows(stars: Stars) -> dict[str, set[str]]:
    """Return the metrics of the star table by suite."""
    metrics: dict[str, set[str]] = defaultdict(set)
    for row in stars["rows"]:
        if row["kind"] == "measured":
            metrics[row["suite"] or ""].update(part["metric"] for part in row["components"])
    return metrics


def _places(stars: Stars) -> dict[Key, dict[str, Mapping[str, float | None]]]:
    places: dict[Key, dict[str, Mapping[str, float | None]]] = defaultdict(dict)
    for row in stars["rows"]:
        for prompt, of_prompt in row["places"].items():
            places[row["suite"] or "", prompt][row["id"]] = of_prompt
    return places


def _measured(
    scores: pd.DataFrame, groups: Mapping[Key, Sequence[Row]], of_row: Mapping[str, set[str]]
) -> dict[tuple[Key, str], _Measured]:
    """Return all that is shown of the score table, by prompt and system; controls are none of it."""
    place = {row["sample_id"]: (key, row["system"]) for key, rows in groups.items() for row in rows}
    measured: dict[tuple[Key, str], _Measured] = defaultdict(_Measured)
    targets = scores[scores["control"].isna() & ~scores["reason"].isin(_OF_THE_WHOLE_RUN)]
    for metric, subject, value, reason, details in _cells(targets, "metric", "subject", "value", "reason", "details"):
        spec = _SPECS.get(metric)
        ids = [str(sample_id) for sample_id in subject]
        if spec is None or spec.subject == "pair" or not ids or ids[0] not in place:
            continue
        key, system = place[ids[0]]
        here, number = measured[key, system], None if pd.isna(value) else float(value)
        for sample_id in ids:
            here.details[sample_id].append((metric, ids, details or {}))
        is_of_row = metric in of_row.get(key[0], ())
        if spec.better == "neither" and not is_of_row:
            continue
        if spec.subject == "sample":
            # What nobody asked this suite for need not be said to be missing.
            if number is not None or is_of_row or key[0] not in of_row:
                here.of_sample[ids[0]].append(_score(metric, [(number, str(reason))], is_of_row))
        else:
            here.together[metric].append((number, str(reason)))
            if spec.subject == "repeats":
                here.repeats.append((metric, number, ids))
    return measured


def _cells(table: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].tolist() for name in names), strict=True)


def _columns(
    systems: Sequence[str],
    key: Key,
    rows: Sequence[Row],
    measured: Mapping[tuple[Key, str], _Measured],
    endings: Mapping[tuple[Key, str], _Ending],
    of_row: Mapping[str, set[str]],
) -> Iterator[Column]:
    labels = _labels(rows)
    for system in systems:
        here, own = measured.get((key, system), _Measured()), [row for row in rows if row["system"] == system]
        of_suite = of_row.get(key[0], set[str]())
        pictures = tuple(_picture(row, labels[row["sample_id"]], here, of_suite) for row in own)
        scores = [_score(name, values, name in of_suite) for name, values in here.together.items()]
        _, outcomes, withheld = endings.get((key, system), ((), (), False))
        unscored = any(score.of_row and not score.scored for picture in pictures for score in picture.scores)
        unscored |= any(value is None for name in of_suite for value, _ in here.together.get(name, ()))
        yield Column(system, pictures, outcomes, withheld, unscored, _pair(here, labels, own), _in_order(scores))


def _picture(row: Row, label: str, here: _Measured, of_row: Collection[str]) -> Picture:
    sample_id = row["sample_id"]
    size = (int(row["width"]), int(row["height"])) if row["width"] and row["height"] else None
    annotations = annotations_of(sample_id, size, here.details.get(sample_id, []), of_row)
    return Picture(sample_id, label, size, annotations, _in_order(here.of_sample.get(sample_id, [])))


def _in_order(scores: Sequence[Score]) -> tuple[Score, ...]:
    """Return the scores that stars are made of first."""
    return tuple(sorted(scores, key=lambda score: not score.of_row))


def _labels(rows: Sequence[Row]) -> dict[str, str]:
    """Return what tells the samples of a prompt apart: shot, seed and repeat, as far as they differ in it."""
    names = [name for name in ("shot", "seed", "repeat") if len({row[name] for row in rows} - {None}) > 1]
    return {
        row["sample_id"]: " \N{MIDDLE DOT} ".join(f"{name} {row[name]}" for name in names if row[name] is not None)
        for row in rows
    }


def _score(metric: str, values: Sequence[tuple[float | None, str]], of_row: bool) -> Score:
    """Return the mean of a metric over what was measured for one prompt, and what is missing from it."""
    spec = _SPECS[metric]
    numbers = [value for value, _ in values if value is not None]
    missing = _missing(values) if len(numbers) < len(values) else ""
    if not numbers:
        return Score(metric, spec.title, missing, False, of_row)
    text = formatting.quantity(sum(numbers) / len(numbers), spec.unit)
    text += f" (mean of {len(numbers)})" if len(numbers) > 1 else ""
    return Score(metric, spec.title, f"{text}; {missing}" if missing else text, True, of_row)


def _missing(values: Sequence[tuple[float | None, str]]) -> str:
    reasons = Counter(formatting.reason(reason) for value, reason in values if value is None)
    return "; ".join(f"{text} ({n})" if len(values) > 1 else text for text, n in sorted(reasons.items()))


def _pair(here: _Measured, labels: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Pair | None:
    """Return the repeats that differ most by what they were measured with, or an edit and the picture it began with."""
    if here.repeats:
        metric = max((name for name, _, _ in here.repeats), key=lambda name: name == "reproducibility.mean_difference")
        sign = -1 if _SPECS[metric].better == "higher" else 1
        of_metric = [
            (sign * value if value is not None else 0.0, ids) for name, value, ids in here.repeats if name == metric
        ]
        _, (first, second) = max(of_metric, key=lambda one: one[0])
        return Pair(f"{labels.get(first, first)} against {labels.get(second, second)}", "", (first, second))
    edits = {sample for sample, of in here.details.items() if any(name.startswith("editing.") for name, _, _ in of)}
    for row in rows:
        if row["sample_id"] in edits and _references(row):
            return Pair("the edit against its source", _references(row)[0], (row["sample_id"],))
    return None


def _references(row: Row) -> list[str]:
    names = row["reference_images"]
    return list(map(str, names)) if isinstance(names, list) else []


def _prompts(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the texts that were asked, those with the same words once, in the order of the shots."""
    texts = {words_of_prompt(text): text for text in reversed([str(row["prompt"]) for row in rows])}
    return tuple(reversed(texts.values()))


def _sources(rows: Sequence[Row], made: Collection[str]) -> tuple[str, ...]:
    """Return the pictures that were sent along, without those that the system itself had made as a first shot."""
    return tuple(dict.fromkeys(name for row in rows for name in _references(row) if name not in made))


def _endings(run: Run) -> dict[tuple[Key, str], _Ending]:
    """Return how the requests that brought no picture ended, by prompt and system."""
    if run.requests is None or run.requests.empty or "prompt_id" not in run.requests:
        return {}
    requests = merge_duplicate_prompts(run.requests, run.samples, run.requests)
    lacking = requests[requests["outcome"].ne("ok") & requests["prompt_id"].notna()]
    names = ("suite", "sequence_id", "prompt_id", "system", "prompt", "outcome", "reason")
    lacking = lacking.reindex(columns=list(names)).astype(object)
    counts: dict[tuple[Key, str], Counter[str]] = defaultdict(Counter)
    texts: dict[tuple[Key, str], dict[str, None]] = defaultdict(dict)
    withheld: set[tuple[Key, str]] = set()
    for suite, sequence, prompt_id, system, prompt, outcome, reason in _cells(
        lacking.where(lacking.notna(), None), *names
    ):
        at = ((str(suite or ""), str(sequence or prompt_id)), str(system))
        why = formatting.without_folders(str(reason or "")).replace("_", " ")
        counts[at][f"{outcome}: {why}" if why else str(outcome)] += 1
        texts[at][str(prompt or prompt_id)] = None
        if outcome in WITHHELD:
            withheld.add(at)
    said = {at: tuple(f"{text} ({n} times)" if n > 1 else text for text, n in of.items()) for at, of in counts.items()}
    return {at: (tuple(texts[at]), said[at], at in withheld) for at in counts}
