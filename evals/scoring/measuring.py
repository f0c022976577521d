"""Measuring: from planned subjects and looked-up features to the rows of the score table."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from evals.scoring.decoders import Unreadable
from evals.scoring.encoders import Encoders
from evals.scoring.engine import FeatureTable
from evals.scoring.needs import FeatureKey, Needs
from evals.scoring.plans import Plan, text_of
from evals.scoring.subjects import plan_subjects
from evals.scoring.table import table_row
from metrics.controls import CONTROLS
from metrics.encoders.catalogue import Encoder, EncoderUnavailable
from metrics.features import FEATURES
from metrics.measurement import Measurement, Subject, unscored
from metrics.specification import MetricSpec, load_function

log = logging.getLogger(__name__)

_CHUNK = 4096


def collect_needs(
    planned: Iterable[tuple[MetricSpec, Plan]],
    rows: Sequence[Mapping[str, Any]],
    encoders: Encoders,
    with_decoys: bool = False,
) -> Needs:
    """Return what subjects of metrics need; decoys too where they are not the own prompts of other subjects."""
    needs = Needs()
    for spec, plan in planned:
        chosen = _encoders_for(spec, plan, rows, encoders)
        if not isinstance(chosen, str):
            needs.add(plan, chosen, with_decoys)
    return needs


def _encoders_for(
    spec: MetricSpec, plan: Plan, rows: Sequence[Mapping[str, Any]], encoders: Encoders
) -> dict[str, Encoder] | str:
    """Return the encoder of each feature for one subject, or the reason why it cannot be measured."""
    if plan.reason:
        return plan.reason
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
    spec: MetricSpec,
    rows: Sequence[Mapping[str, Any]],
    encoders: Encoders,
    table: FeatureTable,
    only: Sequence[Plan] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the score table's rows of one metric: the subjects that can be measured in batches, reasons as they are.

    ``only`` are the subjects to measure, by default all.
    """
    function = spec.load()
    failures: list[str] = []
    with_feature: set[int] = set()
    for i, row in enumerate(rows if spec.subject == "pair" and only is None else ()):
        subject, _ = _prepare(spec, next(plan_subjects(spec, [row])), [row], encoders, table)
        if isinstance(subject, Subject) and subject.images[0][spec.features[0]]:
            with_feature.add(i)
    plans = iter(plan_subjects(spec, rows, with_feature) if only is None else only)
    while chunk := list(itertools.islice(plans, _CHUNK)):
        prepared = [_prepare(spec, plan, rows, encoders, table) for plan in chunk]
        measurements = iter(_measured(function, [each for each, _ in prepared if isinstance(each, Subject)]))
        for plan, (each, encoder) in zip(chunk, prepared, strict=True):
            measurement = next(measurements) if isinstance(each, Subject) else each
            if measurement.reason == "metric_failed":
                failures.append(measurement.details["what"])
            yield table_row(spec, encoder, [rows[i] for i in plan.rows], plan.control, measurement)
    if failures:
        log.warning("%s failed %d times, first with %s", spec.id, len(failures), failures[0])


def _measured(
    function: Callable[[list[Subject]], Sequence[Measurement]], subjects: list[Subject]
) -> Sequence[Measurement]:
    """Measure a batch; when that fails, find the subjects that it fails on: the failure is their reason."""
    if not subjects:
        return ()
    try:
        measurements = function(subjects)
        if len(measurements) != len(subjects):
            raise ValueError(f"{len(measurements)} measurements of {len(subjects)} subjects")
    except (MemoryError, EncoderUnavailable):
        raise
    except Exception as error:  # a metric may trip over anything; what it failed on becomes a counted reason
        if len(subjects) > 1:
            return [measurement for subject in subjects for measurement in _measured(function, [subject])]
        return [unscored(subjects[0], "metric_failed", what=f"{type(error).__name__}: {error}")]
    return measurements


def _prepare(
    spec: MetricSpec, plan: Plan, rows: Sequence[Mapping[str, Any]], encoders: Encoders, table: FeatureTable
) -> tuple[Subject | Measurement, Encoder | None]:
    """Look up the features of one subject; without one of them it is a measurement that says why."""
    members = tuple(rows[i] for i in plan.rows)
    sample_ids = tuple(row["sample_id"] for row in members)
    described = members if plan.described_by is None else (rows[plan.described_by],)
    bare = Subject(sample_ids, described, details=plan.details)
    chosen = _encoders_for(spec, plan, rows, encoders)
    if isinstance(chosen, str):
        return unscored(bare, chosen), None
    encoder = chosen[spec.features[0]]
    path = CONTROLS[plan.control].transform if plan.control else ""
    transform = load_function(path) if path else None
    images: list[dict[str, Any]] = [{} for _ in plan.images]
    references: list[dict[str, Any]] = [{} for _ in plan.references]
    texts: dict[str, Any] = {}
    context: dict[str, Any] = {}
    for feature, model in chosen.items():
        for (place, n), inputs in plan.inputs(feature).items():
            value = table.get(FeatureKey(feature, model.name, inputs))
            if isinstance(value, Unreadable):
                of_reference = place == "reference" and value.reason == "unreadable_image"
                reason = "unreadable_reference" if of_reference else value.reason
                return unscored(bare, reason, **({"what": value.what} if value.what else {})), encoder
            match place:
                case "image":
                    images[n][feature] = transform(value) if transform else value
                case "reference":
                    references[n][feature] = value
                case "text":
                    texts[plan.texts[n]] = value
                case "context":
                    context[feature] = value
        if plan.decoys and FEATURES[feature].of == "text":
            context |= {"prompt_text": plan.prompt, "decoys": table.decoys(feature, model, plan.decoys)}
    if plan.references:
        context["references"] = tuple(references)
    if texts:
        context["texts"] = texts
    return Subject(sample_ids, described, tuple(images), context, plan.details), encoder
