"""Operations: what asking a system was like, from the requests of a run: outcomes, latency, cost, throughput."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats
from typing_extensions import TypedDict

from evals.imageset.contract import FILE_MISSING, NO_FIRST_SHOT, ended_as
from evals.rating.comparison import column_of
from evals.rating.statistics.intervals import CONFIDENCE, MIN_PROMPTS, Numbers
from evals.rating.statistics.proportions import wilson_interval

QUANTILE_METHOD: Final = "linear"
"""How quantiles lie between two values: numpy's ``linear``, type 7 of Hyndman and Fan 1996."""

P95_BOUNDED_FROM = 59
"""From this many values on, the largest one is a 95 % upper bound for the 95th percentile: 0.95 ** 59 < 0.05."""

MISSING: Mapping[str, str] = {
    "nothing_sent": "no request was sent",
    "no_picture": "no request brought a picture",
    "no_time": "no time of this kind was told for any picture",
    "no_pixel_size": "no picture with a latency has a known size in pixels",
    "no_cost": "no request says what it cost",
    "no_cost_bound": "not every request says what it may have cost",
    "not_watched": "no request was watched from being sent to its end",
}
"""Every reason a figure may carry instead of a value, with the sentence that a report prints."""


class Figure(TypedDict):
    """One number with its 95 % interval where there is one, or the reason why there is no number.

    ``n`` is how many requests it comes from, ``at_least`` whether the true value can only be larger.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    at_least: bool
    reason: str | None


class SystemOperations(TypedDict):
    """What asking one system for pictures of one size was like.

    ``outcomes`` counts all requests; ``n_sent`` leaves out later shots that were never sent because the first one
    brought no picture. ``n_prompts`` is how many prompts the sent ones are of. ``figures`` are keyed by metric id.
    """

    system: str
    size: str | None
    simulated: bool
    n_requests: int
    n_sent: int
    n_prompts: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    quantile_method: str
    figures: dict[str, Figure]


def operations(requests: pd.DataFrame) -> list[SystemOperations]:
    """Return outcomes, latency, cost and throughput of each system by size.

    Latency is that of the pictures, from the last attempt to the delivered file; queue, generation and download are
    parts of it, as far as the host tells them apart. Money counts all requests that were sent, those without a picture
    included. A picture is accepted when no filter of the host took it away.

    Parameters
    ----------
    requests
        One row a request, in any order: ``system`` and ``outcome``, and where known ``size suite prompt_id reason
        latency_s queue_s generation_s download_s cost_usd may_have_cost_usd sent_at ended_at width height simulated``.

    Returns
    -------
    list of SystemOperations
        By system, sizes ascending; plain Python values only. What is missing is None with a reason, never 0.

    Examples
    --------
    >>> requests = [{"system": "a", "outcome": outcome} for outcome in ["ok"] * 8 + ["refused"] * 2]
    >>> (row,) = operations(pd.DataFrame(requests))
    >>> figure = row["figures"]["operations.refusal_rate"]
    >>> figure["value"], round(figure["low"], 4), round(figure["high"], 4)
    (0.2, 0.0567, 0.5098)
    >>> row["figures"]["operations.latency_p50"]["value"], row["figures"]["operations.latency_p50"]["reason"]
    (None, 'no_time')
    """
    if requests.empty:
        return []
    sizes = _texts(requests, "size")
    groups: dict[tuple[str, str | None], list[int]] = {}
    for place, key in enumerate(zip(requests["system"], sizes, strict=True)):
        groups.setdefault(key, []).append(place)
    ordered = sorted(groups, key=lambda key: (key[0], *_size_order(key[1])))
    return [_of_group(system, size, requests.iloc[groups[system, size]]) for system, size in ordered]


def notes(rows: Sequence[SystemOperations]) -> list[str]:
    """Return sentences on how the figures are to be read."""
    sentences: list[str] = []
    if simulated := sorted({row["system"] for row in rows if row["simulated"]}):
        sentences.append(
            f"{', '.join(simulated)}: simulated. Times are those of simulators on one machine and say nothing about "
            "any host; money is what a real one would have charged, nothing was spent."
        )
    if any(row["figures"]["operations.latency_p95"]["at_least"] for row in rows):
        sentences.append(
            f"A p95 marked \u2265 is a lower bound: below {P95_BOUNDED_FROM} values the largest one may lie under the "
            "true p95, and a request that timed out would have taken longer than any that is counted."
        )
    if any(figure["at_least"] for row in rows for name, figure in row["figures"].items() if "cost" in name):
        sentences.append("Money marked \u2265 is a lower bound: some requests do not say what they cost.")
    return sentences


def quantile_ranks(n: int, share: float) -> tuple[int, int] | None:
    r"""Return the ranks (from 1) of the order statistics that bound a quantile with at least 95 % confidence.

    :math:`l` and :math:`u` with at most 2.5 % for :math:`B < l` and for :math:`B \ge u`, :math:`B` binomial with n and
    ``share``; None where not even the extremes reach that: for the median below 6 values, for the 95th percentile below
    72.

    References
    ----------
    Conover 1999, Practical Nonparametric Statistics, section 3.2.

    Examples
    --------
    >>> quantile_ranks(10, 0.5), quantile_ranks(5, 0.5), quantile_ranks(100, 0.95), quantile_ranks(71, 0.95)
    ((2, 9), None, (90, 100), None)
    """
    tail = (1 - CONFIDENCE) / 2
    lower, upper = int(stats.binom.ppf(tail, n, share)), int(stats.binom.ppf(1 - tail, n, share)) + 1
    return (lower, upper) if lower > 0 and upper <= n else None


def _of_group(system: str, size: str | None, rows: pd.DataFrame) -> SystemOperations:
    reasons = _texts(rows, "reason")
    sent = rows[[reason != NO_FIRST_SHOT for reason in reasons]]
    pictures = sent[ended_as(sent, "ok")]
    suites, ids, texts = (_texts(sent, column) for column in ("suite", "prompt_id", "prompt"))
    prompts = [(suite, name or text) for suite, name, text in zip(suites, ids, texts, strict=True)]
    # A request that names no prompt is one by itself.
    n_prompts = len({each for each in prompts if each[1] is not None}) + sum(each[1] is None for each in prompts)
    unsuccessful = (reason for reason, is_ok in zip(reasons, ended_as(rows, "ok"), strict=True) if not is_ok)
    return {
        "system": system,
        "size": size,
        "simulated": "simulated" in rows and bool(rows["simulated"].any()),
        "n_requests": len(rows),
        "n_sent": len(sent),
        "n_prompts": n_prompts,
        "outcomes": _counted(rows["outcome"]),
        "reasons": _counted(reason for reason in unsuccessful if reason is not None),
        "quantile_method": QUANTILE_METHOD,
        "figures": {
            **_rates(sent, n_prompts),
            **_times(pictures, n_timeouts=int(ended_as(sent, "timeout").sum())),
            **_costs(sent, pictures),
            **_throughput(sent),
        },
    }


def _rates(sent: pd.DataFrame, n_prompts: int) -> dict[str, Figure]:
    # A file that somebody deleted was delivered all the same.
    failed = ended_as(sent, "failed", "timeout") & np.array([r != FILE_MISSING for r in _texts(sent, "reason")], bool)
    outcomes = {
        "refusal": ended_as(sent, "refused"),
        "filter": ended_as(sent, "filtered"),
        "failure": failed,
        "unknown": ended_as(sent, "unknown"),
    }
    n = len(sent)
    rates: dict[str, Figure] = {}
    for name, rows in outcomes.items():
        share = int(rows.sum()) / n if n else 0.0
        interval = wilson_interval(share, n_prompts) if n_prompts >= MIN_PROMPTS else None
        rates[f"operations.{name}_rate"] = _figure(share, n, interval) if n else _no_figure("nothing_sent")
    return rates


def _times(pictures: pd.DataFrame, n_timeouts: int) -> dict[str, Figure]:
    latency = _numbers(pictures, "latency_s")
    pixels = _numbers(pictures, "width") * _numbers(pictures, "height")
    sized = np.isfinite(latency) & np.isfinite(pixels) & (pixels > 0)
    known = latency[np.isfinite(latency)]
    why_none = "no_time" if len(pictures) else "no_picture"
    p95 = _no_figure(why_none)
    if known.size:
        at_least = len(known) < P95_BOUNDED_FROM or n_timeouts > 0
        p95 = _quantile(known, 0.95, bounded=not at_least)
    return {
        "operations.latency_p50": _median(latency, why_none),
        "operations.latency_p95": p95,
        "operations.queue_p50": _median(_numbers(pictures, "queue_s"), why_none),
        "operations.generation_p50": _median(_numbers(pictures, "generation_s"), why_none),
        "operations.download_p50": _median(_numbers(pictures, "download_s"), why_none),
        "operations.seconds_per_megapixel": _median(
            latency[sized] / (pixels[sized] / 1e6), "no_pixel_size" if known.size else why_none
        ),
    }


def _median(values: Numbers, why_none: str) -> Figure:
    known = values[np.isfinite(values)]
    return _quantile(known, 0.5) if known.size else _no_figure(why_none)


def _quantile(values: Numbers, share: float, *, bounded: bool = True) -> Figure:
    """Return a quantile with the interval of its order statistics, or, where it has no upper bound, as a lower one."""
    ranks = quantile_ranks(len(values), share) if bounded else None
    ordered = np.sort(values)
    interval = (float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1])) if ranks else None
    value = float(np.quantile(ordered, share, method=QUANTILE_METHOD))
    return _figure(value, len(ordered), interval, at_least=not bounded)


def _costs(sent: pd.DataFrame, pictures: pd.DataFrame) -> dict[str, Figure]:
    money, possible = _numbers(sent, "cost_usd"), _numbers(sent, "may_have_cost_usd")
    of_pictures = _numbers(pictures, "cost_usd")
    known = of_pictures[np.isfinite(of_pictures)]
    per_image = per_accepted = at_most = _no_figure("no_picture")
    if len(pictures):
        per_image = _figure(math.fsum(known) / len(known), len(known)) if known.size else _no_figure("no_cost")
        per_accepted = at_most = _no_figure("no_cost")
    if len(pictures) and np.isfinite(money).any():
        spent = math.fsum(money[np.isfinite(money)])
        per_accepted = _figure(spent / len(pictures), len(sent), at_least=not np.isfinite(money).all())
        # A lost answer has no cost of its own: what it may have cost is all of it.
        bounded = np.isfinite(possible) & (np.isfinite(money) | ended_as(sent, "unknown").to_numpy(bool))
        at_most = _no_figure("no_cost_bound")
        if bounded.all():
            at_most = _figure((spent + math.fsum(possible)) / len(pictures), len(sent))
    return {
        "operations.cost_per_image": per_image,
        "operations.cost_per_accepted_image": per_accepted,
        "operations.cost_per_accepted_image_at_most": at_most,
    }


def _throughput(sent: pd.DataFrame) -> dict[str, Figure]:
    """Return pictures per minute of the time in which any request was in flight, and how many were on average.

    Only requests with a latency count: those were watched by one process. A task that a later process fetched was in
    flight while nobody asked for it.
    """
    began, ended = _moments(sent, "sent_at"), _moments(sent, "ended_at")
    watched = np.isfinite(_numbers(sent, "latency_s")) & np.isfinite(began) & np.isfinite(ended) & (ended >= began)
    spans = sorted(zip(began[watched], ended[watched], strict=True))
    in_flight_s = math.fsum(end - start for start, end in _merged(spans))
    if in_flight_s == 0:
        nothing = _no_figure("not_watched" if len(sent) else "nothing_sent")
        return {"operations.throughput": nothing, "operations.in_flight": nothing}
    n_pictures = int((watched & ended_as(sent, "ok").to_numpy(bool)).sum())
    busy_s = math.fsum(end - start for start, end in spans)
    return {
        "operations.throughput": _figure(60 * n_pictures / in_flight_s, len(spans)),
        "operations.in_flight": _figure(busy_s / in_flight_s, len(spans)),
    }


def _merged(spans: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the union of spans that are sorted by their start."""
    if not spans:
        return
    start, end = spans[0]
    for began, ended in spans[1:]:
        if began > end:
            yield start, end
            start = began
        end = max(end, ended)
    yield start, end


def _figure(value: float, n: int, interval: tuple[float, float] | None = None, *, at_least: bool = False) -> Figure:
    low, high = interval or (None, None)
    return {"value": value, "low": low, "high": high, "n": n, "at_least": at_least, "reason": None}


def _no_figure(reason: str) -> Figure:
    return {"value": None, "low": None, "high": None, "n": 0, "at_least": False, "reason": reason}


def _numbers(rows: pd.DataFrame, column: str) -> Numbers:
    """Return a column as numbers, NaN for everything that is not a finite one from 0 on."""
    numbers = pd.to_numeric(column_of(rows, column), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers) & (numbers >= 0), numbers, np.nan)


def _moments(rows: pd.DataFrame, column: str) -> Numbers:
    """Return a column of ISO 8601 times as seconds since 1970, NaN where there is none."""
    moments = pd.to_datetime(column_of(rows, column), utc=True, errors="coerce", format="ISO8601")
    seconds = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return np.asarray(seconds, np.float64)


def _texts(rows: pd.DataFrame, column: str) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in column_of(rows, column)]


def _counted(values: Iterator[str] | pd.Series[str]) -> dict[str, int]:
    return dict(sorted(Counter(map(str, values)).items()))


def _size_order(size: str | None) -> tuple[float, str]:
    """Return what sizes are sorted by: 512 before 1K before 2K, anything else after them."""
    name = (size or "").upper()
    digits = name.removesuffix("K")
    known = digits.isascii() and digits.isdigit()
    return (float(digits) * (1024 if name.endswith("K") else 1) if known else math.inf, size or "")
