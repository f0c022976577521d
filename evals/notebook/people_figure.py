"""The figure of the votes: shares of wins by row, and how the metrics of each row do against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evals.reporting.figures import INK, LINE, bare, canvas, lanes, mark, with_legend
from evals.voting.people import People

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def people_figure(people: People, systems: Sequence[str]) -> Figure:
    """Draw people's shares of wins left, right how often a row's metrics prefer what people prefer; both in per cent.

    The whiskers are 95 % intervals, a hollow mark has none. The dark line on the right is how often one voter is with
    the others: a metric that reaches it is worth one more voter. 50 is chance.
    """
    rows, n_systems = people["rows"], max(1, len(systems))
    spread = min(0.26, 0.66 / max(1, n_systems - 1))
    with canvas(8.0, 1.1 + (0.3 + 0.12 * n_systems) * max(1, len(rows)), "People's blind votes") as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for y, row in enumerate(rows):
            for one in row["systems"]:
                if one["system"] in systems:
                    place, share = systems.index(one["system"]), one["share"]
                    ends = (share["value"], share["low"], share["high"])
                    mark(left, ends, y + (place - (n_systems - 1) / 2) * spread, place, 100.0)
            own = [metric for metric in row["metrics"] if metric["in_row"] and metric["accuracy"] is not None]
            for n, metric in enumerate(own):
                height = y + (n - (len(own) - 1) / 2) * 0.3
                mark(right, (metric["accuracy"], metric["low"], metric["high"]), height, n_systems + n, 100.0)
                name = {"xytext": (4, 0), "textcoords": "offset points", "fontsize": 7, "va": "center"}
                right.annotate(metric["metric"], (100, height), **name)
            if (ceiling := row["one_voter"]["value"]) is not None:
                right.plot([100 * ceiling] * 2, [y - 0.36, y + 0.36], color=INK, linewidth=1.6)
        lanes(left, [row["title"] for row in rows])
        for axes, label in ((left, "share of wins, %"), (right, "pairs on which the metric prefers what people do, %")):
            axes.axvline(50, color=LINE, linewidth=1.2, zorder=0)
            axes.set_xlim(0, 100)
            axes.set_xlabel(label, fontsize=8)
            bare(axes)
    return with_legend(figure, systems)
