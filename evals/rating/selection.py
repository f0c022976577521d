"""The ratings of some systems out of a run of more, with the verdicts of the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evals.files.yaml_files import suggestion
from evals.rating.stage import RunRatings
from evals.rating.stars.article import hold_against
from evals.rating.stars.document import Stars
from evals.rating.stars.recommendations import select_case
from evals.rating.stars.table import Deciding, TableRow
from evals.rating.stars.totals import select_pairs, select_totals


class SelectionError(ValueError):
    """A system that is asked for is not in the run, or there are fewer than two; the sentence says what to do."""


def find_systems(names: Sequence[str], systems: Sequence[str]) -> list[str]:
    """Return the systems of a run that are meant by some names: whole ones, or a model that one host alone serves.

    Raises
    ------
    SelectionError
        If a name is none of them, or fewer than two are named.

    Examples
    --------
    >>> find_systems(["gemini-3-pro-image", "flux-2-pro@bfl"], ["flux-2-pro@bfl", "gemini-3-pro-image@google"])
    ['gemini-3-pro-image@google', 'flux-2-pro@bfl']
    """
    chosen: dict[str, None] = {}
    for name in names:
        served = [system for system in systems if system == name] or [
            system for system in systems if system.rpartition("@")[0] == name
        ]
        if len(served) != 1:
            raise SelectionError(f"--systems: the run has no system {name!r}; {suggestion(name, systems)}.")
        chosen[served[0]] = None
    if len(chosen) < 2:
        raise SelectionError(f"--systems: name two systems or more, with a comma; the run has {', '.join(systems)}.")
    return list(chosen)


def select_stars(stars: Stars, systems: Sequence[str]) -> Stars:
    """Return the star document of some of its systems, in the order given.

    Nothing is computed anew. There is one source of verdicts: floors, scales, the rows of a total, p-values and who is
    ahead stay those of the whole run, whose family of comparisons they were corrected for. A pair that is looked at by
    itself because it looks promising earns no smaller correction; to compare two systems alone, rate an eval of two.

    Bradley-Terry strengths hold the systems against all of a run's, so there are none for fewer.
    """
    rows = {row["id"]: _select_row(row, systems) for row in stars["rows"]}
    selected = stars.copy()
    selected |= {
        "systems": list(systems),
        "simulated": [system for system in systems if system in stars["simulated"]],
        "rows": list(rows.values()),
        "totals": select_totals(stars["totals"], systems),
        "bradley_terry": stars["bradley_terry"] if set(systems) >= set(stars["systems"]) else None,
        "article_stars": {
            row: hold_against(rows[row], article, systems, stars["simulated"])
            for row, article in stars["article_stars"].items()
        },
        "recommendations": [select_case(case, systems) for case in stars["recommendations"]],
        "costs": [cost for cost in stars["costs"] if cost["system"] in systems],
    }
    return selected


def _select_row(row: TableRow, systems: Sequence[str]) -> TableRow:
    selected = row.copy()
    selected |= {
        "cells": _of(systems, row["cells"]),
        "declared_cells": _of(systems, row["declared_cells"]),
        "differences": select_pairs(row["differences"], systems),
        "components": [part | {"cells": _of(systems, part["cells"])} for part in row["components"]],
        "places": {prompt: {system: places[system] for system in systems} for prompt, places in row["places"].items()},
        "deciding": [_select_prompt(prompt, systems) for prompt in row["deciding"]],
    }
    return selected


def _select_prompt(prompt: Deciding, systems: Sequence[str]) -> Deciding:
    selected = prompt.copy()
    selected["shares"] = {system: prompt["shares"][system] for system in systems}
    selected["samples"] = {system: prompt["samples"][system] for system in systems}
    return selected


def select_ratings(ratings: RunRatings, systems: Sequence[str]) -> RunRatings:
    """Return the ratings of some of the systems of a run, in the order given (`select_stars`).

    Warnings and controls stay, for they tell of the material and of the metrics.
    """
    selected = ratings.copy()
    selected |= {
        "systems": list(systems),
        "rows": [row for row in ratings["rows"] if row["system"] in systems],
        "differences": select_pairs(ratings["differences"], systems),
        "common_prompts": select_pairs(ratings["common_prompts"], systems),
        "stars": select_stars(ratings["stars"], systems),
    }
    return selected


def _of(systems: Sequence[str], rows: Sequence[Any]) -> list[Any]:
    order = {system: place for place, system in enumerate(systems)}
    return sorted((row for row in rows if row["system"] in order), key=lambda row: order[row["system"]])
