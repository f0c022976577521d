"""Puts a run's own measurements in place of "untested": latency and cost, of real systems only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from evals.audit.rules import APPROXIMATE_TOLERANCE, Finding, judged_by_interval, number, of_several, usd
from evals.facts.claims import Measurable, Price
from evals.facts.models import Facts
from evals.rating.operations import MISSING, SystemOperations

_LATENCY, _COST = "operations.latency_p50", "operations.cost_per_image"
_CALLED = {_LATENCY: "median latency", _COST: "cost of a picture"}


def check_measurable(check: Measurable, facts: Facts, operations: Sequence[SystemOperations] | None) -> Finding:
    """Return the verdict of a run on a figure; untested without one, with what others are known to have measured."""
    return _by_run(check, operations, Finding("untested", _measured_by_others(check, facts)))


def priced_by_run(check: Price, operations: Sequence[SystemOperations] | None, found: Finding) -> Finding:
    """Return the verdict on a price with what a run paid: it decides where no source does, and else is a note."""
    measurable = Measurable(_COST, check.stated, check.systems, check.size)
    if found.verdict == "untested":
        return _by_run(measurable, operations, found)
    paid, _ = _measured(measurable, operations or ())
    notes = [f"The run counted {usd(figure.value)} a picture for {figure.system}." for figure in paid]
    return replace(found, notes=(*found.notes, *notes))


def _by_run(check: Measurable, operations: Sequence[SystemOperations] | None, untested: Finding) -> Finding:
    if operations is None:
        return untested
    measured, notes = _measured(check, operations)
    if not measured:
        notes = notes or [f"The run did not ask {' or '.join(check.systems)} for {check.size} pictures."]
        return replace(untested, notes=tuple(notes))
    unit = "USD" if check.figure == _COST else "s"
    told = [_told(figure, unit) for figure in measured]
    verdicts = [judged_by_interval(figure.low, figure.high, check.stated, APPROXIMATE_TOLERANCE) for figure in measured]
    unmeasured = sorted(set(check.systems) - {figure.system for figure in measured})
    if check.stated.value is None and unmeasured:  # "neither is below a second" is about every one of them
        verdicts.append("untested")
        notes.append(f"Not measured: {', '.join(unmeasured)}.")
    return Finding(
        verdict=of_several(verdicts),
        sentence=f"Measured in the run, the {_CALLED[check.figure]} at {check.size} was {', '.join(told)}.",
        computed=measured[0].value if len(measured) == 1 else None,
        unit=unit,
        notes=tuple(notes),
    )


class _Figure(NamedTuple):
    system: str
    value: float
    low: float
    high: float


def _measured(check: Measurable, operations: Sequence[SystemOperations]) -> tuple[list[_Figure], list[str]]:
    """Return what real systems of a claim were measured at, with an interval; and why other rows do not count."""
    models = {system.partition("@")[0] for system in check.systems}
    measured, notes = [], []
    for row in operations:
        system, figure = row["system"], row["figures"][check.figure]
        value, low, high = figure["value"], figure["low"], figure["high"]
        if check.figure == _COST:  # a bill has no spread
            low = high = value
        if row["simulated"]:
            if system.partition("@")[0] in models:
                notes.append(f"{system} of the run is simulated: it says nothing about the real one.")
        elif system not in check.systems or row["size"] != check.size:
            continue
        elif value is None:
            notes.append(f"{system} of the run has no {_CALLED[check.figure]}: {MISSING[str(figure['reason'])]}.")
        elif low is None or high is None:
            notes.append(f"{system} of the run has no interval: {figure['n']} pictures are too few.")
        else:
            measured.append(_Figure(system, value, low, high))
    return measured, notes


def _measured_by_others(check: Measurable, facts: Facts) -> str:
    if check.figure != _LATENCY:
        return "Only a run can tell."
    told = []
    for system in check.systems:
        for latency in facts.find(system).latencies:
            if latency.size == check.size:
                count = f" ({latency.n} picture{'s' * (latency.n > 1)})" if latency.n else ""
                told.append(f"{system} {number(latency.median_s, 1)} s{count}")
    if told:
        return f"Only a run can tell. What others told of {check.size}: {', '.join(told)}."
    return f"Only a run can tell; nobody else's times at {check.size} are known."


def _told(figure: _Figure, unit: str) -> str:
    if unit == "USD":
        return f"{usd(figure.value)} for {figure.system}"
    return f"{number(figure.value)} s (95% interval {number(figure.low)} to {number(figure.high)}) for {figure.system}"
