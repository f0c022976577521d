"""The star scale of every metric: where one star lies (the floor) and where five (the ceiling), and what sets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.controls import ControlStatistic
from metrics.specification import Control, MetricSpec

VERSION = 1
"""Of the declared anchors below; it changes with any of them."""

SYSTEM_FAILURES = ("no_face", "no_text", "size_differs")
"""Reasons that are the system's own: no face where one was asked for, nothing legible, another size for one seed."""

NEUTRAL, FARTHEST_FROM_NEUTRAL = "quality.neutral", 0.1
"""The proxies' control: between texts that mean the same a fit encoder is undecided, at 0.5 and no farther off."""

LEAST_READ = 0.5
"""The least share of the way from the floor to perfection that clean text must reach, since anyone can read it."""

_TELLING: tuple[Control, ...] = ("shuffled_prompt", "impostor", "unrelated_picture")


@dataclass(frozen=True, slots=True)
class Anchor:
    """One end of a scale: the mean of a control, a declared number, or so many deviations of a control above the floor.

    A control alone is measured in the run, over all systems together. ``deviations`` is for scales whose best value
    nobody knows, higher being better: the spread of known-wrong arrangements says how much a difference means with
    this encoder.
    """

    control: Control | None = None
    declared: float | None = None
    deviations: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """The two anchors of one metric."""

    floor: Anchor
    ceiling: Anchor


class FrozenScale(TypedDict):
    """A scale with the numbers of one run: what one star and five stars were there, and where these come from.

    ``problem`` is None, or the sentence that says why nobody gets stars from this metric here. ``untold`` is true where
    that is because no own value can be told from the control that sets the floor: as far as can be told, everyone is
    there.
    """

    metric: str
    suite: str | None
    version: int
    floor: float | None
    floor_source: str
    ceiling: float | None
    ceiling_source: str
    problem: str | None
    untold: bool


def _measured(control: Control) -> Anchor:
    return Anchor(control=control)


def _declared(value: float) -> Anchor:
    return Anchor(declared=value)


_ABOVE_SHUFFLED = Scale(_measured("shuffled_prompt"), Anchor("shuffled_prompt", deviations=4.0))
_FACES = Scale(_measured("impostor"), _declared(0.75))
_KEPT = Scale(_measured("unrelated_picture"), _measured("unedited_source"))
_REPEATED = Scale(_measured("different_seed"), _measured("identical_image"))
_SHARE = Scale(_declared(0.0), _declared(1.0))
_ERRORS = Scale(_declared(1.0), _measured("rendered_text"))
_READ = Scale(_declared(0.0), _measured("rendered_text"))

SCALES: dict[str, Scale] = {
    "adherence.clip": _ABOVE_SHUFFLED,
    "adherence.margin": _ABOVE_SHUFFLED,
    "adherence.vqa": Scale(_measured("shuffled_prompt"), _declared(1.0)),
    "adherence.step_order": Scale(_declared(0.5), _declared(1.0)),
    "brand.palette": Scale(_measured("impostor"), _declared(2.0)),
    "brand.consistency": Scale(_measured("impostor"), _declared(2.0)),
    "identity.reference": _FACES,
    "identity.self": _FACES,
    "identity.previous": _FACES,
    "identity.people": _FACES,
    "identity.copy_paste": Scale(_declared(1.0), _declared(0.5)),
    "editing.preserved": _KEPT,
    "editing.preserved_psnr": Scale(_measured("unrelated_picture"), _declared(40.0)),
    "editing.preserved_lpips": _KEPT,
    "editing.changed_outside": _KEPT,
    "editing.no_op": Scale(_measured("unedited_source"), _declared(0.0)),
    "editing.direction": Scale(_measured("unrelated_picture"), Anchor("unrelated_picture", deviations=4.0)),
    "editing.follows": Scale(_measured("unedited_source"), Anchor("unrelated_picture", deviations=4.0)),
    "quality.aesthetic": Scale(_declared(4.0), _declared(7.0)),
    "structure.relations": Scale(_measured("mirror_image"), _declared(1.0)),
    "structure.positions": Scale(_measured("mirror_image"), _declared(1.0)),
    "text.cer": _ERRORS,
    "text.wer": _ERRORS,
    "text.similarity": _READ,
    "text.exact_lines": _READ,
    "text.hallucinated": _ERRORS,
    "reproducibility.identical": _REPEATED,
    "reproducibility.max_difference": _REPEATED,
    "reproducibility.mean_difference": _REPEATED,
    "reproducibility.psnr": _REPEATED,
    "reproducibility.ssim": _REPEATED,
    "reproducibility.phash_distance": _REPEATED,
    "reproducibility.lpips": _REPEATED,
}
"""Metrics that are not listed and have a direction and two finite ends go from the worse end to the better one.

Declared ceilings are choices of ours, not measurements: a face similarity of 0.75 (people are told apart at 0.40), a
CIEDE2000 of 2, a PSNR of 40 dB, four standard deviations above known-wrong arrangements. A report names each as
declared.
"""

NO_SCALE: dict[str, str] = {
    "identity.pairs": "it mixes pairs of the same and of different people on purpose",
    "identity.drift": "faces that are all different from the start drift as little as one that stays the same",
}
"""Metrics with a direction that have no stars all the same, and why."""


def scale_of(spec: MetricSpec) -> Scale | None:
    """Return the scale of a metric, None where it has no direction or no ends.

    Examples
    --------
    >>> from metrics.catalogue import metric
    >>> scale_of(metric("structure.counts")) == Scale(Anchor(declared=0), Anchor(declared=1))
    True
    >>> scale_of(metric("quality.noise")) is None
    True
    """
    if spec.better == "neither" or spec.id in NO_SCALE:
        return None
    low, high = spec.range
    if spec.id not in SCALES and low is not None and high is not None:
        worse, better = (low, high) if spec.better == "higher" else (high, low)
        return Scale(_declared(worse), _declared(better))
    return SCALES.get(spec.id)


def freeze_scale(
    spec: MetricSpec, suite: str, rows: pd.DataFrame, controls: Sequence[ControlStatistic], neutral: float | None = None
) -> FrozenScale:
    """Return the scale of a metric on one suite, its measured ends taken over all systems together.

    Parameters
    ----------
    spec, suite
        The metric, and the suite ("" for a set without suites).
    rows
        Rows of `evals.rating.comparison.with_prompts` of the metric on the suite, own values and controls.
    controls
        The statistics of its controls there.
    neutral
        The mean of the proxies' own control on the suite, where it was measured.
    """
    scale = scale_of(spec)
    if scale is None:
        return _frozen(spec, suite, (np.nan, ""), (np.nan, ""), _why_no_scale(spec))
    floor = _end(scale.floor, rows, np.nan)
    ceiling = _end(scale.ceiling, rows, floor[0])
    problem = (
        _undefined(scale, floor[0], ceiling[0])
        or _coinciding(spec, floor[0], ceiling[0])
        or _misread(spec, scale, floor[0], ceiling[0])
        or (_biased(neutral) if spec.id in _PROXIES else None)
    )
    untold = None if problem else _untold(controls)
    return _frozen(spec, suite, floor, ceiling, problem or untold, untold is not None)


def _why_no_scale(spec: MetricSpec) -> str:
    if spec.better == "neither":
        return f"{spec.title} has no better direction, so it has no stars"
    return f"{spec.title} has no stars: {NO_SCALE.get(spec.id, 'nobody has said what its worst and best are')}"


_PROXIES = ("quality.lighting", "quality.depth_of_field", "quality.cinematic", "quality.realism", "quality.composition")


def _end(anchor: Anchor, rows: pd.DataFrame, floor: float) -> tuple[float, str]:
    """Return the number of an anchor and the words on where it comes from."""
    if anchor.control is None:
        return float(anchor.declared if anchor.declared is not None else np.nan), f"declared, version {VERSION}"
    of_control = rows.loc[(rows["control"] == anchor.control) & rows["value"].notna(), ["prompt", "value"]]
    name, n = anchor.control.replace("_", " "), of_control["prompt"].nunique()
    if anchor.deviations is not None:
        words = f"declared, version {VERSION}: floor + {anchor.deviations:g} standard deviations of {name}"
        return floor + anchor.deviations * _spread(of_control), words
    value = float(of_control.groupby("prompt")["value"].mean().mean()) if n else np.nan
    return value, f"measured: {name}, {n} prompts"


def _spread(of_control: pd.DataFrame) -> float:
    """Return the standard deviation of control values, every prompt counting the same however often it was asked."""
    values, prompts = of_control["value"], of_control["prompt"]
    centre = values.groupby(prompts).mean().mean()
    return float(np.sqrt(((values - centre) ** 2).groupby(prompts).mean().mean()))


def _undefined(scale: Scale, floor: float, ceiling: float) -> str | None:
    for value, anchor in ((floor, scale.floor), (ceiling, scale.ceiling)):
        if not np.isfinite(value):
            name = str(anchor.control).replace("_", " ")
            return f"its control {name} could not be measured, so the scale has no ends"
    return None


def _untold(controls: Sequence[ControlStatistic]) -> str | None:
    """Return why what is right cannot be told from what is known to be wrong, None where it can."""
    for row in controls:
        low, high = _ends_of(row)
        told = None
        if row["control"] in _TELLING and row["statistic"] == "auc" and low <= 0.5:
            told = "an own value beats it with probability"
        if row["control"] == "shuffled_steps" and high >= 0.5:
            told = "wrong orders pass with"
        if told is not None:
            span = f" ({low:.2f} to {high:.2f})" if low < high else ""
            name = row["control"].replace("_", " ")
            return f"its control {name} fails here: {told} {row['value']:.2f}{span}, and 0.50 is chance"
    return None


def _ends_of(row: ControlStatistic) -> tuple[float, float]:
    """Return the ends of a control's interval, twice its value below 5 prompts, NaN where it was not measured."""
    value = np.nan if row["value"] is None else row["value"]
    return (value if row["low"] is None else row["low"]), (value if row["high"] is None else row["high"])


def _coinciding(spec: MetricSpec, floor: float, ceiling: float) -> str | None:
    if np.isclose(floor, ceiling, rtol=1e-9, atol=1e-12) or (ceiling > floor) != (spec.better == "higher"):
        return f"its ceiling {ceiling:.3g} is no better than its floor {floor:.3g} here, so there is nothing to scale"
    return None


def _misread(spec: MetricSpec, scale: Scale, floor: float, ceiling: float) -> str | None:
    """Return why a reader of texts is unfit, None where it reads what is known to be readable."""
    if scale.ceiling.control != "rendered_text":
        return None
    perfect = spec.range[0] if spec.better == "lower" else spec.range[1]
    if perfect is None or abs(ceiling - floor) >= LEAST_READ * abs(perfect - floor):
        return None
    return f"its control rendered text fails here: the same words, cleanly drawn, get {ceiling:.2f}"


def _biased(neutral: float | None) -> str | None:
    if neutral is None:
        return "its control (texts that mean the same) was not measured, so the proxy may be the encoder's bias"
    if abs(neutral - 0.5) > FARTHEST_FROM_NEUTRAL:
        return f"its control fails here: texts that mean the same get {neutral:.2f} where 0.50 is undecided"
    return None


def _frozen(
    spec: MetricSpec,
    suite: str,
    floor: tuple[float, str],
    ceiling: tuple[float, str],
    problem: str | None,
    untold: bool = False,
) -> FrozenScale:
    return FrozenScale(
        metric=spec.id,
        suite=suite or None,
        version=VERSION,
        floor=number_or_none(floor[0]),
        floor_source=floor[1],
        ceiling=number_or_none(ceiling[0]),
        ceiling_source=ceiling[1],
        problem=problem,
        untold=untold,
    )


def share_of_scale(values: pd.Series[float], scale: FrozenScale) -> pd.Series[float]:
    r"""Return values on the floor-to-ceiling scale: :math:`(x - f) / (c - f)`, each clipped to 0..1 by itself.

    Examples
    --------
    >>> scale = FrozenScale(metric="text.cer", suite=None, version=1, floor=1.0, floor_source="", ceiling=0.0,
    ...                     ceiling_source="", problem=None, untold=False)
    >>> share_of_scale(pd.Series([0.25, 3.0]), scale).tolist()
    [0.75, 0.0]
    """
    floor, ceiling = scale["floor"], scale["ceiling"]
    if floor is None or ceiling is None:
        raise ValueError(f"the scale of {scale['metric']} has no ends")
    return ((values - floor) / (ceiling - floor)).clip(0.0, 1.0)
