"""The audit of an article as a Markdown page: how many claims got which verdict, and why each did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evals.audit.claims import AuditedArticle, ClaimVerdict
from evals.audit.rules import RULES, VERDICTS, Verdict
from evals.facts.sources import TRUST


def by_verdict(claims: Sequence[ClaimVerdict]) -> dict[Verdict, list[ClaimVerdict]]:
    """Return the claims by verdict, in the order in which verdicts are shown; only those that some claim got."""
    grouped = {verdict: [claim for claim in claims if claim.verdict == verdict] for verdict in VERDICTS}
    return {verdict: group for verdict, group in grouped.items() if group}


def audit_page(article: AuditedArticle, claims: Sequence[ClaimVerdict], command: str) -> str:
    """Return the page on an article, with the command that makes it."""
    grouped = by_verdict(claims)
    lines = [
        "# Audit of an article's claims",
        "",
        f"[{article.title}]({article.url}), {article.day}, against the facts that TwinLens keeps. Made by:",
        "",
        f"    {command}",
        "",
        *_table(("verdict", "claims", "means"), [(name, len(group), RULES[name]) for name, group in grouped.items()]),
        "",
        f"{len(claims)} claims in all. Prices are those of one picture with its prompt and, where the model thinks, "
        "its thoughts. Sources are listed at the end.",
    ]
    for verdict, group in grouped.items():
        rows = [(f"“{claim.quote}”<br>{claim.section}", claim.explanation, claim.source_ids) for claim in group]
        lines += ["", f"## {verdict.capitalize()}", "", *_table(("the article says", "found", "sources"), rows)]
    sources = {source.id: source for claim in claims for source in claim.sources}
    rows_of_sources = [
        (name, f"[{source.what}]({source.url})" if source.url else source.what, TRUST[source.trust], source.read)
        for name, source in sorted(sources.items())
    ]
    lines += ["", "## Sources", "", *_table(("source", "what was read", "trust", "read on"), rows_of_sources)]
    return "\n".join(lines) + "\n"


def counts(claims: Sequence[ClaimVerdict]) -> Mapping[Verdict, int]:
    """Return how many claims got each verdict, those included that none got."""
    return {verdict: sum(claim.verdict == verdict for claim in claims) for verdict in VERDICTS}


def _table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *cells)]
