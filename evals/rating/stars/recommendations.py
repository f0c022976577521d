"""Recommendations by use case: the star table under declared weights, how sure, and what would change it."""

from __future__ import annotations

from collections.abc import Container, Sequence

from typing_extensions import TypedDict

from evals.facts.article import ArticleUseCase
from evals.facts.capabilities import read_capabilities
from evals.facts.models import read_facts
from evals.facts.use_cases import UseCase
from evals.rating.stars.article import Verdict, systems_of
from evals.rating.stars.table import RatedRow
from evals.rating.stars.totals import TotalDifference, Totals, totals
from evals.rating.statistics.intervals import MIN_PROMPTS

ENOUGH = 0.5
"""The least share of a profile's weight that must have been rated for a recommendation."""


class Requirement(TypedDict):
    """Whether a system can do what the use case needs: by a cited fact, None where nobody knows."""

    system: str
    met: bool | None
    says: str


class Recommendation(TypedDict):
    """The better system for a use case.

    ``system`` is None where none can be named; ``verdict`` says which and how sure, ``would_change`` what would turn
    it. ``rated`` is the share of the profile's weight that the table has stars for. ``article`` is what an article
    recommends and whether this bears it out.
    """

    id: str
    title: str
    why: str
    rated: float
    requirements: list[Requirement]
    totals: Totals
    system: str | None
    verdict: str
    would_change: str
    article: str | None
    article_verdict: Verdict | None


def recommend(
    case: UseCase,
    rated: Sequence[RatedRow],
    systems: Sequence[str],
    advice: ArticleUseCase | None = None,
    simulated: Container[str] = (),
) -> Recommendation:
    """Return the better system for a use case, how sure that is, and what would change it.

    Parameters
    ----------
    case
        The profile.
    rated
        The rows of the star table, settled.
    systems
        In the order of the table.
    advice
        What an article recommends for the same use case.
    simulated
        The systems of which nothing can be said that is true of the real ones.
    """
    requirements = [_requirement(case, system, system in simulated) for system in systems]
    able = [need["system"] for need in requirements if need["met"] is not False]
    weighed = totals(rated, able, case.weights)
    with_stars = set(weighed["weights"]) - set(weighed["indistinguishable_rows"])
    rated_share = sum(case.weights[row] for row in with_stars) / sum(case.weights.values())
    system, verdict, change = _verdict(case, able, len(systems), weighed, rated_share)
    article, held = _against(system, systems, advice)
    return Recommendation(
        id=case.id,
        title=case.title,
        why=case.why,
        rated=rated_share,
        requirements=requirements if case.requires.capability or case.requires.host else [],
        totals=weighed,
        system=system,
        verdict=verdict,
        would_change=change,
        article=article,
        article_verdict=held,
    )


def _requirement(case: UseCase, system: str, simulated: bool) -> Requirement:
    model, _, host = system.rpartition("@")
    facts = read_facts()
    if not any(offer.model == model for offer in facts.offers.values()):
        return Requirement(system=system, met=None, says="the facts know no such model")
    if simulated:
        return Requirement(system=system, met=None, says="it is simulated")
    capability, required_host = case.requires.capability, case.requires.host
    if required_host is not None:
        served = f"{model}@{required_host}" in facts.offers
        title = facts.hosts[required_host].title
        return Requirement(system=system, met=served, says=f"{title} {'serves' if served else 'does not serve'} it")
    cell = read_capabilities()[capability].of(model, host) if capability is not None else None
    if cell is None or cell.answer == "unknown":
        return Requirement(system=system, met=None, says=cell.says if cell else "nobody looked into it")
    return Requirement(system=system, met=cell.answer != "no", says=cell.says)


def _verdict(
    case: UseCase, able: Sequence[str], n_systems: int, weighed: Totals, rated_share: float
) -> tuple[str | None, str, str]:
    if not able:
        return None, "no system here can do what it needs", "a system that can"
    if len(able) == 1 and n_systems > 1:
        return able[0], f"{able[0]}: the only one here that can do what it needs", "another system that can"
    without_stars = set(case.weights) - (set(weighed["weights"]) - set(weighed["indistinguishable_rows"]))
    if rated_share < ENOUGH:
        change = f"stars for {', '.join(sorted(without_stars))}"
        return None, f"cannot tell: only {rated_share:.0%} of its weight was rated", change
    ranked = sorted(weighed["systems"], key=lambda total: -(total["stars"] or 0.0))
    if len(ranked) < 2:
        return ranked[0]["system"], f"{ranked[0]['system']}: there is nothing to compare it with", "another system"
    leader, runner_up = ranked[0]["system"], ranked[1]["system"]
    pair = {leader, runner_up}
    difference = next(row for row in weighed["differences"] if {row["system_a"], row["system_b"]} == pair)
    if difference["better_system"] == leader:
        return leader, f"{leader}, before {runner_up} by {_amount(difference)}", _would_change(difference)
    if difference["stars"] is None or difference["low"] is None:
        doubt = f"they have fewer than {MIN_PROMPTS} prompts in common in one of the rows"
    elif difference["better_system"] is not None:
        doubt = "on the prompts that both were rated on the other one is ahead"
    else:
        doubt = f"{_amount(difference)} includes zero"
    return None, f"cannot tell {leader} from {runner_up}: {doubt}", "more prompts, or other weights"


def _amount(difference: TotalDifference) -> str:
    stars, low, high = difference["stars"] or 0.0, difference["low"] or 0.0, difference["high"] or 0.0
    low, high = (low, high) if stars >= 0 else (-high, -low)
    return f"{abs(stars):.2f} stars ({low:.2f} to {high:.2f})"


def _would_change(difference: TotalDifference) -> str:
    move = difference["weight_to_move"]
    if move is None:
        return "no weights at all: no row speaks for the other"
    factors = {row: factor for row, factor in difference["decided_by"].items() if factor > 1}
    change = f"moving {move:.0%} of the weight"
    if factors:
        row = min(factors, key=lambda name: factors[name])
        change += f", or counting {row} {factors[row]:.1f} times as much"
    return change


def _against(
    system: str | None, systems: Sequence[str], advice: ArticleUseCase | None
) -> tuple[str | None, Verdict | None]:
    if advice is None:
        return None, None
    meant_systems = systems_of(advice.models, systems)
    article = advice.recommends + (f" (unless {advice.unless})" if advice.unless else "")
    if not meant_systems or len(systems) < 2:
        return article, "not comparable"
    if system is None:
        return article, "cannot tell"
    return article, "supported" if system in meant_systems else "contradicted"
