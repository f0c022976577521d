"""Scores of simulated evals whose truth is known: shapes, repeats, missing ones, systems on the same prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from evals.rating.statistics.estimates import Range

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """How scores are distributed: their quantile function, their mean, and the range that they are known to have."""

    name: str
    quantile: Callable[[Numbers], Numbers]
    mean: float | Numbers
    range: Range


def rate(share: float | Numbers, name: str = "") -> Shape:
    return Shape(name or f"rate {share}", lambda level: (level > 1 - share).astype(np.float64), share, (0, 1))


def _capped(level: Numbers) -> Numbers:
    # Probabilities so near to 1 that a float rounds them to it have no finite quantile.
    return np.minimum(level, 1 - 1e-15)


def sparse(share: float, name: str = "") -> Shape:
    """Return scores that are zero but for a share of them, which are exponential."""

    def quantile(level: Numbers) -> Numbers:
        return np.where(level > 1 - share, -np.log1p(-_capped((level - (1 - share)) / share)), 0.0)

    return Shape(name or f"sparse {share}", quantile, share, (0, None))


NORMAL = Shape("normal", special.ndtri, 0.0, (None, None))
EXPONENTIAL = Shape("exponential", lambda level: -np.log1p(-_capped(level)), 1.0, (0, None))
GAMMA = Shape("gamma(4)", lambda level: special.gammaincinv(4, _capped(level)) / 4, 1.0, (0, None))
LOGNORMAL = Shape("lognormal", lambda level: np.exp(special.ndtri(_capped(level))), float(np.exp(0.5)), (0, None))
BOUNDED = Shape("bounded", lambda level: level ** (1 / 9), 0.9, (0, 1))
SPARSE = sparse(0.1, "sparse")


def correlated_levels(
    n_prompts: int, systems: int, repeats: int, evals: int, rng: np.random.Generator, difficulty: Numbers | None = None
) -> Numbers:
    """Return uniform levels of shape (systems, repeats, n_prompts, evals).

    Half of the variance behind a level is the prompt's and shared by all systems, a quarter is the system's on that
    prompt and shared by its repeats, a quarter is the repeat's own. Rows about the same prompts share the standard
    normal ``difficulty`` of shape (n_prompts, evals).
    """
    if difficulty is None:
        difficulty = rng.standard_normal((n_prompts, evals))
    of_system = 0.5 * rng.standard_normal((systems, 1, n_prompts, evals))
    own = 0.5 * rng.standard_normal((systems, repeats, n_prompts, evals))
    return special.ndtr(np.sqrt(0.5) * difficulty + of_system + own)


def prompt_means(shape: Shape, levels: Numbers, missing: float, rng: np.random.Generator) -> Numbers:
    """Return the mean of a prompt's repeats, of shape (n_prompts, evals); NaN where every one of them is missing."""
    scores = shape.quantile(levels)
    is_known = rng.random(scores.shape) >= missing
    n_known = is_known.sum(axis=0)
    total = np.where(is_known, scores, 0.0).sum(axis=0)
    return np.divide(total, n_known, out=np.full_like(total, np.nan), where=n_known > 0)
