"""Where the time of a scoring run goes: seconds and core-seconds by stage."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from metrics.encoders.processes import core_seconds
from metrics.encoders.runtime import cores


@dataclass
class Spent:
    """What one stage took: ``seconds`` are added over the threads that worked on it at once, waiting included."""

    n: int = 0
    seconds: float = 0.0
    core_seconds: float = 0.0


class Profile:
    """A stopwatch that several threads may use.

    Stages follow one another or run side by side; none is measured inside another, so that their core-seconds add up.
    """

    def __init__(self) -> None:
        """Start the clock."""
        self._lock = threading.Lock()
        self._stages: dict[str, Spent] = defaultdict(Spent)
        self._started = time.perf_counter()

    @contextlib.contextmanager
    def stage(self, name: str, n: int = 1) -> Iterator[None]:
        """Measure what happens inside as a part of a stage, at work on ``n`` things."""
        wall, core = time.perf_counter(), core_seconds()
        try:
            yield
        finally:
            self.add(name, n, time.perf_counter() - wall, core_seconds() - core)

    def add(self, name: str, n: int, seconds: float, core_seconds: float) -> None:
        """Add what another thread or process measured."""
        with self._lock:
            spent = self._stages[name]
            spent.n += n
            spent.seconds += seconds
            spent.core_seconds += core_seconds

    def seconds_each(self, name: str) -> float:
        """Return the seconds that one thing took so far at this stage, infinite where there was none."""
        spent = self._stages.get(name)
        return spent.seconds / spent.n if spent and spent.n else float("inf")

    def table(self) -> pd.DataFrame:
        """Return one row a stage, most core-seconds first: n, seconds, core_seconds, and its share of all of those."""
        with self._lock:
            rows = [(name, spent.n, spent.seconds, spent.core_seconds) for name, spent in self._stages.items()]
        table = pd.DataFrame(rows, columns=["stage", "n", "seconds", "core_seconds"])
        table["share"] = table["core_seconds"] / table["core_seconds"].sum()
        return table.sort_values("core_seconds", ascending=False, ignore_index=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def report(self) -> list[str]:
        """Return the table as lines of text, and below it how long all took and which share of the cores was busy."""
        elapsed, table, n_cores = self.elapsed, self.table(), cores()
        busy = table["core_seconds"].sum() / (elapsed * n_cores)
        text = table.to_string(
            index=False,
            formatters={"seconds": "{:.2f}".format, "core_seconds": "{:.2f}".format, "share": "{:.1%}".format},
        )
        return [*text.splitlines(), f"{elapsed:.1f} s, in which {busy:.0%} of {n_cores} cores was used"]
