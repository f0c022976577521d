"""The star scales of a run: the numbers that a metric's floor and ceiling have there, and what speaks against them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.controls import ControlStatistic
from evals.rating.stars.chance import MOST_CHANCE, chance_of, no_room_above
from evals.rating.stars.middle_system import level_by_system, middle_level
from metrics.catalogue import metric
from metrics.controls import CONTROLS
from metrics.encoders.catalogue import EXTRACTORS, ceiling_of
from metrics.features import FEATURES
from metrics.scale import SCALES_VERSION, Anchor, Scale
from metrics.specification import MetricSpec

FARTHEST_FROM_NEUTRAL = 0.1
"""How far from 0.5 a fit encoder may be between texts that mean the same."""

LEAST_READ = 0.5
"""The least share of the way from the floor to perfection that clean text must reach, since anyone can read it."""


class FrozenScale(TypedDict):
    """A scale with the numbers of one run: what one star and five stars were there, and where these come from.

    ``chance`` is the mean place from 0 to 1 that arrangements known to be wrong have on it, for each value is clipped
    to the scale by itself: one star lies there (see `evals.rating.stars.chance`); ``chance_source`` says which they
    were. ``comparability`` is None, or says that stars of two encoders are not comparable. ``problem`` is None, or the
    sentence that says why nobody gets stars from this metric here. ``indistinguishable_from_control`` is true where
    that is because no value can be told from the control that sets the floor: as far as can be told, everyone is there.
    """

    metric: str
    suite: str | None
    version: int
    floor: float | None
    floor_source: str
    ceiling: float | None
    ceiling_source: str
    chance: float | None
    chance_source: str
    comparability: str | None
    problem: str | None
    indistinguishable_from_control: bool


def freeze_scale(
    spec: MetricSpec, suite: str, rows: pd.DataFrame, controls: Sequence[ControlStatistic], neutral: float | None = None
) -> FrozenScale:
    """Return the scale of a metric on one suite, its measured ends those of the middle one of the systems.

    ``suite`` is "" for a set without suites; ``rows`` are those of `evals.rating.comparison.with_prompts` of the metric
    on the suite, own values and controls; ``controls`` are the statistics of its controls there, ``neutral`` is the
    mean of its `bias_metric` on the suite, where it has one and that was measured.
    """
    scale = spec.star_scale
    if scale is None:
        why = f"{spec.title} has no stars: {spec.no_scale or 'nobody has said what its worst and best are'}"
        if spec.better == "neither":
            why = f"{spec.title} has no better direction, so it has no stars"
        return _frozen(spec, suite, (np.nan, ""), (np.nan, ""), why)
    floor = _end(spec, scale.floor, scale.version, rows, np.nan)
    ceiling = _end(spec, scale.ceiling, scale.version, rows, floor[0])
    problem = (
        _undefined(scale, floor[0], ceiling[0])
        or _coinciding(spec, floor[0], ceiling[0])
        or _misread(spec, scale, floor[0], ceiling[0])
        or (_biased(neutral) if spec.bias_metric else None)
    )
    failing = None if problem else _indistinguishable(controls)
    frozen = _frozen(spec, suite, floor, ceiling, problem or failing, failing is not None)
    frozen["comparability"] = _comparability(spec, rows)
    return frozen if problem else with_chance(frozen, rows)


def with_chance(scale: FrozenScale, rows: pd.DataFrame) -> FrozenScale:
    """Return a scale that has ends with its chance, and with the problem that there is no room above it.

    ``rows`` are those of the metric on the suite, controls among them.
    """
    chance, source = chance_of(rows, metric(scale["metric"]), lambda values: share_of_scale(values, scale))
    problem, is_floor = scale["problem"], scale["indistinguishable_from_control"]
    if problem is None and chance > MOST_CHANCE:
        problem, is_floor = no_room_above(chance, source), True
    return {**scale, "chance": chance, "chance_source": source,
            "problem": problem, "indistinguishable_from_control": is_floor}  # fmt: skip


def _end(spec: MetricSpec, anchor: Anchor, version: int, rows: pd.DataFrame, floor: float) -> tuple[float, str]:
    """Return the number of an anchor and the words on where it comes from."""
    if anchor.of_encoder:
        return _ceiling_of_encoder(rows)
    if anchor.control is None:
        return float(anchor.declared if anchor.declared is not None else np.nan), f"declared, version {version}"
    of_control = rows.loc[(rows["control"] == anchor.control) & rows["value"].notna()]
    name, n = CONTROLS[anchor.control].title, of_control["prompt"].nunique()
    if anchor.deviations is not None:
        words = f"declared, version {version}: floor + {anchor.deviations:g} standard deviations of {name}"
        return floor + anchor.deviations * _spread(of_control), words
    if not n:
        return np.nan, f"measured: {name}, no prompts"
    value, whose = middle_level(level_by_system(of_control, "value"), spec.better)
    return value, f"measured: {name}{whose}, {n} prompts"


def _spread(of_control: pd.DataFrame) -> float:
    """Return the standard deviation of a control for the middle system, of two of them the root of their mean variance.

    Neither one that always draws the same nor one whose pictures are wild may set it alone.
    """
    if of_control.empty:
        return np.nan
    levels = level_by_system(of_control, "value")
    own_level = of_control["system"].map(levels).fillna(levels.mean())
    squares = of_control.assign(square=(of_control["value"] - own_level) ** 2)
    return float(np.sqrt(level_by_system(squares, "square").median()))


def _ceiling_of_encoder(rows: pd.DataFrame) -> tuple[float, str]:
    """Return the best that the encoder of a metric's measurements can be expected to give, nothing for several."""
    names = sorted(rows["encoder"].dropna().unique())
    ceiling = ceiling_of(names[0]) if len(names) == 1 else None
    return (np.nan, "") if ceiling is None else (ceiling.value, f"{names[0]}: {ceiling.source}")


def _undefined(scale: Scale, floor: float, ceiling: float) -> str | None:
    for value, anchor in ((floor, scale.floor), (ceiling, scale.ceiling)):
        if anchor.control and not np.isfinite(value):
            return f"its control {CONTROLS[anchor.control].title} could not be measured, so the scale has no ends"
        if anchor.of_encoder and not np.isfinite(value):
            return "nobody has measured the best value of its encoder, or there are several, so the scale has no end"
    return None


def _indistinguishable(controls: Sequence[ControlStatistic]) -> str | None:
    """Return why what is right cannot be told from what is known to be wrong, None where it can."""
    for row in controls:
        value, control = row["value"], CONTROLS[row["control"]]
        if row["statistic"] != control.proof or row["proven_by"]:
            continue
        if value is None:
            return f"its control {control.title} could not be measured here, so nothing tells right from wrong"
        # Below 5 prompts there is no interval, and the value itself must be on the right side of chance.
        low, high = (value if end is None else end for end in (row["low"], row["high"]))
        if high >= 0.5 if control.proof == "mean" else low <= 0.5:
            chance = "wrong orders pass with" if control.proof == "mean" else "an own value beats it with probability"
            span = f" ({low:.2f} to {high:.2f})" if low < high else ""
            return f"its control {control.title} fails here: {chance} {value:.2f}{span}, and 0.50 is chance"
    return None


def _coinciding(spec: MetricSpec, floor: float, ceiling: float) -> str | None:
    if np.isclose(floor, ceiling, rtol=1e-9, atol=1e-12) or (ceiling > floor) != (spec.better == "higher"):
        return f"its ceiling {ceiling:.3g} is no better than its floor {floor:.3g} here, so there is nothing to scale"
    return None


def _misread(spec: MetricSpec, scale: Scale, floor: float, ceiling: float) -> str | None:
    """Return why a reader of texts is unfit, None where it reads what is known to be readable."""
    control = scale.ceiling.control
    if control is None or CONTROLS[control].arrangement != "rendering":
        return None
    perfect = spec.range[0] if spec.better == "lower" else spec.range[1]
    if perfect is None or abs(ceiling - floor) >= LEAST_READ * abs(perfect - floor):
        return None
    return f"its control {CONTROLS[control].title} fails here: the same words, cleanly drawn, get {ceiling:.2f}"


def _biased(neutral: float | None) -> str | None:
    if neutral is None:
        return "its control (texts that mean the same) was not measured, so the proxy may be the encoder's bias"
    if abs(neutral - 0.5) > FARTHEST_FROM_NEUTRAL:
        return f"its control fails here: texts that mean the same get {neutral:.2f} where 0.50 is undecided"
    return None


def _comparability(spec: MetricSpec, rows: pd.DataFrame) -> str | None:
    """Return that the scale is the encoder's own, None where it is plain arithmetic on pixels that measures."""
    if all(FEATURES[feature].role in EXTRACTORS for feature in spec.features):
        return None
    encoders = " and ".join(sorted(rows["encoder"].dropna().unique())) if "encoder" in rows else ""
    return f"measured with {encoders or 'an encoder'}: stars that another encoder gives are not comparable with these"


def _frozen(
    spec: MetricSpec,
    suite: str,
    floor: tuple[float, str],
    ceiling: tuple[float, str],
    problem: str | None,
    indistinguishable_from_control: bool = False,
) -> FrozenScale:
    return FrozenScale(
        metric=spec.id,
        suite=suite or None,
        version=spec.star_scale.version if spec.star_scale else SCALES_VERSION,
        floor=number_or_none(floor[0]),
        floor_source=floor[1],
        ceiling=number_or_none(ceiling[0]),
        ceiling_source=ceiling[1],
        chance=None,
        chance_source="",
        comparability=None,
        problem=problem,
        indistinguishable_from_control=indistinguishable_from_control,
    )


def share_of_scale(values: pd.Series[float], scale: FrozenScale) -> pd.Series[float]:
    r"""Return values on the floor-to-ceiling scale: :math:`(x - f) / (c - f)`, each clipped to 0..1 by itself.

    Examples
    --------
    >>> scale = FrozenScale(metric="text.cer", suite=None, version=1, floor=1.0, floor_source="", ceiling=0.0,
    ...                     ceiling_source="", chance=0.0, chance_source="", comparability=None, problem=None,
    ...                     indistinguishable_from_control=False)
    >>> share_of_scale(pd.Series([0.25, 3.0]), scale).tolist()
    [0.75, 0.0]
    """
    floor, ceiling = scale["floor"], scale["ceiling"]
    if floor is None or ceiling is None:
        raise ValueError(f"the scale of {scale['metric']} has no ends")
    return ((values - floor) / (ceiling - floor)).clip(0.0, 1.0)
