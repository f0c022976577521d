"""The command ``twinlens estimate``: pictures, money and hours of an eval, and what differences it could show."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.options import ChosenEval, as_json, eval_options, print_json

if TYPE_CHECKING:
    from evals.facts.models import Facts, Offer
    from evals.generation.plan import ImageRequest


@click.command()
@eval_options
@as_json
def estimate(
    chosen: ChosenEval,
    json_wanted: bool,
) -> None:
    """Show images, money and hours of an eval, and the difference that its prompts can show.

    "At most" counts one picture a request; a budget holds the worst answer, which may be several pictures.
    """
    with chosen.file() as file:
        show_estimate(file, json_wanted, limit=chosen.limit, host=chosen.host)


def show_estimate(
    eval_name: str | Path,
    json_wanted: bool,
    out: Path | None = None,
    retry_unknown: bool = False,
    limit: int | str | None = None,
    host: str | None = None,
) -> None:
    """Print the estimate of an eval, or of what a run folder lacks of it."""
    from evals.cli.tables import print_warnings
    from evals.facts.models import read_facts
    from evals.generation.clients import cautions_about, plan_of
    from evals.generation.freezing import definition_for
    from evals.generation.stage import still_open

    (definition, changes), facts = definition_for(eval_name, out, limit, host), read_facts()
    print_warnings(changes)
    requests, offers = plan_of(definition, facts)
    if not definition.simulated:
        print_warnings(cautions_about(offers, date.today()))
    if out is not None:
        requests = still_open(requests, out, retry_unknown)
    parts = {f"{share:.0%}": estimate_requests(first_share(requests, share), facts, offers) for share in _SHARES}
    if json_wanted:
        estimated = parts["100%"].as_dict()
        print_json({**estimated, "parts": {limit: part.as_dict() for limit, part in parts.items()}})
    else:
        print_estimate(parts)


_SHARES = (0.25, 0.5, 1.0)


def first_share(requests: Sequence[ImageRequest], share: float) -> list[ImageRequest]:
    """Return the part of a plan that ``--limit`` would draw, and that a run has asked for when money ends there."""
    from evals.generation.order import prompt_groups

    asked = {r.sample_id for group in prompt_groups(requests) if group.place < share for r in group.requests}
    return [request for request in requests if request.sample_id in asked]


@dataclass(frozen=True, slots=True)
class SystemEstimate:
    """One system: its pictures, what they cost in US dollars, how many hours they take.

    A number is None where the facts do not give it; ``reasons`` says what is missing.
    """

    system: str
    n_images: int
    expected_cost_usd: float | None
    max_cost_usd: float | None
    hours: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuiteEstimate:
    """One suite: its prompts, and the smallest difference between two systems that they can show.

    A sequence counts as one prompt: its shots are not independent of each other. ``smallest_effect`` is in units of the
    standard deviation of the paired differences (`evals.rating.statistics.power`), in a row alone; None where no
    interval will be given, for the ``reason``. ``smallest_stars`` is the same in stars where prompts differ as much as
    in the median published row, ``smallest_stars_among_all`` what is still found when every two systems are compared in
    every suite and corrected for it, at Holm's first and strictest step.
    """

    suite: str
    n_prompts: int
    n_images: int
    smallest_effect: float | None
    smallest_stars: float | None
    smallest_stars_among_all: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an eval would take, in all and by system and suite.

    ``hours`` is the slowest host's time: hosts work side by side, the systems of one host share what it takes at
    once. A total is None as soon as a part is.
    """

    n_images: int
    expected_cost_usd: float | None
    max_cost_usd: float | None
    hours: float | None
    systems: tuple[SystemEstimate, ...]
    suites: tuple[SuiteEstimate, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON, with the power and the error rate of the differences."""
        from evals.rating.statistics.power import ALPHA, POWER

        return {**asdict(self), "power": POWER, "alpha": ALPHA}


def estimate_requests(
    requests: Sequence[ImageRequest], facts: Facts, offers: Mapping[str, Offer] | None = None
) -> Estimate:
    """Return what a plan would take, by the cited prices, latencies and what each host takes at once alone.

    ``offers`` has those of systems that the facts do not name (simulated ones).

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
    offer_of = {system: (offers or {}).get(system) or facts.find(system) for system in by_system}
    systems = tuple(_of_system(of_system, offer_of[system], facts) for system, of_system in by_system.items())
    hours_of_host: dict[str, list[float | None]] = {}
    for system in systems:
        hours_of_host.setdefault(offer_of[system.system].host, []).append(system.hours)
    hours = [_total(parts) for parts in hours_of_host.values()]
    n_comparisons = max(1, len(by_suite) * math.comb(len(by_system), 2))
    return Estimate(
        n_images=len(requests),
        expected_cost_usd=_total(system.expected_cost_usd for system in systems),
        max_cost_usd=_total(system.max_cost_usd for system in systems),
        hours=None if None in hours else max((hour for hour in hours if hour is not None), default=0.0),
        systems=systems,
        suites=tuple(_of_suite(suite, of_suite, n_comparisons) for suite, of_suite in by_suite.items()),
    )


def _of_system(requests: Sequence[ImageRequest], offer: Offer, facts: Facts) -> SystemEstimate:
    from evals.generation.prices import expected_request_usd, max_request_usd

    reasons: list[str] = []
    likely, worst = (
        _total(usd(request, offer) for request in requests) for usd in (expected_request_usd, max_request_usd)
    )
    if likely is None:
        reasons.append("no source gives its price")
    latencies = {size: _latency_s(offer, size) for size in dict.fromkeys(request.size for request in requests)}
    side_by_side, one_by_one = (
        _total(latencies[request.size] for request in requests if request.timed is timed) for timed in (False, True)
    )
    if side_by_side is None or one_by_one is None:
        unknown = [size for size, latency_s in latencies.items() if latency_s is None]
        reasons.append(f"nobody has measured its latency at {' and '.join(unknown)}")
        return SystemEstimate(requests[0].system, len(requests), likely, worst, None, tuple(reasons))
    host = facts.hosts[offer.host]
    at_once = min(host.concurrency, offer.concurrency or host.concurrency)
    seconds = max(side_by_side / at_once + one_by_one, len(requests) / (host.per_minute or math.inf) * 60)
    return SystemEstimate(requests[0].system, len(requests), likely, worst, seconds / 3600, tuple(reasons))


def _latency_s(offer: Offer, size: str) -> float | None:
    """Return the median over the sources for that size, or for the next larger one, which takes no less time.

    A range counts with its longer end.
    """
    from evals.facts.pricing import SIZES

    for measured in list(SIZES)[list(SIZES).index(size) :]:
        medians = [latency.at_most_s for latency in offer.latencies if latency.size == measured]
        if medians:
            return statistics.median(medians)
    return None


def _of_suite(suite: str, requests: Sequence[ImageRequest], n_comparisons: int) -> SuiteEstimate:
    from evals.rating.statistics.intervals import MIN_PROMPTS
    from evals.rating.statistics.power import ALPHA, SPREADS_IN_STARS, smallest_detectable_effect

    prompts: dict[str, set[str]] = {}
    for request in requests:
        prompts.setdefault(request.system, set()).add(request.item.sequence_id or request.item.id)
    n_prompts = len(set.union(*prompts.values()))
    reason: str | None = None
    if len(prompts) < 2:
        reason = "only one system is asked"
    elif n_prompts < MIN_PROMPTS:
        reason = f"no interval is given below {MIN_PROMPTS} prompts"
    if reason:
        return SuiteEstimate(suite, n_prompts, len(requests), None, None, None, reason)
    alone, among_all = (smallest_detectable_effect(n_prompts, alpha=ALPHA / n) for n in (1, n_comparisons))
    spread = SPREADS_IN_STARS[1]
    return SuiteEstimate(suite, n_prompts, len(requests), alone, alone * spread, among_all * spread, None)


def _total(parts: Iterable[float | None]) -> float | None:
    numbers = list(parts)
    return None if None in numbers else math.fsum(number for number in numbers if number is not None)


def print_estimate(parts: Mapping[str, Estimate]) -> None:
    """Print the estimate of a whole plan and of smaller parts of it: by system in money and hours, by suite in stars.

    ``parts`` are by their ``--limit``; the last one is the whole.
    """
    from evals.cli.tables import print_lines
    from evals.rating.statistics.power import POWER, SPREADS_IN_STARS

    *_, estimated = parts.values()
    print_lines([_sentence(estimated), ""])
    of_parts = [(limit, *_totals(part)[:-1], *_spans(part)) for limit, part in parts.items()]
    _print_plain(("--limit", "images", "usually", "at most", "suites", "shows alone", "among all"), of_parts)
    print_lines([""])
    totals = ("images", "usually", "at most", "time")
    rows = [(system.system, *_totals(system)) for system in estimated.systems]
    _print_plain(("system", *totals), rows)
    print_lines(f"note: {system.system}: {reason}" for system in estimated.systems for reason in system.reasons)
    suites = [(suite.suite, str(suite.n_prompts), str(suite.n_images), *_shown(suite)) for suite in estimated.suites]
    print_lines([""])
    _print_plain(("suite", "prompts", "images", "shows alone", "among all"), suites)
    print_lines(f"note: {suite.suite}: {suite.reason}" for suite in estimated.suites if suite.reason)
    lower, middle, upper = SPREADS_IN_STARS
    print_lines(
        [
            f"Stars by which two systems must differ to be told apart with {POWER:.0%} power, in a row alone and among "
            f"all, where that varies by {middle} stars from prompt to prompt as in the median published row (in half "
            f"of them {lower} to {upper})."
        ]
    )


def _sentence(estimated: Estimate) -> str:
    """Return what it takes."""
    n_systems = len(estimated.systems)
    _, usually, at_most, time = _totals(estimated)
    takes = f"{estimated.n_images:,} images of {n_systems} system{'s' if n_systems != 1 else ''}"
    money = usually if usually == at_most else f"{usually}, at most {at_most}"
    unknown = "time unknown" if time == "unknown" else f"{time} of asking"
    return f"{takes}: {'the price is unknown' if usually == 'unknown' else money}; {unknown}."


def _spans(part: Estimate) -> tuple[str, str, str]:
    """Return how many suites show a difference, and which ones: from the suite with most prompts to that with least."""
    shown = [suite for suite in part.suites if suite.smallest_stars is not None]
    n_shown = f"{len(shown)} of {len(part.suites)}"
    if not shown:
        return n_shown, "–", "–"
    alone = [suite.smallest_stars or 0.0 for suite in shown]
    among_all = [suite.smallest_stars_among_all or 0.0 for suite in shown]
    return n_shown, _span(alone, "{:.1f}"), _span(among_all, "{:.1f}")


def _span(numbers: Sequence[float], pattern: str) -> str:
    ends = [pattern.format(end) for end in (min(numbers), max(numbers))]
    return " to ".join(dict.fromkeys(ends))


def _shown(suite: SuiteEstimate) -> tuple[str, str]:
    if suite.smallest_stars is None:
        return "–", "–"
    return f"{suite.smallest_stars:.1f} stars", f"{suite.smallest_stars_among_all:.1f} stars"


def _print_plain(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box

    from evals.cli.tables import print_table

    style: dict[str, Any] = {"box": box.SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": (0, 1, 0, 0)}
    print_table("", headings, rows, right=headings[1:], whole=headings, **style)


def _totals(part: SystemEstimate | Estimate) -> tuple[str, ...]:
    usd = ["unknown" if cost is None else f"${cost:,.2f}" for cost in (part.expected_cost_usd, part.max_cost_usd)]
    if part.hours is None:
        return (str(part.n_images), *usd, "unknown")
    return (str(part.n_images), *usd, f"{part.hours:.1f} h" if part.hours >= 1 else f"{part.hours * 60:.1f} min")
