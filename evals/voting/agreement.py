"""How well voters agree among themselves: Krippendorff's alpha, and how often one more voter sides with the others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evals.rating.statistics.estimates import score_means
from evals.rating.statistics.intervals import Estimate, Numbers, bootstrap_estimate
from evals.voting.judgements import PAIR


def krippendorff_alpha(coincidences: Numbers) -> Numbers:
    r"""Return Krippendorff's alpha for nominal answers, of one table of coincidences or many at once.

    .. math:: \alpha = 1 - \frac{D_o}{D_e}
        = 1 - (n - 1) \frac{n - \sum_c o_{cc}}{n^2 - \sum_c n_c^2}

    Parameters
    ----------
    coincidences
        Of shape (..., answers, answers), as `coincidences_of` makes them: o, with the sums n_c and n.

    Returns
    -------
    ndarray
        Alpha: 1 for perfect agreement, 0 for that of chance; NaN where only one answer was ever given.

    References
    ----------
    Krippendorff 2011, Computing Krippendorff's alpha-reliability, University of Pennsylvania.
    """
    totals = coincidences.sum(axis=-1)
    n = totals.sum(axis=-1)
    observed = n - np.trace(coincidences, axis1=-2, axis2=-1)
    expected = n**2 - (totals**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan))


def coincidences_of(counts: Numbers) -> Numbers:
    """Return the table of coincidences of each unit, shape (units, answers, answers).

    Parameters
    ----------
    counts
        How many voters gave each answer about each unit, shape (units, answers). A unit with one answer pairs nothing.
    """
    n_voters = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1])
    return np.asarray(pairs / np.maximum(n_voters - 1, 1)[:, None, None])


def voters_alpha(judged: pd.DataFrame, seed: int) -> Estimate:
    """Return alpha over the pairs of a row with its bootstrap interval over prompts.

    The answers are whose side a voter takes, or neither; the pairs of one prompt are drawn together.

    Parameters
    ----------
    judged
        Rows of `evals.voting.judgements.judgements`, of one row of the star table.
    seed
        Of the bootstrap.
    """
    counts = judged.pivot_table(
        index=PAIR, columns="preference", values="voter", aggfunc="size", fill_value=0, observed=True
    )
    coincidences = coincidences_of(counts.to_numpy(np.float64))
    prompts = counts.index.get_level_values("prompt")
    by_prompt = np.stack([coincidences[prompts == prompt].sum(axis=0) for prompt in prompts.unique()])
    by_prompt = by_prompt[by_prompt.sum(axis=(1, 2)) > 0]
    if not len(by_prompt):
        return Estimate(0, np.nan, np.nan, np.nan)
    n_prompts, n_answers, _ = by_prompt.shape
    flat = by_prompt.reshape(n_prompts, -1)
    return bootstrap_estimate(
        lambda draws: krippendorff_alpha((draws @ flat).reshape(-1, n_answers, n_answers)), n_prompts, seed
    )


def one_voter_with_others(judged: pd.DataFrame, seed: int) -> Estimate:
    """Return how often a vote is on the side that the other voters on the pair lean to: what a metric can reach.

    Votes for neither, and pairs on which the others lean to neither, say nothing here.

    Parameters
    ----------
    judged, seed
        As for `voters_alpha`.
    """
    pairs = judged.groupby(PAIR)["preference"]
    others = pairs.transform("sum") - judged["preference"] - (pairs.transform("size") - 1) / 2
    agrees = np.sign(others) * np.sign(judged["preference"] - 0.5)
    return share_of_prompts(agrees[agrees != 0].gt(0).astype(float), judged["prompt"], seed)


def share_of_prompts(values: pd.Series[float], prompts: pd.Series[str], seed: int) -> Estimate:
    """Return the mean of shares from 0 to 1, averaged inside each prompt first, with its interval over prompts."""
    means = np.asarray(values.groupby(prompts.loc[values.index]).mean(), np.float64)
    if not len(means):
        return Estimate(0, np.nan, np.nan, np.nan)
    (estimate,) = score_means(means[:, None], (0.0, 1.0), seed, rates=True)
    return estimate
