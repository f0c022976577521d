"""The command ``twinlens report``: writes the report of a scored run."""

from __future__ import annotations

from pathlib import Path

import click

from evals.cli.options import FilePath, as_json, own_weights, print_json, some_systems
from evals.cli.tables import say


@click.command()
@click.argument("run", type=FilePath())
@click.option("--out", type=FilePath(), help="The folder for the report (default: RUN/report).")
@click.option(
    "--prompts",
    "prompts_per_suite",
    type=click.IntRange(min=0),
    help="At most so many prompts of each suite in the gallery, all without it; 0 leaves all pictures out.",
)
@some_systems
@own_weights
@as_json
def report(
    run: Path,
    out: Path | None,
    prompts_per_suite: int | None,
    systems: list[str],
    weights: Path | None,
    json_wanted: bool,
) -> None:
    """Write the report of a scored run: HTML, Markdown, JSON and CSV."""
    from evals.cli.progress import doing

    doing("writing the page")
    from evals import load_run
    from evals.reporting import write_report

    page = write_report(load_run(run), out or run / "report", prompts_per_suite, systems, weights)
    if json_wanted:
        print_json({"report": str(page)})
    else:
        say(f"report: {page}")
