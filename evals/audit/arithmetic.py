"""Computes an article's arithmetic again, from its own numbers and from the prices of the facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from evals.audit.rules import ARITHMETIC_TOLERANCE, Finding, distance, judged, number, usd
from evals.facts.claims import Arithmetic, Reading
from evals.facts.models import Facts
from evals.facts.pricing import likely_usd

_SIZE = "1K"
_SECONDS_PER_HOUR = 3600.0

_COMPUTED: Mapping[str, Callable[[float, float, float], float]] = {
    "percent_more": lambda of, than, times: 100 * (of / than - 1),
    "percent_less": lambda of, than, times: 100 * (1 - of / than),
    "difference_times": lambda of, than, times: (of - than) * times,
    "hours_of_difference": lambda of, than, times: (of - than) * times / _SECONDS_PER_HOUR,
}


def computed(reading: Reading) -> float:
    r"""Return the result of an operation.

    * ``percent_more``: :math:`100 (of / than - 1)`, by how much the first is above the second,
    * ``percent_less``: :math:`100 (1 - of / than)`, by how much the first is below the second,
    * ``difference_times``: :math:`(of - than) \cdot times`,
    * ``hours_of_difference``: the same in hours, for operands in seconds.

    Examples
    --------
    >>> round(computed(Reading("a day", "hours_of_difference", 4.2, 3.1, 10_000)), 2)
    3.06
    """
    # What binary fractions leave behind the digits of prices is no part of the result.
    return round(_COMPUTED[reading.operation](reading.of, reading.than, reading.times), 9)


def check_arithmetic(check: Arithmetic, facts: Facts) -> Finding:
    """Return what the article's numbers give; the reading of its words that is nearest to the claim decides."""
    best = min(check.readings, key=lambda reading: distance(computed(reading), check.stated))
    results = [f"{reading.words} is {_formula(reading)} = {_result(reading, check.unit)}" for reading in check.readings]
    told = [f"By its own {check.given} {' and '.join(results)}"]
    if check.slip and judged(computed(check.slip), check.stated, 0.0) == "right":
        told.append(f"{_result(check.slip, check.unit)} is {check.slip.words}, {_formula(check.slip)}")
    if check.list_prices_of:
        told.append(_with_list_prices(best, check, facts))
    return Finding(
        verdict=judged(computed(best), check.stated, ARITHMETIC_TOLERANCE),
        sentence=f"{'; '.join(told)}.",
        computed=computed(best),
        unit=check.unit,
    )


def _formula(reading: Reading) -> str:
    first, second, times = number(reading.of, 4), number(reading.than, 4), number(reading.times)
    formulas = {
        "percent_more": f"{first} / {second} - 1",
        "percent_less": f"1 - {first} / {second}",
        "difference_times": f"({first} - {second}) x {times}",
        "hours_of_difference": f"({first} - {second}) s x {times} / 3600",
    }
    return formulas[reading.operation]


def _with_list_prices(reading: Reading, check: Arithmetic, facts: Facts) -> str:
    prices = [likely_usd(facts.find(system), _SIZE) for system in check.list_prices_of]
    first, second = prices
    if first is None or second is None:
        return "no source gives both list prices"
    named = " and ".join(
        f"{usd(price)} for {system}" for system, price in zip(check.list_prices_of, (first, second), strict=True)
    )
    anew = replace(reading, of=first, than=second)
    return f"with the prices of the facts at {_SIZE}, {named}, it is {_result(anew, check.unit)}"


def _result(reading: Reading, unit: str) -> str:
    value = computed(reading)
    if unit == "USD":
        return f"${number(value, 0)}"
    return f"{number(value, 1)}%" if unit == "%" else f"{number(value)} {unit}"
