"""More than two systems on one scale: Bradley-Terry strengths with Davidson's ties, from who wins on each prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from evals.rating.statistics.intervals import (
    MIN_PROMPTS,
    Estimate,
    Numbers,
    paired_differences,
    percentile_estimate,
    prompt_resamples,
)

PRIOR_SD = 10.0
"""Of the log-strengths' normal prior: so wide that it moves no estimate which the prompts determine."""

_LONGEST_STEP = 2.0
_MAX_STEPS = 100
_SMALLEST_STEP = 1e-9


@dataclass(frozen=True, slots=True)
class DavidsonFit:
    """Centred log-strengths of shape (..., systems) and the tie parameter nu of shape (...)."""

    log_strengths: Numbers
    tie_parameter: Numbers


@dataclass(frozen=True, slots=True)
class BradleyTerry:
    """The log-strength of each system, centred on zero, and how readily two equal ones tie.

    ``unbounded`` says which systems have no finite strength, as they won (or lost) whatever tells them from the
    others; the figures of all systems are then what the prior allows, and only their order means anything.
    """

    systems: tuple[str, ...]
    log_strengths: tuple[Estimate, ...]
    tie_parameter: float
    unbounded: str | None


def bradley_terry(scores: Numbers, systems: Sequence[str], seed: int) -> BradleyTerry:
    r"""Return the log-strength of every system with its 95 % bootstrap interval over prompts.

    System i beats j with the probability :math:`\pi_i / (\pi_i + \pi_j + \nu \sqrt{\pi_i \pi_j})` and ties with it
    with :math:`\nu \sqrt{\pi_i \pi_j}` over the same sum; a difference of the log-strengths :math:`\log \pi` is the
    log-odds of winning, ties aside. All the pairs of one prompt are drawn together, as they are not independent.

    Parameters
    ----------
    scores
        One row a prompt, one column a system, higher being better; NaN where a system has no score, and it meets
        nobody there.
    systems
        The names of the columns.
    seed
        Of the bootstrap.

    Raises
    ------
    ValueError
        If there are fewer than two systems, or two groups of them share too few prompts: two systems are compared from
        5 common ones on, and no comparison joins their scales.

    References
    ----------
    Bradley and Terry 1952, Rank analysis of incomplete block designs, Biometrika 39; Davidson 1970, On extending the
    Bradley-Terry model to accommodate ties in paired comparison experiments, JASA 65.

    Examples
    --------
    >>> scores = np.array([[3, 2, 1], [3, 1, 2], [1, 3, 2], [2, 2, 1], [3, 2, 1], [1, 2, 3]], float)
    >>> fitted = bradley_terry(scores, ["red", "green", "blue"], seed=0)
    >>> [round(estimate.value, 2) for estimate in fitted.log_strengths], fitted.unbounded
    ([0.37, 0.12, -0.49], None)
    """
    return strengths_of_outcomes(*_outcomes(scores), systems, seed)


def strengths_of_outcomes(wins: Numbers, ties: Numbers, systems: Sequence[str], seed: int) -> BradleyTerry:
    """Return the log-strengths of `bradley_terry` from who beat whom and who tied with whom on each prompt.

    Parameters
    ----------
    wins, ties
        Of shape (prompts, systems, systems), ties symmetric; the outcomes of two systems on a prompt add up to 1, or
        to 0 where they did not meet there.
    systems, seed
        As for `bradley_terry`, which says what is raised too.
    """
    met = (wins + ties).sum(axis=(1, 2)) > 0
    wins, ties = wins[met], ties[met]
    _refuse_separate_scales(wins.sum(axis=0), ties.sum(axis=0), systems)
    fit = fit_davidson(wins.sum(axis=0), ties.sum(axis=0))
    n_prompts, shape = len(wins), (-1, *wins.shape[1:])
    flat_wins, flat_ties = wins.reshape(n_prompts, -1), ties.reshape(n_prompts, -1)
    resampled = np.concatenate(
        [
            fit_davidson((draws @ flat_wins).reshape(shape), (draws @ flat_ties).reshape(shape)).log_strengths
            for draws in prompt_resamples(n_prompts, seed)
        ]
    )
    estimates = (
        percentile_estimate(float(value), strengths, n_prompts)
        for value, strengths in zip(fit.log_strengths, resampled.T, strict=True)
    )
    unbounded = _unbounded(wins.sum(axis=0), ties.sum(axis=0), systems)
    return BradleyTerry(tuple(systems), tuple(estimates), float(fit.tie_parameter), unbounded)


def fit_davidson(wins: Numbers, ties: Numbers, prior_sd: float = PRIOR_SD) -> DavidsonFit:
    """Return the strengths that make the counts most probable, for one table of counts or many at once.

    Parameters
    ----------
    wins
        Of shape (..., systems, systems): how often the row's system beat the column's.
    ties
        Of the same shape, symmetric: how often the two tied.
    prior_sd
        Standard deviation of the normal prior, with mean zero, on each log-strength and on log nu. It keeps those
        finite that the counts leave open: a system that won always, ties that never happened.

    Raises
    ------
    ValueError
        If Newton's steps do not settle.

    Examples
    --------
    >>> wins, ties = np.array([[0, 12, 15], [5, 0, 10], [3, 6, 0]]), np.array([[0, 3, 2], [3, 0, 4], [2, 4, 0]])
    >>> fit = fit_davidson(wins, ties, prior_sd=1e6)
    >>> fit.log_strengths.round(5).tolist(), round(float(fit.tie_parameter), 5)
    ([0.84633, -0.13466, -0.71167], 0.40647)
    """
    n_systems = wins.shape[-1]
    first, second = np.triu_indices(n_systems, k=1)
    counts = np.stack([wins[..., first, second], wins[..., second, first], ties[..., first, second]], axis=-1)
    counts = counts.reshape(-1, *counts.shape[-2:]).astype(np.float64)
    terms = _terms(n_systems)
    trials = counts.sum(axis=-1)
    parameters = np.zeros((len(counts), n_systems + 1))
    for _ in range(_MAX_STEPS):
        utilities = parameters @ terms.reshape(-1, n_systems + 1).T
        chances = np.exp(utilities.reshape(counts.shape) - utilities.reshape(counts.shape).max(axis=-1, keepdims=True))
        chances /= chances.sum(axis=-1, keepdims=True)
        expected = trials[..., None] * chances
        gradient = np.einsum("bpo,pok->bk", counts - expected, terms) - parameters / prior_sd**2
        means = np.einsum("bpo,pok->bpk", chances, terms)
        curvature = np.einsum("bpo,pok,pol->bkl", expected, terms, terms, optimize=True)
        curvature -= np.einsum("bp,bpk,bpl->bkl", trials, means, means, optimize=True)
        curvature += np.eye(n_systems + 1) / prior_sd**2
        # The counts say nothing of all strengths together; the prior holds their sum at zero.
        curvature[:, :n_systems, :n_systems] += 1.0
        steps = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        longest = np.abs(steps).max(axis=-1, keepdims=True)
        parameters += steps * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, _SMALLEST_STEP))
        if longest.max(initial=0.0) < _SMALLEST_STEP:
            shape = wins.shape[:-2]
            return DavidsonFit(parameters[:, :-1].reshape(*shape, n_systems), np.exp(parameters[:, -1]).reshape(shape))
    raise ValueError(f"the strengths of {n_systems} systems do not settle in {_MAX_STEPS} steps")


def _terms(n_systems: int) -> Numbers:
    """Return, for each pair's outcomes (first wins, second wins, tie), the coefficients of log-strengths and log nu."""
    pairs = list(combinations(range(n_systems), 2))
    terms = np.zeros((len(pairs), 3, n_systems + 1))
    for pair, (first, second) in enumerate(pairs):
        terms[pair, 0, first] = terms[pair, 1, second] = terms[pair, 2, n_systems] = 1.0
        terms[pair, 2, [first, second]] = 0.5
    return terms


def _outcomes(scores: Numbers) -> tuple[Numbers, Numbers]:
    """Return who beat whom and who tied with whom on each prompt, of shape (prompts, systems, systems)."""
    first, second = np.broadcast_arrays(scores[:, :, None], scores[:, None, :])
    differences = paired_differences(first, second)
    ties = (differences == 0) & ~np.eye(scores.shape[1], dtype=bool)
    return (differences > 0).astype(np.float64), ties.astype(np.float64)


def _reachable(edges: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    reached = edges | np.eye(len(edges), dtype=bool)
    for _ in range(len(edges)):
        reached = reached @ reached
    return reached


def _refuse_separate_scales(wins: Numbers, ties: Numbers, systems: Sequence[str]) -> None:
    if len(systems) < 2:
        raise ValueError("strengths are those of two systems or more")
    # Each way a prompt counts once: as a win of one of the two, or, symmetrically, as a tie.
    n_prompts = (wins + wins.T) + ties
    joined = _reachable(n_prompts.round(6) >= MIN_PROMPTS)[0]
    if not joined.all():
        here = ", ".join(name for name, is_joined in zip(systems, joined, strict=True) if is_joined)
        there = ", ".join(name for name, is_joined in zip(systems, joined, strict=True) if not is_joined)
        raise ValueError(
            f"{here} and {there} have no scale in common: no two of them were compared on {MIN_PROMPTS} prompts or more"
        )


def _unbounded(wins: Numbers, ties: Numbers, systems: Sequence[str]) -> str | None:
    """Return the sentence that names the systems whose strength has no bound, after Ford's condition."""
    # Strengths are finite if every system holds its own, through others too, against every other.
    holds = _reachable((wins + ties) > 0)
    one_way = holds & ~holds.T
    never_lost = ", ".join(
        name for name, over, under in zip(systems, one_way, one_way.T, strict=True) if over.any() and not under.any()
    )
    if not never_lost:
        return None
    return f"{never_lost} never lost to the others here, so that these prompts set no bound to its strength"
