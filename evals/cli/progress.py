"""What a long command is doing, on standard error: a bar in a terminal or notebook, else a line now and then."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from evals.cli.tables import say

if TYPE_CHECKING:
    import rich.progress

    from evals.generation.stage import Count, Watch
    from evals.scoring.engine import Progress

FIRST_S = 0.6
"""A command that takes longer says what it is doing: within two seconds, also where an import holds the interpreter."""

BETWEEN_S = 30.0


class Status:
    """What this process is doing; ``has_bar`` is true while a bar says it."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self.command, self.work, self.has_bar = "twinlens", "loading", False

    def line(self) -> str:
        """Return it as one line."""
        return f"{self.command}: {self.work}"

    def tell(self, wait: Callable[[float], bool], write: Callable[[str], None]) -> None:
        """Write the line after `FIRST_S` and then every `BETWEEN_S`; ``wait`` returns true once the work has ended."""
        pause = FIRST_S
        while not wait(pause):
            pause = BETWEEN_S
            if not self.has_bar:
                write(self.line())


_STATUS = Status()


def doing(work: str, command: str = "") -> None:
    """Note what the process is doing, for whoever waits for it."""
    _STATUS.work = work
    if command:
        _STATUS.command = f"twinlens {command}"


@contextlib.contextmanager
def sign_of_life() -> Iterator[None]:
    """Tell on standard error what the process is doing for as long as the block runs."""
    ended = threading.Event()
    # The work holds the main thread, above all while it imports the libraries.
    arguments = (ended.wait, lambda line: say(line, err=True))
    teller = threading.Thread(target=_STATUS.tell, args=arguments, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _shows_bars() -> bool:
    if "ipykernel" not in sys.modules:
        return sys.stderr.isatty()
    from importlib.util import find_spec

    return find_spec("ipywidgets") is not None  # rich draws with them in a notebook


@contextlib.contextmanager
def _bars(label: str, *more: str) -> Iterator[rich.progress.Progress | None]:
    if not _shows_bars():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    texts = map(TextColumn, more)
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), *texts, TimeRemainingColumn())
    _STATUS.has_bar = True
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield bars
    finally:
        _STATUS.has_bar = False


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """Yield a progress function of label, number done and total, with a bar for each label."""
    with _bars("{task.description:<10}") as bars:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            doing(f"{label} {done} of {total}")
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
            so_far = f"{count.pictures} images, {count.spent_usd:.2f} USD"
            doing(f"requests {count.ended} of {count.total}, {so_far}")
            if bars is not None and task is not None:
                bars.update(task, completed=count.ended, total=count.total, so_far=so_far)

        yield watch
