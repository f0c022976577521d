"""What a figure of the requests is, and how their columns are read: nothing that is missing counts as 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import column_of
from evals.rating.statistics.intervals import Numbers

MISSING: Mapping[str, str] = {
    "nothing_sent": "no request was sent",
    "no_picture": "no request brought a picture",
    "other_size": "every picture came in another size than was asked for",
    "no_time": "no time of this kind was told for any picture",
    "only_under_load": "every picture was asked for while others of the system were in flight",
    "no_load": "no picture is known to have been asked for while others of the system were in flight",
    "no_pixel_size": "no picture with a latency has a known size in pixels",
    "no_cost": "no request says what it cost",
    "no_cost_bound": "not every request says what it may have cost",
    "not_watched": "no request was watched from being sent to its end",
}
"""Every reason a figure may carry instead of a value, with the sentence that a report prints."""


class Figure(TypedDict):
    """One number with its 95 % interval where there is one, or the reason why there is no number.

    ``n`` is how many requests it comes from, ``at_least`` whether the true value can only be larger. Of a time
    ``in_flight`` is how many requests of the system were in flight at once (1: one at a time; None: not known), and
    ``began`` and ``ended`` are when the first was sent and the last one over (ISO 8601, UTC), where that is known.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    at_least: bool
    reason: str | None
    in_flight: float | None
    began: str | None
    ended: str | None


def figure(
    value: float, n: int, interval: tuple[float | None, float | None] | None = None, *, at_least: bool = False
) -> Figure:
    """Return a figure with its value."""
    low, high = interval or (None, None)
    return Figure(
        value=value, low=low, high=high, n=n, at_least=at_least, reason=None, in_flight=None, began=None, ended=None
    )


def no_figure(reason: str) -> Figure:
    """Return a figure that has a reason, one of `MISSING`, in place of a value."""
    return Figure(
        value=None, low=None, high=None, n=0, at_least=False, reason=reason, in_flight=None, began=None, ended=None
    )


def numbers_of(rows: pd.DataFrame, column: str) -> Numbers:
    """Return a column as numbers, NaN for everything that is not a finite one from 0 on."""
    numbers = pd.to_numeric(column_of(rows, column), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers) & (numbers >= 0), numbers, np.nan)


def moments_of(rows: pd.DataFrame, column: str) -> Numbers:
    """Return a column of ISO 8601 times from 1900 to 2199 as seconds since 1970, NaN where there is none."""
    values = column_of(rows, column)
    values = values.where(values.astype(str).str.match(r"(19|20|21)\d\d"))  # pandas raises for what it cannot hold
    moments = pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601")
    seconds = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return np.asarray(seconds, np.float64)


def texts_of(rows: pd.DataFrame, column: str) -> list[str | None]:
    """Return a column as texts, None where there is no value."""
    values = column_of(rows, column)
    cells = zip(values.astype(object).tolist(), values.isna().tolist(), strict=True)
    return [None if missing else str(value) for value, missing in cells]


def prompts_of(rows: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Return the number of each request's prompt, from 0; a request that names none has one of its own."""
    columns = (texts_of(rows, column) for column in ("suite", "prompt_id", "prompt"))
    keys = [
        (suite, name or text or f"request {place}", name is None and text is None)
        for place, (suite, name, text) in enumerate(zip(*columns, strict=True))
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.intp)
