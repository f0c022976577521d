"""The audit's page: the published one is what its command makes, and cells stay cells whatever a quote holds."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from evals.audit.claims import audit, read_audited_article
from evals.audit.page import audit_page, counts
from evals.audit.rules import VERDICTS
from evals.cli.audit import audit as command

PUBLISHED = Path(__file__).parents[3] / "reports" / "article-audit.md"
ARTICLE = read_audited_article()
CLAIMS = audit(ARTICLE)


@pytest.mark.skipif(not PUBLISHED.parent.is_dir(), reason="reports are published in the repository only")
def test_the_published_page_is_what_its_command_makes(tmp_path):
    made = tmp_path / PUBLISHED.name
    assert CliRunner().invoke(command, ["--out", str(made)], catch_exceptions=False).exit_code == 0
    assert made.read_bytes() == PUBLISHED.read_bytes()
    assert '\n    twinlens audit --out "$REPORTS/article-audit.md"\n' in made.read_text(encoding="utf-8")


def test_every_claim_stands_under_its_verdict_and_every_source_in_the_list():
    page = audit_page(ARTICLE, CLAIMS, "twinlens audit")
    sections = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    assert list(sections) == [*(verdict.capitalize() for verdict in VERDICTS), "Sources"]
    for claim in CLAIMS:
        quote = claim.quote.replace("|", "\\|")
        assert f"“{quote}”" in sections[claim.verdict.capitalize()]
        assert all(f"\n| {source.id} | " in sections["Sources"] for source in claim.sources)


def test_a_pipe_in_a_quote_is_no_new_cell():
    page = audit_page(ARTICLE, [replace(CLAIMS[0], quote="a | b")], "x")
    (row,) = [line for line in page.splitlines() if line.startswith("| “a")]
    assert row.replace("\\|", "").count("|") == 4


def test_counts_add_up_and_tell_verdicts_that_no_claim_got():
    assert sum(counts(CLAIMS).values()) == len(CLAIMS)
    assert counts([]) == dict.fromkeys(VERDICTS, 0)
