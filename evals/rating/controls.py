"""What the controls of a run say: can a metric tell right from wrong on this material, and does a seed do anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.statistics.estimates import score_means
from evals.rating.statistics.intervals import Estimate, Numbers, bootstrap_estimate
from metrics.catalogue import METRICS
from metrics.controls import CONTROLS, Control, Statistic
from metrics.specification import Better, MetricSpec

RELIABLE_AUC = 0.7
"""Below this probability of telling a target from its control, a metric is weak on the material."""


class ControlStatistic(TypedDict):
    """One statistic of one control, over ``n`` prompts; ``system`` is None where all systems are taken together.

    ``value`` is None where it is undefined, ``low`` and ``high`` (95 %) below 5 prompts too. Where the control fails
    over all systems together, ``proven_by`` is a system for which it passes by itself: the metric can tell right from
    wrong on this material, and it is the other systems that are wrong.
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
    proven_by: str | None


_NAMES = ["prompt", "prompt_id", "sample"]
_COMPARED = [*_NAMES, "value", "reason"]


def control_statistics(measurements: pd.DataFrame, seed: int) -> list[ControlStatistic]:
    """Return every statistic of every control in the table, in the order of the catalogue.

    Parameters
    ----------
    measurements
        Rows of `evals.rating.comparison.with_prompts`, targets and controls.
    seed
        Of the bootstrap over prompts.

    Notes
    -----
    All systems are taken together, since the question is whether a metric can tell right from wrong on this material.
    The different seeds are the exception: what a seed does is a property of the system.

    The AUC is the mean over prompts of `win_probabilities`, within units that hold everything else fixed:

    * shuffled prompt: one image. P(similarity to its own prompt > similarity to another prompt of the suite).
    * impostor, of pairs of shots: one sequence of one system. P(two of its shots are more alike than one of them and
      a shot of another sequence). Of a single image: that image, own references against another character's.
    * shuffled text: one image. P(what is read is nearer to its own text than to another prompt's).
    * unrelated picture: one edit. P(the system's own output does better than another item's picture).
    * different seed: one prompt of one system. P(two pictures of one seed are more alike than two of two seeds).

    Estimate and interval come from the same prompt means, so the one always lies within the other. Simulated coverage
    where prompts differ far more than targets and controls do: an AUC of .50 to .75 .94 with 5 prompts, .95 to .99
    with 10 and more; of .91 .94 with 10, .95 with 50; of .96 .86 with 10, .95 with 20 and more; a d' of .7 .93 with 10,
    of 1.9 .87 with 10 and .92 with 50. Close to the end of its scale a statistic of few prompts is too sure.
    (``pytest -m slow tests/evals/rating/test_controls.py``)
    """
    # The tables are cut out hundreds of times, with all that they hold.
    measurements = measurements[["metric", "suite", "control", "system", *_COMPARED]]
    # Nobody asks for the words and names in these, and numbers are grouped several times as fast.
    measurements = measurements.assign(**{name: _numbered(measurements[name]) for name in _NAMES})
    is_control = measurements["control"].notna()
    controls = measurements[is_control]
    targets = dict(iter(measurements[~is_control].groupby(["metric", "suite"])))
    nothing = measurements.iloc[:0]
    return [
        row
        for spec in METRICS
        for suite, of_suite in controls[controls["metric"] == spec.id].groupby("suite")
        for control in CONTROLS
        if (of_suite["control"] == control).any()
        for row in _statistics(
            spec,
            str(suite),
            control,
            targets.get((spec.id, suite), nothing),
            of_suite[of_suite["control"] == control],
            seed,
        )
    ]


def _numbered(names: pd.Series[str]) -> pd.Series[float]:
    """Return the place of each name among all, which has the same order and, where there is none, is NaN."""
    places = pd.factorize(names, sort=True)[0].astype(np.float64)
    return pd.Series(np.where(places < 0, np.nan, places), names.index)


def _statistics(
    spec: MetricSpec, suite: str, control: Control, targets: pd.DataFrame, controls: pd.DataFrame, seed: int
) -> Iterator[ControlStatistic]:
    systems = sorted(controls["system"].unique())

    def of(statistic: Statistic, system: str | None) -> Estimate:
        sides = [rows if system is None else rows[rows["system"] == system] for rows in (targets, controls)]
        return _estimate(spec, control, statistic, sides[0], sides[1], seed)

    for system in systems if CONTROLS[control].of_system else [None]:
        for statistic in CONTROLS[control].statistics:
            if statistic == "seed_ratio" and "seed_ratio" not in spec.derived:
                continue
            if statistic != "mean" and spec.better == "neither":
                continue
            estimate, proven_by = of(statistic, system), None
            if statistic == CONTROLS[control].proof and system is None and not passes(statistic, estimate):
                proven_by = next((each for each in systems if passes(statistic, of(statistic, each))), None)
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
                proven_by=proven_by,
            )


def passes(proof: Statistic, estimate: Estimate) -> bool:
    """Return whether the statistic that proves a metric lies on the right side of chance, with its whole interval."""
    return estimate.high < 0.5 if proof == "mean" else estimate.low > 0.5


def _estimate(
    spec: MetricSpec,
    control: Control,
    statistic: Statistic,
    targets: pd.DataFrame,
    controls: pd.DataFrame,
    seed: int,
) -> Estimate:
    if CONTROLS[control].of_system and targets["reason"].eq("size_differs").any():
        # Repeats of one seed that differ even in size are the worst ones: without them the seed would look steadier.
        return Estimate(0, np.nan, np.nan, np.nan)
    targets, controls = targets[targets["value"].notna()], controls[controls["value"].notna()]
    if statistic == "d_prime":
        return d_prime(targets, controls, spec.better, seed)
    if statistic == "seed_ratio":
        return seed_ratio(targets, controls, seed)
    # The same words rendered for two systems are one picture, so systems are averaged inside the prompt.
    by_prompt, value_range, rates = _by_prompt(controls), spec.range, spec.rate
    if statistic == "auc":
        # One target against one control is won or lost.
        by_prompt = win_probabilities(targets, controls, _unit(spec, control), spec.better)
        value_range, rates = (0, 1), True
    return score_means(np.asarray(by_prompt, np.float64)[:, None], value_range, seed, rates)[0]


def _by_prompt(rows: pd.DataFrame) -> pd.Series[float]:
    return rows.groupby("prompt")["value"].mean()


def _unit(spec: MetricSpec, control: Control) -> list[str]:
    """Return the columns that a measurement and a control must share to be held against each other."""
    if spec.subject == "sample":
        return ["prompt", "system", "sample"]
    # A different seed is another picture of the same shot; an impostor is another sequence's shot of any number.
    return ["prompt", "system", "prompt_id"] if CONTROLS[control].of_system else ["prompt", "system"]


def win_probabilities(
    targets: pd.DataFrame, controls: pd.DataFrame, unit: Sequence[str], better: Better
) -> pd.Series[float]:
    r"""Return for each prompt how probable it is that a target value beats a control value of the same unit.

    For a unit with the target values :math:`x_i` and the control values :math:`y_j` it is

    .. math:: P = \frac{1}{mn} \sum_{i=1}^m \sum_{j=1}^n [x_i > y_j] + \tfrac{1}{2} [x_i = y_j],

    Mann-Whitney's U over the number of pairs, or the area under the unit's ROC curve: 1 where target values always win,
    0.5 at chance. Units are averaged inside their prompt. Values of two units are never held against each other: that
    one prompt is easier to draw or to embed than another says nothing about telling right from wrong.

    Parameters
    ----------
    targets, controls
        Rows of `evals.rating.comparison.with_prompts` that have values.
    unit
        The columns that make a unit, ``prompt`` the first of them.
    better
        Which value wins: the lower one if "lower", else the higher one.

    Returns
    -------
    Series
        From 0 to 1, by prompt. A unit that lacks target or control values has no probability and is passed over, and so
        is a prompt without any other unit.

    References
    ----------
    Hanley and McNeil 1982, The meaning and use of the area under a receiver operating characteristic curve,
    Radiology 143.

    Examples
    --------
    >>> def rows(*values):
    ...     return pd.DataFrame({"prompt": "a red cup", "value": values})
    >>> same, different = rows(0.01, 0.02, 0.015, 0.03), rows(0.35, 0.4, 0.28, 0.5, 0.02)
    >>> win_probabilities(same, different, ["prompt"], "lower").to_dict()
    {'a red cup': 0.925}
    """
    rows = pd.concat([targets.assign(is_target=True), controls.assign(is_target=False)])
    rows["rank"] = rows.groupby(list(unit))["value"].rank(ascending=better != "lower")
    ranks = rows[rows["is_target"]].groupby(list(unit))["rank"].agg(["sum", "size"])
    n_targets = ranks["size"]
    n_controls = rows[~rows["is_target"]].groupby(list(unit)).size().reindex(n_targets.index)
    wins = (ranks["sum"] - n_targets * (n_targets + 1) / 2) / (n_targets * n_controls)
    return wins.dropna().groupby(level="prompt").mean()


def d_prime(targets: pd.DataFrame, controls: pd.DataFrame, better: Better, seed: int) -> Estimate:
    """Return how many standard deviations lie between target and control values, positive if the targets are better.

    The difference of the means over the root of the mean of both (population) variances, all values of the prompts
    that have both pooled; NaN where both variances are zero. Unlike `win_probabilities` it counts how much prompts
    differ among themselves, since that is what one threshold for all of them has to bear.

    Parameters
    ----------
    targets, controls
        Rows of `evals.rating.comparison.with_prompts` that have values.
    better
        Which side is to lie above: the control's if "lower", else the target's.
    seed
        Of the bootstrap; target and control values of a prompt are drawn together.

    References
    ----------
    Green and Swets 1966, Signal detection theory and psychophysics.
    """
    prompts = pd.Index(sorted(set(targets["prompt"]) & set(controls["prompt"])))
    sides = [rows[rows["prompt"].isin(prompts)] for rows in (targets, controls)]
    values = [rows["value"].to_numpy(np.float64) for rows in sides]
    places = [prompts.get_indexer(rows["prompt"]) for rows in sides]
    sign = -1.0 if better == "lower" else 1.0

    def distance(draws: Numbers) -> Numbers:
        with np.errstate(invalid="ignore", divide="ignore"):
            moments = [_moments(side, draws[:, place]) for side, place in zip(values, places, strict=True)]
            (target_mean, target_variance), (control_mean, control_variance) = moments
            distances = sign * (target_mean - control_mean) / np.sqrt((target_variance + control_variance) / 2)
        return np.where(np.isfinite(distances), distances, np.nan)

    return bootstrap_estimate(distance, len(prompts), seed, size=sum(map(len, values)))


def _moments(values: Numbers, weights: Numbers) -> tuple[Numbers, Numbers]:
    total = weights.sum(axis=1)
    mean = weights @ values / total
    # Deviations of each resample's own mean: a difference of large squares would invent a variance.
    return mean, (weights * (values - mean[:, None]) ** 2).sum(axis=1) / total


def seed_ratio(targets: pd.DataFrame, controls: pd.DataFrame, seed: int) -> Estimate:
    """Return the mean same-seed distance over the mean different-seed distance, over the prompts that have both.

    0: the seed fixes the picture; 1: it does nothing. NaN where different seeds give the same picture too. ``targets``
    and ``controls`` are distances of repeats of one seed and of different seeds: rows with ``prompt`` and ``value``.
    """
    sides = [_by_prompt(targets), _by_prompt(controls)]
    both = pd.concat(sides, axis=1, join="inner").sort_index().to_numpy(np.float64)

    def ratio(draws: Numbers) -> Numbers:
        same, different = (draws @ side for side in both.T)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = same / different
        return np.where(np.isfinite(ratios), ratios, np.nan)

    return bootstrap_estimate(ratio, len(both), seed)
