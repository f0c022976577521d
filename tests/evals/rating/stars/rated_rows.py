"""Rated rows of the star table, made by hand from places on the scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from evals.rating.stars.cells import in_stars, star_differences
from evals.rating.stars.prompt_scores import PromptScores
from evals.rating.stars.table import RatedRow
from evals.rating.stars.verdicts import settle
from evals.rating.statistics.intervals import MIN_PROMPTS

FLUX, GEMINI = "flux-2-pro@bfl", "gemini-3-pro-image@google"
HIGH, LOW = np.linspace(0.7, 0.9, 12), np.linspace(0.2, 0.35, 12)
"""Places on the scale that no twelve prompts confuse."""

UNSURE = LOW + 0.5 * np.resize([1.0, -0.9], 12)
"""Anything from far above the low places to far below them."""


def rated_row(
    row_id: str, kind: str = "measured", suite: str | None = "s", weight: float = 1.0, problem: str | None = None,
    indistinguishable: bool = False, prompts: Sequence[str] | None = None,
    shares: dict[str, Sequence[float]] | None = None, declared: dict[str, float | None] | None = None,
    are_prices: bool = False, rates: bool = False, chance: float = 0.0, **systems: Sequence[float],
) -> RatedRow:  # fmt: skip
    """Return a rated row from the places of systems, one a prompt, settled alone; without any it has no stars."""
    shares = shares or systems
    n_prompts = len(next(iter(shares.values()), []))
    table = pd.DataFrame(shares, index=pd.Index(prompts or range(n_prompts), name="prompt"))
    nothing = pd.DataFrame()
    scores = PromptScores(table, nothing, nothing, nothing, nothing, {}, chance, rates)
    told: dict[str, Any] = {
        "id": row_id, "kind": kind, "suite": suite, "weight": weight, "problem": problem,
        "cells": [{"system": system, "stars": _stars(table[system], chance)} for system in table],
        "declared_cells": [{"system": system, "stars": stars} for system, stars in (declared or {}).items()],
        "differences": star_differences(scores, list(table), are_prices),
    }  # fmt: skip
    rated = RatedRow(told, scores if shares else None, indistinguishable, are_prices)
    settle([rated])
    return rated


def _stars(places: pd.Series[float], chance: float) -> float | None:
    return in_stars(places.mean(), chance) if places.count() >= MIN_PROMPTS else None
