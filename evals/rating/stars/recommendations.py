"""Recommendations by use case: the star table under declared weights, how sure, and what would change it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from evals.facts.article import ArticleUseCase
from evals.facts.capabilities import read_capabilities
from evals.facts.models import read_facts
from evals.facts.use_cases import UseCase
from evals.rating.stars.article import Verdict, systems_of
from evals.rating.stars.table import RatedRow
from evals.rating.stars.totals import TotalDifference, Totals, totals
from evals.rating.statistics.power import ALPHA

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
    it. ``only_able`` is the only system of several that can do what the case needs: a cited fact, which no test is
    needed for and which bears out no advice. ``n_prompts`` and ``p_holm`` are the fewest common prompts of any row
    behind it, and the largest corrected p-value, of the leader against each of the others; None where nothing was
    compared. ``rated`` is the share of the profile's weight that counts. ``article`` is what an article recommends and
    whether this bears it out.
    """

    id: str
    title: str
    why: str
    rated: float
    requirements: list[Requirement]
    totals: Totals
    system: str | None
    only_able: str | None
    verdict: str
    n_prompts: int | None
    p_holm: float | None
    would_change: str
    article: str | None
    article_verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class WeighedCase:
    """A use case with the totals of the systems that can do what it needs, under its weights.

    ``rated`` is the share of its weight that counts there.
    """

    case: UseCase
    requirements: tuple[Requirement, ...]
    totals: Totals
    rated: float

    @property
    def only_able(self) -> str | None:
        """The only system that can do what the case needs, None where there are no others or more can."""
        able = [need["system"] for need in self.requirements if need["met"] is not False]
        return able[0] if len(able) == 1 < len(self.requirements) else None

    @property
    def may_name(self) -> bool:
        """Whether enough of it was rated, for two systems or more, to recommend one of them."""
        return self.rated >= ENOUGH and bool(self.totals["differences"])


def weigh(
    case: UseCase, rated: Sequence[RatedRow], systems: Sequence[str], simulated: Container[str] = ()
) -> WeighedCase:
    """Weigh the rows of the star table as a use case does, for the systems that can do what it needs.

    Parameters
    ----------
    case
        The profile.
    rated
        The rows of the star table.
    systems
        In the order of the table.
    simulated
        The systems of which nothing can be said that is true of the real ones.
    """
    requirements = tuple(_requirement(case, system, system in simulated) for system in systems)
    able = [need["system"] for need in requirements if need["met"] is not False]
    weighed = totals(rated, able, case.weights)
    counting = set(weighed["weights"]) - set(weighed["indistinguishable_rows"])
    share = sum(case.weights[row] for row in counting) / sum(case.weights.values())
    return WeighedCase(case, requirements, weighed, share)


def recommend(weighed: WeighedCase, advice: ArticleUseCase | None = None) -> Recommendation:
    """Return the better system for a use case, how sure that is, and what would change it.

    One is named where it is better than every other that can do what the case needs.

    Parameters
    ----------
    weighed
        The use case, settled (`evals.rating.stars.verdicts.settle`).
    advice
        What an article recommends for the same use case.
    """
    case, systems = weighed.case, [need["system"] for need in weighed.requirements]
    leader, *others = _ranked(weighed.totals) or [""]
    pairs = [_pair(weighed.totals, leader, other) for other in others] if weighed.may_name else []
    p_values = [pair["p_holm"] for pair in pairs if pair["p_holm"] is not None]
    system, verdict, change = _verdict(weighed)
    article, held = _against(system, systems, advice)
    return Recommendation(
        id=case.id,
        title=case.title,
        why=case.why,
        rated=0.0 if weighed.only_able else weighed.rated,
        requirements=list(weighed.requirements) if case.requires.capability or case.requires.host else [],
        totals=weighed.totals,
        system=system,
        only_able=weighed.only_able,
        verdict=verdict,
        n_prompts=min((pair["n_prompts"] for pair in pairs), default=None),
        p_holm=max(p_values, default=None),
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


def _ranked(totals: Totals) -> list[str]:
    return [total["system"] for total in sorted(totals["systems"], key=lambda total: -(total["stars"] or 0.0))]


def _verdict(weighed: WeighedCase) -> tuple[str | None, str, str]:
    case, totals = weighed.case, weighed.totals
    ranked = _ranked(totals)
    if not ranked:
        return None, "no system here can do what it needs", "a system that can"
    if weighed.only_able:
        return None, f"{weighed.only_able}: the only one here that can do what it needs", "another system that can"
    if len(ranked) == 1:
        return None, f"there is nothing to compare {ranked[0]} with", "another system"
    if not weighed.may_name:
        lacking = sorted(set(case.weights) - (set(totals["weights"]) - set(totals["indistinguishable_rows"])))
        change = f"stars for {', '.join(lacking)}, on prompts that all were asked"
        return None, f"cannot tell: only {weighed.rated:.0%} of its weight was rated", change
    leader, *others = ranked
    against = {other: _pair(totals, leader, other) for other in others}
    for other, difference in against.items():
        if difference["better_system"] != leader:
            doubt = _doubt(difference)
            return None, f"cannot tell {leader} from {other}: {doubt}", "more prompts, or other weights"
    runner_up = against[others[0]]
    return leader, f"{leader}, before {others[0]} by {_amount(runner_up)}", _would_change(runner_up)


def _pair(totals: Totals, a: str, b: str) -> TotalDifference:
    return next(row for row in totals["differences"] if {row["system_a"], row["system_b"]} == {a, b})


def _doubt(difference: TotalDifference) -> str:
    if difference["problem"]:
        return difference["problem"]
    if difference["p_value"] < ALPHA:
        return f"{_amount(difference)} excludes zero, but not among so many comparisons"
    return f"{_amount(difference)} includes zero"


def _amount(difference: TotalDifference) -> str:
    stars, low, high = difference["stars"], difference["low"], difference["high"]
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
