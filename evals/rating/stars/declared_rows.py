"""Declared rows of the star table: stars that follow from a cited fact and a written rubric, not from a measurement."""

from __future__ import annotations

from typing_extensions import TypedDict

from evals.facts.capabilities import Capability, Cell, read_capabilities, read_companies
from evals.facts.models import read_facts
from evals.facts.sources import FactsError
from evals.files.yaml_files import suggestion


class CitedSource(TypedDict):
    """Who says a fact: the document, where it lies, the day it was read, how far it is to be trusted (A to C)."""

    what: str
    url: str
    read: str
    trust: str


class DeclaredCell(TypedDict):
    """What cited facts and a rubric give one system.

    ``stars`` from 1 to 5, None where there is no fact to hold against the rubric: ``reason`` then says why. ``level``
    is the rubric's sentence for that many stars, ``says`` the fact's; where there are stars there is a source.
    """

    system: str
    stars: float | None
    level: str | None
    says: str | None
    sources: list[CitedSource]
    reason: str | None


def declared_cell(capability_id: str, system: str) -> DeclaredCell:
    """Return the stars that cited facts earn a system by the rubric of ``datasets/facts/capabilities.yaml``.

    Parameters
    ----------
    capability_id
        Of a capability there, such as ``lora``, ``sla`` or ``deployment``.
    system
        ``model@host``. One that a rehearsal plays has the facts of the real one; one that the facts do not know has no
        stars, but a reason.

    Raises
    ------
    FactsError
        If there is no such capability.

    Examples
    --------
    >>> row = declared_cell("lora", "flux-2-pro@bfl")
    >>> row["stars"], row["level"], row["sources"][0]["trust"], row["sources"][0]["read"]
    (1.0, 'Nobody offers it for this system, and its weights are closed.', 'A', '2026-11-22')
    >>> row = declared_cell("sla", "flux-2-pro@bfl")
    >>> row["stars"], row["reason"][:38]
    (None, 'nobody knows: Nothing public was found')
    >>> declared_cell("deployment", "flux-2-klein-4b@bfl")["stars"]
    5.0
    """
    capabilities = read_capabilities()
    if capability_id not in capabilities:
        raise FactsError(f"there is no capability {capability_id!r}; {suggestion(capability_id, capabilities)}")
    capability = capabilities[capability_id]
    offer = read_facts().offer_of(system)
    cell = capability.of(offer.model, offer.host) if offer else None
    if offer is None:
        return _row(capability, system, None, None, "the facts do not know this system")
    if cell is None:
        return _row(capability, system, None, None, "nobody looked into it")
    if not capability.rubric:
        return _row(capability, system, cell, None, "it has no rubric: more of it is not better for everyone")
    if cell.answer == "unknown":
        return _row(capability, system, cell, None, f"nobody knows: {cell.says}")
    if capability.computed is None:
        return _row(capability, system, cell, cell.level, None)
    level, counted = _level_of_deployment(offer.model, capabilities["open_weights"])
    return _row(capability, system, cell, level, None if level else counted, counted)


def _row(
    capability: Capability, system: str, cell: Cell | None, level: int | None, reason: str | None, counted: str = ""
) -> DeclaredCell:
    return DeclaredCell(
        system=system,
        stars=float(level) if level else None,
        level=capability.rubric[level - 1] if level else None,
        says=f"{counted} {cell.says}".strip() if cell else None,
        sources=[
            CitedSource(what=source.what, url=source.url or "", read=str(source.read), trust=source.trust)
            for source in (cell.sources if cell else ())
        ],
        reason=reason,
    )


def _level_of_deployment(model: str, open_weights: Capability) -> tuple[int | None, str]:
    """Return the level of the rubric of ``deployment`` for a model, and the sentence that counts what it comes from.

    A way is a company, however many interfaces it has, or one's own machine. Whether a company runs the weights
    itself or passes requests on is not told, so resellers count. Offers that had ended when the facts were gone
    through do not.
    """
    facts, run_by = read_facts(), read_companies()
    offers = [offer for offer in facts.offers.values() if offer.model == model]
    served = [offer for offer in offers if offer.host in run_by and not (offer.retired and offer.retired < facts.read)]
    companies = sorted({run_by[offer.host] for offer in served}, key=str.casefold)
    weights = open_weights.of(model, served[0].host if served else offers[0].host)
    free, open_at_all = (weights is not None and weights.answer in answers for answers in (("yes",), ("yes", "partly")))
    if not companies and not open_at_all:
        return None, f"On {facts.read} no company that is known here served it any more."
    names = f" ({', '.join(companies)})" if companies else ""
    many = len(companies) != 1
    counted = (
        f"{len(companies)} compan{'ies' if many else 'y'} known here serve{'' if many else 's'} it{names}; its weights "
        f"are {'open' if free else 'open for non-commercial use' if open_at_all else 'not open'}."
    )
    if free and companies:
        return 5, counted
    ways = len(companies) + open_at_all
    if ways == 1:
        return (2 if len(served) > 1 else 1), counted
    return min(ways + 1, 4), counted
