"""How well the two judges of prompt adherence agree: rank correlations over prompts, and who each calls better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.statistics.intervals import MIN_PROMPTS, Estimate, Numbers, bootstrap_estimate
from evals.rating.statistics.proportions import rate_estimate
from metrics.catalogue import METRICS

_AGREEING = [spec for spec in METRICS if "agreement" in spec.derived]
VQA: Final = next(spec.id for spec in _AGREEING if spec.question)
CLIP: Final = next(spec.id for spec in _AGREEING if not spec.question)
JUDGES: Final = (VQA, CLIP)
"""Both are better when higher; they look at the same pictures by different means."""

DECIMALS: Final = 5
"""Scores are compared to so many decimals: beyond them a value may depend on the batch that it was computed in."""

MISSING: Mapping[str, str] = {
    "no_vqa": f"no picture has a score of {VQA}",
    "no_clip": f"no picture has a score of {CLIP}",
    "no_picture_in_common": "no picture has scores of both",
    "few_prompts": f"fewer than {MIN_PROMPTS} prompts have scores of both",
    "constant": "one of them gives every prompt the same score",
    "one_system": "fewer than two systems have scores of both",
    "no_shared_prompt": "on no prompt do all systems have scores of both",
    "nobody_named": "on no prompt do both name a better system",
}
"""Every reason an agreement may carry instead of a value, with the clause that a report prints."""

MAX_PAIRED: Final = 500
"""Up to this many prompts the correlations of a resample go through every pair of them."""

Codes = npt.NDArray[np.int64]
Statistic = Callable[[Numbers], Numbers]


class Agreement(TypedDict):
    """One measure of agreement with its 95 % interval over ``n`` prompts, or the reason why there is none.

    A correlation of exactly 1 or -1 has no interval: every resample repeats it, which says nothing of other prompts.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None


class JudgeAgreement(TypedDict):
    """Agreement of `JUDGES` on one suite, over pictures that both have scored.

    ``spearman`` and ``kendall`` (tau-b) compare how the judges order the prompts by their means. ``same_better_system``
    is the share of prompts on which both put the same of ``n_systems`` systems first, among those on which both put
    one first; by chance it is about one in ``n_systems``.
    """

    suite: str | None
    n_systems: int
    spearman: Agreement
    kendall: Agreement
    same_better_system: Agreement


def judge_agreements(measurements: pd.DataFrame, seed: int) -> list[JudgeAgreement]:
    """Return how well the two judges of adherence agree, for each suite on which either was asked.

    The unit is the prompt, as everywhere in rating: scores are averaged inside a system first, then over the systems.

    Parameters
    ----------
    measurements
        Rows of `evals.rating.comparison.with_prompts`, controls left out, in any order.
    seed
        Of the bootstrap over prompts, which bounds the correlations; the share has Wilson's interval.

    Notes
    -----
    Of correlated normals the intervals cover the true rho and tau in 95 to 99.8 % of simulated runs of 10 to 40 prompts
    (``pytest -m slow -s tests/evals/rating/test_agreement.py``).

    References
    ----------
    Spearman 1904; Kendall 1945, The treatment of ties in ranking problems, Biometrika 33.

    Examples
    --------
    >>> scores = [(judge, f"p{i}", value) for judge in JUDGES for i, value in enumerate([0.1, 0.2, 0.3, 0.5, 0.4])]
    >>> table = pd.DataFrame(scores, columns=["metric", "prompt", "value"]).assign(suite="s", system="a")
    >>> (row,) = judge_agreements(table.assign(sample=table["prompt"]), seed=0)
    >>> round(row["spearman"]["value"], 3), row["same_better_system"]["reason"]
    (1.0, 'one_system')
    """
    judged = measurements[measurements["metric"].isin(JUDGES)]
    return [_of_suite(str(suite), rows, seed) for suite, rows in judged.groupby("suite")]


def _of_suite(suite: str, rows: pd.DataFrame, seed: int) -> JudgeAgreement:
    by_sample = rows.pivot_table(index=["prompt", "system", "sample"], columns="metric", values="value")
    by_sample = by_sample.reindex(columns=list(JUDGES))
    by_system = by_sample.dropna().groupby(level=["prompt", "system"]).mean()
    n_systems = by_system.index.get_level_values("system").nunique()
    missing = [reason for judge, reason in ((VQA, "no_vqa"), (CLIP, "no_clip")) if by_sample[judge].isna().all()]
    if by_system.empty:
        nothing = _none(missing[0] if missing else "no_picture_in_common")
        spearman, kendall, same = nothing, nothing.copy(), nothing.copy()
    else:
        means = by_system.groupby(level="prompt").mean().round(DECIMALS)
        vqa, clip = (np.unique(means[judge], return_inverse=True)[1].astype(np.int64) for judge in JUDGES)
        spearman = _correlation(spearman_of, vqa, clip, seed)
        kendall = _correlation(kendall_of, vqa, clip, seed)
        same = _same_better_system(by_system.round(DECIMALS), n_systems)
    return JudgeAgreement(
        suite=suite or None, n_systems=n_systems, spearman=spearman, kendall=kendall, same_better_system=same
    )


def _correlation(statistic_of: Callable[[Codes, Codes], Statistic], vqa: Codes, clip: Codes, seed: int) -> Agreement:
    n = len(vqa)
    if n < MIN_PROMPTS:
        return _none("few_prompts", n)
    if not (vqa.any() and clip.any()):
        return _none("constant", n)
    estimate = bootstrap_estimate(statistic_of(vqa, clip), n, seed)
    return _agreement(estimate if abs(estimate.value) < 1 - 1e-9 else Estimate(n, estimate.value, np.nan, np.nan))


def _same_better_system(by_system: pd.DataFrame, n_systems: int) -> Agreement:
    if n_systems < 2:
        return _none("one_system")
    # A prompt that one system has no score for would leave fewer to choose from, and agreement be easier.
    scores = by_system.pivot_table(index="prompt", columns="system", values=list(JUDGES)).dropna()
    if scores.empty:
        return _none("no_shared_prompt")
    # Whether a system has the largest score of the prompt; where several share it, the judge names none.
    of_judges = [scores[judge].to_numpy(np.float64) for judge in JUDGES]
    vqa, clip = (values == values.max(axis=1, keepdims=True) for values in of_judges)
    named = (vqa.sum(axis=1) == 1) & (clip.sum(axis=1) == 1)
    if not named.any():
        return _none("nobody_named")
    return _agreement(rate_estimate((vqa == clip).all(axis=1)[named].astype(np.float64)))


def _agreement(estimate: Estimate) -> Agreement:
    low, high = number_or_none(estimate.low), number_or_none(estimate.high)
    return Agreement(value=estimate.value, low=low, high=high, n=estimate.n_prompts, reason=None)


def _none(reason: str, n: int = 0) -> Agreement:
    return Agreement(value=None, low=None, high=None, n=n, reason=reason)


def spearman_of(x: Codes, y: Codes) -> Statistic:
    r"""Return the function from draws to Spearman's rho of each resample.

    Rho is Pearson's correlation of the mid-ranks. Less their mean, these are :math:`u_i = \frac12 \sum_j a_{ij}` with a
    the sign of :math:`x_i - x_j`. Above ``MAX_PAIRED`` items the sums of products of a resample are taken to first
    order in the draws, which is off by a share of one over the items.

    Parameters
    ----------
    x, y
        What is ranked, as dense codes: 0 for the smallest value, equal codes for equal values.

    Returns
    -------
    callable
        From how often each item is drawn, shape (resamples, items), to one value in -1..1 a resample, NaN where either
        side is constant.

    Examples
    --------
    >>> rho = spearman_of(np.arange(5), np.array([0, 1, 2, 4, 3]))(np.ones((1, 5)))
    >>> round(float(rho[0]), 6)
    0.9
    """
    if len(x) > MAX_PAIRED:
        u, v = (_signed_sums(side, np.ones(len(side))) / 2 for side in (x, y))
        shared = u * v - (_signed_sums(x, v) + _signed_sums(y, u)) / 2
        of_item = np.column_stack([shared, u**2 - _signed_sums(x, u), v**2 - _signed_sums(y, v)])
        return lambda draws: _ratio(_to_first_order(draws, of_item, degree=3))
    a, b = _signs(x), _signs(y)

    def rho(draws: Numbers) -> Numbers:
        u, v = draws @ a.T / 2, draws @ b.T / 2
        return _ratio([np.einsum("ri,ri,ri->r", draws, *sides) for sides in ((u, v), (u, u), (v, v))])

    return rho


def kendall_of(x: Codes, y: Codes) -> Statistic:
    r"""Return the function from draws to Kendall's tau-b of each resample.

    Tau-b is :math:`\sum_{ij} a_{ij} b_{ij} / \sqrt{\sum a_{ij}^2 \sum b_{ij}^2}` over all pairs, with a the sign of
    :math:`x_i - x_j` and b that of :math:`y_i - y_j`; above ``MAX_PAIRED`` items to first order, as rho.

    Parameters
    ----------
    x, y
        As for `spearman_of`.

    Examples
    --------
    >>> tau = kendall_of(np.arange(5), np.array([0, 1, 2, 4, 3]))(np.ones((1, 5)))
    >>> round(float(tau[0]), 6)
    0.8
    """
    if len(x) > MAX_PAIRED:
        # Half as wide numbers are twice as fast, and hold every count exactly.
        first, second = x.astype(np.float32), y.astype(np.float32)
        rows = ((np.sign(first[i] - first), np.sign(second[i] - second)) for i in range(len(x)))
        of_item = 2 * np.array([(a @ b, a @ a, b @ b) for a, b in rows], np.float64)
        return lambda draws: _ratio(_to_first_order(draws, of_item, degree=2))
    a, b = _signs(x), _signs(y)
    return lambda draws: _ratio([np.einsum("ri,ri->r", draws @ table, draws) for table in (a * b, a * a, b * b)])


def _signs(codes: Codes) -> Numbers:
    """Return whether each item (row) is above (1), below (-1) or level with each other one."""
    return np.asarray(np.sign(codes[:, None] - codes), np.float64)


def _signed_sums(codes: Codes, values: Numbers) -> Numbers:
    """Return ``_signs(codes) @ values`` without the table: what lies below each item less what lies above it."""
    order = np.argsort(codes, kind="stable")
    so_far = np.concatenate([[0.0], values[order].cumsum()])
    below, up_to = (so_far[np.searchsorted(codes[order], codes, side)] for side in ("left", "right"))
    return np.asarray(below + up_to - so_far[-1])


def _to_first_order(draws: Numbers, derivatives: Numbers, degree: int) -> Numbers:
    """Return sums that are homogeneous in the draws, from their derivatives where every item is drawn once."""
    # Euler: the derivatives add up to the degree times the sums themselves.
    return np.asarray(draws @ derivatives - (1 - 1 / degree) * derivatives.sum(axis=0)).T


def _ratio(sums: Sequence[Numbers] | Numbers) -> Numbers:
    shared, first, second = sums
    with np.errstate(invalid="ignore"):
        return np.asarray(np.clip(shared / np.sqrt(first * second), -1, 1))
