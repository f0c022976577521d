"""The pictures behind the numbers: which prompts a report shows, and what was seen in each of their images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evals.imageset.prompts import words_of_prompt
from evals.reporting import formatting
from evals.reporting.ocr_overlay import Line, legible_boxes, overlay_lines
from evals.reporting.thumbnails import DifferenceMap, Thumbnail, difference_map, sample_thumbnails
from evals.run import Run
from metrics.catalogue import METRICS

PROMPTS_PER_SUITE = 12
PICTURES_PER_SYSTEM = 8

_TITLES = {row.id: row.title for row in METRICS}
_UNITS = {row.id: row.unit for row in METRICS}
_KINDS = {row.id: row.subject for row in METRICS}
_PRIMARY = frozenset(row.id for row in METRICS if row.primary)

_FEATURES = {row.id: row.features for row in METRICS}
_NO_NEWS = {row.id: row.system_failures for row in METRICS if row.subject == "sample" and not row.columns}
"""What need not be said at a picture: that it shows nothing of a kind that nobody asked for."""

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Score:
    """One line under a picture or a system: a metric with its value, or with the reason why there is none."""

    title: str
    value: str
    scored: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One sample: its thumbnail or why there is none, and what was seen in it."""

    label: str
    alt: str
    address: str
    absent: str
    width: int
    height: int
    faces: tuple[Polygon, ...]
    texts: tuple[Polygon, ...]
    reading: tuple[Line, ...]
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class RepeatPair:
    """The two repeats of a seed that differ most, with the map of their difference."""

    label: str
    map: DifferenceMap | None


@dataclass(frozen=True, slots=True)
class Column:
    """What one system made of a prompt: its pictures, and the scores that belong to more than one of them."""

    place: int
    system: str
    pictures: tuple[Picture, ...]
    more: int
    repeats: RepeatPair | None
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One prompt, or one sequence of shots, side by side over all systems."""

    id: str
    prompts: tuple[str, ...]
    why: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class SuiteGallery:
    """The exhibits of one suite, and out of how many they were chosen."""

    suite: str
    exhibits: tuple[Exhibit, ...]
    total: int


def collect(run: Run, systems: Sequence[str], prompts_per_suite: int = PROMPTS_PER_SUITE) -> list[SuiteGallery]:
    """Return the side-by-side evidence of every suite.

    At most ``prompts_per_suite`` prompts of a suite are shown: first those on which the systems differ most in a
    metric of the summary, measured in standard deviations of that metric over the suite's prompts.
    """
    if run.samples.empty or prompts_per_suite == 0:
        return []
    samples = _grouped_samples(run.samples)
    scores = _own_scores(run.scores, samples)
    shown: list[tuple[str, list[tuple[str, str]], int]] = []
    for suite, rows in samples.groupby("suite", sort=False):
        ranked = _by_difference(list(dict.fromkeys(rows["group"])), scores[scores["suite"] == suite])
        shown.append((str(suite), ranked[:prompts_per_suite], len(ranked)))
    chosen = {(suite, group) for suite, groups, _ in shown for group, _ in groups}
    keep = pd.Series(list(zip(samples["suite"], samples["group"], strict=True)), index=samples.index).isin(chosen)
    by_group = dict(iter(samples[keep].groupby(["suite", "group"], sort=False)))
    keep = pd.Series(list(zip(scores["suite"], scores["group"], strict=True)), index=scores.index).isin(chosen)
    scores_of = dict(iter(scores[keep].groupby(["suite", "group"], sort=False)))
    shown_ids = [
        sample_id
        for rows in by_group.values()
        for _, of_system in rows.groupby("system", sort=False)
        for sample_id in of_system["sample_id"].head(PICTURES_PER_SYSTEM)
    ]
    thumbnails = sample_thumbnails(run, shown_ids)
    return [
        SuiteGallery(
            formatting.suite_name(suite),
            tuple(
                _exhibit(group, why, by_group[suite, group], scores_of.get((suite, group)), systems, thumbnails)
                for group, why in groups
            ),
            total,
        )
        for suite, groups, total in shown
    ]


def _grouped_samples(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples in the order of the report, with the group they are shown in: their sequence or prompt."""
    known = samples.reindex(columns=list(dict.fromkeys([*samples.columns, "sequence_id", "shot", "seed", "repeat"])))
    sequence = known["sequence_id"]
    known["group"] = sequence.where(sequence.notna(), known["prompt_id"]).astype(str)
    # Repeats of a seed stand together, and so do the shots of a sequence, whatever seed each of them has.
    known["of_seed"] = known["seed"].where(sequence.isna())
    known["of_repeat"] = pd.to_numeric(known["repeat"], errors="coerce").fillna(0)
    order = ["suite", "group", "of_seed", "of_repeat", "shot", "seed"]
    return known.sort_values(order, kind="stable", ignore_index=True)


def _own_scores(scores: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the measurements that are no controls and belong to one group, with that group.

    What no picture could be measured by, for want of an encoder, is said once for the whole run and not at each.
    """
    kinds = scores["metric"].map(_KINDS)
    absent = scores["reason"] == "encoder_unavailable"
    targets = scores[scores["control"].isna() & (kinds != "pair") & ~absent]
    place = samples.set_index("sample_id")[["suite", "group"]]
    first = targets["subject"].map(lambda subject: subject[0])
    return targets.assign(suite=first.map(place["suite"]), group=first.map(place["group"]))


def _by_difference(groups: Sequence[str], scores: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the groups with the reason why each is shown, the largest difference between systems first."""
    scored = scores[scores["metric"].isin(_PRIMARY) & scores["value"].notna()]
    if scored["system"].nunique() < 2:
        return [(group, "") for group in groups]
    means = scored.pivot_table(index=["metric", "group"], columns="system", values="value", aggfunc="mean")
    best: dict[str, tuple[float, str]] = {}
    for metric, block in means.groupby(level="metric"):
        values = block.to_numpy(float)
        deviation = float(np.nanstd(values))
        sizes = (np.nanmax(values, axis=1) - np.nanmin(values, axis=1)) / (deviation or np.inf)
        for group, size in zip(block.index.get_level_values("group"), sizes, strict=True):
            if size > best.get(group, (0.0, ""))[0]:
                best[group] = (float(size), str(metric))
    ranked = sorted(groups, key=lambda group: (-best.get(group, (0.0, ""))[0], group))
    sentence = "{} differs by {:.1f} standard deviations"
    why = {group: sentence.format(_TITLES[metric], size) for group, (size, metric) in best.items()}
    return [(group, why.get(group, "")) for group in ranked]


def _exhibit(
    group: str,
    why: str,
    rows: pd.DataFrame,
    scores: pd.DataFrame | None,
    systems: Sequence[str],
    thumbnails: Mapping[str, Thumbnail | str],
) -> Exhibit:
    measured: dict[str, list[Mapping[str, Any]]] = {}
    for record in [] if scores is None else scores.to_dict("records"):
        measured.setdefault(record["system"], []).append({str(column): value for column, value in record.items()})
    labels = _labels(rows)
    columns = tuple(
        _column(place, system, rows[rows["system"] == system], measured.get(system, []), thumbnails, labels)
        for place, system in enumerate(systems)
    )
    texts = {words_of_prompt(text): text for text in reversed(rows["prompt"].astype(str).tolist())}
    return Exhibit(group, tuple(reversed(texts.values())), why, columns)


def _column(
    place: int,
    system: str,
    rows: pd.DataFrame,
    scores: Sequence[Mapping[str, Any]],
    thumbnails: Mapping[str, Thumbnail | str],
    labels: Mapping[str, str],
) -> Column:
    by_sample: dict[str, list[Mapping[str, Any]]] = {}
    shared: dict[str, list[Mapping[str, Any]]] = {}
    for score in scores:
        if _KINDS.get(score["metric"], "sample") == "sample":
            by_sample.setdefault(score["subject"][0], []).append(score)
        else:
            shared.setdefault(score["metric"], []).append(score)
    boxes = _face_boxes(scores)
    shown = list(rows["sample_id"])[:PICTURES_PER_SYSTEM]
    pictures = tuple(
        _picture(system, labels[sample], sample, by_sample.get(sample, []), boxes.get(sample, ()), thumbnails[sample])
        for sample in shown
    )
    return Column(
        place,
        system,
        pictures,
        len(rows) - len(shown),
        _repeat_pair(shared, labels, thumbnails),
        tuple(_over_subjects(metric, of_metric) for metric, of_metric in shared.items()),
    )


def _picture(
    system: str,
    label: str,
    sample_id: str,
    scores: Sequence[Mapping[str, Any]],
    faces: tuple[Polygon, ...],
    thumbnail: Thumbnail | str,
) -> Picture:
    read = _text_details(scores)
    texts = tuple(_polygon(box["box"]) for box in legible_boxes(read, sample_id))
    reading = overlay_lines(read, sample_id)
    listed = tuple(_score(score) for score in scores if score["reason"] not in _NO_NEWS.get(score["metric"], ()))
    alt = f"Image by {system}" + (f", {label}" if label else "")
    if faces:
        alt += f"; {formatting.pluralize(len(faces), 'face')} marked"
    if isinstance(thumbnail, str):
        return Picture(label, alt, "", thumbnail, 1, 1, (), (), reading, listed)
    width, height = thumbnail.full_width, thumbnail.full_height
    return Picture(label, alt, thumbnail.address, "", width, height, faces, texts, reading, listed)


def _labels(rows: pd.DataFrame) -> dict[str, str]:
    """Return what tells the samples of a group apart: shot, seed and repeat, as far as they differ in it."""
    names = [name for name in ("shot", "seed", "repeat") if len(set(rows[name].dropna())) > 1]
    return {
        row["sample_id"]: " \N{MIDDLE DOT} ".join(f"{name} {row[name]}" for name in names if not _is_missing(row[name]))
        for row in rows.to_dict("records")
    }


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value) or value is pd.NA


def _text_details(scores: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what was read in a sample, from a metric that holds it against an expected text if there is one."""
    details_of = [score["details"] or {} for score in scores if "ocr" in _FEATURES.get(score["metric"], ())]
    return max(details_of, key=lambda details: ("expected" in details, "read" in details), default={})


def _score(score: Mapping[str, Any]) -> Score:
    title = _TITLES.get(score["metric"], score["metric"])
    if _is_missing(score["value"]):
        return Score(title, formatting.reason(str(score["reason"])), False)
    return Score(title, formatting.quantity(score["value"], _UNITS.get(score["metric"], "")), True)


def _over_subjects(metric: str, scores: Sequence[Mapping[str, Any]]) -> Score:
    """Return the mean of a metric over the pairs or sequences of one prompt, and what is missing from it."""
    title = _TITLES.get(metric, metric)
    values = [float(score["value"]) for score in scores if not _is_missing(score["value"])]
    reasons = Counter(formatting.reason(str(score["reason"])) for score in scores if _is_missing(score["value"]))
    missing = "; ".join(f"{text} ({n})" if len(scores) > 1 else text for text, n in sorted(reasons.items()))
    if not values:
        return Score(title, missing, False)
    text = formatting.quantity(sum(values) / len(values), _UNITS.get(metric, ""))
    if len(values) > 1:
        text += f" (mean of {len(values)})"
    return Score(title, f"{text}; {missing}" if missing else text, True)


def _repeat_pair(
    shared: Mapping[str, Sequence[Mapping[str, Any]]],
    labels: Mapping[str, str],
    thumbnails: Mapping[str, Thumbnail | str],
) -> RepeatPair | None:
    """Return the map of the shown repeats that differ most to the eye of the thumbnail."""
    pairs = dict.fromkeys(
        (str(score["subject"][0]), str(score["subject"][1]))
        for metric, scores in shared.items()
        if _KINDS.get(metric) == "repeats"
        for score in scores
    )
    maps: list[tuple[float, RepeatPair]] = []
    for a, b in pairs:
        first, second = thumbnails.get(a), thumbnails.get(b)
        if not isinstance(first, Thumbnail) or not isinstance(second, Thumbnail):
            continue
        drawn = difference_map(first, second)
        label = f"{labels[a]} against {labels[b]}"
        maps.append((drawn.mean if drawn else float("inf"), RepeatPair(label, drawn)))
    return max(maps, key=lambda item: item[0])[1] if maps else None


def _face_boxes(scores: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Polygon, ...]]:
    """Return the face boxes by sample: all faces where they were counted, else those that a metric used."""
    boxes: dict[str, tuple[Polygon, ...]] = {}
    for score in sorted(scores, key=lambda score: score["metric"] not in _NO_NEWS):
        by_sample = (score["details"] or {}).get("boxes")
        if "faces" in _FEATURES.get(score["metric"], ()) and isinstance(by_sample, Mapping):
            for sample_id, found in by_sample.items():
                several = found if found and isinstance(found[0], list) else [found]
                boxes.setdefault(sample_id, tuple(_polygon(box) for box in several if box))
    return boxes


def _polygon(box: Sequence[Any]) -> Polygon:
    if isinstance(box[0], list):
        return tuple((round(float(x), 1), round(float(y), 1)) for x, y in box)
    x0, y0, x1, y1 = (round(float(value), 1) for value in box)
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
