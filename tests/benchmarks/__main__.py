"""Prints one table of ratios, each measured side by side in one run, and writes it beside this file.

``python -m tests.benchmarks [LETTER ...]`` takes only some of its rows, and then writes nothing.
"""

import datetime
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from tests.benchmarks.table import Row, markdown

MODULES = {
    "a": "scoring:against_naive",
    "b": "scoring:against_the_cores",
    "c": "clip:rows",
    "d": "similarity:rows",
    "e": "scoring:warm",
    "f": "libraries:rows",
    "g": "rating:rows",
    "h": "cluster:rows",
    "i": "scoring:memory",
}
RESULTS = Path(__file__).with_name("RESULTS.md")


def main(*letters: str) -> None:
    found: list[Row] = []
    for letter in letters or MODULES:
        module, _, function = MODULES[letter].partition(":")
        for row in getattr(import_module(f"tests.benchmarks.{module}"), function)():
            print(markdown([row]).splitlines()[-1], flush=True)
            found.append(row)
    table = markdown(found)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"\n{table}")
    if not letters:
        head = f"# Benchmarks\n\n`make benchmark` on {datetime.date.today()}, {machine}.\n\n"
        RESULTS.write_text(f"{head}{table}\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
