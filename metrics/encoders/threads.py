"""How many threads a model may use for one picture."""

from __future__ import annotations

import os


def threads(at_most: int | None = None) -> int:
    """Return ``OMP_NUM_THREADS`` where it is set, else the number of cores, at most ``at_most`` of them.

    Processes that share a machine set the variable, or their models wait for each other's threads.

    Examples
    --------
    >>> 1 <= threads(at_most=4)
    True
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    cores = os.cpu_count() or 1
    return min(cores, at_most) if at_most else cores
