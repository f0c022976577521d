"""What all figures share: size and style, the marks of systems, axes and legends, and their SVG for a page."""

from __future__ import annotations

import contextlib
import html
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evals.reporting import formatting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#c24e00", "#007f5f", "#a34a7d", "#7a6a00", "#50555c")
"""One colour a system, after Okabe and Ito (2008), darkened until it reads on white; the marker differs too."""

MARKERS = ("o", "s", "^", "D", "v", "P")

INK, LINE = "#1b1f25", "#d5dae1"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextlib.contextmanager
def canvas(width: float, height: float, title: str = "") -> Iterator[Figure]:
    """Yield a figure of so many inches in the report's style, with its title; it is drawn on in the same style."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
        yield figure


def mark(axes: Any, estimate: Sequence[float | None], y: float, place: int, factor: float = 1.0) -> None:
    """Draw a value with its interval at a height in the colour and marker of the system at a place.

    ``estimate`` is the value, the lower and the upper end. A hollow mark has no interval, its ends are None.
    """
    value, low, high = (None if end is None else factor * end for end in estimate)
    colour, interval = COLOURS[place % len(COLOURS)], low is not None and high is not None
    if interval:
        axes.plot([low, high], [y, y], color=colour, linewidth=2)
    axes.plot(
        value,
        y,
        linestyle="none",
        marker=MARKERS[place % len(MARKERS)],
        markersize=6.5,
        color=colour,
        markeredgewidth=1.4,
        markerfacecolor=colour if interval else "none",
    )


def lanes(axes: Any, labels: Sequence[str], longest: int = 22) -> None:
    """Label the heights 0, 1, ... of a panel, the first at the top."""
    axes.set_yticks(range(len(labels)), [shortened(label, longest) for label in labels])
    axes.set_ylim(max(1, len(labels)) - 0.5, -0.5)


def bare(axes: Any, grid: str = "x", few_ticks: bool = False) -> None:
    """Leave of a panel's frame what is read: the base line, and grid lines across ``grid``, "x" or "y".

    With ``few_ticks`` there are three or four values below it, as many as a narrow panel has room for.
    """
    from matplotlib.ticker import MaxNLocator

    if few_ticks:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=3))
    axes.grid(axis=grid, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def with_legend(figure: Figure, systems: Sequence[str]) -> Figure:
    """Add below or beside a figure which colour and marker is which system's, and return it, enlarged by so much."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)], linewidth=2)
        for place in range(len(systems))
    ]
    beside = figure.get_figwidth() < _WIDE
    if beside:
        figure.set_figwidth(figure.get_figwidth() + _LEGEND_WIDTH)
    else:
        figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * -(-len(systems) // 2))
    figure.legend(
        handles,
        [*systems],
        loc="outside right upper" if beside else "outside lower left",
        ncols=1 if beside else 2,
        frameon=False,
        fontsize=8.5,
    )
    return figure


_WIDE, _LEGEND_WIDTH, _LEGEND_LINE = 4.5, 2.4, 0.22
"""Inches: from this width on a legend is below, in two columns, else beside; what it adds in width, and for a line."""


def axis_label(unit: str, better: str) -> str:
    """Return unit and better direction as they stand below an axis.

    Examples
    --------
    >>> axis_label("share of pairs", "higher")
    '% of pairs, higher is better →'
    """
    arrow = {"higher": " \N{RIGHTWARDS ARROW}", "lower": " \N{LEFTWARDS ARROW}"}.get(better, "")
    return ", ".join(part for part in (formatting.unit_label(unit), formatting.direction(better) + arrow) if part)


def shortened(name: str, longest: int) -> str:
    """Return a name that fits beside an axis, cut with an ellipsis where it is longer.

    Examples
    --------
    >>> shortened("Identity consistency", 10)
    'Identity …'
    """
    return name if len(name) <= longest else f"{name[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """Return a figure as an SVG element for an HTML page: equal figures give equal bytes.

    Text stays text, ids are prefixed with ``name`` so that many figures share a page, and ink, lines and the colours
    of the systems become the CSS variables ``--ink``, ``--line`` and ``--system-N``, so that it follows a dark page.
    """
    import matplotlib

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser has the fonts that matplotlib misses when it measures a Chinese name.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*|<style.*?</style>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' transform="rotate\(-?0 [^"]*"| version="1.1"', "", svg)
    svg = re.sub(r'\sxmlns(?::\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]*(; )?", "", svg)
    for place, colour in enumerate(COLOURS):
        svg = svg.replace(colour, f"var(--system-{place})")
    svg = svg.replace(INK, "var(--ink)").replace(LINE, "var(--line)")
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width = float(size[1]) if size else 0.0
    head = f'<svg role="img" aria-label="{html.escape(description)}" style="max-width:{width * 1.5:.0f}px" '
    svg = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", svg, count=2)
    return head + svg.removeprefix("<svg ").strip()
