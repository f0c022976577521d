"""Weights of metrics fitted to votes, and whether they do better than equal ones on prompts that they never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import optimize, special
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.statistics.intervals import Numbers, estimate_differences
from evals.voting.metrics import leads_of_metrics

FOLDS = 5
MIN_FITTED = 20
"""Below so many prompts on which people lean to a side nothing is fitted."""

_RIDGE = 1.0


class FittedWeights(TypedDict):
    """Weights of the metrics of one row, asked one question, and what they are worth.

    They are shares of 1 of leads in standard deviations: not of places on the scales, as those of the eval are.
    ``equal`` and ``fitted`` are how often each weighting prefers what people prefer, on prompts left out of the fit;
    ``gain`` is the second less the first, with its interval over prompts. ``reason`` says why there is no fit.
    """

    row: str
    question: str
    weights: dict[str, float]
    n_prompts: int
    equal: float | None
    fitted: float | None
    gain: float | None
    low: float | None
    high: float | None
    reason: str | None


def fit_weights(
    judged: pd.DataFrame,
    scores: pd.DataFrame,
    suites: Mapping[str, str],
    primary: Mapping[str, Sequence[str]],
    seed: int,
) -> list[FittedWeights]:
    """Return for each voted row of two metrics or more the weights that follow people best.

    A logistic regression of whose side people lean to on the metrics' leads, without constant and with no weight below
    zero, lightly drawn towards zero (ridge). It is judged by `FOLDS`-fold cross-validation over prompts: a prompt is
    never in the fit that judges it.

    Parameters
    ----------
    judged
        As `evals.voting.judgements.judgements` returns it.
    scores, suites, primary
        As for `evals.voting.people.people_of`.
    seed
        Of the folds.
    """
    return [
        _fit(str(row), str(question), rows, scores, suites[str(row)], list(primary[str(row)]), seed)
        for (row, question), rows in judged.groupby(["row", "question"], sort=False)
        if len(primary.get(str(row), ())) > 1
    ]


def _fit(
    row: str, question: str, judged: pd.DataFrame, scores: pd.DataFrame, suite: str, metrics: Sequence[str], seed: int
) -> FittedWeights:
    pairs, leads = leads_of_metrics(judged, scores, suite)
    nothing = FittedWeights(
        row=row, question=question, weights={}, n_prompts=0,
        equal=None, fitted=None, gain=None, low=None, high=None, reason=None,
    )  # fmt: skip
    if missing := [name for name in metrics if name not in leads]:
        return nothing | {"reason": f"{missing[0]} has no value on the pictures that were voted on"}
    table = np.column_stack([leads[name] for name in metrics])
    side = np.sign(pairs["lead"].to_numpy(np.float64).round(9))
    known = np.isfinite(table).all(axis=1) & (side != 0)
    prompts = pd.factorize(pairs["prompt"][known])[0]
    n_prompts = len(np.unique(prompts))
    if n_prompts < MIN_FITTED:
        return nothing | {
            "n_prompts": n_prompts,
            "reason": f"{MIN_FITTED} prompts are needed on which people lean to a side",
        }
    table, side = table[known], side[known]
    weights = _weights(table / _spreads(table), side)
    if not weights.any():
        return nothing | {"n_prompts": n_prompts, "reason": "no metric leans to the side that people lean to"}
    fold_of_prompt = np.random.default_rng(seed).permutation(n_prompts) % FOLDS
    folds = fold_of_prompt[prompts]
    equal, fitted = np.zeros((2, len(side)))
    for fold in range(FOLDS):
        is_held_out = folds == fold
        in_spreads = table / _spreads(table[~is_held_out])
        equal[is_held_out] = in_spreads[is_held_out].sum(axis=1)
        fitted[is_held_out] = in_spreads[is_held_out] @ _weights(in_spreads[~is_held_out], side[~is_held_out])
    right = pd.DataFrame({"equal": _right(equal, side), "fitted": _right(fitted, side)})
    means = right.groupby(prompts).mean()
    (gain,) = estimate_differences((means["fitted"] - means["equal"]).to_numpy(np.float64)[:, None])
    return FittedWeights(
        row=row,
        question=question,
        weights=dict(zip(metrics, (weights / weights.sum()).tolist(), strict=True)),
        n_prompts=n_prompts,
        equal=float(means["equal"].mean()),
        fitted=float(means["fitted"].mean()),
        gain=number_or_none(gain.value),
        low=number_or_none(gain.low),
        high=number_or_none(gain.high),
        reason=None,
    )


def _spreads(table: Numbers) -> Numbers:
    spreads = np.sqrt((table**2).mean(axis=0))
    return np.where(spreads > 0, spreads, 1.0)


def _weights(table: Numbers, side: Numbers) -> Numbers:
    def loss(weights: Numbers) -> tuple[float, Numbers]:
        margins = side * (table @ weights)
        value = -special.log_expit(margins).sum() + _RIDGE / 2 * weights @ weights
        return float(value), -(side * special.expit(-margins)) @ table + _RIDGE * weights

    fit = optimize.minimize(
        loss, np.full(table.shape[1], 0.5), jac=True, method="L-BFGS-B", bounds=[(0, None)] * table.shape[1]
    )
    return np.asarray(fit.x)


def _right(leads: Numbers, side: Numbers) -> Numbers:
    return np.asarray((1 + np.sign(leads.round(9)) * side) / 2)
