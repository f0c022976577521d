"""What the controls of a run say: can a metric tell right from wrong on this material, and does a seed do anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from evals.rating.comparison import number_or_none
from evals.rating.intervals import Estimate, Numbers, bootstrap_estimate, estimate_means
from metrics.catalogue import METRICS, Better, Control, MetricSpec

Statistic = Literal["auc", "d_prime", "mean", "seed_ratio"]

STATISTICS: dict[Control, tuple[Statistic, ...]] = {
    "shuffled_prompt": ("auc",),
    "impostor": ("auc", "d_prime"),
    "rendered_text": ("mean",),
    "identical_image": ("mean",),
    "different_seed": ("auc", "seed_ratio"),
}
"""What is computed from each control."""

SEED_RATIO_METRIC = "reproducibility.mean_difference"
"""The distance of the seed ratio: it needs no weights, and its zero is the same pixels."""


class ControlStatistic(TypedDict):
    """One statistic of one control, over ``n`` prompts; ``system`` is None where all systems are taken together.

    ``value`` is None where it is undefined, ``low`` and ``high`` (95 %) below 5 prompts too.
    """

    metric: str
    suite: str | None
    control: Control
    statistic: Statistic
    system: str | None
    n: int
    value: float | None
    low: float | None
    high: float | None


def auc(own: npt.ArrayLike, control: npt.ArrayLike, better: Better = "higher") -> float:
    """Return the probability that an own value is better than a control value, ties counted half.

    The area under the ROC curve, or Mann-Whitney's U over the number of pairs: 1 separates perfectly, 0.5 is chance.
    NaN if either side is empty.

    Examples
    --------
    >>> same, cross = [0.01, 0.02, 0.015, 0.03], [0.35, 0.4, 0.28, 0.5, 0.02]
    >>> auc(same, cross, better="lower")
    0.925
    """
    statistic = _auc_of_draws(_of_one_prompt(own), _of_one_prompt(control), better)
    return float(statistic(np.ones((1, 1)))[0])


def d_prime(own: npt.ArrayLike, control: npt.ArrayLike, better: Better = "higher") -> float:
    """Return how many standard deviations lie between own and control values, positive if the own ones are better.

    The difference of the means over the root of the mean of both (population) variances; NaN where both are zero.

    References
    ----------
    Green and Swets 1966, Signal detection theory and psychophysics.

    Examples
    --------
    >>> d_prime([2.0, 4.0], [-1.0, 1.0])
    3.0
    """
    statistic = _d_prime_of_draws(_of_one_prompt(own), _of_one_prompt(control), better)
    return float(statistic(np.ones((1, 1)))[0])


def control_statistics(measurements: pd.DataFrame, seed: int) -> list[ControlStatistic]:
    """Return every statistic of every control in the table, in the order of the catalogue.

    Parameters
    ----------
    measurements
        Rows of `evals.rating.comparison.with_prompts`, own ones and controls.
    seed
        Of the bootstrap over prompts.

    Notes
    -----
    All systems are taken together, so that no system sets its own floor. The different seeds are the exception: what
    a seed does is a property of the system.
    """
    is_control = measurements["control"].notna()
    controls = measurements[is_control]
    own = dict(iter(measurements[~is_control].groupby(["metric", "suite"])))
    nothing = measurements.iloc[:0]
    return [
        statistic
        for spec in METRICS
        for suite, rows in controls[controls["metric"] == spec.id].groupby("suite")
        for control in STATISTICS
        if (rows["control"] == control).any()
        for statistic in _statistics(
            spec, str(suite), control, own.get((spec.id, suite), nothing), rows[rows["control"] == control], seed
        )
    ]


def _statistics(
    spec: MetricSpec, suite: str, control: Control, own: pd.DataFrame, controls: pd.DataFrame, seed: int
) -> Iterator[ControlStatistic]:
    per_system = control == "different_seed"
    for system in sorted(controls["system"].unique()) if per_system else [None]:
        of_own = own if system is None else own[own["system"] == system]
        of_controls = controls if system is None else controls[controls["system"] == system]
        for statistic in STATISTICS[control]:
            if statistic == "seed_ratio" and spec.id != SEED_RATIO_METRIC:
                continue
            estimate = _estimate(statistic, of_own, of_controls, spec.better, seed)
            yield ControlStatistic(
                metric=spec.id,
                suite=suite or None,
                control=control,
                statistic=statistic,
                system=system,
                n=estimate.n_prompts,
                value=number_or_none(estimate.value),
                low=number_or_none(estimate.low),
                high=number_or_none(estimate.high),
            )


def _estimate(statistic: Statistic, own: pd.DataFrame, controls: pd.DataFrame, better: Better, seed: int) -> Estimate:
    if statistic == "mean":
        # The same words rendered for two systems are one picture, so systems are averaged inside the prompt.
        (estimate,) = estimate_means(np.asarray(_by_prompt(controls), np.float64)[:, None], seed)
        return estimate
    if statistic == "seed_ratio":
        return seed_ratio(own, controls, seed)
    own, controls = own[own["value"].notna()], controls[controls["value"].notna()]
    prompts = pd.Index(sorted({*own["prompt"], *controls["prompt"]}))
    first, second = (_Values(rows["value"].to_numpy(), prompts.get_indexer(rows["prompt"])) for rows in (own, controls))
    of_draws = _auc_of_draws if statistic == "auc" else _d_prime_of_draws
    return bootstrap_estimate(of_draws(first, second, better), len(prompts), seed, size=len(own) + len(controls))


def seed_ratio(own: pd.DataFrame, controls: pd.DataFrame, seed: int) -> Estimate:
    """Return the mean same-seed distance over the mean different-seed distance, over the prompts that have both.

    0: the seed fixes the picture; 1: it does nothing. NaN where different seeds give the same picture too.

    Parameters
    ----------
    own, controls
        Distances of repeats of one seed and of different seeds: rows with ``prompt`` and ``value``.
    seed
        Of the bootstrap.
    """
    both = pd.concat([_by_prompt(own), _by_prompt(controls)], axis=1, join="inner").sort_index().to_numpy(np.float64)
    same, different = both.T

    def ratio(draws: Numbers) -> Numbers:
        with np.errstate(invalid="ignore", divide="ignore"):
            return _finite(draws @ same / (draws @ different))

    return bootstrap_estimate(ratio, len(both), seed)


def _by_prompt(rows: pd.DataFrame) -> pd.Series[float]:
    return rows[rows["value"].notna()].groupby("prompt")["value"].mean()


@dataclass(frozen=True, slots=True)
class _Values:
    """Values, and for each the place of its prompt."""

    values: Numbers
    prompts: npt.NDArray[np.intp]


def _of_one_prompt(values: npt.ArrayLike) -> _Values:
    numbers = np.asarray(values, np.float64)
    return _Values(numbers, np.zeros(len(numbers), np.intp))


def _finite(values: Numbers) -> Numbers:
    return np.where(np.isfinite(values), values, np.nan)


def _auc_of_draws(own: _Values, control: _Values, better: Better) -> Callable[[Numbers], Numbers]:
    sign = -1.0 if better == "lower" else 1.0
    order = np.argsort(sign * control.values, kind="stable")
    ordered, prompts = sign * control.values[order], control.prompts[order]
    below = np.searchsorted(ordered, sign * own.values, side="left")
    through = np.searchsorted(ordered, sign * own.values, side="right")

    def statistic(draws: Numbers) -> Numbers:
        own_weights = draws[:, own.prompts]
        # How much control weight lies below each place of the order; a draw repeats all values of its prompt.
        beaten = np.zeros((len(draws), len(ordered) + 1))
        np.cumsum(draws[:, prompts], axis=1, out=beaten[:, 1:])
        won = (own_weights * (beaten[:, below] + beaten[:, through])).sum(axis=1) / 2
        with np.errstate(invalid="ignore"):
            return _finite(won / (own_weights.sum(axis=1) * beaten[:, -1]))

    return statistic


def _d_prime_of_draws(own: _Values, control: _Values, better: Better) -> Callable[[Numbers], Numbers]:
    sign = -1.0 if better == "lower" else 1.0

    def moments(side: _Values, draws: Numbers) -> tuple[Numbers, Numbers]:
        weights = draws[:, side.prompts]
        mean = weights @ side.values / weights.sum(axis=1)
        # Deviations of each resample's own mean: a difference of large squares would invent a variance.
        return mean, (weights * (side.values - mean[:, None]) ** 2).sum(axis=1) / weights.sum(axis=1)

    def statistic(draws: Numbers) -> Numbers:
        with np.errstate(invalid="ignore", divide="ignore"):
            (own_mean, own_variance), (control_mean, control_variance) = moments(own, draws), moments(control, draws)
            return _finite(sign * (own_mean - control_mean) / np.sqrt((own_variance + control_variance) / 2))

    return statistic
