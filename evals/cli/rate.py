"""The command ``twinlens rate``: prints what a scored run says of its systems."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.options import as_json, print_json

if TYPE_CHECKING:
    from evals.rating.operations import Figure, SystemOperations
    from evals.reporting.stars import Advice, Cell, StarSection
    from evals.run import Run

_CONTROL_MEANING = {
    "auc": "0.5 cannot tell, 1 always tells",
    "seed_ratio": "0 the seed fixes it, 1 it does nothing",
    "mean": "known-good material",
}

_OPERATIONS = {
    "latency p50, s": "latency_p50",
    "latency p95, s": "latency_p95",
    "USD per image": "cost_per_image",
    "USD per accepted image": "cost_per_accepted_image",
    "images per minute": "throughput",
    "refused": "refusal_rate",
    "filtered": "filter_rate",
    "failed or timed out": "failure_rate",
    "answer lost": "unknown_rate",
}
"""The figures of the terminal's table, by what it calls them; the report shows them all."""


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@as_json
def rate(run: Path, json_wanted: bool) -> None:
    """Print stars, totals and advice of a scored run, and the means, differences and controls behind them."""
    from evals import load_run, rate_run

    loaded = load_run(run)
    if json_wanted:
        print_json(rate_run(loaded))
    else:
        print_run(loaded)


def print_run(run: Run) -> None:
    """Print what was scored, the comparison, the controls, the reasons and the warnings."""
    from evals.rating.stage import operations_of, rate_run
    from evals.scoring.provenance import provenance_warnings

    facts, unreadable = run.provenance["image_set"], run.provenance["unreadable"]
    skipped = f", {len(facts['skipped'])} rows skipped" if facts["skipped"] else ""
    damaged = f", {len(unreadable)} with a file that cannot be decoded" if unreadable else ""
    print(f"{facts['name']}: {facts['scored_rows']} images scored{skipped}{damaged}")
    for problem in [*facts["skipped"][:5], *unreadable[:5]]:
        print(f"  row {problem['row']}: {problem['reason']}")
    for encoder in run.provenance["encoders"]:
        facts_of_weights = f"{encoder['licence']}, weights {(encoder['weights_sha256'] or 'none')[:12]}"
        used = encoder["status"] == "used"
        print(f"{encoder['role']}: {encoder['name']} ({facts_of_weights if used else encoder['note']})")
    if (long := run.provenance["long_prompts"]) and long["n"]:
        print(f"{long['n']} of {long['of']} prompts exceed the encoder's context and were cut into clauses")
    ratings = rate_run(run)
    print_ratings(ratings)
    print_stars(ratings.get("stars"))
    print_operations(operations_of(run))
    for caution in provenance_warnings(run.provenance):
        print(f"note: {caution}")


def print_ratings(ratings: Mapping[str, Any]) -> None:
    """Print the ratings dict as tables; what has no measurement at all is one line a metric."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    scored = [row for row in ratings["rows"] if row["mean"] is not None]
    keys = {(row["suite"], row["metric"]) for row in scored}
    n_suites = Counter(metric for _, metric in keys)
    described = {row["metric"] for row in scored if row["better"] == "neither" and n_suites[row["metric"]] > 1}
    if compared := {(suite, metric) for suite, metric in keys if metric not in described}:
        console.print(_comparison(ratings, compared))
    if described:
        console.print(_descriptions(ratings["systems"], [row for row in scored if row["metric"] in described]))
    for metric, reasons in _unscored(ratings).items():
        console.print(f"not scored: {metric} ({reasons})", markup=False)
    shown = [row for row in ratings["controls"] if _belongs_in_summary(row)]
    if shown:
        console.print(_controls(shown))
    for warning in ratings["warnings"]:
        console.print(f"note: {warning}", markup=False)


def print_operations(rows: Sequence[SystemOperations]) -> None:
    """Print latency, cost and outcomes of each system and size as a table, nothing where no requests are known."""
    if not rows:
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evals.rating.operations import notes

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    table = Table(title="Operations: what asking was like, with 95% interval", title_justify="left")
    systems = sorted({row["system"] for row in rows})
    for heading in ("size", "figure"):
        table.add_column(heading, no_wrap=heading == "figure")
    for system in systems:
        table.add_column(escape(system), justify="right")
    by_size: dict[str | None, dict[str, SystemOperations]] = {}
    for row in rows:
        by_size.setdefault(row["size"], {})[row["system"]] = row
    for size, asked in by_size.items():
        for heading, name in _OPERATIONS.items():
            figures = (
                asked[system]["figures"][f"operations.{name}"] if system in asked else None for system in systems
            )
            table.add_row(escape(size or "not told"), heading, *map(_operation, figures))
    console.print(table)
    for row in rows:
        if row["reasons"]:
            reasons = ", ".join(f"{reason} x{count}" for reason, count in row["reasons"].items())
            console.print(f"no picture: {row['system']}, {row['size'] or 'size not told'} ({reasons})", markup=False)
    for note in notes(rows):
        console.print(f"note: {note}", markup=False)


def _operation(figure: Figure | None) -> str:
    if figure is None or figure["value"] is None:
        return figure["reason"] or "" if figure else ""
    bound = "\u2265 " if figure["at_least"] else ""
    interval = f" [{figure['low']:.3g}, {figure['high']:.3g}]" if figure["low"] is not None else ""
    return f"{bound}{figure['value']:.3g}{interval}"


def _comparison(ratings: Mapping[str, Any], keys: set[tuple[str, str]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Mean over prompts with 95% interval", title_justify="left")
    table.add_column("suite")
    table.add_column("metric", no_wrap=True)
    for system in ratings["systems"]:
        table.add_column(escape(system), justify="right")
    table.add_column("ahead")
    verdicts: dict[tuple[str, str], list[str]] = {}
    for difference in ratings["differences"]:
        verdict = _verdict(difference, len(ratings["systems"]))
        verdicts.setdefault((difference["suite"], difference["metric"]), []).append(verdict)
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for row in ratings["rows"]:
        if (row["suite"], row["metric"]) in keys:
            cells.setdefault((row["suite"], row["metric"]), {})[row["system"]] = row
    arrows = {"higher": " \u2191", "lower": " \u2193", "neither": ""}
    for (suite, metric), by_system in cells.items():
        name = metric + arrows[next(iter(by_system.values()))["better"]]
        shown = [_cell(by_system.get(system)) for system in ratings["systems"]]
        cells_of_row = (suite, name, *shown, "\n".join(verdicts.get((suite, metric), [])))
        table.add_row(*map(escape, cells_of_row))
    return table


def _descriptions(systems: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return one line a metric: nothing is better or worse in it, and the report has every suite."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Descriptive metrics: lowest and highest mean of a suite", title_justify="left")
    for heading in ("metric", "suites"):
        table.add_column(heading, no_wrap=True)
    for system in systems:
        table.add_column(escape(system), justify="right")
    for metric in dict.fromkeys(row["metric"] for row in rows):
        means: dict[str, list[float]] = {system: [] for system in systems}
        for row in rows:
            if row["metric"] == metric:
                means[row["system"]].append(row["mean"])
        suites = {row["suite"] for row in rows if row["metric"] == metric}
        spans = (f"{min(of):.3g} to {max(of):.3g}" if of else "" for of in means.values())
        table.add_row(metric, str(len(suites)), *spans)
    return table


def _verdict(difference: Mapping[str, Any], n_systems: int) -> str:
    first, second, ahead = difference["system_a"], difference["system_b"], difference["better_system"]
    if ahead is not None:
        return f"{ahead}" if n_systems == 2 else f"{ahead} > {first if ahead == second else second}"
    outcome = "too few prompts" if difference["low"] is None else "not separable"
    return outcome if n_systems == 2 else f"{first}, {second}: {outcome}"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    missing = ", ".join(f"{reason} x{count}" for reason, count in row["reasons"].items())
    if row["mean"] is None:
        return missing
    interval = f" [{row['low']:.3g}, {row['high']:.3g}]" if row["low"] is not None else ""
    return f"{row['mean']:.3g}{interval}" + (f"\n{missing}" if missing else "")


def _unscored(ratings: Mapping[str, Any]) -> dict[str, str]:
    """Return each metric that has no measurement in any suite, with its reasons counted."""
    counts: dict[str, Counter[str]] = {}
    for row in ratings["rows"]:
        counts.setdefault(row["metric"], Counter()).update(row["reasons"])
    scored = {row["metric"] for row in ratings["rows"] if row["mean"] is not None}
    return {
        metric: ", ".join(f"{reason} x{count}" for reason, count in reasons.items())
        for metric, reasons in counts.items()
        if metric not in scored
    }


def _belongs_in_summary(control: Mapping[str, Any]) -> bool:
    """Keep one statistic a control: the report shows them all."""
    from metrics.controls import CONTROLS

    return control["value"] is not None and CONTROLS[control["control"]].summary == control["statistic"]


def _controls(rows: Sequence[Mapping[str, Any]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Controls, measured in the same run", title_justify="left")
    for heading in ("suite", "metric", "control", "system", "value [95%]", "reads as"):
        table.add_column(heading, no_wrap=heading == "metric")
    for row in rows:
        interval = f" [{row['low']:.3g}, {row['high']:.3g}]" if row["low"] is not None else ""
        value = f"{row['statistic']} {row['value']:.3g}{interval}"
        cells = (row["suite"], row["metric"], row["control"], row["system"] or "all", value)
        table.add_row(*map(escape, cells), _CONTROL_MEANING[row["statistic"]])
    return table


def print_stars(document: Mapping[str, Any] | None) -> None:
    """Print what ``ratings()["stars"]`` holds, nothing where the run has no stars."""
    from evals.reporting.stars import section

    stars = section(document)
    if stars is None:
        return
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(_star_table(stars))
    for total in stars.totals:
        console.print(f"all rows together: {total.system} {total.number or total.absent}", markup=False)
    for verdict in (*stars.total_verdicts, *stars.bradley_terry):
        console.print(f"  {verdict}", markup=False)
    told = [case for case in stars.advice if case.is_rated]
    if told:
        console.print(_advice(told, stars.has_article))
    if stars.volumes:
        console.print(_costs(stars))
    if unrated := [case.title for case in stars.advice if not case.is_rated]:
        console.print(f"too little was rated to recommend for: {'; '.join(unrated)}", markup=False)


def _star_table(stars: StarSection) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Stars with 95% interval: 1 is the floor of a row, 5 its ceiling", title_justify="left")
    for heading in ("row", *stars.systems, "verdict", *(("article",) if stars.has_article else ())):
        table.add_column(escape(heading))
    for line in stars.lines:
        if line.problem:
            cells = [*("" for _ in stars.systems), f"no stars: {line.problem}"]
        else:
            told = "\n".join(line.verdicts) or ("declared, not measured" if line.kind == "declared" else "")
            cells = [*map(_star_cell, line.cells), told]
        if stars.has_article:
            cells.append(f"{line.article}\n{line.article_verdict}" if line.article else "")
        table.add_row(escape(line.title), *map(escape, cells))
    return table


def _star_cell(cell: Cell) -> str:
    if cell.absent:
        return cell.absent
    return f"{cell.glyphs} {cell.number}" + (f"\n{cell.interval}" if cell.interval else "")


def _costs(stars: StarSection) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="US dollars a month, without discounts", title_justify="left")
    for heading in ("system", *(f"{volume} pictures" for volume in stars.volumes), "price"):
        table.add_column(heading)
    for system, cells, basis in stars.costs:
        table.add_row(*map(escape, (system, *cells, basis)))
    return table


def _advice(cases: Sequence[Advice], has_article: bool) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="For whom", title_justify="left")
    headings = ("use case", "better system", "rated", "what would change it")
    for heading in (*headings, *(("article",) if has_article else ())):
        table.add_column(heading)
    for case in cases:
        cells = [case.title, case.verdict, case.rated, case.would_change]
        if has_article:
            cells.append(f"{case.article}\n{case.article_verdict}" if case.article else "")
        table.add_row(*map(escape, cells))
    return table
