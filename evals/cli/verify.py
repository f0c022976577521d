"""The command ``twinlens verify``: is a run what it was, and do its scores come out again."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from evals.cli.errors import FOUND_A_PROBLEM
from evals.cli.options import RunFolder, as_json, device, print_json
from evals.cli.tables import say


@click.command()
@click.argument("run", type=RunFolder())
@click.option("--sample", default=50, show_default=True, type=click.IntRange(min=0), help="Scores to compute again.")
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), help="Draws the scores of an earlier check again.")
@device
@as_json
def verify(run: Path, sample: int, seed: int | None, device: str, json_wanted: bool) -> None:
    """Check files, pictures and weights of a run against their hashes, and compute scores and ratings again.

    Of the scores a part is drawn at random. Hashes are no signatures: whoever can write the run can make them anew, and
    only what is computed again tells then. Exit code 1 where something is different.
    """
    from evals import load_run
    from evals.rating.recomputation import changed_ratings
    from evals.scoring.verification import verify as verify_run

    loaded = load_run(run)
    verification = verify_run(loaded, sample, device, seed)
    verification = dataclasses.replace(verification, differences=(*verification.differences, *changed_ratings(loaded)))
    if json_wanted:
        print_json(verification.as_dict())
    else:
        say(verification.sentence())
        for more in (*verification.changed, *verification.differences)[1:11]:
            say(f"  also: {more}")
        say(f"  pictures read in {verification.image_set}")
        if verification.not_covered:
            n, first = len(verification.not_covered), verification.not_covered[0]
            say(
                f"  not covered, as an older version scored this run and kept no hash of them: {n} files, first {first}"
            )
        if verification.seed is not None:
            say(f"  the scores were drawn at random; the same again: --seed {verification.seed}")
    if verification.outcome == "different":
        sys.exit(FOUND_A_PROBLEM)
