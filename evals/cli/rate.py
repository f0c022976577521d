"""The command ``twinlens rate``: the stars of a scored run, and whether they are what somebody asks for."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.errors import FOUND_A_PROBLEM
from evals.cli.options import RunFolder, as_json, at_least, own_weights, print_json, some_systems, verbose
from evals.cli.people import print_people
from evals.cli.tables import print_lines

if TYPE_CHECKING:
    from evals.rating.stage import RunRatings
    from evals.run import Run


@click.command()
@click.argument("run", type=RunFolder())
@some_systems
@own_weights
@at_least
@click.option(
    "--fit-weights", is_flag=True, help="Fit the weights of each row's metrics to people's votes, and judge them."
)
@verbose
@as_json
def rate(run: Path, systems: list[str], weights: Path | None, verbose: bool, json_wanted: bool, **asked: Any) -> None:
    """Print who is better at what in a scored run; -v adds means, differences, controls and operations.

    With --at-least the exit code is 1 if a row has fewer stars than that, or none.
    """
    from evals.cli.progress import doing

    doing("rating the run")
    from evals import load_run, rate_run
    from evals.rating.selection import find_systems, select_ratings
    from evals.rating.stars.thresholds import check_thresholds
    from evals.reporting.drift import threshold_line
    from evals.voting.people import rate_people

    loaded = load_run(run)
    ratings = rate_run(loaded, weights)
    if systems:
        ratings = select_ratings(ratings, find_systems(systems, ratings["systems"]))
    checks = check_thresholds(ratings["stars"], asked["at_least"])
    people = rate_people(loaded, fit=asked["fit_weights"])
    if json_wanted:
        beside = {"thresholds": checks, "people": people}
        print_json({**ratings, **{name: value for name, value in beside.items() if value}})
    else:
        print_run(loaded, ratings, page_command(run, systems, weights), verbose)
        if people is not None:
            print_people(people, ratings["systems"], verbose)
        print_lines(map(threshold_line, checks))
    if not all(check["holds"] for check in checks):
        sys.exit(FOUND_A_PROBLEM)


def page_command(run: Path | str, systems: Sequence[str] = (), weights: Path | None = None) -> str:
    """Return the line that says how the page of a run is made, of the same systems and under the same weights."""
    chosen = ["--systems", ",".join(systems)] if systems else []
    chosen += ["--weights", str(weights)] if weights else []
    return f"page: twinlens report {shlex.join([str(run), *chosen])}"


def print_run(run: Run, ratings: RunRatings, page: str, verbose: bool = False) -> None:
    """Print the answer of a run, and with ``verbose`` all that is behind it."""
    from evals.cli.answer import print_answer
    from evals.cli.details import print_details, scored_images

    print_answer(ratings, run.provenance, scored_images(run), page)
    if verbose:
        print_details(run, ratings)
