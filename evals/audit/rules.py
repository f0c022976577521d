"""The rules by which a published claim is right, imprecise or wrong, and the finding that each check returns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator

from evals.facts.sources import Source
from evals.files.yaml_files import refused

Verdict = Literal["wrong", "outdated", "imprecise", "untested", "right"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""Every verdict that a claim can get, in the order in which they are shown."""

ARITHMETIC_TOLERANCE = 0.05
"""How far a result may be off, as a share of what was stated, and still be called imprecise."""

APPROXIMATE_TOLERANCE = 0.10
"""The same for prices and times, before which the article puts a tilde."""

RULES: Mapping[Verdict, str] = {
    "right": "What is computed, cited or measured rounds to the stated number with its digits, lies in the stated "
    "span, or is what the claim says.",
    "imprecise": f"It is off by at most {ARITHMETIC_TOLERANCE:.0%} of what is stated for arithmetic and by at most "
    f"{APPROXIMATE_TOLERANCE:.0%} for prices and times, which the article calls approximate; or the claim holds for "
    "some of the models that its words mean and not for others, or in part; or it names a tendency with a span for its "
    "amount, and the tendency is there with another amount.",
    "wrong": "It is off by more than what is called imprecise, the tendency that it names is not there, or the facts "
    "say otherwise.",
    "outdated": "It was so, and no longer is.",
    "untested": "No arithmetic and no document that was read decides it: that takes a measurement, or a source.",
}
"""The meaning of each verdict, as reports print it."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Stated:
    """What a claim says a number is: the number with the digits it is written with, a span, a least or a most value.

    All that the words mean lies between ``low`` and ``high``: 3.3 means 3.25 to 3.35. ``value`` is the number itself,
    None for all others.
    """

    words: str
    low: float
    high: float
    value: float | None = None


def parse_stated(words: str) -> Stated:
    """Return what a text states: ``3.3``, ``15 to 30``, ``above 1`` or ``below 1``.

    Examples
    --------
    >>> parse_stated("3.3")
    Stated(words='3.3', low=3.25, high=3.3499999999999996, value=3.3)
    >>> parse_stated("above 1")
    Stated(words='above 1', low=1.0, high=inf, value=None)
    """
    number = r"(\d+(?:\.\d+)?)"
    if match := re.fullmatch(number, words):
        value, half = float(words), 0.5 * 10.0 ** -len(words.partition(".")[2])
        return Stated(words, value - half, value + half, value)
    if match := re.fullmatch(f"{number} to {number}", words):
        low, high = map(float, match.groups())
        if high < low:
            raise refused(f"{high:g} is below {low:g}")
        return Stated(words, low, high)
    if match := re.fullmatch(f"above {number}", words):
        return Stated(words, float(match[1]), float("inf"))
    if match := re.fullmatch(f"below {number}", words):
        return Stated(words, float("-inf"), float(match[1]))
    raise refused(f"{words!r} is not a number; write it as '3.3', '15 to 30', 'above 1' or 'below 1'")


def _read_stated(value: Any) -> Any:
    if isinstance(value, (int, float)):
        raise refused(f"{value!r} is not text; put it in quotes, so that all its digits count")
    return parse_stated(value) if isinstance(value, str) else value


StatedInFile = Annotated[Stated, BeforeValidator(_read_stated)]
"""A text in the file, what it states in the model."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: the verdict, and why, with the numbers, in a sentence.

    ``computed`` is the value that was computed, cited or measured anew, None where the claim is about no number.
    ``sources`` say so besides those that the claim names; ``notes`` tell which measurements were not used, and why.
    """

    verdict: Verdict
    sentence: str
    computed: float | None = None
    unit: str | None = None
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()


def judged(computed: float, stated: Stated, tolerance: float, tendency: Stated | None = None) -> Verdict:
    r"""Return the verdict on a stated number, by the computed one.

    Right if the computed value lies in what the words mean: for a number with its digits, half a unit of the last one
    to either side. Else the distance :math:`|computed - stated| / |stated|` (from the nearer end of a span) decides.
    A claim of a ``tendency`` ("typically cheaper by 15 to 30") is imprecise as long as that is there: its amount is
    off, and what it says is so.

    Examples
    --------
    >>> [judged(computed, parse_stated("22"), 0.05) for computed in (22.4, 22.7, 37.5)]
    ['right', 'imprecise', 'wrong']
    >>> cheaper = parse_stated("above 0")
    >>> [judged(computed, parse_stated("15 to 30"), 0.05, cheaper) for computed in (20, 50, -5)]
    ['right', 'imprecise', 'wrong']
    """
    if stated.low - _ROUNDING <= computed <= stated.high + _ROUNDING:
        return "right"
    nearer = stated.low if computed < stated.low else stated.high
    reference = nearer if stated.value is None else stated.value
    holds = tendency is not None and tendency.low < computed < tendency.high
    return "imprecise" if holds or abs(computed - reference) <= tolerance * abs(reference) else "wrong"


def distance(computed: float, stated: Stated) -> float:
    """Return how far a value lies from what was stated, 0 within a span."""
    if stated.value is not None:
        return abs(computed - stated.value)
    return max(stated.low - computed, computed - stated.high, 0.0)


def judged_by_interval(low: float, high: float, stated: Stated, tolerance: float) -> Verdict:
    """Return the verdict on a stated number by an interval of what was measured.

    Right if the two overlap; for a span or a least value the whole interval must lie in it, and if it does so in part
    nothing is decided. Else the distance of their nearest ends decides as in `judged`.

    Examples
    --------
    >>> above = parse_stated("above 1")
    >>> [judged_by_interval(low, high, above, 0.1) for low, high in ((2, 3), (0.9, 1.1), (0.2, 0.4))]
    ['right', 'untested', 'wrong']
    """
    if low <= stated.high and high >= stated.low:
        if stated.value is not None or (stated.low <= low and high <= stated.high):
            return "right"
        return "untested"
    return judged(high if high < stated.low else low, stated, tolerance)


def of_several(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a claim about several systems, by those on each.

    What is not known of some leaves the claim untested, unless it is refuted for the others: then those decide.

    Examples
    --------
    >>> of_several(["right", "wrong"]), of_several(["right", "outdated"]), of_several(["wrong", "wrong"])
    ('imprecise', 'outdated', 'wrong')
    """
    each = set(verdicts)
    decided = each - {"untested"}
    if not decided or (decided == {"right"} and decided != each):
        return "untested"
    if len(decided) == 1:
        return decided.pop()
    if decided <= {"right", "outdated"}:
        return "outdated"
    return "imprecise" if decided & {"right", "imprecise"} else "wrong"


def number(value: float, decimals: int = 2) -> str:
    """Return a number as people read it: thousands apart, no zeros at the end.

    Examples
    --------
    >>> number(11000), number(3.0556), number(37.5), number(3.14159, 4)
    ('11,000', '3.06', '37.5', '3.1416')
    """
    shown = f"{value:,.{decimals}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def usd(value: float) -> str:
    """Return a price of a picture.

    Examples
    --------
    >>> usd(0.06827), usd(0.03), usd(0.13636)
    ('$0.06827', '$0.03', '$0.1364')
    """
    return f"${value:.4g}"


def usd_range(prices: Sequence[float]) -> str:
    """Return the prices of one picture by several sources, ascending: one price, or from the lowest to the highest.

    Examples
    --------
    >>> usd_range((0.03,)), usd_range((0.02, 0.025, 0.03))
    ('$0.03', '$0.02 to $0.03')
    """
    return usd(prices[0]) if len(prices) == 1 else f"{usd(prices[0])} to {usd(prices[-1])}"
