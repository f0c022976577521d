"""The command ``twinlens``. Each command is a thin shell over a plain function; nothing heavy is imported at start."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import click

FOUND_A_PROBLEM, WRONG_USE = 1, 2

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON for programs.")


class _Cli(click.Group):
    """Turns every refusal into one line on standard error and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        # A terminal that cannot show a character must not cost the run that was just finished.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            click.echo("twinlens: stopped; the same command goes on where it was", err=True)
            sys.exit(130)
        except Exception as error:
            if not _is_refusal(error):
                raise
            click.echo(f"twinlens: {_one_line(error)}", err=True)
            sys.exit(WRONG_USE)


def _is_refusal(error: Exception) -> bool:
    """Tell bad input, missing weights, a full disk and the like from a defect of ours, which keeps its traceback."""
    from evals.definition import DefinitionError
    from evals.imageset import ImageSetError
    from evals.run import RunError
    from evals.scoring.stage import ScoringError
    from evals.suites import SuiteError
    from metrics.encoders.catalogue import EncoderUnavailable

    refusals = (ImageSetError, ScoringError, RunError, EncoderUnavailable, SuiteError, DefinitionError, OSError)
    return isinstance(error, refusals)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror.lower()}; nothing was lost, the same command goes on once this is mended"
    return " ".join(str(error).split())


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
    from evals.console import print_run, shown_progress
    from evals.scoring.stage import score as run_stage

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    with shown_progress() as progress:
        run = run_stage(source, out, names, encoders, skip_bad, device, features, progress)
        ratings = run.ratings()
    if json_wanted:
        _print_json(ratings)
    else:
        print_run(run)
        click.echo(f"\nscores: {out / 'scores.parquet'}\nreport: twinlens report {out} --out DIR")


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@as_json
def rate(run: Path, json_wanted: bool) -> None:
    """Print means, intervals, paired differences and controls of a scored run."""
    from evals import load_run
    from evals.console import print_run

    loaded = load_run(run)
    if json_wanted:
        _print_json(loaded.ratings())
    else:
        print_run(loaded)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder for the report.")
@as_json
def report(run: Path, out: Path, json_wanted: bool) -> None:
    """Write the report of a scored run: HTML, Markdown, JSON and CSV."""
    from evals import load_run
    from evals.reporting import write_report

    page = write_report(load_run(run), out)
    if json_wanted:
        _print_json({"report": str(page)})
    else:
        click.echo(f"report: {page}")


@main.command()
@click.option("--out", default=Path("runs/demo"), show_default=True, type=click.Path(path_type=Path))
@as_json
def demo(out: Path, json_wanted: bool) -> None:
    """Draw, score, compare and report two invented systems whose defects are known, offline."""
    from evals.console import print_demo, shown_progress
    from evals.demo import run_demo

    with shown_progress() as progress:
        outcome = run_demo(out, progress)
    if json_wanted:
        _print_json(outcome.as_dict())
    else:
        print_demo(outcome)
    if not outcome.truth_found:
        sys.exit(FOUND_A_PROBLEM)


@main.command()
@as_json
def metrics(json_wanted: bool) -> None:
    """List every metric."""
    from dataclasses import asdict

    from metrics.catalogue import METRICS

    if json_wanted:
        _print_json([{**asdict(spec), "dimension": spec.dimension} for spec in METRICS])
        return
    for spec in METRICS:
        arrow = {"higher": "higher is better", "lower": "lower is better", "neither": "descriptive"}[spec.better]
        click.echo(f"{spec.id:<32} {spec.title} [{spec.unit}; {arrow}; per {spec.subject}]")


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
        _print_json([asdict(row) for row in ENCODERS])
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


@main.command()
@as_json
def suites(json_wanted: bool) -> None:
    """List the prompt suites."""
    from dataclasses import asdict

    from evals.suites import read_suite, suite_names

    read = [read_suite(name) for name in suite_names()]
    if json_wanted:
        _print_json([asdict(suite) for suite in read])
        return
    for suite in read:
        click.echo(f"{suite.name:<20} v{suite.version}  {len(suite.items):>3} items  {suite.purpose}")


@main.command()
@as_json
def doctor(json_wanted: bool) -> None:
    """Say what this machine can score, with which encoders, and what is missing."""
    from evals.console import shown_progress
    from evals.doctor import examine

    with shown_progress() as progress:
        found = examine(progress)
    if json_wanted:
        _print_json(found)
        return
    for check in found:
        mark = {"ready": "ok  ", "option": "-   ", "missing": "no  "}[check["state"]]
        click.echo(f"{mark}{check['what']}: {check['note']}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


if __name__ == "__main__":
    main()
