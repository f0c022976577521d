"""What people see of the generation stage in a terminal: progress with money and time, and how it ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evals.imageset.contract import OUTCOMES, REQUESTS

if TYPE_CHECKING:
    from evals.generation.stage import Count, Generation, Watch

_UNKNOWN_SHOWN = 10


@contextlib.contextmanager
def shown_generation() -> Iterator[Watch]:
    """Yield a function that shows the count as a bar on standard error, or nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("asking"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("asking", total=None, told="")

        def watch(count: Count) -> None:
            told = f"{count.pictures} images, {count.spent_usd:.2f} USD"
            bars.update(task, completed=count.ended, total=count.total, told=told)

        yield watch


def print_warnings(warnings: Sequence[str]) -> None:
    """Print on standard error what to know before money is spent."""
    for warning in warnings:
        print(f"note: {warning}", file=sys.stderr)


def print_generation(generation: Generation) -> None:
    """Print the outcomes of each system, the money, the requests whose answer was lost, and the folder.

    For simulated systems the money is told as what real ones would have charged.
    """
    from rich.console import Console
    from rich.table import Table

    shown = [name for name in (*OUTCOMES, "pending") if any(name in counts for counts in generation.outcomes.values())]
    table = Table(title="Requests by outcome", title_justify="left")
    table.add_column("system")
    for name in shown:
        table.add_column(name, justify="right")
    for system, counts in generation.outcomes.items():
        table.add_row(system, *(str(counts.get(name, 0)) for name in shown))
    Console(highlight=False, width=None if sys.stdout.isatty() else 140).print(table)
    limit = f" of {generation.budget_usd:g}" if generation.budget_usd is not None else ""
    spent = "simulated, nothing was spent; at real prices at most" if generation.simulated else "spent at most"
    print(f"{spent}: {generation.spent_usd:.4f}{limit} USD")
    if generation.unknown:
        print(f"{len(generation.unknown)} answers were lost; they may have been charged and are not asked for again:")
        for row in generation.unknown[:_UNKNOWN_SHOWN]:
            asked = f"{row['system']}, {row['suite']}/{row['prompt_id']}, seed {row['seed']}, repeat {row['repeat']}"
            print(f"  {asked}: up to {row['may_have_cost_usd']:.4f} USD ({row['reason']})")
        if len(generation.unknown) > _UNKNOWN_SHOWN:
            print(f"  and {len(generation.unknown) - _UNKNOWN_SHOWN} more, in {generation.folder / REQUESTS}")
        print("  ask for them again with --retry-unknown")
    print(f"images: {generation.folder}")
