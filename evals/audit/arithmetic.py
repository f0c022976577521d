"""Claims that are computed again, from the article's own numbers and from the prices of the facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from evals.audit.evidence import Evidence
from evals.audit.rules import ARITHMETIC_TOLERANCE, Finding, StatedInFile, distance, judged, number, usd_range
from evals.facts.models import Facts, KnownSystem
from evals.facts.pricing import listed_usd
from evals.files.yaml_files import Entries, FileModel, Names, Text, refused

_SIZE = "1K"
_SECONDS_PER_HOUR = 3600.0

Operation: TypeAlias = Literal["percent_more", "percent_less", "difference_times", "hours_of_difference"]

_OPERATIONS: Mapping[Operation, tuple[Callable[[float, float, float], float], str]] = {
    "percent_more": (lambda of, than, times: 100 * (of / than - 1), "{of} / {than} - 1"),
    "percent_less": (lambda of, than, times: 100 * (1 - of / than), "1 - {of} / {than}"),
    "difference_times": (lambda of, than, times: (of - than) * times, "({of} - {than}) x {times}"),
    "hours_of_difference": (
        lambda of, than, times: (of - than) * times / _SECONDS_PER_HOUR,
        "({of} - {than}) s x {times} / 3600",
    ),
}

_Operand = Annotated[float, Field(ge=0)]


class Reading(FileModel):
    r"""One operation over numbers of the article, in words.

    * ``percent_more``: :math:`100 (of / than - 1)`, by how much the first is above the second,
    * ``percent_less``: :math:`100 (1 - of / than)`, by how much the first is below the second,
    * ``difference_times``: :math:`(of - than) \cdot times`,
    * ``hours_of_difference``: the same in hours, for operands in seconds.

    Examples
    --------
    >>> round(Reading(words="a day", operation="hours_of_difference", of=4.2, than=3.1, times=10_000).result(), 2)
    3.06
    """

    words: Text
    operation: Operation
    of: _Operand
    than: _Operand
    times: _Operand | None = None

    @model_validator(mode="after")
    def _check_operands(self) -> Reading:
        is_percentage = self.operation.startswith("percent")
        if is_percentage and self.than == 0:
            raise refused("there is no percentage of nothing", "than")
        if is_percentage != (self.times is None):
            raise refused(f"{self.operation} {'has no' if is_percentage else 'needs this'} field", "times")
        return self

    def result(self) -> float:
        """Return the result of the operation."""
        # What binary fractions leave behind the digits of prices is no part of the result.
        return round(_OPERATIONS[self.operation][0](self.of, self.than, self.times or 1.0), 9)

    def formula(self) -> str:
        """Return the operation as people write it."""
        formula = _OPERATIONS[self.operation][1]
        return formula.format(of=number(self.of, 4), than=number(self.than, 4), times=number(self.times or 1.0))

    def result_in(self, unit: str) -> str:
        """Return the result with its unit."""
        if unit == "USD":
            return f"${number(self.result(), 0)}"
        return f"{number(self.result(), 1)}%" if unit == "%" else f"{number(self.result())} {unit}"


class Arithmetic(FileModel):
    """A result that can be computed again from those of the article's own numbers that are ``given``.

    ``readings`` is what its words may mean; the one that is nearest to the claim decides. A claim of a span ("typically
    15 to 30", "much of") names a tendency; ``tendency`` is what holds wherever it is there at all. ``slip`` is an
    operation that gives the stated number though the words mean another. ``list_prices_of`` names the two systems whose
    prices of the facts are put in place of the article's, to compare; or none.
    """

    stated: StatedInFile
    unit: Text
    given: Literal["prices", "latencies"]
    readings: Annotated[Entries[Reading], Field(min_length=1)]
    tendency: StatedInFile | None = None
    slip: Reading | None = None
    list_prices_of: Names[KnownSystem] = ()

    @model_validator(mode="after")
    def _check_systems(self) -> Arithmetic:
        if len(self.list_prices_of) not in (0, 2):
            raise refused("it names two systems, in the order of 'of' and 'than'", "list_prices_of")
        if (self.tendency is None) != (self.stated.value is not None):
            has = "a claim of one number has no" if self.tendency else "a claim of a span needs this"
            raise refused(f"{has} field", "tendency")
        return self

    def check(self, evidence: Evidence) -> Finding:
        """Return what the article's numbers give; the reading of its words that is nearest to the claim decides."""
        best = min(self.readings, key=lambda reading: distance(reading.result(), self.stated))
        results = [f"{each.words} is {each.formula()} = {each.result_in(self.unit)}" for each in self.readings]
        clauses = [f"By its own {self.given} {' and '.join(results)}"]
        if self.slip and judged(self.slip.result(), self.stated, 0.0) == "right":
            clauses.append(f"{self.slip.result_in(self.unit)} is {self.slip.words}, {self.slip.formula()}")
        if self.list_prices_of:
            clauses.append(self._with_list_prices(best, evidence.facts))
        return Finding(
            verdict=judged(best.result(), self.stated, ARITHMETIC_TOLERANCE, self.tendency),
            sentence=f"{'; '.join(clauses)}.",
            computed=best.result(),
            unit=self.unit,
        )

    def _with_list_prices(self, reading: Reading, facts: Facts) -> str:
        first, second = (listed_usd(facts.find(system), _SIZE) for system in self.list_prices_of)
        if not first or not second:
            return "no source gives both list prices"
        by_system = zip((first, second), self.list_prices_of, strict=True)
        named = " and ".join(f"{usd_range(prices)} for {system}" for prices, system in by_system)
        pairs = (reading.model_copy(update={"of": of, "than": than}) for of, than in product(first, second))
        ordered = sorted(pairs, key=Reading.result)
        ends = dict.fromkeys(each.result_in(self.unit) for each in (ordered[0], ordered[-1]))
        return f"with the prices of the facts at {_SIZE}, {named}, it is {' to '.join(ends)}"
