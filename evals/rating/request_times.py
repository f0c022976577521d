"""How long pictures took and how many came a minute, one at a time and under load; units are prompt and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evals.imageset.contract import OTHER_SIZE, ended_as
from evals.rating.request_figures import Figure, figure, moments_of, no_figure, numbers_of, prompts_of, texts_of
from evals.rating.statistics.intervals import Numbers
from evals.rating.statistics.over_time import SerialEstimate, serial_quantile, serial_ratio

Flags = npt.NDArray[np.bool_]

PARTS = ("queue", "generation", "download")
"""Parts of a latency that a host may tell apart."""


def is_one_at_a_time(in_flight: Numbers) -> Flags:
    """Return which requests were the only one of their system; not those of which nobody knows (NaN)."""
    return in_flight <= 1


def is_under_load(in_flight: Numbers) -> Flags:
    """Return which requests had others of their system in flight beside them."""
    return in_flight > 1


@dataclass(frozen=True, slots=True)
class _Asked:
    """Requests as arrays: what is known of how each was asked for and how it ended."""

    prompts: npt.NDArray[np.intp]
    began: Numbers
    ended: Numbers
    in_flight: Numbers
    latency: Numbers
    is_ok: Flags

    @property
    def loads(self) -> tuple[Flags, Flags, Flags]:
        """Which requests were asked one at a time, which nobody knows of, and which were under load."""
        return is_one_at_a_time(self.in_flight), np.isnan(self.in_flight), is_under_load(self.in_flight)

    def figure_of(self, chosen: Flags, estimate: SerialEstimate, *, at_least: bool = False) -> Figure:
        """Return an estimate over some requests, with their concurrency and the time in which they were made."""
        interval = None if at_least else (estimate.low, estimate.high)
        made = figure(estimate.value, int(chosen.sum()), interval, at_least=at_least)
        in_flight, began, ended = self.in_flight[chosen], self.began[chosen], self.ended[chosen]
        if np.isfinite(in_flight).any():
            made["in_flight"] = float(np.nanmean(in_flight))
        made["began"], made["ended"] = _iso(began, np.min), _iso(ended, np.max)
        return made


def times(sent: pd.DataFrame) -> dict[str, Figure]:
    """Return the times of pictures and the throughput of one system's requests of one size.

    Requests that were asked one at a time are never mixed with those under load. Latencies whose concurrency nobody
    knows stand for it only where none of those asked one at a time is known. Parts of the latency, and seconds per
    megapixel, are of requests one at a time where there are any, else of the unknown, else of those under load.
    """
    asked = _Asked(
        prompts=prompts_of(sent),
        began=moments_of(sent, "sent_at"),
        ended=moments_of(sent, "ended_at"),
        in_flight=numbers_of(sent, "in_flight"),
        latency=numbers_of(sent, "latency_s"),
        is_ok=ended_as(sent, "ok").to_numpy(bool),
    )
    timed_out = ended_as(sent, "timeout").to_numpy(bool)
    # A small picture says nothing of how long a large one takes.
    as_asked = asked.is_ok & np.array([note != OTHER_SIZE for note in texts_of(sent, "note")], bool)
    latency = np.where(as_asked, asked.latency, np.nan)
    why_none = "no_time" if as_asked.any() else OTHER_SIZE if asked.is_ok.any() else "no_picture"
    alone, unknown, loaded = (load & np.isfinite(latency) for load in asked.loads)
    first = 0 if alone.any() else 1
    found: dict[str, Figure] = {}
    for name, chosen, load, reason in (
        ("latency", (alone, unknown)[first], asked.loads[first], "only_under_load" if loaded.any() else why_none),
        ("latency_under_load", loaded, asked.loads[2], "no_load" if asked.is_ok.any() else why_none),
    ):
        p50, p95 = no_figure(reason), no_figure(reason)
        if chosen.any():
            median, tail = (_quantile(asked, latency, chosen, share) for share in (0.5, 0.95))
            p50 = asked.figure_of(chosen, median)
            p95 = asked.figure_of(chosen, tail, at_least=not tail.is_bounded or bool((timed_out & load).any()))
        found |= {f"operations.{name}_p50": p50, f"operations.{name}_p95": p95}
    for name in PARTS:
        of_part = np.where(asked.is_ok, numbers_of(sent, f"{name}_s"), np.nan)
        found[f"operations.{name}_p50"] = _median(asked, of_part, why_none)
    pixels = numbers_of(sent, "width") * numbers_of(sent, "height") / 1e6
    with np.errstate(divide="ignore", invalid="ignore"):
        per_megapixel = np.where(asked.is_ok & (pixels > 0), asked.latency / pixels, np.nan)
    no_size = "no_pixel_size" if np.isfinite(latency).any() else why_none
    found["operations.seconds_per_megapixel"] = _median(asked, per_megapixel, no_size)
    return found | _throughput(asked)


def _median(asked: _Asked, values: Numbers, why_none: str) -> Figure:
    """Return a median over the requests that were loaded least."""
    for load in asked.loads:
        if (chosen := load & np.isfinite(values)).any():
            return asked.figure_of(chosen, _quantile(asked, values, chosen, 0.5))
    return no_figure(why_none)


def _quantile(asked: _Asked, values: Numbers, chosen: Flags, share: float) -> SerialEstimate:
    return serial_quantile(values[chosen], asked.prompts[chosen], asked.began[chosen], share)


def _throughput(asked: _Asked) -> dict[str, Figure]:
    """Return pictures per minute of the time in which any request was in flight, and how many were on average.

    Only requests with a latency count: those were watched by one process. A task that a later process fetched was in
    flight while nobody asked for it. Where requests are known to have been under load, only they count.
    """
    watched = np.isfinite(asked.latency) & (asked.ended >= asked.began)
    loaded = watched & is_under_load(asked.in_flight)
    chosen = loaded if loaded.any() else watched
    busy_s = _shares_of_busy_time(asked.began[chosen], asked.ended[chosen])
    if busy_s.sum() == 0:
        nothing = no_figure("not_watched" if len(asked.is_ok) else "nothing_sent")
        return {"operations.throughput": nothing, "operations.in_flight": nothing}
    pictures = 60.0 * asked.is_ok[chosen].astype(np.float64)
    a_minute = serial_ratio(pictures, busy_s, asked.prompts[chosen], asked.began[chosen])
    at_once = float((asked.ended - asked.began)[chosen].sum() / busy_s.sum())
    return {
        "operations.throughput": asked.figure_of(chosen, a_minute),
        "operations.in_flight": asked.figure_of(chosen, SerialEstimate(at_once, None, None)),
    }


def _shares_of_busy_time(began: Numbers, ended: Numbers) -> Numbers:
    """Return each span's share of the time in which any was open: a second with four open is a quarter for each."""
    edges = np.unique(np.concatenate([began, ended]))
    if len(edges) < 2:
        return np.zeros_like(began)
    starts, stops = np.searchsorted(edges, began), np.searchsorted(edges, ended)
    n_open = np.cumsum(np.bincount(starts, minlength=len(edges)) - np.bincount(stops, minlength=len(edges)))[:-1]
    passed = np.diff(edges) / np.maximum(n_open, 1) * (n_open > 0)
    clock = np.concatenate([[0.0], np.cumsum(passed)])
    return np.asarray(clock[stops] - clock[starts], np.float64)


def _iso(moments: Numbers, extreme: Callable[[Numbers], float]) -> str | None:
    known = moments[np.isfinite(moments)]
    return pd.Timestamp(extreme(known), unit="s", tz="UTC").isoformat(timespec="seconds") if known.size else None
