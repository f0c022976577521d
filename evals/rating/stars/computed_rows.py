"""Computed rows of the star table: cost and latency of every request on declared logarithmic scales."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from evals.imageset.contract import OTHER_SIZE, Outcome, ended_as
from evals.rating.stars.prompt_scores import LOST, WITHHELD, PromptScores
from evals.rating.stars.scales import FrozenScale
from metrics.scale import SCALES_VERSION


@dataclass(frozen=True, slots=True)
class LogScale:
    """A declared scale on which every halving counts the same: one star at ``floor``, five at ``ceiling``."""

    title: str
    column: str
    unit: str
    floor: float
    ceiling: float
    failures: tuple[Outcome, ...]


UNDER_LOAD = "under_load"
"""The reason of a latency that does not count: other requests of the system were in flight."""

NOT_COUNTED = {
    UNDER_LOAD: " of its own: other requests of its system were in flight",
    OTHER_SIZE: ": they came in another size than was asked for",
}
"""Why a latency does not count, as the rest of a sentence on a row without any."""

LOG_SCALES: dict[str, LogScale] = {
    "cost_per_image": LogScale("Cost of a picture", "cost_usd", "USD", 0.20, 0.01, WITHHELD),
    "latency": LogScale("Latency", "latency_s", "s", 60.0, 2.0, (*WITHHELD, "timeout")),
}
"""One star for 0.20 dollars or a minute, five for a cent or two seconds.

A picture that the system withheld is worth nothing, however cheap or fast the refusal was, and one that was waited for
in vain was slower than any.
"""


def frozen_log_scale(computed: str, suite: str | None) -> FrozenScale:
    """Return the scale of a computed row as the ratings keep it."""
    scale = LOG_SCALES[computed]
    words = f"declared, version {SCALES_VERSION}: logarithmic"
    return FrozenScale(
        metric=computed,
        suite=suite,
        version=SCALES_VERSION,
        floor=scale.floor,
        floor_source=words,
        ceiling=scale.ceiling,
        ceiling_source=words,
        chance=0.0,
        chance_source="no request is known to be wrong",
        comparability=None,
        problem=None,
        indistinguishable_from_control=False,
    )


def score_computed(computed: str, requests: pd.DataFrame, suite: str | None, size: str | None) -> PromptScores:
    r"""Return where every prompt of every system lies on the scale of cost or latency.

    A request that brought a picture is at :math:`\log(x / f) / \log(c / f)`, clipped to 0..1. A latency counts where
    the request was the only one of its system in flight, or nobody knows how many there were, and where the picture has
    the size that was asked for.

    Parameters
    ----------
    computed
        ``cost_per_image`` or ``latency``.
    requests
        As `evals.rating.stars.prompt_scores.with_units` returns them.
    suite, size
        Which requests count; None for all.

    Examples
    --------
    >>> from evals.rating.stars.prompt_scores import with_units
    >>> requests = pd.DataFrame({"system": ["a"] * 3, "prompt_id": ["x", "y", "z"], "outcome": ["ok", "ok", "refused"],
    ...                       "latency_s": [2.0, 60.0, None]})
    >>> score_computed("latency", with_units(requests), None, None).shares["a"].tolist()
    [1.0, 0.0, 0.0]
    """
    scale, chosen = LOG_SCALES[computed], _chosen(requests, suite, size)
    outcome, value = chosen["outcome"], chosen[scale.column]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (np.log(scale.floor) - np.log(value)) / (np.log(scale.floor) - np.log(scale.ceiling))
    share = share.clip(0.0, 1.0).where(ended_as(chosen, "ok"))
    failed = ended_as(chosen, *scale.failures)
    # How long a crowd of requests took says nothing of a system that is asked one at a time.
    is_loaded = _is_loaded(computed, chosen) & ended_as(chosen, "ok", "timeout")
    is_other = _has_other_size(computed, chosen) & ended_as(chosen, "ok")
    share, failed = share.mask(is_loaded | is_other), failed & ~is_loaded
    # A file that somebody deleted, a picture without a price: nothing is known of it.
    left_out = ~failed & (share.isna() | ended_as(chosen, *LOST))
    placed = pd.DataFrame(
        {
            "system": chosen["system"],
            "prompt": chosen["suite"].fillna("").astype(str) + "/" + chosen["prompt"],
            "value": value.where(share.notna()),
            "reason": outcome.mask(is_other, OTHER_SIZE).mask(is_loaded, UNDER_LOAD).where(failed | left_out),
            "share": share.mask(failed, 0.0),
            "failed": failed,
            "left_out": left_out,
        }
    )
    scores = PromptScores.of(placed)
    if computed != "latency":
        return scores
    return replace(
        scores, asked_at=_asked_at(placed, chosen["sent_at"], scores), cautions=_cautions(chosen[~left_out | is_other])
    )


def _asked_at(placed: pd.DataFrame, sent_at: pd.Series[float], scores: PromptScores) -> pd.DataFrame:
    """Return when the first and the last request that counts was sent, NaN where the time of one is not known."""
    counted = placed.assign(sent_at=sent_at, is_known=sent_at.notna().astype(float))[~placed["left_out"]]

    def table(column: str, aggregate: Literal["min", "max"]) -> pd.DataFrame:
        by_system = counted.pivot_table(column, "prompt", "system", aggregate, dropna=False)
        return by_system.reindex(index=scores.shares.index, columns=scores.shares.columns)

    all_known = table("is_known", "min") == 1
    return pd.concat({"first": table("sent_at", "min"), "last": table("sent_at", "max")}, axis=1).where(
        pd.concat({"first": all_known, "last": all_known}, axis=1)
    )


def _is_loaded(computed: str, requests: pd.DataFrame) -> pd.Series[bool]:
    return (requests["in_flight"] > 1) & (computed == "latency")


def _has_other_size(computed: str, requests: pd.DataFrame) -> pd.Series[bool]:
    return requests["note"].eq(OTHER_SIZE) & (computed == "latency")


def _cautions(requests: pd.DataFrame) -> dict[str, str]:
    """Return what a latency of each system holds for, and what is not known of how it came about."""
    cautions: dict[str, str] = {}
    for system, rows in requests.groupby("system"):
        began, ended = rows["sent_at"].min(), rows["sent_at"].max()
        hours = "nobody knows when each was asked"
        if not pd.isna(began):
            first, last = (pd.Timestamp(moment, unit="s", tz="UTC") for moment in (began, ended))
            hours = f"asked from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        parts = [f"{hours}, from a place that is not recorded: another hour or region may differ"]
        if rows["in_flight"].isna().any():
            parts.append("how many requests were in flight at once is not known (column in_flight)")
        if n_others := int(rows["note"].eq(OTHER_SIZE).sum()):
            parts.append(f"{n_others} of its pictures came in another size than was asked for and do not count")
        cautions[str(system)] = "; ".join(parts)
    return cautions


def typical_values(computed: str, requests: pd.DataFrame, suite: str | None, size: str | None) -> pd.Series[float]:
    """Return the mean cost or the median latency of the pictures of each system; arguments as `score_computed`.

    A latency under load, or of a picture of another size, is none.
    """
    chosen = _chosen(requests, suite, size)
    counts = ended_as(chosen, "ok") & ~_is_loaded(computed, chosen) & ~_has_other_size(computed, chosen)
    pictures = chosen[counts].groupby("system")[LOG_SCALES[computed].column]
    return pictures.mean() if computed == "cost_per_image" else pictures.median()


def _chosen(requests: pd.DataFrame, suite: str | None, size: str | None) -> pd.DataFrame:
    """Return the requests of a suite and a size; one whose size nobody told is of every size."""
    chosen = requests if suite is None else requests[requests["suite"] == suite]
    return chosen if size is None else chosen[(chosen["size"] == size) | chosen["size"].isna()]
