"""The scale of a row in words: where one star and five stars lie, what sets these ends, and what it compares with."""

from __future__ import annotations

from collections.abc import Iterator

from evals.rating.stars.scales import FrozenScale
from evals.rating.stars.table import TableRow


def lines(row: TableRow) -> tuple[str, ...]:
    """Return where the stars of each metric of a row begin and end, and where those of all together begin."""
    return tuple(_lines(row))


def comparability(row: TableRow) -> str:
    """Return that stars of two encoders are not comparable, for a row that was measured with one."""
    notes = (part["scale"]["comparability"] for part in row["components"])
    return "; ".join(dict.fromkeys(note for note in notes if note))


def one_star_at(scale: FrozenScale) -> float | None:
    """Return the value at which a metric has one star: its floor, and what chance gives above that."""
    floor, ceiling = scale["floor"], scale["ceiling"]
    if floor is None or ceiling is None:
        return floor
    return floor + (scale["chance"] or 0.0) * (ceiling - floor)


def _lines(row: TableRow) -> Iterator[str]:
    together = row["combine"] == "geometric" and len(row["components"]) > 1
    for part in row["components"]:
        scale = part["scale"]
        if scale["floor"] is not None and scale["ceiling"] is not None:
            yield (
                f"{part['metric']}: floor at {scale['floor']:.3g} ({scale['floor_source']}), five stars at "
                f"{scale['ceiling']:.3g} ({scale['ceiling_source']})"
                + ("" if together else _beginning(scale["chance"], scale["chance_source"]))
            )
    if together:
        yield f"together: the geometric mean, prompt by prompt{_beginning(row['chance'], row['chance_source'])}"


def _beginning(chance: float | None, source: str) -> str:
    """Return where one star lies: as far from the floor as what is known to be wrong gets by chance."""
    if not chance:
        return ", one star at the floor"
    return f", one star {chance:.0%} of the way ({source})"
