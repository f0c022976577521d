"""Progress of long work as bars on standard error; nothing where that is no terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import rich.progress

    from evals.generation.stage import Count, Watch
    from evals.scoring.engine import Progress


@contextlib.contextmanager
def _bars(label: str, *more: str) -> Iterator[rich.progress.Progress | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    texts = map(TextColumn, more)
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), *texts, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield bars


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """Yield a progress function of label, number done and total, with a bar for each label."""
    with _bars("{task.description:<10}") as bars:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if bars is not None:
                if label not in tasks:
                    tasks[label] = bars.add_task(label, total=total)
                bars.update(tasks[label], completed=done, total=total)

        yield show


@contextlib.contextmanager
def shown_generation() -> Iterator[Watch]:
    """Yield a function that shows how many requests have ended, with pictures and money."""
    with _bars("asking", "{task.fields[so_far]}") as bars:
        task = bars.add_task("asking", total=None, so_far="") if bars is not None else None

        def watch(count: Count) -> None:
            if bars is not None and task is not None:
                so_far = f"{count.pictures} images, {count.spent_usd:.2f} USD"
                bars.update(task, completed=count.ended, total=count.total, so_far=so_far)

        yield watch
