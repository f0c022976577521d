r"""What nothing is worth: the places that arrangements known to be wrong have on a scale, where one star therefore
lies.

Every value is clipped to the scale from floor to ceiling by itself. The floor is the mean of a control, so about half
of what is known to be wrong lies above it, and its mean place m is more than 0. Stars are made of

.. math:: \frac{\bar u - m}{1 - m},

as kappa is of agreement (Cohen 1960, A coefficient of agreement for nominal scales): 0 for what chance gives, 1 at the
ceiling. It is linear in the places :math:`u` of the prompts, so that paired differences and their intervals are those
of the places over :math:`1 - m`, p-values stay what they are, and no rating rises when a place falls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from evals.rating.stars.middle_system import Level, highest_level, level_by_system
from metrics.controls import CONTROLS, Control
from metrics.specification import MetricSpec

MOST_CHANCE = 0.75
"""Where more of the scale than this is had for nothing, too little is left to rate on."""

Places = Callable[["pd.Series[float]"], "pd.Series[float]"]


def chance_of(rows: pd.DataFrame, spec: MetricSpec, on_scale: Places) -> tuple[float, str]:
    """Return the mean place of a metric's known-wrong control, the best of several, and the words on where it is from.

    Prompts count alike, and of the systems it is the highest one's place that is not far above the middle one's (see
    `evals.rating.stars.middle_system`). What a system fails at is worth nothing here too.

    Parameters
    ----------
    rows
        Rows of `evals.rating.comparison.with_prompts` of the metric on one suite, controls among them.
    spec
        The metric.
    on_scale
        Puts its values on the scale.
    """
    by_control = {control: _placed(rows, spec, control, on_scale) for control in spec.known_wrong}
    return _best(by_control)


def joint_chance(rows: pd.DataFrame, parts: Sequence[tuple[MetricSpec, float, Places]]) -> tuple[float, str]:
    """Return the same of a row whose metrics combine geometrically: each arrangement is combined as pictures are.

    An arrangement counts where it is wrong for one of the metrics and each of the others has it or asks for no more:
    the unedited source keeps all and follows nothing. ``parts`` are the metrics with their weights and what puts
    values on their scales.
    """
    by_control = {}
    for control in CONTROLS:
        if not any(control in spec.known_wrong for spec, _, _ in parts):
            continue
        # What does all that a metric asks has the whole of its scale, and nothing need be measured for that.
        measured = [part for part in parts if control not in part[0].fulfilled_by]
        if not all(control in spec.controls for spec, _, _ in measured):
            continue
        joint, same = pd.DataFrame(), ["system", "prompt", "sample"]
        for n, (spec, weight, on_scale) in enumerate(measured):
            placed = _placed(rows[rows["metric"] == spec.id], spec, control, on_scale)
            with np.errstate(divide="ignore"):
                placed["log"] = weight * np.log(placed.pop("place").to_numpy(np.float64))
            # Every stranger that one metric looked at is held together with every one that the others did.
            joint = placed if n == 0 else joint.merge(placed, on=same, suffixes=("", "_of_part"))
            if n:
                joint["log"] += joint.pop("log_of_part")
        whole = sum(weight for _, weight, _ in parts)
        by_control[control] = joint.assign(place=np.exp(joint["log"] / whole))
    return _best(by_control)


def no_room_above(chance: float, source: str) -> str:
    """Return the sentence that says why nobody has stars where wrong arrangements have nearly as much as right ones."""
    return f"arrangements known to be wrong get {chance:.2f} of the scale here ({source}), so there is nothing to rate"


def _placed(rows: pd.DataFrame, spec: MetricSpec, control: Control, on_scale: Places) -> pd.DataFrame:
    of_control = rows.loc[rows["control"] == control, ["system", "prompt", "sample", "value", "reason"]]
    failed = of_control["reason"].isin(spec.system_failures)
    values = of_control["value"]
    places = (on_scale(values) if values.notna().any() else values).mask(failed, 0.0)
    return of_control[["system", "prompt", "sample"]].assign(place=places.astype(float))[places.notna()]


def _best(by_control: dict[Control, pd.DataFrame]) -> tuple[float, str]:
    levels: dict[Control, Level] = {
        control: highest_level(level_by_system(placed, "place"))
        for control, placed in by_control.items()
        if len(placed)
    }
    if not levels:
        return 0.0, "no arrangement that is known to be wrong was measured"
    control = max(levels, key=lambda name: levels[name].value)
    value, words = levels[control]
    n = by_control[control]["prompt"].nunique()
    return value, f"measured: {CONTROLS[control].title}{words}, {n} prompts"
