"""Measuring: from planned subjects and looked-up features to the rows of the score table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.scoring.decoders import Unreadable
from evals.scoring.encoders import Encoders
from evals.scoring.engine import FeatureTable, Needs, compared
from evals.scoring.subjects import ImageKey, Plan, plan_subjects, text_of
from evals.scoring.table import table_row
from metrics.catalogue import FEATURES
from metrics.encoders.catalogue import Encoder
from metrics.encoders.detector import mirrored
from metrics.measurement import Measurement, Subject
from metrics.specification import MetricSpec

_CHUNK = 4096


def collect_needs(specs: Iterable[MetricSpec], rows: Sequence[Mapping[str, Any]], encoders: Encoders) -> Needs:
    """Return what every subject of every metric needs."""
    needs = Needs()
    for spec in specs:
        for plan in plan_subjects(spec, rows):
            chosen = _encoders_for(spec, plan, rows, encoders)
            if not isinstance(chosen, str):
                needs.add(plan, spec.features, chosen)
    return needs


def _encoders_for(
    spec: MetricSpec, plan: Plan, rows: Sequence[Mapping[str, Any]], encoders: Encoders
) -> dict[str, Encoder] | str:
    """Return the encoder of each feature for one subject, or the reason why one is missing."""
    chosen: dict[str, Encoder] = {}
    for feature in spec.features:
        role = FEATURES[feature].role
        encoder = encoders.of(role)
        if encoder is None:
            return "encoder_unavailable"
        if encoder.name.partition(":")[0] in spec.unfit_encoders:
            return "encoder_unfit"
        if role == "text" and rows[plan.rows[0]].get("expected_text"):
            reader = encoders.reading(text_of(rows[plan.rows[0]]))
            if reader is None and "expected_text" in spec.columns:
                return "language_unsupported"
            encoder = reader or encoder
        chosen[feature] = encoder
    return chosen


def measure(
    spec: MetricSpec, rows: Sequence[Mapping[str, Any]], encoders: Encoders, table: FeatureTable
) -> Iterator[dict[str, Any]]:
    """Yield the score table's rows of one metric: the subjects that can be measured in batches, reasons as they are."""
    function = spec.load()
    with_face: Sequence[int] = ()
    if spec.subject == "pair":
        with_face = [i for i in range(len(rows)) if _has_feature(spec, rows[i], encoders, table)]
    plans = iter(plan_subjects(spec, rows, with_face))
    while chunk := list(itertools.islice(plans, _CHUNK)):
        prepared = [_prepare(spec, plan, rows, encoders, table) for plan in chunk]
        subjects = [each.subject for each in prepared if each.reason is None]
        measured = iter(function(subjects) if subjects else ())
        for plan, each in zip(chunk, prepared, strict=True):
            found = next(measured) if each.reason is None else each.refusal()
            members = [rows[i] for i in plan.rows]
            yield table_row(spec, each.encoder, members, plan.control, found)


@dataclass(frozen=True, slots=True)
class _Prepared:
    subject: Subject
    encoder: Encoder | None
    reason: str | None = None
    what: str | None = None

    def refusal(self) -> Measurement:
        details = {**self.subject.details, **({"what": self.what} if self.what else {})}
        return Measurement(self.subject.sample_ids, reason=self.reason, details=details)


def _prepare(
    spec: MetricSpec, plan: Plan, rows: Sequence[Mapping[str, Any]], encoders: Encoders, table: FeatureTable
) -> _Prepared:
    """Look up the features of one subject."""
    members = tuple(rows[i] for i in plan.rows)
    ids = tuple(row["sample_id"] for row in members)
    chosen = _encoders_for(spec, plan, rows, encoders)
    bare = Subject(ids, members, details=plan.details)
    if isinstance(chosen, str):
        return _Prepared(bare, None, chosen)
    encoder = chosen[spec.features[0]]
    images: list[dict[str, Any]] = [{} for _ in plan.images]
    references: list[dict[str, Any]] = [{} for _ in plan.references]
    given: dict[str, Any] = {}
    for feature in spec.features:
        kind, model = FEATURES[feature].of, chosen[feature]
        if kind == "text":
            if plan.prompt is not None:
                given[feature] = table.text(feature, model, plan.prompt)
            if plan.decoys:
                given["prompt_text"] = plan.prompt
                given["decoys"] = table.texts(feature, model, plan.decoys)
            if plan.texts:
                given["texts"] = {text: table.text(feature, model, text) for text in plan.texts}
            continue
        places: list[tuple[dict[str, Any], tuple[ImageKey, ...], bool]]
        if kind in ("pair", "edit"):
            places = [(given, compared(plan, feature), False)]
        else:
            places = [(place, (key,), False) for place, key in zip(images, plan.images, strict=True)]
            if kind == "image":
                places += [(place, (key,), True) for place, key in zip(references, plan.references, strict=True)]
        for place, keys, is_reference in places:
            asked = kind == "question"
            value = (
                table.answer(feature, model, keys[0], plan.question or "")
                if asked
                else table.get(feature, model, *keys)
            )
            if isinstance(value, Unreadable):
                reason = "unreadable_reference" if is_reference and value.reason == "unreadable_image" else value.reason
                return _Prepared(bare, encoder, reason, value.what)
            place[feature] = mirrored(value) if plan.control == "mirror_image" else value
    if plan.references:
        given["references"] = tuple(references)
    return _Prepared(Subject(ids, members, tuple(images), given, plan.details), encoder)


def _has_feature(spec: MetricSpec, row: Mapping[str, Any], encoders: Encoders, table: FeatureTable) -> bool:
    plan = next(plan_subjects(spec, [row]))
    prepared = _prepare(spec, plan, [row], encoders, table)
    return prepared.reason is None and bool(prepared.subject.images[0][spec.features[0]])
