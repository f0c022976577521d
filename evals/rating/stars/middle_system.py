"""The middle one of the systems: whose control sets the end of a scale, and so nobody's own does.

A control has a level for each system, and systems may be wrong in ways that move it: one that draws one face for all
stories has an impostor as much alike as the character. Over all systems together it would lift everybody's floor, so
the level of all is that of the middle system. With three systems or more no single one can move it past another's; of
two (of an even number, the two in the middle) it is the worse level, so that the better one lifts nobody's floor. A
system that makes its own control worse lifts nobody's stars, and one that makes it better lifts them for all alike: the
scale is the same for everyone. Where as many systems as not are wrong in one way, they set the level.

What wrong arrangements have for nothing is another question (`highest_level`): they must have one star whichever
system's pictures they are made of, and those of one that takes some characters for others are right by chance more
often. So that is the highest of the levels, but at most a tenth of the scale above the middle one: no more can a system
whose control is far off take from everyone, and what is above is not covered. It is the same for all, so it orders
nobody anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from metrics.specification import Better

LEAST_COVERED = 0.5
"""The share of a control's prompts that a system must have it on, to speak for all."""


MOST_ABOVE_MIDDLE = 0.1
"""How far above the middle system's one system's control can lift what nothing is worth, as a share of the scale."""


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


def highest_level(shares: pd.Series[float]) -> Level:
    """Return the highest of the levels of systems on the scale from 0 to 1, but at most 0.1 above the middle one.

    Examples
    --------
    >>> highest_level(pd.Series({"a": 0.06, "takes one for another": 0.12}))
    Level(value=0.12, words=' of takes one for another (the highest of 2 systems)')
    >>> highest_level(pd.Series({"a": 0.2, "one face for all": 1.0, "b": 0.25}))
    Level(value=0.35, words=' of one face for all, held down to 0.10 above the middle of 3 systems')
    """
    middle, words = middle_level(shares, "higher")
    highest, most = float(shares.max()), middle + MOST_ABOVE_MIDDLE
    if words and highest > most:
        whose = f"{shares.idxmax()}, held down to {MOST_ABOVE_MIDDLE:.2f} above the middle of {len(shares)} systems"
        return Level(most, f" of {whose}")
    return Level(highest, f" of {shares.idxmax()} (the highest of {len(shares)} systems)" if words else "")
