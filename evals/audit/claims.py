"""The claims of an article, each with its check, and the audit that gives each a verdict with evidence and sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import model_validator

from evals.audit.arithmetic import Arithmetic
from evals.audit.checks import Able, Cheaper, Cited, Price, Quality, Request, SameModel, Served, Sized
from evals.audit.evidence import Evidence
from evals.audit.measured import Measurable
from evals.audit.rules import Verdict
from evals.facts.article import Article
from evals.facts.sources import FactsError, Source, SourcesById
from evals.files.data_files import data_path
from evals.files.yaml_files import DistinctEntries, FileModel, Text, read_yaml, refused
from evals.rating.operations import SystemOperations

Check: TypeAlias = (
    Arithmetic | Price | Cheaper | Able | Sized | Served | SameModel | Request | Measurable | Quality | Cited
)

CHECKS = (
    "arithmetic", "price", "cheaper", "capability", "size", "served", "same_model", "request", "measurable", "quality",
    "cited",
)  # fmt: skip
"""The fields of a claim that hold a check; each claim has one."""


class Claim(FileModel):
    """One checkable claim of an article: some of its words, where they stand, and the one check that decides it.

    ``says`` is what the evidence says beyond what the check computes; ``sources`` are those besides the ones that a
    capability's answer names itself.
    """

    id: Text
    quote: Text
    section: Text
    kind: Literal[
        "price", "arithmetic", "name", "capability", "host", "endpoint", "field", "size", "rate limit", "latency",
        "quality",
    ]  # fmt: skip
    says: str = ""
    sources: SourcesById
    arithmetic: Arithmetic | None = None
    price: Price | None = None
    cheaper: Cheaper | None = None
    capability: Able | None = None
    size: Sized | None = None
    served: Served | None = None
    same_model: SameModel | None = None
    request: Request | None = None
    measurable: Measurable | None = None
    quality: Quality | None = None
    cited: Cited | None = None

    @property
    def checks(self) -> dict[str, Check]:
        """Return the checks by field; a claim that was read has one."""
        return {name: check for name in CHECKS if (check := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _has_one_check(self) -> Claim:
        if len(self.checks) != 1:
            has = f"it has {' and '.join(self.checks)}" if self.checks else f"it has none of {', '.join(CHECKS)}"
            raise refused(f"a claim has one check, and {has}")
        if self.cited and not self.says:
            raise refused("it is missing; a verdict that nothing computes says why", "says")
        return self

    def check(self, evidence: Evidence) -> ClaimVerdict:
        """Return the verdict on the claim."""
        (check,) = self.checks.values()
        finding = check.check(evidence)
        return ClaimVerdict(
            id=self.id,
            quote=self.quote,
            section=self.section,
            kind=self.kind,
            verdict=finding.verdict,
            given=check.given if isinstance(check, Arithmetic) else None,
            stated=check.stated.words if isinstance(check, (Arithmetic, Price, Measurable)) else None,
            computed=finding.computed,
            unit=finding.unit,
            sentence=" ".join(part for part in (finding.sentence, self.says) if part),
            sources=tuple(dict.fromkeys((*finding.sources, *self.sources))),
            notes=finding.notes,
        )


class AuditedArticle(Article):
    """An article with its claims."""

    claims: DistinctEntries[Claim]


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What became of one claim.

    ``given`` says which of the article's own numbers were taken as they are (its prices, say), ``stated`` what number
    the claim states, in words; None where none. All else is the claim's or the finding's.
    """

    id: str
    quote: str
    section: str
    kind: str
    verdict: Verdict
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

    @property
    def source_ids(self) -> str:
        """The ids of its sources."""
        return ", ".join(source.id for source in self.sources)

    @property
    def explanation(self) -> str:
        """Return why the claim got its verdict, and what else to know."""
        return " ".join((self.sentence, *self.notes))

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON has it."""
        sources = [source.model_dump(mode="json") for source in self.sources]
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "sources": sources, "read": str(self.read), "notes": list(self.notes)}


def read_audited_article(path: Path | None = None) -> AuditedArticle:
    """Read and check an article with its claims, the one that comes with TwinLens by default.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or given twice.
    """
    return read_yaml(path or data_path("facts/article-2026-07.yaml"), AuditedArticle, FactsError)


def audit(article: AuditedArticle, operations: Sequence[SystemOperations] | None = None) -> list[ClaimVerdict]:
    """Return a verdict on every claim of an article, in its order.

    Parameters
    ----------
    operations
        Latencies and costs of a scored run (`evals.rating.stage.operations_of`). What it measured of real systems
        decides the claims that are untested without it; simulated systems decide nothing, and a note says so.

    Examples
    --------
    >>> (hours,) = [verdict for verdict in audit(read_audited_article()) if verdict.id == "additional-hours"]
    >>> hours.stated, round(hours.computed, 2), hours.verdict
    ('3.3', 3.06, 'wrong')
    """
    evidence = Evidence(article.day, operations)
    return [claim.check(evidence) for claim in article.claims]
