"""The figure of the star table: every row from its floor (one star) to its ceiling (five), a mark for each system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evals.reporting.figures import LINE, SETTINGS, bare, mark, shortened
from evals.reporting.stars import StarSection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def star_figure(stars: StarSection) -> Figure:
    """Draw the stars of every system in every row that has any, with 95% intervals, floors left and ceilings right.

    Returns
    -------
    Figure
        A matplotlib figure 8 inches wide without the rows that are declared; a hollow mark has no interval.
    """
    import matplotlib
    from matplotlib.figure import Figure

    lines, n_systems = stars.drawn_lines, len(stars.systems)
    with matplotlib.rc_context(SETTINGS):
        size = (8.0, 0.9 + (0.26 + 0.13 * n_systems) * max(1, len(lines)))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        spread = min(0.26, 0.66 / max(1, n_systems - 1))
        for y, line in enumerate(lines):
            axes.plot([1, 5], [y, y], color=LINE, linewidth=5, solid_capstyle="butt", zorder=0)
            for place, cell in enumerate(line.cells):
                if cell.stars is not None:
                    mark(axes, (cell.stars, cell.low, cell.high), y + (place - (n_systems - 1) / 2) * spread, place)
        axes.set_yticks(range(len(lines)), [shortened(line.title, 38) for line in lines])
        axes.set_ylim(max(1, len(lines)) - 0.5, -0.5)
        axes.set_xlim(0.9, 5.1)
        axes.set_xticks(range(1, 6), ["1\nfloor", "2", "3", "4", "5\nceiling"])
        bare(axes)
        figure.suptitle("Stars by row, with 95% interval", x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    return figure
