"""The figure of a sequence: how alike each shot is to the first, shot by shot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evals.rating.shots import ShotMean
from evals.reporting.figures import COLOURS, INK, MARKERS, SETTINGS, bare, with_legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def shot_figure(rows: Sequence[ShotMean], systems: Sequence[str], floor: float | None = None) -> Figure:
    """Draw the mean similarity of every shot to the first, with 95% intervals, a line for each system.

    Parameters
    ----------
    rows
        As `evals.rating.shots.similarity_by_shot` returns them.
    systems
        All systems of the run, in order: the place gives colour and marker.
    floor
        What impostors reach, drawn as a dotted line where it is known.

    Returns
    -------
    Figure
        A matplotlib figure. A hollow mark has no interval (fewer than five sequences).
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        for place, system in enumerate(systems):
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            own = [row for row in rows if row["system"] == system]
            beside = 0.06 * (place - (len(systems) - 1) / 2)
            axes.plot([row["shot"] + beside for row in own], [row["mean"] for row in own], color=colour, linewidth=1.2)
            for row in own:
                low, high, face = row["low"], row["high"], "none"
                if low is not None and high is not None:
                    axes.plot([row["shot"] + beside] * 2, [low, high], color=colour, linewidth=2)
                    face = colour
                axes.plot(row["shot"] + beside, row["mean"], marker=marker, color=colour, markerfacecolor=face)
        if floor is not None:
            axes.axhline(floor, color=INK, linewidth=1.0, linestyle=":")
            axes.text(0.0, floor, " impostors", transform=axes.get_yaxis_transform(), va="bottom", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("shot of the sequence", loc="left", fontsize=8.5)
        axes.set_ylabel("face similarity to the first shot", fontsize=8.5)
        bare(axes, "y")
        title = "Similarity to the first shot, mean over sequences with 95% interval"
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
        return with_legend(figure, systems)
