"""Figures of measurements: by metric, by row of the star table, by shot of a sequence, and against their control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evals.rating.comparison import SystemMean
from evals.rating.shots import ShotMean
from evals.rating.stars.scales import FrozenScale
from evals.reporting import formatting
from evals.reporting.figures import COLOURS, INK, LINE, MARKERS, axis_label, bare, canvas, lanes, mark, with_legend
from evals.reporting.star_scales import one_star_at
from evals.reporting.stars import StarSection
from metrics.controls import Control
from metrics.specification import MetricSpec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_BINS = 24
_CONTROL = "#8a9099"


def interval_figure(rows: Sequence[SystemMean], systems: Sequence[str]) -> Figure:
    """Draw the means and 95% intervals of one metric, a dot and a whisker for each system and suite.

    Parameters
    ----------
    rows
        Rows of the ratings, all of one metric; rows without a mean are left out.
    systems
        All systems of the run, in order: the place gives colour and marker, so they are the same in every figure.

    Returns
    -------
    Figure
        A matplotlib figure 3.7 inches wide. A hollow mark has no interval (fewer than five prompts).
    """
    scored = [row for row in rows if row["mean"] is not None]
    suites = list(dict.fromkeys(row["suite"] for row in scored))
    unit, better, title = (rows[0]["unit"], rows[0]["better"], rows[0]["title"]) if rows else ("", "neither", "")
    factor = 100.0 if formatting.is_share(unit) else 1.0
    by_system = len(suites) == 1
    labels = list(systems) if by_system else [formatting.suite_name(suite) for suite in suites]
    spread = 0.0 if by_system or len(systems) == 1 else min(0.24, 0.64 / (len(systems) - 1))
    lane = 0.36 if by_system else 0.3 + 0.1 * len(systems)
    with canvas(3.7, 0.95 + lane * max(1, len(labels)), title) as figure:
        axes = figure.subplots()
        for row in scored:
            place = systems.index(row["system"])
            y = place if by_system else suites.index(row["suite"]) + (place - (len(systems) - 1) / 2) * spread
            mark(axes, (row["mean"], row["low"], row["high"]), y, place, factor)
        lanes(axes, labels)
        axes.margins(x=0.06)
        bare(axes, few_ticks=True)
        figure.supxlabel(axis_label(unit, better), x=0.01, ha="left", fontsize=8.5)
    return figure


def star_figure(stars: StarSection) -> Figure:
    """Draw the stars of every system in every row that has any, with 95% intervals, chance left and ceilings right.

    The figure is 8 inches wide, without the rows that are declared; a hollow mark has no interval.
    """
    lines, n_systems = stars.drawn_lines, len(stars.systems)
    height = 0.9 + (0.26 + 0.13 * n_systems) * max(1, len(lines))
    with canvas(8.0, height, "Stars by row, with 95% interval") as figure:
        axes = figure.subplots()
        spread = min(0.26, 0.66 / max(1, n_systems - 1))
        for y, line in enumerate(lines):
            axes.plot([1, 5], [y, y], color=LINE, linewidth=5, solid_capstyle="butt", zorder=0)
            for place, cell in enumerate(line.cells):
                if cell.stars is not None:
                    mark(axes, (cell.stars, cell.low, cell.high), y + (place - (n_systems - 1) / 2) * spread, place)
        lanes(axes, [line.title for line in lines], 38)
        axes.set_xlim(0.9, 5.1)
        axes.set_xticks(range(1, 6), ["1\nchance", "2", "3", "4", "5\nceiling"])
        bare(axes)
    return figure


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
    from matplotlib.ticker import MaxNLocator

    with canvas(6.4, 3.6, "Similarity to the first shot, mean over sequences with 95% interval") as figure:
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
        return with_legend(figure, systems)


def distribution_figure(
    scores: pd.DataFrame,
    spec: MetricSpec,
    control: Control,
    systems: Sequence[str],
    scale: FrozenScale | None = None,
) -> Figure:
    """Draw for each system how its own values of a metric and those of a control are distributed.

    Parameters
    ----------
    scores
        The score table, or the part of it that is to be shown.
    spec, control
        The metric, and the control that the own values are held against, such as ``impostor``.
    systems
        All systems of the run, in order: the place gives the colour.
    scale
        The frozen scale of the metric: where one star and five lie become lines, and only its suite is drawn.

    Returns
    -------
    Figure
        A matplotlib figure with a panel for each system over one axis: own values filled in the system's colour, the
        control hatched in grey, each as a share of its own measurements.
    """
    rows = scores[(scores["metric"] == spec.id) & scores["value"].notna()]
    if scale is not None and scale["suite"]:
        rows = rows[rows["suite"] == scale["suite"]]
    shown = rows[rows["control"].isna() | (rows["control"] == control)]
    factor = 100.0 if formatting.is_share(spec.unit) else 1.0
    ends = [factor * end for end in (one_star_at(scale), scale["ceiling"]) if end is not None] if scale else []
    values = factor * shown["value"].to_numpy(np.float64)
    edges = np.histogram_bin_edges(np.concatenate([values, ends]) if len(values) else np.array([0.0, 1.0]), _BINS)
    with canvas(6.6, 0.9 + 1.55 * len(systems), spec.title) as figure:
        panels = figure.subplots(len(systems), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for place, (axes, system) in enumerate(zip(panels, systems, strict=True)):
            of_system = shown[shown["system"] == system]
            is_own = of_system["control"].isna()
            own, other = (factor * of_system.loc[kind, "value"].to_numpy(np.float64) for kind in (is_own, ~is_own))
            _fill(axes, other, edges, color="none", edgecolor=_CONTROL, hatch="////")
            _fill(axes, own, edges, color=COLOURS[place % len(COLOURS)], alpha=0.75)
            for value in ends:
                axes.axvline(value, color=INK, linewidth=1.0, linestyle=":")
            title = f"{system}: {len(own)} own values (filled), {len(other)} of {control.replace('_', ' ')} (hatched)"
            axes.set_title(title, loc="left", fontsize=8.5)
            axes.set_ylabel("% of them", fontsize=8.5)
            bare(axes, "y")
        label = axis_label(spec.unit, spec.better)
        panels[-1].set_xlabel(label + ("; dotted: one star and five stars" if ends else ""), loc="left", fontsize=8.5)
    return figure


def _fill(axes: Any, values: Any, edges: Any, **style: Any) -> None:
    if len(values):
        axes.hist(values, edges, weights=np.full(len(values), 100 / len(values)), **style)
