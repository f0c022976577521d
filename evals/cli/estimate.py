"""What an eval would take before anything is sent: pictures, money, hours, and what differences it could show."""

from __future__ import annotations

import functools
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.facts.models import Facts, Offer
from evals.facts.pricing import PROMPT_TOKENS_AT_MOST, likely_usd, megapixels, worst_usd
from evals.facts.sizes import SIZES
from evals.generation.plan import ImageRequest
from evals.imageset.decoding import open_picture
from evals.rating.statistics.intervals import MIN_PROMPTS
from evals.rating.statistics.power import ALPHA, POWER, smallest_detectable_effect


@dataclass(frozen=True, slots=True)
class SystemEstimate:
    """One system: its pictures, what they cost in US dollars, how many hours they take.

    A number is None where the facts do not give it; ``reasons`` says what is missing.
    """

    system: str
    n_images: int
    likely_usd: float | None
    worst_usd: float | None
    hours: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuiteEstimate:
    """One suite: its prompts, and the smallest difference between two systems that they can show.

    Attributes
    ----------
    n_prompts
        The prompts, a sequence counted once: its shots are not independent of each other.
    n_images
        The pictures of all systems.
    smallest_effect
        In units of the standard deviation of the paired differences (`evals.rating.statistics.power`); None where no
        interval will be given, for the ``reason``.
    """

    suite: str
    n_prompts: int
    n_images: int
    smallest_effect: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an eval would take, in all and by system and suite.

    ``hours`` is the slowest host's time: hosts work side by side, the systems of one host share what it takes at
    once. A total is None as soon as a part is.
    """

    n_images: int
    likely_usd: float | None
    worst_usd: float | None
    hours: float | None
    systems: tuple[SystemEstimate, ...]
    suites: tuple[SuiteEstimate, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON, with the power and the error rate of the differences."""
        return {**asdict(self), "power": POWER, "alpha": ALPHA}


def estimate(requests: Sequence[ImageRequest], facts: Facts, offers: Mapping[str, Offer] | None = None) -> Estimate:
    """Return what a plan would take, by the cited prices and latencies alone.

    Parameters
    ----------
    requests
        The plan (`evals.generation.plan.plan_requests`).
    facts
        Prices, latencies, and what each host takes at once.
    offers
        The offer of each system, for systems that the facts do not name (simulated ones); found in the facts if not
        given.

    Raises
    ------
    FactsError
        If a system is not known.
    """
    by_system: dict[str, list[ImageRequest]] = {}
    by_suite: dict[str, list[ImageRequest]] = {}
    for request in requests:
        by_system.setdefault(request.system, []).append(request)
        by_suite.setdefault(request.suite, []).append(request)
    found = {system: (offers or {}).get(system) or facts.find(system) for system in by_system}
    systems = tuple(_of_system(asked, found[system], facts) for system, asked in by_system.items())
    hours_of_host: dict[str, list[float | None]] = {}
    for system in systems:
        hours_of_host.setdefault(found[system.system].host, []).append(system.hours)
    hours = [_total(parts) for parts in hours_of_host.values()]
    return Estimate(
        n_images=len(requests),
        likely_usd=_total(system.likely_usd for system in systems),
        worst_usd=_total(system.worst_usd for system in systems),
        hours=None if None in hours else max((hour for hour in hours if hour is not None), default=0.0),
        systems=systems,
        suites=tuple(_of_suite(suite, asked) for suite, asked in by_suite.items()),
    )


def _of_system(requests: Sequence[ImageRequest], offer: Offer, facts: Facts) -> SystemEstimate:
    reasons: list[str] = []
    likely = _total(_likely_usd(request, offer) for request in requests)
    if likely is None:
        reasons.append("no source gives its price")
    counts: dict[str, int] = {}
    for request in requests:
        counts[request.size] = counts.get(request.size, 0) + 1
    at_work_s = {size: _latency_s(offer, size) for size in counts}
    unknown = [size for size, seconds in at_work_s.items() if seconds is None]
    hours: float | None = None
    if unknown:
        reasons.append(f"nobody has measured its latency at {' and '.join(unknown)}")
    else:
        host = facts.hosts[offer.host]
        seconds = sum(n * (at_work_s[size] or 0.0) for size, n in counts.items()) / host.concurrency
        if host.per_minute is not None:
            seconds = max(seconds, len(requests) / host.per_minute * 60)
        hours = seconds / 3600
    worst = _total(_worst_usd(request, offer) for request in requests)
    return SystemEstimate(requests[0].system, len(requests), likely, worst, hours, tuple(reasons))


def _likely_usd(request: ImageRequest, offer: Offer) -> float | None:
    tokens = -(-len(request.prompt.encode()) // 4)  # English has some four characters a token
    return likely_usd(offer, request.size, request.n_references, tokens, _references_mp(request))


def _worst_usd(request: ImageRequest, offer: Offer) -> float | None:
    tokens = max(PROMPT_TOKENS_AT_MOST, len(request.prompt.encode()))
    return worst_usd(offer, request.size, request.n_references, tokens, _references_mp(request))


def _references_mp(request: ImageRequest) -> int:
    shot = megapixels(request.side, request.side) if request.first_shot is not None else 0
    source = 1 if request.item.source is not None else 0  # it is at most 1024 pixels wide and high
    return shot + source + sum(map(_megapixels_of, request.item.reference_images))


@functools.lru_cache(maxsize=4096)
def _megapixels_of(path: Path) -> int:
    with path.open("rb") as file, open_picture(file) as opened:  # reads the head of the file only
        return megapixels(*opened.size)


def _latency_s(offer: Offer, size: str) -> float | None:
    """Return the median over the sources for that size, or for the next larger one, which takes no less time."""
    for measured in list(SIZES)[list(SIZES).index(size) :]:
        known = [latency.median_s for latency in offer.latencies if latency.size == measured]
        if known:
            return statistics.median(known)
    return None


def _of_suite(suite: str, requests: Sequence[ImageRequest]) -> SuiteEstimate:
    prompts: dict[str, set[str]] = {}
    for request in requests:
        prompts.setdefault(request.system, set()).add(request.item.sequence_id or request.item.id)
    n_prompts = len(set.union(*prompts.values()))
    reason: str | None = None
    if len(prompts) < 2:
        reason = "only one system is asked"
    elif n_prompts < MIN_PROMPTS:
        reason = f"no interval is given below {MIN_PROMPTS} prompts"
    effect = None if reason else smallest_detectable_effect(n_prompts)
    return SuiteEstimate(suite, n_prompts, len(requests), effect, reason)


def _total(parts: Iterable[float | None]) -> float | None:
    known: list[float] = []
    for part in parts:
        if part is None:
            return None
        known.append(part)
    return math.fsum(known)


def print_estimate(found: Estimate) -> None:
    """Print the estimate as two tables: the systems with money and hours, the suites with what they can show."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    systems = Table(title="What it would take", title_justify="left")
    systems.add_column("system", no_wrap=True)
    for heading in ("images", "USD, usually", "USD, at most", "time"):
        systems.add_column(heading, justify="right")
    for row in found.systems:
        cells = (row.system, str(row.n_images), _usd(row.likely_usd), _usd(row.worst_usd), _hours(row.hours))
        systems.add_row(*map(escape, cells))
    systems.add_section()
    systems.add_row("all", str(found.n_images), _usd(found.likely_usd), _usd(found.worst_usd), _hours(found.hours))
    console.print(systems)
    for row in found.systems:
        for reason in row.reasons:
            console.print(f"note: {row.system}: {reason}", markup=False)
    suites = Table(title="What it could show", title_justify="left")
    suites.add_column("suite")
    for heading in ("prompts", "images", f"smallest difference at {POWER:.0%} power"):
        suites.add_column(heading, justify="right")
    for suite in found.suites:
        shown = f"{suite.smallest_effect:.2f} SD" if suite.smallest_effect is not None else suite.reason or ""
        suites.add_row(*map(escape, (suite.suite, str(suite.n_prompts), str(suite.n_images), shown)))
    console.print(suites)
    console.print(
        "SD: standard deviation of the differences between two systems on the same prompt; "
        f"paired t-test, two-sided, error rate {ALPHA:.0%}",
        markup=False,
    )


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.2f}"


def _hours(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} h" if value >= 1 else f"{value * 60:.1f} min"
