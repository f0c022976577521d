"""The command ``twinlens``. Each command is a thin shell over a plain function; nothing heavy is imported at start."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals import rate_run
from evals.cli.audit import audit
from evals.cli.compare import compare
from evals.cli.errors import FOUND_A_PROBLEM, WRONG_USE, RefusingGroup
from evals.cli.json_output import as_json, print_json
from evals.cli.suites import suites

if TYPE_CHECKING:
    from evals.generation.stage import Generation

run_folder = click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The run folder; one that exists goes on.",
)


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no amount of money.", ctx, param)
    return value


def generation_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that may spend money."""
    options = (
        click.option(
            "--budget",
            type=click.FloatRange(min=0),
            callback=_finite,
            help="US dollars that the whole run may cost at most.",
        ),
        click.option("--retry-unknown", is_flag=True, help="Ask again where an answer was lost; it may be paid twice."),
        click.option("--simulated", is_flag=True, help="Rehearse on simulated systems: no key, no cost."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


@click.group(cls=RefusingGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="twinlens", prog_name="twinlens")
def main() -> None:
    """Decide with evidence which image-generation API is better at what."""


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run folder to write.")
@click.option("--metrics", default="", help="Ids or dimensions, comma-separated: identity,text.cer (see 'metrics').")
@click.option("--encoder", "encoders", multiple=True, help="library:model, repeatable: open_clip:ViT-B-32/openai.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out and count them.")
@click.option("--features", type=click.Path(path_type=Path), help="Share this feature cache (default: OUT/features).")
@click.option("--device", default="auto", type=click.Choice(["auto", "cpu", "cuda"]), show_default=True)
@as_json
def score(
    source: Path,
    out: Path,
    metrics: str,
    encoders: tuple[str, ...],
    skip_bad: bool,
    features: Path | None,
    device: str,
    json_wanted: bool,
) -> None:
    """Measure an image set (or the one inside a run) and print the first comparison."""
    from evals.cli.tables import print_run, shown_progress
    from evals.scoring.stage import score as run_stage

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    with shown_progress() as progress:
        run = run_stage(source, out, names, encoders, skip_bad, device, features, progress)
        ratings = rate_run(run)
    if json_wanted:
        print_json(ratings)
    else:
        print_run(run)
        click.echo(f"\nscores: {out / 'scores.parquet'}\nreport: twinlens report {out} --out DIR")


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@as_json
def rate(run: Path, json_wanted: bool) -> None:
    """Print stars, totals and advice of a scored run, and the means, differences and controls behind them."""
    from evals import load_run
    from evals.cli.tables import print_run

    loaded = load_run(run)
    if json_wanted:
        print_json(rate_run(loaded))
    else:
        print_run(loaded)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder for the report.")
@click.option(
    "--prompts",
    "prompts_per_suite",
    type=click.IntRange(min=0),
    default=12,
    show_default=True,
    help="Prompts of each suite that are shown with their pictures; 0 leaves all pictures out.",
)
@as_json
def report(run: Path, out: Path, prompts_per_suite: int, json_wanted: bool) -> None:
    """Write the report of a scored run: HTML, Markdown, JSON and CSV."""
    from evals import load_run
    from evals.reporting import write_report

    page = write_report(load_run(run), out, prompts_per_suite)
    if json_wanted:
        print_json({"report": str(page)})
    else:
        click.echo(f"report: {page}")


@main.command()
@click.argument("eval_name", metavar="EVAL")
@run_folder
@generation_options
@click.option("--dry-run", is_flag=True, help="Show what would be asked and what it would cost; send nothing.")
@as_json
def generate(eval_name: str, out: Path, dry_run: bool, json_wanted: bool, **options: Any) -> None:
    """Ask the systems of an eval for their pictures; a second run asks for what the first one lacks.

    EVAL is a name (see evals/definitions) or a YAML file. Keys come from the environment: see 'twinlens systems'.
    """
    from evals.cli.generation import print_generation

    if dry_run:
        _estimate(eval_name, json_wanted, out, options["retry_unknown"])
        return
    generation = _generate(eval_name, out, **options)
    if json_wanted:
        print_json(generation.as_dict())
    else:
        print_generation(generation)
    _refuse_unfinished(generation)


@main.command("run")
@click.argument("eval_name", metavar="EVAL")
@run_folder
@generation_options
@click.option("--device", default="auto", type=click.Choice(["auto", "cpu", "cuda"]), show_default=True)
@as_json
def run_eval(eval_name: str, out: Path, device: str, json_wanted: bool, **options: Any) -> None:
    """Generate, score, rate and report an eval: all stages, each going on where it was."""
    from evals.cli.generation import print_generation
    from evals.cli.tables import print_run, shown_progress
    from evals.definition import read_definition
    from evals.reporting import write_report
    from evals.scoring.stage import score as run_stage

    generation = _generate(eval_name, out, **options)
    if not json_wanted:
        print_generation(generation)
    _refuse_unfinished(generation)
    encoders = tuple(read_definition(eval_name).encoders.values())
    with shown_progress() as progress:
        scored = run_stage(generation.folder, out, [], encoders, False, device, None, progress)
        page = write_report(scored, out / "report")
    if json_wanted:
        print_json({"generation": generation.as_dict(), "ratings": rate_run(scored), "report": str(page)})
    else:
        print_run(scored)
        click.echo(f"\nreport: {page}")


def _generate(eval_name: str, out: Path, budget: float | None, retry_unknown: bool, simulated: bool) -> Generation:
    from evals.cli.generation import print_warnings, shown_generation
    from evals.definition import read_definition
    from evals.facts.models import read_facts
    from evals.generation.clients import real_systems
    from evals.generation.rehearsal import simulated_systems
    from evals.generation.stage import freeze_definition
    from evals.generation.stage import generate as ask_for_pictures
    from evals.imageset.contract import IMAGES, LEDGER

    definition, facts = read_definition(eval_name), read_facts()
    with contextlib.ExitStack() as open_things:
        if simulated or definition.simulated:
            rehearsal = simulated_systems(definition, facts, out / IMAGES / LEDGER)
            systems = open_things.enter_context(rehearsal)
        else:
            systems = real_systems(definition, facts, os.environ)
        freeze_definition(eval_name, out)
        print_warnings(systems.warnings)
        watch = open_things.enter_context(shown_generation())
        generation = ask_for_pictures(systems, out, budget_usd=budget, retry_unknown=retry_unknown, watch=watch)
    if generation.interrupted:
        raise KeyboardInterrupt
    return generation


def _refuse_unfinished(generation: Generation) -> None:
    if generation.problem:
        click.echo(f"twinlens: {generation.problem}", err=True)
        sys.exit(WRONG_USE)


@main.command()
@click.argument("eval_name", metavar="EVAL")
@as_json
def estimate(eval_name: str, json_wanted: bool) -> None:
    """Show images, money and hours of an eval, and the difference that its prompts can show."""
    _estimate(eval_name, json_wanted, None)


def _estimate(eval_name: str, json_wanted: bool, out: Path | None, retry_unknown: bool = False) -> None:
    from datetime import date

    from evals.cli.estimate import estimate as estimate_requests
    from evals.cli.estimate import print_estimate
    from evals.cli.generation import print_warnings
    from evals.definition import read_definition
    from evals.facts.models import read_facts
    from evals.generation.clients import cautions_about, plan_of
    from evals.generation.stage import check_folder, still_open

    definition, facts = read_definition(eval_name), read_facts()
    requests, offers = plan_of(definition, facts)
    if not definition.simulated:
        print_warnings(cautions_about(offers, date.today()))
    asked = requests
    if out is not None:
        check_folder(eval_name, out)
        asked = still_open(requests, out, retry_unknown)
    estimated = estimate_requests(asked, facts, offers)
    if json_wanted:
        print_json(estimated.as_dict())
    else:
        print_estimate(estimated)


@main.command()
@as_json
def systems(json_wanted: bool) -> None:
    """List every model on every host: price, sizes, key, life cycle."""
    from datetime import date

    from evals.cli.systems import list_systems, print_systems

    rows = list_systems(os.environ, date.today())
    if json_wanted:
        print_json(rows)
    else:
        print_systems(rows)


@main.command()
@click.option("--out", default=Path("runs/demo"), show_default=True, type=click.Path(file_okay=False, path_type=Path))
@as_json
def demo(out: Path, json_wanted: bool) -> None:
    """Generate, score, compare and report two invented systems whose defects are known: offline, over local HTTP."""
    from evals.cli.demo import generate_demo, score_demo
    from evals.cli.generation import shown_generation
    from evals.cli.tables import print_demo, shown_progress

    with shown_generation() as watch:
        images = generate_demo(out, watch).folder
    with shown_progress() as progress:
        outcome = score_demo(images, progress)
    if json_wanted:
        print_json(outcome.as_dict())
    else:
        print_demo(outcome)
    if not outcome.truth_found:
        sys.exit(FOUND_A_PROBLEM)


@main.command()
@as_json
def metrics(json_wanted: bool) -> None:
    """List every metric."""
    from metrics.listing import list_metrics

    listed = list_metrics()
    if json_wanted:
        print_json(listed)
        return
    for row in listed:
        arrow = {"higher": "higher is better", "lower": "lower is better", "neither": "descriptive"}[row["better"]]
        click.echo(f"{row['id']:<32} {row['title']} [{row['unit']}; {arrow}; per {row['subject']}]")


@main.group(invoke_without_command=True)
@as_json
@click.pass_context
def models(ctx: click.Context, json_wanted: bool) -> None:
    """List the encoder libraries; 'models fetch NAME' downloads weights."""
    from dataclasses import asdict

    from metrics.encoders.catalogue import ENCODERS

    if ctx.invoked_subcommand:
        return
    if json_wanted:
        print_json([asdict(row) for row in ENCODERS])
        return
    for row in ENCODERS:
        click.echo(
            f"{row.library + ':' + (row.default_model or 'MODEL'):<40} {row.role:<11} {row.note} ({row.licence})"
        )


@models.command()
@click.argument("name")
@click.option("--accept-noncommercial", is_flag=True, help="Needed for weights that only research may use.")
def fetch(name: str, accept_noncommercial: bool) -> None:
    """Download the weights of an encoder, such as open_clip:ViT-B-32/laion2b_s34b_b79k."""
    from metrics.encoders.weights import fetch as download

    if name.startswith("insightface:") and not accept_noncommercial:
        raise click.UsageError(
            "insightface's packs are for non-commercial research only; add --accept-noncommercial if yours is"
        )
    click.echo(f"fetched: {download(name)}")


main.add_command(suites)
main.add_command(compare)
main.add_command(audit)


@main.command()
@as_json
def doctor(json_wanted: bool) -> None:
    """Say what this machine can score, with which encoders, and what is missing."""
    from evals.cli.doctor import examine
    from evals.cli.tables import shown_progress

    with shown_progress() as progress:
        found = examine(progress)
    if json_wanted:
        print_json(found)
        return
    for check in found:
        mark = {"ready": "ok  ", "option": "-   ", "missing": "no  "}[check["state"]]
        click.echo(f"{mark}{check['what']}: {check['note']}")


if __name__ == "__main__":
    main()
