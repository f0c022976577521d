"""The command ``twinlens audit``: holds an article's claims against facts, arithmetic and, if there is one, a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evals.cli.options import FilePath, as_json, print_json
from evals.cli.tables import say

if TYPE_CHECKING:
    from evals.audit.claims import AuditedArticle, ClaimVerdict


@click.command()
@click.option("--run", type=FilePath(), help="A scored run, whose latencies and costs decide as well.")
@click.option("--out", type=FilePath(dir_okay=False), help="Also write the audit as a Markdown page.")
@as_json
def audit(run: Path | None, out: Path | None, json_wanted: bool) -> None:
    """Check every claim of the article against facts and arithmetic.

    Each is right, wrong, imprecise, outdated or untested, with the value computed anew, the source and its date. The
    exit code is 0 whatever is found: the claims are somebody else's, and what is wrong with them is the report.
    """
    from evals import load_run
    from evals.audit.claims import audit as audit_claims
    from evals.audit.claims import read_audited_article
    from evals.audit.page import audit_page, counts
    from evals.audit.rules import RULES
    from evals.files.atomic_files import write_atomically
    from evals.rating.operations import notes as how_to_read
    from evals.rating.stage import operations_of

    article = read_audited_article()
    operations = None if run is None else operations_of(load_run(run))
    notes = how_to_read(operations or ())
    claims = audit_claims(article, operations)
    if out is not None:
        of_run = ' --run "$RUN"' if run else ""
        command = f'twinlens audit{of_run} --out "$REPORTS/{out.name}"'
        write_atomically(out, audit_page(article, claims, command).encode())
    if json_wanted:
        print_json(
            {
                "article": {"title": article.title, "url": article.url, "day": str(article.day)},
                "run": run,
                "counts": counts(claims),
                "rules": dict(RULES),
                "notes": notes,
                "claims": [claim.as_dict() for claim in claims],
            }
        )
        return
    _print(article, claims, notes)
    if out is not None:
        say(f"report: {out}")


def _print(article: AuditedArticle, claims: Sequence[ClaimVerdict], notes: Sequence[str]) -> None:
    """Print the counts, what to know of the run, then a table for each verdict."""
    from evals.audit.page import by_verdict
    from evals.audit.rules import RULES
    from evals.cli.tables import print_lines, print_table

    grouped = by_verdict(claims)
    counted = ", ".join(f"{len(of_verdict)} {verdict}" for verdict, of_verdict in grouped.items())
    print_lines([f"{article.title}, {article.day}", f"{len(claims)} claims: {counted}"])
    print_lines(f"note: {note}" for note in notes)
    for verdict, of_verdict in grouped.items():
        rows = [
            (f"“{claim.quote}”", f"{claim.explanation} [{claim.source_ids}]", str(claim.read)) for claim in of_verdict
        ]
        ratios = {"the article says": 2, "found": 4, "read": None}
        title, style = f"\n{verdict}: {RULES[verdict]}", {"show_lines": True, "expand": True}
        print_table(title, ratios, rows, whole=["read"], ratios=ratios, **style)
