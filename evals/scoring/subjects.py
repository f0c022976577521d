"""Which subjects a metric measures in an image set, its controls' among them. Pure: rows in, plans out."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

from evals.scoring.arrangements import ARRANGED
from evals.scoring.grouping import by_shot, members_of, prompts_by_suite, sequences
from evals.scoring.plans import ImageKey, Plan, Row, is_given, picture_of, references_of, uses
from metrics.controls import CONTROLS
from metrics.specification import MetricSpec, load_function

MAX_IMAGES_PAIRED = 2000
"""Above this many images with the feature, metrics over every pair measure those of a seeded sample of so many."""


def plan_subjects(spec: MetricSpec, rows: Sequence[Row], with_feature: Collection[int] = ()) -> Iterator[Plan]:
    """Yield the plans of a metric over an image set, its own subjects first, then those of its controls.

    ``with_feature`` are the indices of the rows in whose image the feature was found; only for metrics over every pair.
    """
    usable = [
        i
        for i, row in enumerate(rows)
        if all(is_given(row.get(column)) for column in spec.columns)
        and not any(is_given(row.get(column)) for column in spec.excludes)
    ]
    make = partial(_plan, spec, rows)
    if spec.subject == "pair":
        # An image without the feature is one row with its reason, not a row for every pair that it would have made.
        yield from (make([i]) for i in usable if i not in with_feature)
        chosen = sorted(with_feature, key=lambda i: str(rows[i]["file_name"]))
        if len(chosen) > MAX_IMAGES_PAIRED:
            chosen = random.Random(0).sample(chosen, MAX_IMAGES_PAIRED)
        for pair in itertools.combinations(chosen, 2):
            first, second = (rows[i].get("sequence_id") for i in pair)
            yield make(pair, details={"same_sequence": None if None in (first, second) else first == second})
    decoys = prompts_by_suite(rows, usable) if spec.decoys else {}
    for members in members_of(spec, rows, usable):
        yield make(members, decoys=decoys.get(rows[members[0]]["suite"], ()))
    if spec.subject in ("shots", "consecutive"):
        alone = (shots for shots in sequences(rows, usable) if len(by_shot(rows, shots)) == 1)
        yield from (make([i], reason="too_few_shots") for shots in alone for i in shots)
    # What a control puts in a picture's place follows names alone, so that the order of the rows changes no value.
    by_name = sorted(usable, key=lambda i: str(rows[i]["file_name"]))
    for control in (CONTROLS[name] for name in spec.controls):
        applies = load_function(control.applies) if control.applies else None
        fitting = [i for i in by_name if applies is None or applies(rows[i], spec.columns)]
        yield from ARRANGED[control.arrangement](spec, rows, fitting, partial(make, control=control.id))


def _plan(spec: MetricSpec, rows: Sequence[Row], members: Sequence[int], **changes: Any) -> Plan:
    first = rows[members[0]]
    compares_edits = uses(spec, "edit")
    if (spec.references or compares_edits) and "references" not in changes:
        changes["references"] = references_of(first)
    if compares_edits and first.get("mask"):
        changes["mask"] = ImageKey("mask", first["mask"])
    if spec.texts:
        texts_of = load_function(spec.texts)
        changes["texts"] = tuple(dict.fromkeys(text for i in members for text in texts_of(rows[i])))
    if spec.question and changes.get("question") is None:
        changes["question"] = load_function(spec.question)(first)
    if uses(spec, "text") and "prompt" not in changes:
        changes["prompt"] = first["prompt"]
    changes.setdefault("images", tuple(picture_of(rows[i]) for i in members))
    return Plan(tuple(members), **changes)
