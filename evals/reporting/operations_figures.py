"""Figures of what asking was like: latency, money and outcomes by size, and what many pictures a month cost."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.rating.monthly_cost import MonthlyCost, UsdRange
from evals.rating.operations import SystemOperations
from evals.rating.request_figures import Figure as OperationFigure
from evals.reporting import formatting
from evals.reporting.figures import COLOURS, MARKERS, axis_label, bare, canvas, lanes, mark, with_legend
from evals.reporting.operations import FIGURES, GREATER_OR_EQUAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def operations_figure(rows: Sequence[SystemOperations], systems: Sequence[str], names: Sequence[str]) -> Figure:
    """Draw figures of the requests side by side: a panel each, a lane for each size, a mark for each system.

    Parameters
    ----------
    rows
        As `evals.rating.operations.operations` returns them.
    systems
        All systems of the run, in order: the place gives colour and marker.
    names
        Keys of `evals.reporting.operations.FIGURES`, such as ``operations.latency_p50``; of one unit they share their
        axis.

    Returns
    -------
    Figure
        A matplotlib figure. A hollow mark has no interval, one with "≥" is a lower bound; a system that was asked and
        of which the figure is not known says so in its lane.
    """
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    lane = 0.26 + 0.18 * len(systems)
    with canvas(1.2 + 2.5 * len(names), 1.15 + lane * max(1, len(sizes))) as figure:
        one_unit = len({FIGURES[name].unit for name in names}) == 1
        panels = figure.subplots(1, len(names), sharey=True, sharex=one_unit, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            spec = FIGURES[name]
            for row in rows:
                place = systems.index(row["system"])
                y = sizes.index(row["size"]) + (place - (len(systems) - 1) / 2) * min(0.26, 0.66 / len(systems))
                _draw(axes, row["figures"][name], spec.unit, y, place)
            axes.set_title(textwrap.fill(spec.title, 26), loc="left", fontsize=9.5, fontweight="bold")
            axes.set_xlabel(textwrap.fill(axis_label(spec.unit, spec.better), 36), loc="left", fontsize=8.5)
            axes.margins(x=0.12)
            bare(axes, few_ticks=True)
        lanes(panels[0], [f"size {size}" if size else "size not told" for size in sizes])
        return with_legend(figure, systems)


def _draw(axes: Any, figure: OperationFigure, unit: str, y: float, place: int) -> None:
    colour = COLOURS[place % len(COLOURS)]
    if figure["value"] is None:
        axes.text(0.02, y, "not known", transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, color=colour)
        return
    factor = 100.0 if formatting.is_share(unit) else 1.0
    mark(axes, (figure["value"], figure["low"], figure["high"]), y, place, factor)
    if figure["at_least"]:
        point, style = (factor * figure["value"], y), {"textcoords": "offset points", "ha": "right", "color": colour}
        axes.annotate(GREATER_OR_EQUAL, point, (-9, -3), **style)


def monthly_cost_figure(costs: Sequence[MonthlyCost], systems: Sequence[str]) -> Figure:
    """Draw what a month costs over the number of pictures, both on logarithmic axes.

    There is a line for each system with the band of its least and most, dashed with the discount for pictures that may
    wait; systems without a price have none.
    """
    from matplotlib.ticker import NullLocator, StrMethodFormatter

    with canvas(6.4, 4.0, "Cost of a month; dashed: where pictures may wait (batch)") as figure:
        axes = figure.subplots()
        for place, system in enumerate(systems):
            if priced := [(cost, cost["usd"]) for cost in costs if cost["system"] == system and cost["usd"]]:
                _draw_months(axes, priced, place)
        if axes.lines:
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xticks(sorted({cost["n_images"] for cost in costs}))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.text(0.5, 0.5, "no system here has a known price", transform=axes.transAxes, ha="center")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("accepted pictures a month", loc="left", fontsize=8.5)
        axes.set_ylabel("USD a month", fontsize=8.5)
        bare(axes, "both")
        return with_legend(figure, systems)


def _draw_months(axes: Any, priced: Sequence[tuple[MonthlyCost, UsdRange]], place: int) -> None:
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    volumes = [cost["n_images"] for cost, _ in priced]
    axes.plot(volumes, [usd["middle"] for _, usd in priced], color=colour, marker=marker, linewidth=2)
    ends = [usd["low"] for _, usd in priced], [usd["high"] for _, usd in priced]
    axes.fill_between(volumes, *ends, color=colour, alpha=0.18, linewidth=0)
    if batch := [(cost["n_images"], cost["usd_batch"]["middle"]) for cost, _ in priced if cost["usd_batch"]]:
        axes.plot(*zip(*batch, strict=True), color=colour, linewidth=1.4, linestyle="--")
