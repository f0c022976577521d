"""The claims of an article as objects: what it says, where, and the check that decides whether it is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from evals.facts.models_reading import Source

KINDS = (
    "price", "arithmetic", "name", "capability", "host", "endpoint", "field", "size", "rate limit", "latency",
    "quality",
)  # fmt: skip
"""What claims are about."""

VERDICTS = ("wrong", "outdated", "imprecise", "untested", "right")
"""Every verdict that a claim can get, in the order in which they are shown."""

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "percent_more": ("of", "than"),
    "percent_less": ("of", "than"),
    "difference_times": ("of", "than", "times"),
    "hours_of_difference": ("of", "than", "times"),
}
"""The arithmetic that a claim may name, with its operands (`evals.audit.arithmetic` computes it)."""

GIVEN = ("prices", "latencies")
"""Which numbers of the article its arithmetic may take as they are."""

FIGURES = ("operations.latency_p50", "operations.cost_per_image")
"""The measurements of a run that a claim may be held against."""

PARTS = ("host", "path", "header", "field", "calls")
"""What of a request a claim may be about (`evals.audit.requests`)."""

CALLS = ("one", "several")
"""How many calls bring a picture."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a claim says a number is: the number with the digits it is written with, a span, or a least value.

    Attributes
    ----------
    words
        As it is written.
    low, high
        Between them lies all that the words mean: 3.3 means 3.25 to 3.35.
    value
        The number itself, None for a span and for a least value.
    """

    words: str
    low: float
    high: float
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One operation over numbers of the article, in words; ``times`` is 1 where the operation has no such operand."""

    words: str
    operation: str
    of: float
    than: float
    times: float


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A result that can be computed again from the article's own numbers.

    Attributes
    ----------
    stated, unit
        The result as the article has it.
    readings
        What the words may mean, each an operation; the one that is nearest to the claim decides.
    slip
        The operation that gives the stated number, though the words mean another; None where no such is known.
    given
        Which of the article's numbers are taken as they are, of `GIVEN`.
    list_prices_of
        The two systems whose prices of the facts are put in place of the article's, to compare; or none.
    """

    stated: Stated
    unit: str
    readings: tuple[Reading, ...]
    slip: Reading | None
    given: str
    list_prices_of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """A price of a picture: of the systems that are meant, at one size, in US dollars."""

    stated: Stated
    systems: tuple[str, ...]
    size: str


@dataclass(frozen=True, slots=True)
class Cheaper:
    """That one system costs less than others at one size."""

    system: str
    than: tuple[str, ...]
    size: str


@dataclass(frozen=True, slots=True)
class Able:
    """What a claim answers to the question of a capability, for some systems."""

    capability: str
    states: str
    systems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sized:
    """That systems make pictures of a size."""

    systems: tuple[str, ...]
    size: str


@dataclass(frozen=True, slots=True)
class Served:
    """That models can be asked on hosts, or on no others."""

    models: tuple[str, ...]
    hosts: tuple[str, ...]
    nowhere_else: bool


@dataclass(frozen=True, slots=True)
class SameModel:
    """That names mean one model: each name with the model that it means."""

    models: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """That a part of the request to a system is as stated; ``otherwise`` is the verdict where ours differs."""

    system: str
    part: str
    stated: str
    otherwise: str


@dataclass(frozen=True, slots=True)
class Measurable:
    """A figure that only a run can tell, for some systems at one size."""

    figure: str
    stated: Stated
    systems: tuple[str, ...]
    size: str


@dataclass(frozen=True, slots=True)
class Quality:
    """What only pictures can show, and the row of the star table that compares them."""

    row: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A verdict that the cited sources give and nothing computes."""

    verdict: str


Check: TypeAlias = (
    Arithmetic | Price | Cheaper | Able | Sized | Served | SameModel | Request | Measurable | Quality | Cited
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One checkable claim of an article.

    Attributes
    ----------
    id
        Its name.
    quote
        The article's words, a few of them.
    section
        Where they stand.
    kind
        Of `KINDS`.
    check
        What decides it.
    says
        What the evidence says beyond what the check computes; empty where that is enough.
    sources
        Who says so, besides those that a capability's answer names itself.
    """

    id: str
    quote: str
    section: str
    kind: str
    check: Check
    says: str
    sources: tuple[Source, ...]
