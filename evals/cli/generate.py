"""The command ``twinlens generate``: asks the systems of an eval for their pictures."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.errors import WRONG_USE
from evals.cli.options import ChosenEval, as_json, eval_options, generation_options, print_json, run_folder
from evals.cli.tables import say

if TYPE_CHECKING:
    from evals.generation.stage import Generation

_UNKNOWN_SHOWN = 10


@click.command()
@eval_options
@run_folder
@generation_options
@click.option("--dry-run", is_flag=True, help="Show what would be asked and what it would cost; send nothing.")
@as_json
def generate(
    chosen: ChosenEval,
    out: Path,
    dry_run: bool,
    json_wanted: bool,
    **options: Any,
) -> None:
    """Ask the systems of an eval for their pictures; a second run asks for what the first one lacks.

    EVAL is a name (see evals/definitions) or a YAML file; without one, --systems and --prompts make it. Keys come from
    the environment: see 'twinlens systems'.
    """
    from evals.cli.estimate import show_estimate

    with chosen.file() as file:
        if dry_run:
            show_estimate(file, json_wanted, out, options["retry_unknown"], chosen.limit, chosen.host)
            return
        generation = generate_eval(file, out, chosen.limit, chosen.host, **options)
    if json_wanted:
        print_json(generation.as_dict())
    else:
        print_generation(generation)
    end_unfinished(generation)


def generate_eval(
    eval_name: str | Path,
    out: Path,
    limit: int | str | None,
    host: str | None,
    budget: float | None,
    retry_unknown: bool,
    keep_going: bool,
    simulated: bool,
) -> Generation:
    """Generate the pictures of an eval, with progress; a stop by the user is raised once the files are in order."""
    from evals.cli.progress import shown_generation
    from evals.cli.tables import print_warnings
    from evals.facts.models import read_facts
    from evals.generation.clients import real_systems
    from evals.generation.freezing import definition_for, freeze_definition
    from evals.generation.rehearsal import simulated_systems
    from evals.generation.stage import check_prices
    from evals.generation.stage import generate as generate_pictures
    from evals.imageset.contract import IMAGES, LEDGER

    (definition, changes), facts = definition_for(eval_name, out, limit, host), read_facts()
    with contextlib.ExitStack() as stack:
        if simulated or definition.simulated:
            systems = stack.enter_context(simulated_systems(definition, facts, out / IMAGES / LEDGER))
        else:
            systems = real_systems(definition, facts, os.environ)
        check_prices(systems, budget)  # a folder that is refused stays free for another eval
        freeze_definition(eval_name, out, limit, host)
        print_warnings([*changes, *systems.warnings])
        watch = stack.enter_context(shown_generation())
        generation = generate_pictures(
            systems, out, budget_usd=budget, retry_unknown=retry_unknown, keep_going=keep_going, watch=watch
        )
    if generation.interrupted:
        raise KeyboardInterrupt
    return generation


def end_unfinished(generation: Generation) -> None:
    """End the command with its problem if the generation has one."""
    if generation.problem:
        say(f"twinlens: {generation.problem}", err=True)
        sys.exit(WRONG_USE)


def print_generation(generation: Generation) -> None:
    """Print the outcomes of each system, the money, the requests whose answer was lost, and the folder.

    For simulated systems the money is told as what real ones would have charged.
    """
    from evals.cli.tables import print_table
    from evals.imageset.contract import OUTCOMES, REQUESTS

    shown = [name for name in (*OUTCOMES, "pending") if any(name in counts for counts in generation.outcomes.values())]
    rows = [(system, *(str(counts.get(name, 0)) for name in shown)) for system, counts in generation.outcomes.items()]
    if shown == ["ok"]:
        say(f"requests, all of which gave a picture: {', '.join(f'{system} {n}' for system, n in rows)}")
    else:
        print_table("Requests by outcome", ("system", *shown), rows, right=shown)
    limit = f" of {generation.budget_usd:g}" if generation.budget_usd is not None else ""
    spent = "simulated, nothing was spent; at real prices at most" if generation.simulated else "spent at most"
    say(f"{spent}: {generation.spent_usd:.4f}{limit} USD")
    if n_unknown := len(generation.unknown):
        say(f"{n_unknown} answers were lost; they may have been charged and are not asked for again:")
        for row in generation.unknown[:_UNKNOWN_SHOWN]:
            request = f"{row['system']}, {row['suite']}/{row['prompt_id']}, seed {row['seed']}, repeat {row['repeat']}"
            say(f"  {request}: up to {row['may_have_cost_usd']:.4f} USD ({row['reason']})")
        if n_unknown > _UNKNOWN_SHOWN:
            say(f"  and {n_unknown - _UNKNOWN_SHOWN} more, in {generation.folder / REQUESTS}")
        say("  ask for them again with --retry-unknown")
    say(f"images: {generation.folder}")
    if generation.missing:
        remedy = f", --budget raised {generation.least_budget}" if generation.budget_reached else ""
        command = shlex.join(["twinlens", *sys.argv[1:]])
        say(f"{generation.missing}; ask for them with the same command{remedy}:", f"  {command}")
