"""Own values against their control as distributions, with the ends of the star scale where it has any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evals.rating.stars.scales import FrozenScale
from evals.reporting import formatting
from evals.reporting.figures import COLOURS, INK, SETTINGS, axis_label, bare
from metrics.controls import Control
from metrics.specification import MetricSpec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_BINS = 24
_CONTROL = "#8a9099"


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
    spec
        The metric.
    control
        The control that the own values are held against, such as ``impostor`` or ``different_seed``.
    systems
        All systems of the run, in order: the place gives the colour.
    scale
        The frozen scale of the metric (`evals.rating.stars.scales.FrozenScale`): its floor and ceiling become lines,
        and only its suite is drawn.

    Returns
    -------
    Figure
        A matplotlib figure with a panel for each system over one axis: own values filled in the system's colour, the
        control hatched in grey, each as a share of its own measurements.
    """
    import matplotlib
    from matplotlib.figure import Figure

    rows = scores[(scores["metric"] == spec.id) & scores["value"].notna()]
    if scale is not None and scale["suite"]:
        rows = rows[rows["suite"] == scale["suite"]]
    shown = rows[rows["control"].isna() | (rows["control"] == control)]
    factor = 100.0 if formatting.is_share(spec.unit) else 1.0
    ends = [factor * value for value in _ends(scale) if value is not None]
    values = factor * shown["value"].to_numpy(np.float64)
    edges = np.histogram_bin_edges(np.concatenate([values, ends]) if len(values) else np.array([0.0, 1.0]), _BINS)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(6.6, 0.9 + 1.55 * len(systems)), layout="constrained")
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
        figure.suptitle(spec.title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    return figure


def _ends(scale: FrozenScale | None) -> tuple[float | None, float | None]:
    return (None, None) if scale is None else (scale["floor"], scale["ceiling"])


def _fill(axes: Any, values: Any, edges: Any, **style: Any) -> None:
    if len(values):
        axes.hist(values, edges, weights=np.full(len(values), 100 / len(values)), **style)
