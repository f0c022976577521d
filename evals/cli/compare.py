"""The command ``twinlens compare``: has a system changed between two runs?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.errors import FOUND_A_PROBLEM, WRONG_USE
from evals.cli.options import FilePath, RunFolder, as_json, at_least, print_json, verbose
from evals.cli.tables import say
from evals.imageset.visible import visible

if TYPE_CHECKING:
    from evals.rating.drift.changes import Drift, MetricDrift
    from evals.rating.drift.gate import FailOn
    from evals.rating.drift.pairing import NotCompared
    from evals.rating.drift.tables import RunTables
    from evals.rating.request_figures import Figure
    from evals.rating.stars.thresholds import ThresholdCheck
    from evals.run import Run

_NAMED_SAMPLES = 2
_LISTED, _DETAILED = 8, 2
"""Changed rows of a system that are listed without ``-v``, and those of them whose prompts are named."""


def _names(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _parsed(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for value in values:
        old, sign, new = (part.strip() for part in value.partition("="))
        if not (old and sign and new):
            raise click.BadParameter(f"{value!r} is not OLD=NEW.", ctx, param)
        pairs.append((old, new))
    return pairs


@click.command()
@click.argument("run_a", type=RunFolder())
@click.argument("run_b", type=RunFolder())
@click.option(
    "--systems",
    multiple=True,
    metavar="OLD=NEW",
    callback=_parsed,
    help="Compare OLD of run A with NEW of run B, repeatable (default: systems of one name).",
)
@click.option(
    "--rows",
    multiple=True,
    metavar="ROW",
    callback=_names,
    help="Compare only these: rows of the star table such as text, or metrics such as text.cer; repeatable.",
)
@click.option("--fail-on", type=click.Choice(["worse", "change"]), help="Exit code 1 if a row got worse, or changed.")
@at_least
@click.option("--page", type=FilePath(dir_okay=False), help="Also write it as a page: one HTML file.")
@verbose
@as_json
def compare(
    run_a: Path,
    run_b: Path,
    systems: list[tuple[str, str]],
    rows: list[str],
    fail_on: FailOn | None,
    at_least: dict[str, float],
    page: Path | None,
    verbose: bool,
    json_wanted: bool,
) -> None:
    """Say whether systems have changed between two scored runs, A the older one.

    Prompts that both runs asked are paired; Holm's correction is over all rows that are compared. The exit code is 1
    only for what is asked: --fail-on for a measured difference, --at-least for the stars of run B. Latency, cost,
    versions and equal pixels are shown beside.
    """
    from evals.cli.progress import doing

    doing("comparing the runs")
    from evals import load_run
    from evals.files.atomic_files import write_atomically
    from evals.rating.drift.changes import drift as compare_runs
    from evals.rating.drift.gate import check_compared, chosen_rows, failed_rows, is_chosen
    from evals.rating.stage import rate_run
    from evals.rating.stars.document import star_rows
    from evals.rating.stars.thresholds import check_thresholds
    from evals.reporting.drift import drift_page, name_of, threshold_line

    first, second = load_run(run_a), load_run(run_b)
    chosen = chosen_rows(rows, star_rows(second.scores, second.requests, second.definition) if rows else ())
    pairs = frozenset().union(*chosen.values())
    only = (lambda suite, metric: is_chosen(suite, metric, pairs)) if rows else (lambda suite, metric: True)
    changes = compare_runs(_tables(first), _tables(second), systems, only)
    checks: list[ThresholdCheck] = []
    if at_least:
        stars = rate_run(second)["stars"].copy()
        stars["systems"] = [system for _, system in changes["systems"]]
        checks = check_thresholds(stars, at_least)
    failed = failed_rows(changes, fail_on)
    failures = [f"{name_of(row)} {'got worse' if row['direction'] == 'worse' else 'has changed'}" for row in failed]
    if page is not None:
        text = drift_page(changes, (run_a.name, run_b.name), checks, failures)
        write_atomically(page, visible(text).encode())
    if json_wanted:
        asked = {"fail_on": fail_on, "failures": failures, "thresholds": checks}
        print_json({**changes, **(asked if fail_on or checks else {})})
    else:
        print_drift(changes, str(run_a), str(run_b), verbose)
        for line in (*(f"FAILS: {failure}" for failure in failures), *map(threshold_line, checks)):
            say(line)
        if page is not None:
            say(f"page: {page}")
    if not changes["rows"]:
        say("twinlens: nothing could be compared; score both runs with the same encoders and metrics", err=True)
        sys.exit(WRONG_USE)
    check_compared(changes, chosen)
    if failures or not all(check["holds"] for check in checks):
        sys.exit(FOUND_A_PROBLEM)


def _tables(run: Run) -> RunTables:
    from evals.rating.drift.tables import RunTables

    return RunTables(run.scores, run.samples, run.requests, run.provenance)


def print_drift(drift: Drift, name_a: str, name_b: str, verbose: bool = False) -> None:
    """Print what changed in one sentence and by system; ``verbose`` adds what did not, or could not be compared."""
    from evals.cli.tables import print_lines
    from evals.reporting.drift import sentence

    print_lines([sentence(drift)])
    print_lines([f"run A: {name_a}", f"run B: {name_b}"], wrap=False)
    if not drift["rows"] and not verbose:
        for reason, n in Counter(entry["reason"] for entry in drift["not_compared"]).most_common(_LISTED):
            alike = [entry for entry in drift["not_compared"] if entry["reason"] == reason]
            which = _by_metric(alike) if n <= _LISTED else f"{n} rows (-v lists them)"
            print_lines([f"not compared: {which}: {reason}"])
        return
    for pair in drift["systems"]:
        rows = [row for row in drift["rows"] if _is_of(row, pair)]
        changed = [row for row in rows if row["changed"]]
        system = " \N{RIGHTWARDS ARROW} ".join(dict.fromkeys(pair))
        print_lines(["", f"{system}: {len(changed) or 'none'} of {len(rows)} rows changed"])
        _print_rows(changed, [row for row in rows if not row["changed"]], verbose)
        unpaired: dict[str, list[NotCompared]] = {}
        for entry in drift["not_compared"]:
            if _is_of(entry, pair):
                unpaired.setdefault(entry["reason"], []).append(entry)
        print_lines(_unscored(rows))
        if verbose or not rows:
            print_lines(f"not compared: {_by_metric(alike)}: {reason}" for reason, alike in unpaired.items())
        elif unpaired:
            print_lines([f"not compared: {sum(map(len, unpaired.values()))} (-v says why)"])
        print_lines(_records(drift, pair, verbose))
    print_lines(f"note: {note}" for note in drift["notes"])


def _is_of(row: Mapping[str, Any], pair: tuple[str, str]) -> bool:
    return (row["system_a"], row["system_b"]) == pair


def _print_rows(changed: Sequence[MetricDrift], others: Sequence[MetricDrift], verbose: bool) -> None:
    from evals.cli.tables import print_lines
    from evals.reporting.drift import direction

    if changed:
        shown = changed if verbose else changed[:_LISTED]
        _print_table("Changed: Holm's p over all rows is below 0.05", "verdict", shown, list(map(direction, shown)))
        if len(shown) < len(changed):
            print_lines([f"and {len(changed) - len(shown)} more (-v lists them)"])
        detailed = shown if verbose else shown[:_DETAILED]
        print_lines([line for row in detailed for line in _largest(row, 5 if verbose else 2)], wrap=False)
    if not verbose:
        return
    differing = [row for row in others if row["difference"] or row["smallest_detectable"] is not None]
    if differing:
        title = "Not separable, and the smallest difference that would have been seen with 80% power"
        powers = [row["smallest_detectable"] for row in differing]
        detectable = ["" if power is None else f"{power:.2g}" for power in powers]
        _print_table(title, "would see", differing, detectable)
    if equal := [row for row in others if row not in differing]:
        print_lines([f"equal on every prompt: {_by_metric(equal)}"])


def _print_table(title: str, last_heading: str, rows: Sequence[MetricDrift], last: Sequence[str]) -> None:
    from rich import box

    from evals.cli.tables import print_table
    from evals.reporting.drift import ARROWS, numbers

    columns = ("prompts", "A", "B", "B - A", "95%", "p", last_heading)
    cells = [
        (row["suite"] or "all", row["metric"] + ARROWS[row["better"]], *numbers(row), word)
        for row, word in zip(rows, last, strict=True)
    ]
    style = {"box": box.SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": (0, 0, 0, 0)}
    print_table(title, ("suite", "metric", *columns), cells, right=columns, whole=("metric", *columns), **style)


def _largest(row: MetricDrift, n_prompts: int) -> Iterator[str]:
    yield f"{_by_metric([row])}: changed most"
    for change in row["largest"][:n_prompts]:
        samples = " against ".join(_few(change[side]) for side in ("samples_a", "samples_b"))
        yield f"  {change['prompt']}: {change['a']:.3g} to {change['b']:.3g} ({change['change']:+.3g}); {samples}"


def _few(samples: Sequence[str]) -> str:
    more = len(samples) - _NAMED_SAMPLES
    return ", ".join(samples[:_NAMED_SAMPLES]) + (f" and {more} more" if more > 0 else "")


def _unscored(rows: Sequence[MetricDrift]) -> Iterator[str]:
    """Yield what else a run could not score: a prompt that has lost its value is in no difference."""
    for row in rows:
        if row["unscored_a"] != row["unscored_b"]:
            in_a, in_b = (_counts(row[side]) for side in ("unscored_a", "unscored_b"))
            yield f"without a value: {_by_metric([row])}: {in_a} in run A, {in_b} in run B"


def _by_metric(rows: Sequence[MetricDrift] | Sequence[NotCompared]) -> str:
    """Return the metrics of rows, each with its suites in brackets."""
    suites: dict[str, list[str]] = {}
    for row in rows:
        suites.setdefault(row["metric"], []).append(row["suite"] or "all")
    return ", ".join(f"{metric} ({', '.join(of_metric)})" for metric, of_metric in suites.items())


def _records(drift: Drift, pair: tuple[str, str], verbose: bool) -> Iterator[str]:
    for figure in drift["figures"]:
        if not verbose and not figure["moved"]:
            continue
        if _is_of(figure, pair) and (figure["a"]["value"] is not None or figure["b"]["value"] is not None):
            verdict = {True: "moved", False: "as it was", None: "cannot tell"}[figure["moved"]]
            size = f" ({figure['size']})" if figure["size"] else ""
            yield f"{figure['title']}{size}: {_figure(figure['a'])} to {_figure(figure['b'])}: {verdict}"
    for version in drift["versions"]:
        if _is_of(version, pair) and (verbose or version["changed"]):
            versions = f": {_counts(version['a'])} to {_counts(version['b'])}" if version["a"] or version["b"] else ""
            changed = {True: "another one", False: "the same", None: "not told in both runs"}[version["changed"]]
            yield f"Version of the model, as the host told: {changed}{versions}"
    for pixels in drift["pixels"]:
        if _is_of(pixels, pair) and (verbose or not pixels["reason"]):
            equal = f"{pixels['n_identical']} of {pixels['n_same_key']} with the same prompt, seed and repeat"
            yield f"Pictures equal to the pixel: {pixels['reason'] or equal}"


def _figure(figure: Figure) -> str:
    if figure["value"] is None:
        return figure["reason"] or "none"
    interval = f" [{figure['low']:.3g}, {figure['high']:.3g}]" if figure["low"] is not None else ""
    return f"{figure['value']:.3g}{interval}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{n}" for name, n in counts.items()) or "none"
