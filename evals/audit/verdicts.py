"""The audit of published claims: each gets a verdict, the value computed anew, a sentence and who says so."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from evals.audit.arithmetic import check_arithmetic
from evals.audit.checks import (
    check_ability,
    check_cheaper,
    check_names,
    check_price,
    check_request,
    check_served,
    check_size,
)
from evals.audit.measured import check_measurable, priced_by_run
from evals.audit.requests import OwnRequest, own_request
from evals.audit.rules import Finding
from evals.facts.article import Article
from evals.facts.capabilities import Capability
from evals.facts.claims import (
    Able,
    Arithmetic,
    Cheaper,
    Cited,
    Claim,
    Measurable,
    Price,
    Quality,
    Request,
    SameModel,
    Served,
    Sized,
)
from evals.facts.models import Facts
from evals.facts.models_reading import Source
from evals.rating.operations import SystemOperations


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What became of one claim.

    Attributes
    ----------
    id, quote, section, kind
        The claim's.
    verdict
        Of `evals.audit.rules.RULES`.
    given
        Which of the article's own numbers were taken as they are (its prices, say); None where none were.
    stated
        The number that the claim states, in words; None where it states none.
    computed, unit
        The value computed, cited or measured anew, None where the claim is about no number.
    sentence
        Why.
    sources
        Who says so, with the day on which it was read.
    notes
        What else to know: which measurements were not used, and why.
    """

    id: str
    quote: str
    section: str
    kind: str
    verdict: str
    given: str | None
    stated: str | None
    computed: float | None
    unit: str | None
    sentence: str
    sources: tuple[Source, ...]
    notes: tuple[str, ...]

    @property
    def read(self) -> date:
        """Return the day on which the newest of its sources was read."""
        return max(source.read for source in self.sources)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON has it."""
        sources = [
            {"id": source.id, "what": source.what, "url": source.url, "read": str(source.read), "trust": source.trust}
            for source in self.sources
        ]
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "sources": sources, "read": str(self.read), "notes": list(self.notes)}


def audit(
    article: Article,
    facts: Facts,
    capabilities: Mapping[str, Capability],
    operations: Sequence[SystemOperations] | None = None,
) -> list[ClaimVerdict]:
    """Return a verdict on every claim of an article, in its order.

    Parameters
    ----------
    article, facts, capabilities
        What was claimed, and what is known.
    operations
        Latencies and costs of a scored run (`evals.run.Run.operations`). What it measured of real systems decides the
        claims that are untested without it; simulated systems decide nothing, and a note says so.

    Examples
    --------
    >>> from evals.facts.capabilities import read_capabilities
    >>> from evals.facts.models import read_facts
    >>> from evals.facts.article import read_article
    >>> verdicts = {claim.id: claim for claim in audit(read_article(), read_facts(), read_capabilities())}
    >>> hours = verdicts["additional-hours"]
    >>> hours.stated, round(hours.computed, 2), hours.verdict
    ('3.3', 3.06, 'wrong')
    """
    requests = functools.cache(functools.partial(own_request, facts))  # several claims are about the same one
    return [
        _verdict(claim, _checked(claim, article.day, facts, capabilities, requests, operations))
        for claim in article.claims
    ]


def _checked(
    claim: Claim,
    day: date,
    facts: Facts,
    capabilities: Mapping[str, Capability],
    requests: Callable[[str], OwnRequest],
    operations: Sequence[SystemOperations] | None,
) -> Finding:
    match claim.check:
        case Arithmetic() as check:
            return check_arithmetic(check, facts)
        case Price() as check:
            return priced_by_run(check, operations, check_price(check, facts, day))
        case Cheaper() as check:
            return check_cheaper(check, facts)
        case Able() as check:
            return check_ability(check, capabilities)
        case Sized() as check:
            return check_size(check, facts)
        case Served() as check:
            return check_served(check, facts, day)
        case SameModel() as check:
            return check_names(check)
        case Request() as check:
            return check_request(check, requests(check.system), facts)
        case Measurable() as check:
            return check_measurable(check, facts, operations)
        case Quality(row):
            return Finding("untested", f"Only pictures can tell: see the row {row!r} of the star table.")
        case Cited(verdict):
            return Finding(verdict, "")


def _verdict(claim: Claim, found: Finding) -> ClaimVerdict:
    check = claim.check
    stated = check.stated if isinstance(check, (Arithmetic, Price, Measurable)) else None
    return ClaimVerdict(
        id=claim.id,
        quote=claim.quote,
        section=claim.section,
        kind=claim.kind,
        verdict=found.verdict,
        given=check.given if isinstance(check, Arithmetic) else None,
        stated=stated.words if stated else None,
        computed=found.computed,
        unit=found.unit,
        sentence=" ".join(part for part in (found.sentence, claim.says) if part),
        sources=tuple(dict.fromkeys((*found.sources, *claim.sources))),
        notes=found.notes,
    )
