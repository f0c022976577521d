"""The figure of the star table: every row from its floor (one star) to its ceiling (five), a mark for each system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals.reporting.figures import LINE, SETTINGS, bare, mark, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def star_figure(rows: Sequence[Mapping[str, Any]], systems: Sequence[str]) -> Figure:
    """Draw the stars of every system in every row that has any, with 95% intervals, floors left and ceilings right.

    Parameters
    ----------
    rows
        The rows of the star table; those that are declared or have no stars are left out.
    systems
        In the order of the table: the place gives colour and marker.

    Returns
    -------
    Figure
        A matplotlib figure 8 inches wide. A hollow mark has no interval.
    """
    import matplotlib
    from matplotlib.figure import Figure

    drawn = [row for row in rows if any(cell["stars"] is not None for cell in row["cells"])]
    lane = 0.26 + 0.13 * len(systems)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(8.0, 0.9 + lane * max(1, len(drawn))), layout="constrained")
        axes = figure.subplots()
        spread = min(0.26, 0.66 / max(1, len(systems) - 1))
        for y, row in enumerate(drawn):
            axes.plot([1, 5], [y, y], color=LINE, linewidth=5, solid_capstyle="butt", zorder=0)
            for cell in row["cells"]:
                if cell["stars"] is not None:
                    place = systems.index(cell["system"])
                    estimate = (cell["stars"], cell["low"], cell["high"])
                    mark(axes, estimate, y + (place - (len(systems) - 1) / 2) * spread, place)
        axes.set_yticks(range(len(drawn)), [shortened(row["title"], 38) for row in drawn])
        axes.set_ylim(max(1, len(drawn)) - 0.5, -0.5)
        axes.set_xlim(0.9, 5.1)
        axes.set_xticks(range(1, 6), ["1\nfloor", "2", "3", "4", "5\nceiling"])
        bare(axes)
        figure.suptitle("Stars by row, with 95% interval", x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    return figure
