"""Whether systems have at least so many stars in rows of the star table: what a release is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from evals.files.yaml_files import suggestion
from evals.rating.stars.document import Stars
from evals.rating.stars.table import TableRow


class ThresholdError(ValueError):
    """A row or a system that is asked for is not in the run; the message is one sentence that says what was meant."""


class ThresholdCheck(TypedDict):
    """One system in one row against the stars that are asked for.

    ``holds`` compares the stars themselves, ``low`` to ``high`` is their 95 % interval. A system without stars does not
    hold, for the ``reason``: what nobody has measured has not been shown.
    """

    row: str
    system: str
    at_least: float
    stars: float | None
    low: float | None
    high: float | None
    holds: bool
    reason: str | None


def check_thresholds(stars: Stars, at_least: Mapping[str, float]) -> list[ThresholdCheck]:
    """Return a check for every threshold and system.

    Parameters
    ----------
    stars
        The star document of a run, or of some of its systems.
    at_least
        Stars from 1 to 5 by ``ROW``, for every system, or by ``SYSTEM:ROW``.

    Raises
    ------
    ThresholdError
        If there is no such row or system.
    """
    rows = {row["id"]: (row, stars["systems"]) for row in stars["rows"]}
    of_one = {f"{system}:{row['id']}": (row, [system]) for row in stars["rows"] for system in stars["systems"]}
    for name in at_least:
        if name not in rows and name not in of_one:
            nearest = suggestion(name, of_one if ":" in name else rows)
            raise ThresholdError(f"--at-least: there is no row {name!r}; {nearest}")
    return [
        _check(row, system, minimum)
        for name, minimum in at_least.items()
        for row, systems in [rows.get(name) or of_one[name]]
        for system in systems
    ]


def _check(row: TableRow, system: str, minimum: float) -> ThresholdCheck:
    cells = [cell for cell in (*row["cells"], *row["declared_cells"]) if cell["system"] == system]
    cell: Mapping[str, Any] = cells[0] if cells else {}
    stars = cell.get("stars")
    return ThresholdCheck(
        row=row["id"],
        system=system,
        at_least=minimum,
        stars=stars,
        low=cell.get("low"),
        high=cell.get("high"),
        holds=stars is not None and stars >= minimum,
        reason=None if stars is not None else cell.get("reason") or row["problem"] or "nothing of it was measured",
    )
