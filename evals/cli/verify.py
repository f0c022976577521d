"""The command ``twinlens verify``: is a run what it was, and do its scores come out again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from evals.cli.errors import FOUND_A_PROBLEM
from evals.cli.options import FilePath, as_json, device, print_json
from evals.cli.tables import say


@click.command()
@click.argument("run", type=FilePath())
@click.option("--sample", default=50, show_default=True, type=click.IntRange(min=0), help="Scores to compute again.")
@device
@as_json
def verify(run: Path, sample: int, device: str, json_wanted: bool) -> None:
    """Check files, pictures and weights of a run against their hashes, and compute a part of its scores again.

    Exit code 1 where something is different.
    """
    from evals import load_run
    from evals.rating.stage import stored_ratings_are_whole
    from evals.scoring.verification import Verification
    from evals.scoring.verification import verify as verify_run

    loaded = load_run(run)
    found = verify_run(loaded, sample, device)
    if not stored_ratings_are_whole(loaded):
        ratings = f"the ratings of {run} were changed after they were made; twinlens rate {run} makes them anew"
        found = Verification((*found.changed, ratings), found.n_scores, found.largest, found.differences)
    if json_wanted:
        print_json(found.as_dict())
    else:
        say(found.sentence())
        for more in (*found.changed, *found.differences)[1:11]:
            say(f"  also: {more}")
    if found.outcome == "different":
        sys.exit(FOUND_A_PROBLEM)
