"""A slice of a run: the measurements and requests of the samples for which a condition over their columns holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evals.rating.comparison import column_of
from evals.rating.conditions import UNKNOWN, Condition, ConditionError, read_condition

_UNIT = ["suite", "prompt_id"]


@dataclass(frozen=True, slots=True)
class Slice:
    """The tables of a run where a condition holds, and ``notes``: how much that is, and what is not known of it."""

    scores: pd.DataFrame
    samples: pd.DataFrame
    requests: pd.DataFrame | None
    notes: tuple[str, ...]


def slice_tables(where: str, scores: pd.DataFrame, samples: pd.DataFrame, requests: pd.DataFrame | None) -> Slice:
    """Return the tables of a run for the samples where a condition holds.

    A measurement belongs to the slice if all of its samples do, a control if the sample that it is about does. A
    request without a picture has the values that all pictures of its prompt agree in, so that a refusal counts in the
    slice of its prompt's language. Where they do not agree, as in width, nobody knows what its value would have been:
    it is left out, and a note counts it.

    Parameters
    ----------
    where
        A condition over the columns of the samples (`evals.rating.conditions.read_condition`).
    scores, samples, requests
        The tables of a run, as `evals.run.Run` has them.

    Raises
    ------
    ConditionError
        If it is no condition, or holds of no sample.
    """
    condition = read_condition(where, map(str, samples))
    values = {name: _values(samples[name]) for name in condition.columns}
    chosen = samples[list(map(bool, _answers(condition, values)))]
    if chosen.empty:
        raise ConditionError(f"where: no sample of this run has {condition.text}")
    ids = set(chosen["sample_id"])
    belongs = [
        str(subject[0]) in ids if is_control else all(str(sample) in ids for sample in subject)
        for subject, is_control in zip(scores["subject"], scores["control"].notna(), strict=True)
    ]
    n_prompts, n_all = (len(table[_UNIT].drop_duplicates()) for table in (chosen, samples))
    note = (
        f"Only where {condition.text}: {len(chosen):,} of {len(samples):,} pictures, {n_prompts:,} of {n_all:,} "
        "prompts. The ends of every scale and the controls are measured anew on these."
    )
    if requests is None or requests.empty:
        return Slice(scores[belongs], chosen, requests, (note,))
    answers = _of_requests(condition, values, samples, requests)
    undecided = requests[[answer is None for answer in answers]]
    return Slice(
        scores[belongs], chosen, requests[[answer is True for answer in answers]], (note, *_left_out(undecided))
    )


def _values(column: pd.Series[Any]) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()


def _answers(condition: Condition, values: dict[str, list[Any]]) -> Iterator[bool | None]:
    for row in zip(*values.values(), strict=True):
        yield condition.holds(dict(zip(values, row, strict=True)))


def _of_requests(
    condition: Condition, values: dict[str, list[Any]], samples: pd.DataFrame, requests: pd.DataFrame
) -> list[bool | None]:
    """Return for every request whether it belongs: as its picture does, or else as far as its prompt tells."""
    units = list(zip(*(samples[name] for name in _UNIT), strict=True))
    # A request that does not name its suite has what the pictures of all suites agree in.
    units += [(None, prompt_id) for _, prompt_id in units]
    of_prompts = {name: _agreed(units, column * 2) for name, column in values.items()}
    of_pictures = dict(zip(samples["sample_id"], zip(*values.values(), strict=True), strict=True))
    facts: dict[str, list[Any]] = {name: [] for name in values}
    own = {name: _values(column_of(requests, name)) for name in values}
    keys = zip(*(_values(column_of(requests, name)) for name in ("sample_id", *_UNIT)), strict=True)
    for place, (sample_id, *unit) in enumerate(keys):
        picture = of_pictures.get(sample_id)
        for n, name in enumerate(values):
            value = own[name][place] if picture is None else picture[n]
            if value is None and picture is None:
                value = of_prompts[name].get(tuple(unit), UNKNOWN)
            facts[name].append(value)
    return list(_answers(condition, facts))


def _agreed(units: Sequence[tuple[Any, ...]], values: Sequence[Any]) -> dict[tuple[Any, ...], Any]:
    """Return the value of each unit in which all of its rows agree, `UNKNOWN` where they do not."""
    agreed: dict[tuple[Any, ...], Any] = {}
    for unit, value in zip(units, values, strict=True):
        if agreed.setdefault(unit, value) != value:
            agreed[unit] = UNKNOWN
    return agreed


def _left_out(undecided: pd.DataFrame) -> Iterator[str]:
    if len(undecided):
        counts = Counter(zip(undecided["system"], undecided["outcome"], strict=True))
        listed = ", ".join(f"{system} {n} {outcome}" for (system, outcome), n in sorted(counts.items()))
        yield (
            "Requests that cannot be tied to a picture, nor to this condition, are left out, even where they would "
            f"count as zero: {listed}."
        )
