"""The command ``twinlens run``: all stages of an eval."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from evals.cli.errors import WRONG_USE
from evals.cli.options import (
    ChosenEval,
    as_json,
    device,
    eval_options,
    generation_options,
    print_json,
    run_folder,
    verbose,
)
from evals.cli.tables import say


@click.command()
@eval_options
@run_folder
@generation_options
@device
@verbose
@as_json
def run(
    chosen: ChosenEval,
    out: Path,
    device: str,
    verbose: bool,
    json_wanted: bool,
    **options: Any,
) -> None:
    """Generate, score, rate and report an eval: all stages, each going on where it was.

    Where the budget ends the run, what all systems were asked is rated, and the exit code is 2 as for every run that
    lacks requests.

    EVAL is a name (see evals/definitions) or a YAML file ('twinlens init' writes one); without one, --systems and
    --prompts make it.
    """
    from evals.cli.generate import end_unfinished, generate_eval, print_generation
    from evals.cli.progress import doing, shown_progress
    from evals.cli.rate import print_run
    from evals.imageset.contract import REPORT
    from evals.rating.stage import rate_run
    from evals.reporting import write_report
    from evals.scoring.stage import score

    with chosen.file() as file:
        generation = generate_eval(file, out, chosen.limit, chosen.host, **options)
    if not json_wanted:
        print_generation(generation)
    if generation.ended_by_budget:
        say(f"note: {generation.problem}; rated is what all systems were asked", err=True)
    else:
        end_unfinished(generation)
    with shown_progress() as progress:
        scored = score(generation.folder, out, device=device, progress=progress)
        doing("writing the page")
        page = write_report(scored, out / REPORT)
    ratings = rate_run(scored)
    if json_wanted:
        print_json({"generation": generation.as_dict(), "ratings": ratings, "report": str(page)})
    else:
        print_run(scored, ratings, f"page: {page}", verbose)
    if generation.ended_by_budget:
        sys.exit(WRONG_USE)
