"""How well the two judges of prompt adherence agree: rank correlations over prompts, and who each calls better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from evals.rating.comparison import number_or_none
from evals.rating.intervals import MIN_PROMPTS, Numbers, bootstrap_estimate
from evals.rating.proportions import rate_estimate

VQA: Final = "adherence.vqa"
CLIP: Final = "adherence.clip"
JUDGES: Final = (VQA, CLIP)
"""Both are better when higher; they look at the same pictures by different means."""

DECIMALS: Final = 5
"""Scores are compared to so many decimals: beyond them a value may depend on the batch that it was computed in."""

MISSING: Mapping[str, str] = {
    "no_vqa": "no picture has a score of adherence.vqa",
    "no_clip": "no picture has a score of adherence.clip",
    "no_picture_in_common": "no picture has scores of both",
    "few_prompts": f"fewer than {MIN_PROMPTS} prompts have scores of both",
    "constant": "one of them gives every prompt the same score",
    "one_system": "fewer than two systems have scores of both",
    "no_shared_prompt": "on no prompt do all systems have scores of both",
    "nobody_named": "on no prompt do both name a better system",
}
"""Every reason an agreement may carry instead of a value, with the clause that a report prints."""

MAX_PAIRED: Final = 1_000
"""Up to this many prompts Kendall's tau of a resample goes through every pair of them."""

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
    >>> (found,) = judge_agreements(table.assign(sample=table["prompt"]), seed=0)
    >>> round(found["spearman"]["value"], 3), found["same_better_system"]["reason"]
    (1.0, 'one_system')
    """
    asked = measurements[measurements["metric"].isin(JUDGES)]
    return [_of_suite(str(suite), rows, seed) for suite, rows in asked.groupby("suite")]


def _of_suite(suite: str, rows: pd.DataFrame, seed: int) -> JudgeAgreement:
    by_sample = rows.pivot_table(index=["prompt", "system", "sample"], columns="metric", values="value")
    by_sample = by_sample.reindex(columns=list(JUDGES))
    by_system = by_sample.dropna().groupby(level=["prompt", "system"]).mean()
    n_systems = by_system.index.get_level_values("system").nunique()
    missing = _missing(by_sample)
    if missing is None:
        means = by_system.groupby(level="prompt").mean().round(DECIMALS)
        vqa, clip = (np.unique(means[judge], return_inverse=True)[1].astype(np.int64) for judge in JUDGES)
        spearman = _correlation(spearman_of, vqa, clip, seed)
        kendall = _correlation(kendall_of, vqa, clip, seed)
        same = _same_better_system(by_system.round(DECIMALS), n_systems)
    else:
        spearman, kendall, same = _none(missing), _none(missing), _none(missing)
    return JudgeAgreement(
        suite=suite or None, n_systems=n_systems, spearman=spearman, kendall=kendall, same_better_system=same
    )


def _missing(by_sample: pd.DataFrame) -> str | None:
    """Return why there is no picture that both judges have scored, None if there is one."""
    for judge, reason in ((VQA, "no_vqa"), (CLIP, "no_clip")):
        if by_sample[judge].isna().all():
            return reason
    return None if len(by_sample.dropna()) else "no_picture_in_common"


def _correlation(statistic_of: Callable[[Codes, Codes], Statistic], vqa: Codes, clip: Codes, seed: int) -> Agreement:
    n = len(vqa)
    if n < MIN_PROMPTS:
        return _none("few_prompts", n)
    if not (vqa.any() and clip.any()):
        return _none("constant", n)
    found = bootstrap_estimate(statistic_of(vqa, clip), n, seed)
    bounded = abs(found.value) < 1 - 1e-9
    low, high = (found.low, found.high) if bounded else (np.nan, np.nan)
    return Agreement(value=found.value, low=number_or_none(low), high=number_or_none(high), n=n, reason=None)


def _same_better_system(by_system: pd.DataFrame, n_systems: int) -> Agreement:
    if n_systems < 2:
        return _none("one_system")
    # A prompt that one system has no score for would leave fewer to choose from, and agreement be easier.
    scores = by_system.pivot_table(index="prompt", columns="system", values=list(JUDGES)).dropna()
    if scores.empty:
        return _none("no_shared_prompt")
    vqa, clip = (_best(scores[judge].to_numpy(np.float64)) for judge in JUDGES)
    named = (vqa >= 0) & (clip >= 0)
    if not named.any():
        return _none("nobody_named")
    found = rate_estimate((vqa == clip)[named].astype(np.float64))
    low, high = number_or_none(found.low), number_or_none(found.high)
    return Agreement(value=found.value, low=low, high=high, n=found.n_prompts, reason=None)


def _best(scores: Numbers) -> Codes:
    """Return the column of the largest score of each row, -1 where several share it."""
    first = scores == scores.max(axis=1, keepdims=True)
    return np.where(first.sum(axis=1) == 1, first.argmax(axis=1), -1)


def _none(reason: str, n: int = 0) -> Agreement:
    return Agreement(value=None, low=None, high=None, n=n, reason=reason)


def spearman_of(x: Codes, y: Codes) -> Statistic:
    """Return the function from draws to Spearman's rho of each resample: Pearson's correlation of mid-ranks.

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

    def rho(draws: Numbers) -> Numbers:
        first, second = (_centred_ranks(draws, codes) for codes in (x, y))
        weighted = draws * first
        products = [np.einsum("ri,ri->r", weighted, ranks) for ranks in (second, first)]
        variances = products[1] * np.einsum("ri,ri->r", draws * second, second)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.clip(products[0] / np.sqrt(variances), -1, 1))

    return rho


def kendall_of(x: Codes, y: Codes) -> Statistic:
    r"""Return the function from draws to Kendall's tau-b of each resample.

    Tau-b is :math:`(C - D) / \sqrt{(P - T_x)(P - T_y)}` over P pairs, C of them ordered alike, D the other way round, T
    tied. An item that is drawn twice is a pair that is tied in both. Above ``MAX_PAIRED`` items, C - D of a resample
    is taken to first order in the draws, which is off by a share of one over the items.

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
    score = _score_of(x, y)

    def tau(draws: Numbers) -> Numbers:
        pairs = draws.sum(axis=1) ** 2
        untied = [pairs - (_totals(draws, codes) ** 2).sum(axis=1) for codes in (x, y)]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.clip(score(draws) / np.sqrt(untied[0] * untied[1]), -1, 1))

    return tau


def _score_of(x: Codes, y: Codes) -> Statistic:
    """Return the function from draws to twice C - D of each resample."""
    if len(x) <= MAX_PAIRED:
        alike = np.sign(x[:, None] - x) * np.sign(y[:, None] - y).astype(np.float64)
        return lambda draws: np.asarray(np.einsum("ri,ri->r", draws @ alike, draws))
    of_item = np.array([np.sign(a - x) @ np.sign(b - y) for a, b in zip(x, y, strict=True)], np.float64)
    return lambda draws: np.asarray(2 * (draws @ of_item) - of_item.sum())


def _centred_ranks(draws: Numbers, codes: Codes) -> Numbers:
    totals = _totals(draws, codes)
    ranks = (totals.cumsum(axis=1) - totals / 2)[:, codes]
    means = np.einsum("ri,ri->r", draws, ranks) / draws.sum(axis=1)
    return np.asarray(ranks - means[:, None])


def _totals(draws: Numbers, codes: Codes) -> Numbers:
    """Return how often each code is drawn, shape (resamples, codes)."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    return np.asarray(np.add.reduceat(draws[:, order], starts, axis=1))
