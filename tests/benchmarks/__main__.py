"""Prints one table of ratios, each measured side by side in one run, and writes it beside this file.

``python -m tests.benchmarks [LETTER ...]`` takes only some of its rows, and leaves the others there as they were.
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
    if unknown := set(letters) - {*MODULES}:
        sys.exit(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    found: list[Row] = []
    for letter in letters or MODULES:
        module, _, function = MODULES[letter].partition(":")
        for row in getattr(import_module(f"tests.benchmarks.{module}"), function)():
            print(markdown([row]).splitlines()[-1], flush=True)
            found.append(row)
    print(f"\n{markdown(found)}")
    write(found)


def write(rows: list[Row]) -> None:
    """Put rows in the places of the older ones of the same letters; those of another machine go."""
    head, line, *new = markdown(rows).splitlines()
    measured = {row.letter for row in rows}
    old = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    of_this_machine = old if any(machine in each for each in old) else []
    kept = [each for each in of_this_machine if each[:2] == "| " and each[2] in MODULES and each[2] not in measured]
    about = f"`make benchmark`, last on {datetime.date.today()}, {machine}; the rows of a letter are of one run."
    by_letter = sorted([*kept, *new], key=lambda each: each[2])
    RESULTS.write_text("\n".join(["# Benchmarks", "", about, "", head, line, *by_letter, ""]), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
