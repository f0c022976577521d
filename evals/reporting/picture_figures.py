"""Figures of pictures: those that decide a row of the star table side by side, and pairs with where they differ."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.rating.stars.table import TableRow
from evals.reporting.figures import COLOURS, SETTINGS
from evals.reporting.thumbnails import Thumbnail, difference_levels, heat, read_thumbnail
from evals.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 1.9
"""Inches of a picture."""

_NARROWEST, _WIDEST = 6.0, 11.0
"""Inches in which a title of some words has room, and those that a page has."""


def deciding_figure(run: Run, row: TableRow, systems: Sequence[str], pictures: int = 4) -> Figure:
    """Draw the pictures of the prompts that decide a row of the star table: a line a prompt, the systems side by side.

    Parameters
    ----------
    run
        The run.
    row
        Of the star table (`evals.rating.stars.table.TableRow`).
    systems
        In the order of the table.
    pictures
        How many pictures of each system are shown of a prompt.

    Returns
    -------
    Figure
        A matplotlib figure. Above each system's pictures stands where they lie on the scale of the row, from 0 (floor)
        to 1 (ceiling); where there is no picture, the reason stands in its place.
    """
    import matplotlib
    from matplotlib.figure import Figure

    deciding = row["deciding"]
    width = min(pictures, max((len(ids) for one in deciding for ids in one["samples"].values()), default=1)) or 1
    prompts = _prompts(run)
    with matplotlib.rc_context(SETTINGS):
        side = min(_SIDE, _WIDEST / (width * len(systems)))
        size = (max(_NARROWEST, side * width * len(systems)), (side + 0.9) * max(1, len(deciding)) + 0.3)
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(f"{row['title']}: the prompts that decide it", x=0.01, ha="left", fontweight="bold")
        lines = figure.subfigures(max(1, len(deciding)), 1, squeeze=False)[:, 0]
        for line, one in zip(lines, deciding, strict=False):
            prompt = prompts.get((row["suite"] or "", one["prompt"]), one["prompt"])
            words = "\n".join(textwrap.wrap(prompt, int(15 * size[0]), max_lines=2, placeholder=" …"))
            line.suptitle(words, x=0.01, ha="left", fontsize=8.5)
            panels = line.subplots(1, width * len(systems), squeeze=False)[0]
            for n, axes in enumerate(panels):
                place, of_system = divmod(n, width)
                ids = one["samples"][systems[place]]
                _show(axes, read_thumbnail(run.image_path(ids[of_system])) if of_system < len(ids) else "")
                if of_system == 0:
                    title = f"{systems[place]}\n{_share(one['shares'][systems[place]])}"
                    axes.set_title(title, loc="left", fontsize=8, color=COLOURS[place % len(COLOURS)])
                    if not ids:
                        _say(axes, "no picture was delivered")
    return figure


def pair_figure(run: Run, pairs: Sequence[tuple[str, Sequence[str]]]) -> Figure:
    """Draw pairs of pictures with the map of their difference.

    Parameters
    ----------
    run
        The run.
    pairs
        For each pair what stands above it, and its two sample ids.

    Returns
    -------
    Figure
        A matplotlib figure, a line a pair: first, second, difference (black is none, pale yellow 64 levels of 255 or
        more; of thumbnails, so finer noise is averaged out).
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        size = (_NARROWEST, (_SIDE + 0.35) * max(1, len(pairs)) + 0.3)
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle("Pairs, and where they differ", x=0.01, ha="left", fontweight="bold")
        grid = figure.subplots(max(1, len(pairs)), 3, squeeze=False)
        for axes in grid[len(pairs) :].flat:
            axes.set_axis_off()
        for panels, (title, ids) in zip(grid, pairs, strict=False):
            first, second = (read_thumbnail(run.image_path(sample)) for sample in ids[:2])
            panels[0].set_title(title, loc="left", fontsize=8.5)
            _show(panels[0], first)
            _show(panels[1], second)
            _show_difference(panels[2], first, second)
    return figure


def _prompts(run: Run) -> dict[tuple[str, str], str]:
    """Return the words of every prompt by suite and id, of a sequence those of its first shot."""
    samples, prompts = run.samples, dict[tuple[str, str], str]()
    for column in ("sequence_id", "prompt_id"):
        if column in samples:
            for suite, name, prompt in samples[["suite", column, "prompt"]].itertuples(index=False, name=None):
                prompts.setdefault((suite or "", name), str(prompt))
    return prompts


def _share(share: float | None) -> str:
    return "not known" if share is None else f"{share:.2f} of the scale"


def _show(axes: Any, picture: Thumbnail | str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if isinstance(picture, str):
        _say(axes, picture)
    else:
        axes.imshow(picture.pixels)


def _say(axes: Any, sentence: str) -> None:
    axes.text(0.5, 0.5, textwrap.fill(sentence, 22), ha="center", va="center", transform=axes.transAxes, fontsize=8)


def _show_difference(axes: Any, first: Thumbnail | str, second: Thumbnail | str) -> None:
    if isinstance(first, str) or isinstance(second, str):
        _show(axes, "")
        return
    levels = difference_levels(first, second)
    if levels is None:
        _show(axes, "They differ in size.")
        return
    _show(axes, "")
    axes.imshow(heat(levels))
    axes.set_title(f"differ by {levels.mean():.1f} levels", loc="left", fontsize=8)
