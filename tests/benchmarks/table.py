"""One row of the table of benchmarks: what is compared, both sides, and their ratio."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """``ratio`` says how many times better ours is, ``wanted`` what it should be at least (or at most, with a <)."""

    letter: str
    what: str
    ours: str
    other: str
    ratio: float
    wanted: str = ""


def markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| | what | ours | against | ratio | wanted |", "|---|---|---|---|---|---|"]
    lines += [f"| {r.letter} | {r.what} | {r.ours} | {r.other} | {r.ratio:.2f} | {r.wanted} |" for r in rows]
    return "\n".join(lines)


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Return how long something takes, the best of several times."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def run(module: str, *arguments: object) -> tuple[float, str]:
    """Run a module of Python in a process of its own; return the seconds with its start, and what it printed."""
    command: Sequence[str] = [sys.executable, "-m", module, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    elapsed = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return elapsed, done.stdout


def peak_mib() -> float:
    """Return the most memory that this process had; what the system counts for it begins with its parent's peak."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
