"""The command ``twinlens report``: writes the report of a scored run."""

from __future__ import annotations

from pathlib import Path

import click

from evals.cli.options import FilePath, RunFolder, as_json, own_weights, print_json, some_systems
from evals.cli.tables import say


@click.command()
@click.argument("run", type=RunFolder())
@click.option("--out", type=FilePath(), help="The folder for the report (default: RUN/report).")
@click.option(
    "--prompts",
    "prompts_per_suite",
    type=click.IntRange(min=0),
    help="At most so many prompts of each suite in the gallery, all without it; 0 leaves all pictures out.",
)
@some_systems
@own_weights
@click.option("--title", default="", help="A name for the report; its heading stays the answer.")
@click.option("--intro", type=FilePath(exists=True, dir_okay=False), help="Markdown that stands below the star table.")
@click.option("--public", is_flag=True, help="Say nothing of the machine that made it; paths are never said.")
@as_json
def report(
    run: Path,
    out: Path | None,
    prompts_per_suite: int | None,
    systems: list[str],
    weights: Path | None,
    title: str,
    intro: Path | None,
    public: bool,
    json_wanted: bool,
) -> None:
    """Write the report of a scored run: HTML, Markdown, JSON and CSV."""
    from evals.cli.progress import doing

    doing("writing the page")
    from evals import load_run
    from evals.imageset.contract import REPORT
    from evals.reporting import write_report
    from evals.reporting.publishing import Publishing, read_intro

    publishing = Publishing(title, read_intro(intro) if intro else "", public)
    page = write_report(load_run(run), out or run / REPORT, prompts_per_suite, systems, weights, publishing)
    if json_wanted:
        print_json({"report": str(page)})
    else:
        say(f"report: {page}")
