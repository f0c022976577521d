"""The command ``twinlens report``: writes the report of a scored run."""

from __future__ import annotations

from pathlib import Path

import click

from evals.cli.options import FilePath, as_json, own_weights, print_json
from evals.cli.tables import say


@click.command()
@click.argument("run", type=FilePath())
@click.option("--out", required=True, type=FilePath(), help="The folder for the report.")
@click.option(
    "--prompts",
    "prompts_per_suite",
    type=click.IntRange(min=0),
    default=12,
    show_default=True,
    help="Prompts of each suite that are shown with their pictures; 0 leaves all pictures out.",
)
@click.option("--systems", default="", help="Only these systems of the run, such as A,B; the verdicts stay the run's.")
@own_weights
@as_json
def report(run: Path, out: Path, prompts_per_suite: int, systems: str, weights: Path | None, json_wanted: bool) -> None:
    """Write the report of a scored run: HTML, Markdown, JSON and CSV."""
    from evals import load_run
    from evals.reporting import write_report

    page = write_report(load_run(run), out, prompts_per_suite, list(filter(None, systems.split(","))), weights)
    if json_wanted:
        print_json({"report": str(page)})
    else:
        say(f"report: {page}")
