"""Which metrics of the catalogue have no value in a run, why not, and which encoder would measure them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evals.rating.comparison import SystemMean
from evals.rating.ratings import Ratings
from metrics.catalogue import METRICS
from metrics.encoders.catalogue import ENCODERS
from metrics.features import FEATURES
from metrics.measurement import REASONS
from metrics.specification import MetricSpec

NOT_ASKED = "not_asked"
"""The reason of a metric that the run was not asked for."""


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A metric without any value: the reason as a code and as a sentence, and the encoder that would measure it.

    ``reason`` is one of `metrics.measurement.REASONS` or `NOT_ASKED`; ``encoder`` is None where none is lacking.
    """

    metric: str
    title: str
    reason: str
    why: str
    encoder: str | None


def not_measured(ratings: Ratings, encoders: Iterable[Mapping[str, Any]]) -> list[NotMeasured]:
    """Return every metric that has no value in any suite of a run, in the order of the catalogue.

    The reasons are the run's own, of several the most frequent one. Of the encoder records of ``provenance.json`` those
    that could not be loaded have a note, which says what to do.

    Examples
    --------
    >>> row = {"metric": "adherence.vqa", "mean": None, "reasons": {"encoder_unavailable": 3}}
    >>> record = {"role": "vqa", "status": "unavailable", "name": "vqa:small", "note": "fetch it"}
    >>> next(each for each in not_measured({"rows": [row]}, [record]) if each.metric == "adherence.vqa")
    NotMeasured(metric='adherence.vqa', title='Prompt adherence, asked', reason='encoder_unavailable', why='fetch it', \
encoder='vqa:small')
    """
    rows: dict[str, list[SystemMean]] = {}
    for row in ratings["rows"]:
        rows.setdefault(row["metric"], []).append(row)
    absent = {record["role"]: record for record in encoders if record["status"] == "unavailable"}
    return [
        _explained(spec, most_frequent_reason(rows.get(spec.id, ())), absent)
        for spec in METRICS
        if all(row["mean"] is None for row in rows.get(spec.id, ()))
    ]


def by_reason(absent: Iterable[NotMeasured]) -> dict[str, list[str]]:
    """Return the titles of metrics by the sentence that says why they were not measured, each sentence once."""
    titles: dict[str, list[str]] = {}
    for one in absent:
        titles.setdefault(one.why, []).append(one.title)
    return titles


def most_frequent_reason(rows: Iterable[SystemMean]) -> str | None:
    """Return the reason that most measurements of these rating rows carry, None if none of them carries one.

    Examples
    --------
    >>> most_frequent_reason([{"reasons": {"no_face": 2}}, {"reasons": {"no_face": 1, "encoder_failed": 2}}])
    'no_face'
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row["reasons"])
    return counts.most_common(1)[0][0] if counts else None


def _explained(spec: MetricSpec, reason: str | None, absent: Mapping[str, Mapping[str, Any]]) -> NotMeasured:
    roles = [FEATURES[feature].role for feature in spec.features]
    if reason is None:
        why = "it is measured only when asked for by name" if spec.on_request else "this run was not asked for it"
        return NotMeasured(spec.id, spec.title, NOT_ASKED, why, None)
    record = next((absent[role] for role in roles if role in absent), None)
    if reason == "encoder_unavailable" and record is not None:
        return NotMeasured(spec.id, spec.title, reason, record["note"], record["name"])
    encoder = None
    if reason == "encoder_unfit":  # the first that does the metric's work and was not seen to fail its control
        fit = (row for row in ENCODERS if row.role in roles and row.library not in spec.unfit_encoders)
        encoder = next((f"{row.library}:{row.default_model}" for row in fit if row.default_model), None)
    return NotMeasured(spec.id, spec.title, reason, REASONS.get(reason, reason), encoder)
