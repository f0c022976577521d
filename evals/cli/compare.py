"""The command ``twinlens compare``: has a system changed between two runs?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.errors import FOUND_A_PROBLEM, WRONG_USE
from evals.cli.options import FilePath, as_json, print_json
from evals.cli.tables import say

if TYPE_CHECKING:
    from evals.rating.drift.changes import Drift, MetricDrift
    from evals.rating.drift.pairing import NotCompared
    from evals.rating.drift.tables import RunTables
    from evals.rating.request_figures import Figure

_NAMED_SAMPLES = 2


def _parsed(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for value in values:
        old, sign, new = (part.strip() for part in value.partition("="))
        if not (old and sign and new):
            raise click.BadParameter(f"{value!r} is not OLD=NEW.", ctx, param)
        pairs.append((old, new))
    return pairs


@click.command()
@click.argument("run_a", type=FilePath())
@click.argument("run_b", type=FilePath())
@click.option(
    "--systems",
    multiple=True,
    metavar="OLD=NEW",
    callback=_parsed,
    help="Compare OLD of run A with NEW of run B, repeatable (default: systems of one name).",
)
@as_json
def compare(run_a: Path, run_b: Path, systems: list[tuple[str, str]], json_wanted: bool) -> None:
    """Say whether systems have changed between two scored runs; exit code 1 if a measured difference is separable.

    Prompts that both runs asked are paired; Holm's correction is over all rows. Latency, cost, versions and equal
    pixels are shown beside, and do not count for the exit code.
    """
    from evals.rating.drift.changes import drift as compare_runs

    changes = compare_runs(_tables(run_a), _tables(run_b), systems)
    if json_wanted:
        print_json(changes)
    else:
        print_drift(changes, str(run_a), str(run_b))
    if not changes["rows"]:
        say("twinlens: nothing could be compared; score both runs with the same encoders and metrics", err=True)
        sys.exit(WRONG_USE)
    if changes["changed"]:
        sys.exit(FOUND_A_PROBLEM)


def _tables(path: Path) -> RunTables:
    from evals import load_run
    from evals.rating.drift.tables import RunTables

    run = load_run(path)
    return RunTables(run.scores, run.samples, run.requests, run.provenance)


def print_drift(drift: Drift, name_a: str, name_b: str) -> None:
    """Print by system what changed, what did not, what could not be compared, and what the runs' records say."""
    from evals.cli.tables import print_lines

    print_lines([f"run A: {name_a}", f"run B: {name_b}"])
    for pair in drift["systems"]:
        rows = [row for row in drift["rows"] if _is_of(row, pair)]
        changed = [row for row in rows if row["changed"]]
        system = " \N{RIGHTWARDS ARROW} ".join(dict.fromkeys(pair))
        print_lines([f"\n{system}: {len(changed) or 'none'} of {len(rows)} rows changed"])
        _print_rows(changed, [row for row in rows if not row["changed"]])
        unpaired: dict[str, list[NotCompared]] = {}
        for entry in drift["not_compared"]:
            if _is_of(entry, pair):
                unpaired.setdefault(entry["reason"], []).append(entry)
        print_lines(_unscored(rows))
        print_lines(f"not compared: {_by_metric(alike)}: {reason}" for reason, alike in unpaired.items())
        print_lines(_records(drift, pair))
    print_lines(f"note: {note}" for note in drift["notes"])


def _is_of(row: Mapping[str, Any], pair: tuple[str, str]) -> bool:
    return (row["system_a"], row["system_b"]) == pair


def _print_rows(changed: Sequence[MetricDrift], others: Sequence[MetricDrift]) -> None:
    from evals.cli.tables import print_lines

    if changed:
        verdicts = [str(row["direction"]).replace("other", "changed") for row in changed]
        _print_table("Changed: Holm's p over all rows is below 0.05", "verdict", changed, verdicts)
        print_lines([line for row in changed for line in _largest(row)], wrap=False)
    differing = [row for row in others if row["difference"] or row["smallest_detectable"] is not None]
    if differing:
        title = "Not separable, and the smallest difference that would have been seen with 80% power"
        powers = [row["smallest_detectable"] for row in differing]
        detectable = ["" if power is None else f"{power:.2g}" for power in powers]
        _print_table(title, "would see", differing, detectable)
    if equal := [row for row in others if row not in differing]:
        print_lines([f"equal on every prompt: {_by_metric(equal)}"])


def _print_table(title: str, last_heading: str, rows: Sequence[MetricDrift], last: Sequence[str]) -> None:
    from evals.cli.tables import print_table

    numbers = ("prompts", "A", "B", "B - A", "95%", "p", last_heading)
    arrows = {"higher": " \u2191", "lower": " \u2193", "neither": ""}
    cells = [
        (
            row["suite"] or "all",
            row["metric"] + arrows[row["better"]],
            str(row["n_prompts"]),
            f"{row['mean_a']:.3g}",
            f"{row['mean_b']:.3g}",
            f"{row['difference']:+.3g}",
            f"[{row['low']:+.2g}, {row['high']:+.2g}]" if row["low"] is not None else "",
            "<0.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}",
            word,
        )
        for row, word in zip(rows, last, strict=True)
    ]
    print_table(title, ("suite", "metric", *numbers), cells, right=numbers, whole=("metric", *numbers))


def _largest(row: MetricDrift) -> Iterator[str]:
    yield f"{_by_metric([row])}: changed most"
    for change in row["largest"]:
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


def _records(drift: Drift, pair: tuple[str, str]) -> Iterator[str]:
    for figure in drift["figures"]:
        if _is_of(figure, pair) and (figure["a"]["value"] is not None or figure["b"]["value"] is not None):
            verdict = {True: "moved", False: "as it was", None: "cannot tell"}[figure["moved"]]
            size = f" ({figure['size']})" if figure["size"] else ""
            yield f"{figure['title']}{size}: {_figure(figure['a'])} to {_figure(figure['b'])}: {verdict}"
    for version in drift["versions"]:
        if _is_of(version, pair):
            versions = f": {_counts(version['a'])} to {_counts(version['b'])}" if version["a"] or version["b"] else ""
            changed = {True: "another one", False: "the same", None: "not told in both runs"}[version["changed"]]
            yield f"Version of the model, as the host told: {changed}{versions}"
    for pixels in drift["pixels"]:
        if _is_of(pixels, pair):
            equal = f"{pixels['n_identical']} of {pixels['n_same_key']} with the same prompt, seed and repeat"
            yield f"Pictures equal to the pixel: {pixels['reason'] or equal}"


def _figure(figure: Figure) -> str:
    if figure["value"] is None:
        return figure["reason"] or "none"
    interval = f" [{figure['low']:.3g}, {figure['high']:.3g}]" if figure["low"] is not None else ""
    return f"{figure['value']:.3g}{interval}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{n}" for name, n in counts.items()) or "none"
