"""The gallery: every prompt with the pictures of all systems, as the document that its page shows piece by piece."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evals.imageset.visible import visible
from evals.rating.stars.cells import in_stars
from evals.rating.stars.document import Stars
from evals.reporting import formatting
from evals.reporting.copies import Copies, Copy
from evals.reporting.exhibits import Column, Exhibit, Picture, Score


def limited(exhibits: Iterable[Exhibit], prompts_per_suite: int | None) -> list[Exhibit]:
    """Return at most so many prompts of each suite: those on which the systems lie farthest apart, in their order."""
    every = list(exhibits)
    if prompts_per_suite is None:
        return every
    ranked = sorted(every, key=lambda one: (-one.spread, one.unit))
    taken: Counter[str] = Counter()
    kept = set()
    for one in ranked:
        taken[one.suite] += 1
        if taken[one.suite] <= prompts_per_suite:
            kept.add((one.suite, one.unit))
    return [one for one in every if (one.suite, one.unit) in kept]


def document(exhibits: Sequence[Exhibit], stars: Stars, systems: Sequence[str], copies: Copies) -> str:
    """Return the gallery as JSON that may stand in a page: no text of it can end the script that it lies in.

    What is empty is left out. Of a prompt ``rows`` gives the stars that it alone would have by row and system, and
    ``higher`` the system that lies higher (-1 where none does).
    """
    rows = [row for row in stars["rows"] if row["places"]]
    chances = {row["id"]: row["chance"] or 0.0 for row in rows}
    titles: dict[str, int] = {}
    content = {
        "systems": list(systems),
        "suites": [formatting.suite_name(suite) for suite in dict.fromkeys(one.suite for one in exhibits)],
        "rows": [{"id": row["id"], "title": row["title"]} for row in rows],
        "prompts": [_prompt(one, chances, systems, copies, titles) for one in exhibits],
        "metrics": list(titles),
    }
    text = json.dumps(_shown(content), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(value: Any) -> Any:
    """Return a document in which no text steers a terminal or turns a line round, and what is empty is left out."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items() if item or _is_number(item)}
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else value


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _prompt(
    one: Exhibit, chances: Mapping[str, float], systems: Sequence[str], copies: Copies, titles: dict[str, int]
) -> dict[str, Any]:
    higher = {row: one.higher(row) for row in one.places}
    return {
        "suite": formatting.suite_name(one.suite),
        "id": one.unit,
        "texts": list(one.prompts),
        "rows": {row: [_stars(of.get(name), chances[row]) for name in systems] for row, of in one.places.items()},
        "higher": {row: systems.index(name) if name in systems else -1 for row, name in higher.items()},
        "spread": round(one.spread, 3),
        "sources": [_copy(copies.picture(name)) for name in one.sources],
        "columns": [_column(column, copies, titles) for column in one.columns],
    }


def _stars(place: float | None, chance: float) -> float | None:
    stars = None if place is None else in_stars(place, chance)
    return None if stars is None else round(stars, 1)


def _column(column: Column, copies: Copies, titles: dict[str, int]) -> dict[str, Any]:
    difference = copies.difference(column.pair) if column.pair else None
    return {
        "pictures": [_picture(picture, copies, titles) for picture in column.pictures],
        "outcomes": list(column.outcomes),
        "withheld": column.withheld,
        "unscored": column.unscored,
        "scores": _scores(column.scores, titles),
        "difference": {**_copy(difference), "label": column.pair.label} if difference and column.pair else None,
    }


def _picture(picture: Picture, copies: Copies, titles: dict[str, int]) -> dict[str, Any]:
    copy = copies.picture(picture.sample_id)
    annotations = picture.annotations if isinstance(copy, Copy) else picture.annotations.without_marks()
    return {
        **_copy(copy),
        "label": picture.label,
        "marks": [[mark.kind, [number for corner in mark.corners for number in corner], mark.label]
                  for mark in annotations.marks],
        "reading": [[[list(piece) for piece in line.pieces], line.exact] for line in annotations.reading],
        "notes": list(annotations.notes),
        "scores": _scores(picture.scores, titles),
    }  # fmt: skip


def _copy(copy: Copy | str) -> dict[str, Any]:
    if isinstance(copy, str):
        return {"absent": copy}
    return {"address": copy.address, "width": copy.width, "height": copy.height}


def _scores(scores: Sequence[Score], titles: dict[str, int]) -> list[list[Any]]:
    """Return each as the place of its title, its value, and 1 if a star is made of it, 2 if it is a reason."""
    return [
        [titles.setdefault(score.title, len(titles)), score.value, 2 * (not score.scored) + score.of_row]
        for score in scores
    ]
