"""Figures of pictures: those that decide a row of the star table side by side, and pairs with where they differ."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.rating.stars.table import TableRow
from evals.reporting.figures import COLOURS, canvas
from evals.reporting.thumbnails import Thumbnail, difference_levels, heat, sample_thumbnails
from evals.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 1.9
"""Inches of a picture."""

_NARROWEST, _WIDEST = 6.0, 11.0
"""Inches in which a title of some words has room, and those that a page has."""


def deciding_figure(run: Run, row: TableRow, systems: Sequence[str], pictures: int = 4) -> Figure:
    """Draw the pictures of the prompts that decide a row of the star table: a line a prompt, the systems side by side.

    Of a prompt at most so many ``pictures`` of each system are shown. Above them stands where they lie on the scale of
    the row, from 0 (floor) to 1 (ceiling); where there is no picture, the reason stands in its place.
    """
    deciding = row["deciding"]
    width = min(pictures, max((len(ids) for one in deciding for ids in one["samples"].values()), default=1)) or 1
    prompts = _prompts(run)
    side = min(_SIDE, _WIDEST / (width * len(systems)))
    inches = max(_NARROWEST, side * width * len(systems))
    height = (side + 0.9) * max(1, len(deciding)) + 0.3
    with canvas(inches, height, f"{row['title']}: the prompts that decide it") as figure:
        lines = figure.subfigures(max(1, len(deciding)), 1, squeeze=False)[:, 0]
        for line, one in zip(lines, deciding, strict=False):
            prompt = prompts.get((row["suite"] or "", one["prompt"]), one["prompt"])
            prompt = f"Against it: {prompt}" if one["against"] else prompt
            words = "\n".join(textwrap.wrap(prompt, int(15 * inches), max_lines=2, placeholder=" …"))
            line.suptitle(words, x=0.01, ha="left", fontsize=8.5)
            panels = line.subplots(1, width * len(systems), squeeze=False)[0]
            for n, axes in enumerate(panels):
                place, of_system = divmod(n, width)
                ids = one["samples"][systems[place]]
                _show(axes, sample_thumbnails(run, ids)[ids[of_system]] if of_system < len(ids) else "")
                if of_system == 0:
                    share = one["shares"][systems[place]]
                    title = f"{systems[place]}\n" + ("not known" if share is None else f"{share:.2f} of the scale")
                    axes.set_title(title, loc="left", fontsize=8, color=COLOURS[place % len(COLOURS)])
                    if not ids:
                        _say(axes, "no picture was delivered")
    return figure


def pair_figure(run: Run, pairs: Sequence[tuple[str, Sequence[str]]]) -> Figure:
    """Draw pairs of pictures with the map of their difference.

    A pair is given as what stands above it and its two sample ids, and becomes a line: first, second, difference (black
    is none, pale yellow 64 levels of 255 or more; of thumbnails, so finer noise is averaged out).
    """
    height = (_SIDE + 0.35) * max(1, len(pairs)) + 0.3
    with canvas(_NARROWEST, height, "Pairs, and where they differ") as figure:
        grid = figure.subplots(max(1, len(pairs)), 3, squeeze=False)
        for axes in grid[len(pairs) :].flat:
            axes.set_axis_off()
        for panels, (title, ids) in zip(grid, pairs, strict=False):
            first, second = map(sample_thumbnails(run, ids[:2]).__getitem__, ids[:2])
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


def _show(axes: Any, picture: Thumbnail | str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if isinstance(picture, str):
        _say(axes, picture)
    else:
        axes.imshow(picture.pixels)


def _say(axes: Any, sentence: str) -> None:
    axes.set_box_aspect(1)
    axes.text(0.5, 0.5, textwrap.fill(sentence, 22), ha="center", va="center", transform=axes.transAxes, fontsize=8)


def _show_difference(axes: Any, first: Thumbnail | str, second: Thumbnail | str) -> None:
    _show(axes, "")
    if isinstance(first, str) or isinstance(second, str):
        return
    levels = difference_levels(first, second)
    if levels is None:
        _say(axes, "They differ in size.")
    else:
        axes.imshow(heat(levels))
        axes.set_title(f"differ by {levels.mean():.1f} levels", loc="left", fontsize=8)
