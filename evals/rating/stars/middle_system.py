"""The middle one of the systems: whose control sets the end of a scale, and so nobody's own does.

A control has a level for each system, and systems may be wrong in ways that move it: one that draws one face for all
stories has an impostor as much alike as the character. Over all systems together it would lift everybody's floor, so
the level of all is that of the middle system. With three systems or more no single one can move it past another's; of
two (of an even number, the two in the middle) it is the worse level, so that the better one lifts nobody's floor. The
price is bounded: a known-wrong arrangement of the other system has as much more than one star as its control lies above
that level. A system that makes its own control worse lifts nobody's stars, and one that makes it better lifts them for
all alike: the scale is the same for everyone. Where as many systems as not are wrong in one way, they set the level.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from metrics.specification import Better

LEAST_COVERED = 0.5
"""The share of a control's prompts that a system must have it on, to speak for all."""


class Level(NamedTuple):
    """A level of a control, and the words on whose it is: empty where all systems have the same one."""

    value: float
    words: str


def level_by_system(rows: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return the mean over prompts by system, of those that have at least half of the prompts.

    A control that is arranged of one picture a prompt, whoever drew it, may be no system's: its mean has the name "".
    ``rows`` have ``system``, ``prompt`` and the column. Every prompt counts the same, however often it was asked.
    """
    means = rows.groupby(["system", "prompt"])[column].mean()
    covered = means.groupby("system").size()
    speaking = covered[covered >= LEAST_COVERED * rows["prompt"].nunique()].index
    if speaking.empty:
        return pd.Series({"": rows.groupby("prompt")[column].mean().mean()})
    return means[means.index.get_level_values("system").isin(speaking)].groupby("system").mean()


def middle_level(levels: pd.Series[float], better: Better) -> Level:
    """Return the middle one of the levels of systems, the worse one of two.

    Examples
    --------
    >>> middle_level(pd.Series({"a": 0.2, "one face for all": 1.0, "b": 0.3}), "higher")
    Level(value=0.3, words=' of b (the middle of 3 systems)')
    >>> middle_level(pd.Series({"a": 0.2, "one face for all": 1.0}), "higher").value
    0.2
    """
    ordered = levels.sort_index().sort_values(ascending=better != "lower", kind="stable")
    place = (len(ordered) - 1) // 2
    is_common = np.isclose(ordered.iloc[0], ordered.iloc[-1], rtol=1e-9, atol=1e-12)
    words = "" if is_common else f" of {ordered.index[place]} (the middle of {len(ordered)} systems)"
    return Level(float(ordered.iloc[place]), words)
