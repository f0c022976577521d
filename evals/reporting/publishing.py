"""What a published report has besides its numbers: a name, an introduction, a social card, and nothing private."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from evals.files.regular_files import read_regular
from evals.reporting.answer import Answer
from evals.reporting.figures import COLOURS, INK, LINE, MARKERS, SETTINGS, mark, shortened
from evals.reporting.star_rows import StarLines

CARD = "card.png"

_CARD_ROWS = 9
_CARD_INCHES, _CARD_DPI = (12.0, 6.3), 100
_HEADINGS_BELOW = 2


@dataclass(frozen=True, slots=True)
class Publishing:
    """How a report is published: its ``title``, an ``intro`` in Markdown, and whether it is ``public``.

    A public report says nothing of the machine that made it. Paths are in none.
    """

    title: str = ""
    intro: str = ""
    public: bool = False


NOT_PUBLISHED = Publishing()


def read_intro(path: Path) -> str:
    """Return the text of an introduction.

    Raises
    ------
    OSError
        If the file cannot be read, also where it is no UTF-8 text.
    """
    try:
        return read_regular(path).decode()
    except UnicodeDecodeError:
        raise OSError(0, "it is no UTF-8 text; save it as UTF-8", str(path)) from None


def rendered_intro(text: str) -> Markup:
    """Return Markdown as HTML that loads nothing and runs nothing: HTML in it is shown as text, pictures are left out.

    Its headings stand below those of the page.

    Examples
    --------
    >>> print(rendered_intro("# Round *one* <b>"), end="")
    <h3>Round <em>one</em> &lt;b&gt;</h3>
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + _HEADINGS_BELOW)}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def without_machine(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return a provenance without what it tells of the machine."""
    return provenance | {"machine": {}, "seconds": None}


def social_card(answer: Answer, lines: StarLines) -> bytes:
    """Return the picture that a shared link shows, 1200 x 630: the answer and the first rows of the star table (PNG).

    Equal answers give equal bytes.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = lines.rated[:_CARD_ROWS]
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=_CARD_INCHES, dpi=_CARD_DPI, facecolor="white")
        title = textwrap.fill(answer.title, 52, max_lines=3, placeholder=" \N{HORIZONTAL ELLIPSIS}")
        figure.text(0.05, 0.93, title, fontsize=25, fontweight="bold", va="top", linespacing=1.25)
        top = 0.93 - 0.088 * (title.count("\n") + 1)
        handles = [
            Line2D([], [], color=COLOURS[n % len(COLOURS)], marker=MARKERS[n % len(MARKERS)], linewidth=3, markersize=9)
            for n in range(len(lines.labels))
        ]
        names = [shortened(label, 28) for label in lines.labels]
        figure.legend(handles, names, loc="upper left", bbox_to_anchor=(0.04, top), ncols=4, frameon=False, fontsize=15)
        axes = figure.add_axes((0.36, 0.09, 0.58, top - 0.2))
        spread = min(0.3, 0.66 / max(1, len(lines.labels) - 1))
        for y, line in enumerate(rows):
            axes.plot([0, 100], [y, y], color=LINE, linewidth=6, solid_capstyle="butt", zorder=0)
            for shown in line.marks:
                if shown.at is not None:
                    beside = y + (shown.place - (len(lines.labels) - 1) / 2) * spread
                    mark(axes, (shown.at, shown.begins, shown.ends), beside, shown.place)
        axes.set_yticks(range(len(rows)), [shortened(line.title, 36) for line in rows], fontsize=14)
        axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
        axes.set_xlim(-2.5, 102.5)
        axes.set_xticks(range(0, 101, 25), ["1", "2", "3", "4", "5 stars"], fontsize=13, color=INK)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.text(
            0.95, 0.025, answer.rehearsal.partition(":")[0] or "TwinLens", fontsize=13, ha="right", color="#566070"
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
