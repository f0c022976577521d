"""Recommendations by use case: the star table under declared weights, how sure, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from evals.facts.article import ArticleUseCase
from evals.facts.capabilities import read_capabilities
from evals.facts.models import read_facts
from evals.facts.use_cases import UseCase
from evals.rating.stars.article import Verdict, systems_of
from evals.rating.stars.table import RatedRow
from evals.rating.stars.totals import TotalDifference, Totals, select_totals, totals
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
    compared. ``rated`` is the share of the profile's weight that counts, ``unrated`` the shares of the other rows.
    ``article`` is what an article recommends,
    ``article_models`` the models that it means, ``article_verdict`` whether this bears it out.
    """

    id: str
    title: str
    why: str
    rated: float
    unrated: dict[str, float]
    requirements: list[Requirement]
    totals: Totals
    system: str | None
    only_able: str | None
    verdict: str
    n_prompts: int | None
    p_holm: float | None
    would_change: str
    article: str | None
    article_models: list[str]
    article_verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class WeighedCase:
    """A use case with the totals of the systems that can do what it needs, under its weights.

    ``counting`` are the rows that count there: those in which somebody is told from the floor.
    """

    case: UseCase
    requirements: tuple[Requirement, ...]
    totals: Totals
    counting: frozenset[str]

    @property
    def rated(self) -> float:
        """The share of the case's weight that counts."""
        return sum(self.case.weights[row] for row in self.counting) / sum(self.case.weights.values())

    @property
    def only_able(self) -> str | None:
        """The only system that can do what the case needs, None where there are no others or more can."""
        return only_able_of(self.requirements)

    @property
    def may_name(self) -> bool:
        """Whether two systems or more are known to be able, and enough was rated, to recommend one of them."""
        return not self.unknown and self.rated >= ENOUGH and bool(self.totals["differences"])

    @property
    def unknown(self) -> list[str]:
        """The systems of which nobody knows whether they can do what the case requires."""
        is_required = self.case.requires.capability or self.case.requires.host
        return unknown_of(self.requirements) if is_required else []


def weigh(case: UseCase, rated: Sequence[RatedRow], systems: Sequence[str]) -> WeighedCase:
    """Weigh the rows of the star table as a use case does, for the systems that can do what it needs.

    Parameters
    ----------
    case
        The profile.
    rated
        The rows of the star table.
    systems
        In the order of the table.
    """
    requirements = tuple(_requirement(case, system) for system in systems)
    able = [need["system"] for need in requirements if need["met"] is not False]
    weighed = totals(rated, able, case.weights)
    counting = frozenset(weighed["weights"]).difference(weighed["indistinguishable_rows"])
    return WeighedCase(case, requirements, weighed, counting)


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
    case, totals, only_able = weighed.case, weighed.totals, weighed.only_able
    systems = [need["system"] for need in weighed.requirements]
    if weighed.unknown:
        system, verdict, change = None, _not_known(weighed.unknown), "a cited fact on it"
    elif weighed.may_name or only_able or len(totals["systems"]) < 2:
        system, verdict, change = _verdict(totals, only_able)
    else:
        lacking = sorted(set(case.weights) - weighed.counting)
        verdict = f"cannot tell: only {weighed.rated:.0%} of its weight was rated"
        system, change = None, f"stars for {', '.join(lacking)}, on prompts that all were asked"
    n_prompts, p_holm = _behind(totals) if weighed.may_name else (None, None)
    models = list(advice.models) if advice else []
    return Recommendation(
        id=case.id,
        title=case.title,
        why=case.why,
        rated=0.0 if only_able else weighed.rated,
        unrated={
            row: weight / sum(case.weights.values())
            for row, weight in case.weights.items()
            if row not in weighed.counting
        },
        requirements=list(weighed.requirements) if case.requires.capability or case.requires.host else [],
        totals=totals,
        system=system,
        only_able=only_able,
        verdict=verdict,
        n_prompts=n_prompts,
        p_holm=p_holm,
        would_change=change,
        article=advice.recommends + (f" (unless {advice.unless})" if advice.unless else "") if advice else None,
        article_models=models,
        article_verdict=_held_against(system, systems, models) if advice else None,
    )


def select_case(case: Recommendation, systems: Sequence[str]) -> Recommendation:
    """Return a recommendation among some of its systems, from what was compared already: no p-value changes.

    Where too little of it was rated for all systems, or of one nobody knows whether it can do what is needed, that is
    said for fewer too.
    """
    requirements = [need for need in case["requirements"] if need["system"] in systems]
    chosen = select_totals(case["totals"], systems)
    only_able = only_able_of(requirements)
    is_known = not unknown_of(case["requirements"])
    may_name = is_known and case["rated"] >= ENOUGH and bool(chosen["differences"])
    system, verdict, change = None, case["verdict"], case["would_change"]
    if may_name or (is_known and (only_able or len(chosen["systems"]) < 2)):
        system, verdict, change = _verdict(chosen, only_able)
    n_prompts, p_holm = _behind(chosen) if may_name else (None, None)
    selected = case.copy()
    selected |= {
        "rated": 0.0 if only_able else case["rated"],
        "requirements": requirements,
        "totals": chosen,
        "system": system,
        "only_able": only_able,
        "verdict": verdict,
        "n_prompts": n_prompts,
        "p_holm": p_holm,
        "would_change": change,
        "article_verdict": _held_against(system, systems, case["article_models"]) if case["article"] else None,
    }
    return selected


def only_able_of(requirements: Sequence[Requirement]) -> str | None:
    """Return the only system of several that can do what is required, None where more can or nobody else is there."""
    able = [need for need in requirements if need["met"] is not False]
    return able[0]["system"] if len(able) == 1 < len(requirements) and able[0]["met"] else None


def unknown_of(requirements: Sequence[Requirement]) -> list[str]:
    """Return the systems of which nobody knows whether they can do what is required."""
    return [need["system"] for need in requirements if need["met"] is None]


def _not_known(systems: Sequence[str]) -> str:
    return f"cannot tell: it is not known whether {' and '.join(systems)} can do what it needs"


def _requirement(case: UseCase, system: str) -> Requirement:
    facts = read_facts()
    offer = facts.offer_of(system)
    model, _, host = (offer.system if offer else system).rpartition("@")
    if not any(offer.model == model for offer in facts.offers.values()):
        return Requirement(system=system, met=None, says="the facts do not know this system")
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


def _verdict(totals: Totals, only_able: str | None) -> tuple[str | None, str, str]:
    ranked = _ranked(totals)
    if not ranked:
        return None, "no system here can do what it needs", "a system that can"
    if only_able:
        return None, f"{only_able}: the only one here that can do what it needs", "another system that can"
    if len(ranked) == 1:
        return None, f"there is nothing to compare {ranked[0]} with", "another system"
    leader, *others = ranked
    against = {other: _pair(totals, leader, other) for other in others}
    for other, difference in against.items():
        if difference["better_system"] != leader:
            doubt = _doubt(difference)
            return None, f"cannot tell {leader} from {other}: {doubt}", "more prompts, or other weights"
    runner_up = against[others[0]]
    return leader, f"{leader}, before {others[0]} by {_amount(runner_up)}", _would_change(runner_up)


def _behind(totals: Totals) -> tuple[int | None, float | None]:
    """Return the fewest common prompts and the largest corrected p-value of the first against each of the others."""
    leader, *others = _ranked(totals) or [""]
    pairs = [_pair(totals, leader, other) for other in others]
    p_values = [pair["p_holm"] for pair in pairs if pair["p_holm"] is not None]
    return min((pair["n_prompts"] for pair in pairs), default=None), max(p_values, default=None)


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


def _held_against(system: str | None, systems: Sequence[str], models: Sequence[str]) -> Verdict:
    meant_systems = systems_of(models, systems)
    if not meant_systems or len(systems) < 2:
        return "not comparable"
    if system is None:
        return "cannot tell"
    return "supported" if system in meant_systems else "contradicted"
