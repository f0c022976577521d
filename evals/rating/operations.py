"""Operations: what asking a system was like, from the requests of a run: outcomes, latency, cost, throughput."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.imageset.contract import FILE_MISSING, NO_FIRST_SHOT, OTHER_SIZE, ended_as
from evals.rating.request_figures import Figure, figure, no_figure, numbers_of, prompts_of, texts_of
from evals.rating.request_times import PARTS, times
from evals.rating.statistics.intervals import MIN_PROMPTS
from evals.rating.statistics.over_time import QUANTILE_METHOD
from evals.rating.statistics.proportions import wilson_interval

P95_BOUNDED_FROM = 59
"""From this many independent values on, the largest is a 95 % upper bound for the 95th percentile: 0.95 ** 59 < 0.05"""

_ORDER = (
    *("sent_at", "ended_at", "suite", "prompt_id", "prompt", "outcome", "note", "in_flight", "latency_s"),
    *(f"{part}_s" for part in PARTS),
    *("width", "height"),
)


class SystemOperations(TypedDict):
    """What asking one system for pictures of one size was like.

    ``outcomes`` counts all requests; ``n_sent`` leaves out later shots that were never sent because the first one
    brought no picture. ``reasons`` counts those of requests without a picture, and what there is to note of pictures.
    ``n_prompts`` is how many prompts the sent ones are of. ``figures`` are keyed by metric id.
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

    Latency is that of the pictures, from the last attempt to the delivered file, of those asked one at a time and of
    those under load apart; queue, generation and download are parts of it, as far as the host tells them apart. Money
    counts all requests that were sent, those without a picture included. A picture is accepted when no filter of the
    host took it away.

    Parameters
    ----------
    requests
        One row a request, in any order: ``system`` and ``outcome``, and where known ``size suite prompt_id reason
        latency_s queue_s generation_s download_s in_flight cost_usd may_have_cost_usd sent_at ended_at width height
        simulated``.

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
    # The order of the rows is no order in time, and changes not even the last digit.
    keys = list(zip(*([text or "" for text in texts_of(requests, name)] for name in _ORDER), strict=True))
    requests = requests.iloc[sorted(range(len(requests)), key=keys.__getitem__)]
    sizes = texts_of(requests, "size")
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
    latencies = [row["figures"]["operations.latency_p50"] for row in rows]
    if any(figure["value"] is not None for row in rows for name, figure in row["figures"].items() if "latency" in name):
        sentences.append(
            "Times hold for the hours in which they were measured and the place from which was asked, which is not "
            "recorded: another hour or region may have others."
        )
    unknown = [figure["value"] is not None and figure["in_flight"] is None for figure in latencies]
    if named := sorted({row["system"] for row, is_unknown in zip(rows, unknown, strict=True) if is_unknown}):
        sentences.append(
            f"{', '.join(named)}: how many requests were in flight at once is not known (column in_flight), so a "
            "latency may be that of one request or of a crowd."
        )
    if any(figure["value"] is not None and figure["began"] is None for figure in latencies):
        sentences.append("Where it is not known when each was sent, intervals allow for prompts and not for drift.")
    sentences += [
        f"{row['system']}: {n_others} of {row['outcomes'].get('ok', 0)} pictures came in another size than the "
        f"{row['size'] or 'one'} that was asked for; their latencies do not count."
        for row in rows
        if (n_others := row["reasons"].get(OTHER_SIZE, 0))
    ]
    if any(figure["at_least"] for row in rows for name, figure in row["figures"].items() if name.endswith("p95")):
        sentences.append(
            f"A p95 marked \u2265 is a lower bound: below {P95_BOUNDED_FROM} independent values the largest may lie "
            "under the true p95, and a request that timed out would have taken longer than any that is counted."
        )
    if any(figure["at_least"] for row in rows for name, figure in row["figures"].items() if "cost" in name):
        sentences.append("Money marked \u2265 is a lower bound: some requests do not say what they cost.")
    return sentences


def _of_group(system: str, size: str | None, rows: pd.DataFrame) -> SystemOperations:
    reasons = texts_of(rows, "reason")
    sent = rows[[reason != NO_FIRST_SHOT for reason in reasons]]
    pictures = sent[ended_as(sent, "ok")]
    n_prompts = len(np.unique(prompts_of(sent)))
    unsuccessful = (reason for reason, is_ok in zip(reasons, ended_as(rows, "ok"), strict=True) if not is_ok)
    return {
        "system": system,
        "size": size,
        "simulated": "simulated" in rows and bool(rows["simulated"].any()),
        "n_requests": len(rows),
        "n_sent": len(sent),
        "n_prompts": n_prompts,
        "outcomes": _counted(rows["outcome"]),
        "reasons": _counted(reason for reason in (*unsuccessful, *texts_of(pictures, "note")) if reason is not None),
        "quantile_method": QUANTILE_METHOD,
        "figures": {
            **_rates(sent, n_prompts),
            **times(sent),
            **_costs(sent, pictures),
        },
    }


def _rates(sent: pd.DataFrame, n_prompts: int) -> dict[str, Figure]:
    # A file that somebody deleted was delivered all the same.
    failed = ended_as(sent, "failed", "timeout") & np.array([r != FILE_MISSING for r in texts_of(sent, "reason")], bool)
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
        rates[f"operations.{name}_rate"] = figure(share, n, interval) if n else no_figure("nothing_sent")
    return rates


def _costs(sent: pd.DataFrame, pictures: pd.DataFrame) -> dict[str, Figure]:
    money, possible = numbers_of(sent, "cost_usd"), numbers_of(sent, "may_have_cost_usd")
    of_pictures = numbers_of(pictures, "cost_usd")
    known = of_pictures[np.isfinite(of_pictures)]
    per_image = per_accepted = at_most = no_figure("no_picture")
    if len(pictures):
        per_image = figure(math.fsum(known) / len(known), len(known)) if known.size else no_figure("no_cost")
        per_accepted = at_most = no_figure("no_cost")
    if len(pictures) and np.isfinite(money).any():
        spent = math.fsum(money[np.isfinite(money)])
        per_accepted = figure(spent / len(pictures), len(sent), at_least=not np.isfinite(money).all())
        # A lost answer has no cost of its own: what it may have cost is all of it.
        bounded = np.isfinite(possible) & (np.isfinite(money) | ended_as(sent, "unknown").to_numpy(bool))
        at_most = no_figure("no_cost_bound")
        if bounded.all():
            at_most = figure((spent + math.fsum(possible)) / len(pictures), len(sent))
    return {
        "operations.cost_per_image": per_image,
        "operations.cost_per_accepted_image": per_accepted,
        "operations.cost_per_accepted_image_at_most": at_most,
    }


def _counted(values: Iterator[str] | pd.Series[str]) -> dict[str, int]:
    return dict(sorted(Counter(map(str, values)).items()))


def _size_order(size: str | None) -> tuple[float, str]:
    """Return what sizes are sorted by: 512 before 1K before 2K, anything else after them."""
    name = (size or "").upper()
    digits = name.removesuffix("K")
    known = digits.isascii() and digits.isdigit()
    return (float(digits) * (1024 if name.endswith("K") else 1) if known else math.inf, size or "")
