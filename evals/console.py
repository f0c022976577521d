"""What people see in a terminal: progress on long work, and the first comparison as a table."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evals.demo import DemoOutcome
    from evals.run import Run
    from evals.scoring.engine import Progress

_CONTROL_MEANING = {
    "auc": "0.5 cannot tell, 1 always tells",
    "d_prime": "0 cannot tell, over 2 tells well",
    "seed_ratio": "0 the seed fixes the picture, 1 it does nothing",
    "mean": "what known-good material scores",
}


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """Yield a progress function that draws bars on standard error, or nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda label, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        yield show


def print_run(run: Run) -> None:
    """Print what was scored, the comparison, the controls, the reasons and the warnings."""
    facts = run.provenance["image_set"]
    skipped = f", {len(facts['skipped'])} rows skipped" if facts["skipped"] else ""
    print(f"{facts['name']}: {facts['scored_rows']} images scored{skipped}")
    for problem in facts["skipped"][:5]:
        print(f"  skipped row {problem['row']}: {problem['reason']}")
    for encoder in run.provenance["encoders"]:
        note = encoder["note"] or f"{encoder['licence']}, weights {(encoder['weights_sha256'] or 'none')[:12]}"
        print(f"{encoder['role']}: {encoder['name']} ({note})")
    if long := run.provenance["long_prompts"]:
        print(f"{long['n']} of {long['of']} prompts exceed the encoder's context and were cut into clauses")
    print_ratings(run.ratings())


def print_ratings(ratings: Mapping[str, Any]) -> None:
    """Print the ratings dict as tables."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    console.print(_comparison(ratings))
    if ratings["controls"]:
        console.print(_controls(ratings))
    for warning in ratings["warnings"]:
        console.print(f"note: {warning}", markup=False)


def _comparison(ratings: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="Mean over prompts with 95% interval", title_justify="left")
    for heading in ("suite", "metric", "unit", "better"):
        table.add_column(heading)
    for system in ratings["systems"]:
        table.add_column(system, justify="right")
    table.add_column("ahead")
    verdicts: dict[tuple[str, str], list[str]] = {}
    for difference in ratings["differences"]:
        verdicts.setdefault((difference["suite"], difference["metric"]), []).append(_verdict(difference))
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for row in ratings["rows"]:
        cells.setdefault((row["suite"], row["metric"]), {})[row["system"]] = row
    for key, by_system in cells.items():
        first = next(iter(by_system.values()))
        shown = [_cell(by_system.get(system)) for system in ratings["systems"]]
        table.add_row(key[0], key[1], first["unit"], first["better"], *shown, "\n".join(verdicts.get(key, [])))
    return table


def _verdict(difference: Mapping[str, Any]) -> str:
    pair = (difference["system_a"], difference["system_b"])
    ahead = difference["better_system"]
    if difference["low"] is None:
        return f"{pair[0]}, {pair[1]}: too few prompts"
    if ahead is None:
        return f"{pair[0]}, {pair[1]}: not separable"
    return f"{ahead} > {pair[0] if ahead == pair[1] else pair[1]}"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["mean"] is None:
        return ", ".join(f"{reason} x{count}" for reason, count in row["reasons"].items())
    interval = f" [{row['low']:.3g}, {row['high']:.3g}]" if row["low"] is not None else " (too few prompts)"
    missing = f" ({row['n_unscored']} unscored)" if row["n_unscored"] else ""
    return f"{row['mean']:.3g}{interval}{missing}"


def _controls(ratings: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="Controls, measured in the same run", title_justify="left")
    for heading in ("suite", "metric", "control", "system", "statistic", "value [95%]", "n", "reads as"):
        table.add_column(heading)
    for row in ratings["controls"]:
        if row["value"] is None:
            continue
        interval = f" [{row['low']:.3g}, {row['high']:.3g}]" if row["low"] is not None else ""
        value = f"{row['value']:.3g}{interval}"
        cells = (row["suite"], row["metric"], row["control"], row["system"] or "all", row["statistic"], value)
        table.add_row(*cells, str(row["n"]), _CONTROL_MEANING[row["statistic"]])
    return table


def print_demo(outcome: DemoOutcome) -> None:
    """Print the demo's comparison, the check against the scripted truth, and where the report is."""
    print_run(outcome.run)
    print("\nThe scripted truth:")
    for verdict in outcome.verdicts:
        print(f"  {verdict.sentence()}")
    print(f"\nreport: {outcome.report}")
