"""Claims that only a run decides: its latencies and costs of real systems stand in place of "untested"."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

from evals.audit.evidence import Evidence
from evals.audit.rules import (
    APPROXIMATE_TOLERANCE,
    Finding,
    StatedInFile,
    Verdict,
    judged_by_interval,
    number,
    of_several,
    usd,
)
from evals.facts.models import Facts, KnownSystem, Latency
from evals.facts.pricing import Size
from evals.files.yaml_files import FileModel, Names
from evals.rating.request_figures import MISSING

Figure: TypeAlias = Literal["operations.latency_p50", "operations.cost_per_image"]
LATENCY: Figure = "operations.latency_p50"
COST: Figure = "operations.cost_per_image"
_CALLED = {LATENCY: "median latency", COST: "cost of a picture"}


class _Value(NamedTuple):
    system: str
    value: float
    low: float
    high: float


class Measurable(FileModel):
    """A figure that only a run can tell, for some systems at one size."""

    figure: Figure
    stated: StatedInFile
    systems: Names[KnownSystem]
    size: Size

    def check(self, evidence: Evidence) -> Finding:
        """Return the verdict of a run; untested without one, with what others are known to have measured."""
        return self.check_against_run(evidence, Finding("untested", self._measured_by_others(evidence.facts)))

    def check_against_run(self, evidence: Evidence, untested: Finding) -> Finding:
        """Return the verdict of a run; without one, or if it did not measure this, the one that stands otherwise."""
        if evidence.operations is None:
            return untested
        values, notes = self.measured(evidence)
        if not values:
            notes = notes or [f"The run did not ask {' or '.join(self.systems)} for {self.size} pictures."]
            return replace(untested, notes=tuple(notes))
        verdicts: list[Verdict] = [
            judged_by_interval(each.low, each.high, self.stated, APPROXIMATE_TOLERANCE) for each in values
        ]
        unmeasured = sorted(set(self.systems) - {each.system for each in values})
        if self.stated.value is None and unmeasured:  # "neither is below a second" is about every one of them
            verdicts.append("untested")
            notes.append(f"Not measured: {', '.join(unmeasured)}.")
        shown = ", ".join(self._shown(each) for each in values)
        return Finding(
            verdict=of_several(verdicts),
            sentence=f"Measured in the run, the {_CALLED[self.figure]} at {self.size} was {shown}.",
            computed=values[0].value if len(values) == 1 else None,
            unit="USD" if self.figure == COST else "s",
            notes=tuple(notes),
        )

    def measured(self, evidence: Evidence) -> tuple[list[_Value], list[str]]:
        """Return what real systems were measured at, with an interval; and why other rows of the run do not count."""
        models = {system.partition("@")[0] for system in self.systems}
        values, notes = [], []
        for row in evidence.operations or ():
            system, figure = row["system"], row["figures"][self.figure]
            value, low, high = figure["value"], figure["low"], figure["high"]
            if self.figure == COST:  # a bill has no spread
                low = high = value
            if row["simulated"]:
                if system.partition("@")[0] in models:
                    notes.append(f"{system} of the run is simulated: it says nothing about the real one.")
            elif system not in self.systems or row["size"] != self.size:
                continue
            elif value is None:
                notes.append(f"{system} of the run has no {_CALLED[self.figure]}: {MISSING[str(figure['reason'])]}.")
            elif low is None or high is None:
                notes.append(f"{system} of the run has no interval: {figure['n']} pictures are too few.")
            else:
                values.append(_Value(system, value, low, high))
                if self.figure == LATENCY and figure["in_flight"] is None:
                    notes.append(f"How many requests of {system} were in flight at once is not known.")
        return values, notes

    def _measured_by_others(self, facts: Facts) -> str:
        if self.figure != LATENCY:
            return "Only a run can tell."
        times = [
            f"{system} {_seconds(latency)}" + (f" ({latency.n} picture{'s' * (latency.n > 1)})" if latency.n else "")
            for system in self.systems
            for latency in facts.find(system).latencies
            if latency.size == self.size
        ]
        if times:
            return f"Only a run can tell. What others told of {self.size}: {', '.join(times)}."
        return f"Only a run can tell; nobody else's times at {self.size} are known."

    def _shown(self, each: _Value) -> str:
        if self.figure == COST:
            return f"{usd(each.value)} for {each.system}"
        return f"{number(each.value)} s (95% interval {number(each.low)} to {number(each.high)}) for {each.system}"


def _seconds(latency: Latency) -> str:
    if latency.median_s is not None:
        return f"{number(latency.median_s, 1)} s"
    return f"{number(latency.least_s or 0.0, 1)} to {number(latency.at_most_s, 1)} s"
