"""What many pictures a month cost: list prices with their sources, or what a run was charged; discounts apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from typing_extensions import TypedDict

from evals.facts.capabilities import BATCH, VOLUME_DISCOUNT, Cell, read_capabilities
from evals.facts.models import Facts, Offer, read_facts
from evals.facts.pricing import PROMPT_TOKENS_USUAL, SIZES, TokenPrice, price_usd
from evals.rating.operations import SystemOperations

VOLUMES = (10_000, 50_000, 100_000, 500_000)
"""Pictures a month."""

CostBasis: TypeAlias = Literal["measured", "listed", "simulated"]


class UsdRange(TypedDict):
    """US dollars: the least, the middle and the most; equal where there is one source."""

    low: float
    middle: float
    high: float


class ClaimedDiscount(TypedDict):
    """What a month would cost if a claim were true that no vendor's document bears out; no fact."""

    claim: str
    low: float
    high: float


class MonthlyCost(TypedDict):
    """What a number of pictures a month costs on one system.

    ``n_images`` are accepted pictures a month. The ``basis`` is ``measured`` (what a run was charged for each accepted
    picture, refusals, prompts and references included), ``listed`` (the pictures alone by the price list) or
    ``simulated`` (as measured, of a simulated system that no price list knows); None where there is no price, and
    ``reason`` says why. Listed prices range over the sources, measured ones (of ``n_requests``) up to what requests
    with a lost answer may have cost. ``usd_with_text`` is listed prices with the tokens of a usual prompt and of the
    thoughts, None where the host charges none. ``usd_batch`` is the month with the discount for pictures that may wait,
    None where a cited document offers none; ``batch`` is what that document says, None where nobody looked.
    ``claimed_discount`` is a volume discount that somebody claims for that many pictures. ``sources`` say all this,
    each with its day and how far it is to be trusted; ``notes`` are to be read beside the numbers.
    """

    system: str
    size: str
    n_images: int
    basis: CostBasis | None
    usd_per_image: UsdRange | None
    usd: UsdRange | None
    usd_with_text: UsdRange | None
    usd_batch: UsdRange | None
    batch: str | None
    claimed_discount: ClaimedDiscount | None
    n_requests: int | None
    sources: list[str]
    notes: list[str]
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Price:
    basis: CostBasis | None = None
    usd: UsdRange | None = None
    with_text: UsdRange | None = None
    n_requests: int | None = None
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None


def monthly_costs(
    systems: Iterable[str],
    size: str,
    volumes: Sequence[int] = VOLUMES,
    operations: Sequence[SystemOperations] | None = None,
) -> list[MonthlyCost]:
    r"""Return what each number of pictures a month costs on each system, without references.

    The month is :math:`n \cdot p`, with :math:`p` the price of one accepted picture: what a run was charged for it
    where ``operations`` tell that, the list price of the picture elsewhere. No discount is in it.

    Parameters
    ----------
    systems
        Names ``model@host``. One without a price has a row with the reason.
    size
        Of `evals.facts.pricing.SIZES`; pictures are square.
    volumes
        Accepted pictures a month, each at least 1.
    operations
        Of a run (`evals.rating.operations.operations`); rows of other sizes are passed over, and simulated money never
        stands for a real system's.

    Returns
    -------
    list of MonthlyCost
        By system in the order given, then by volume in the order given.

    Raises
    ------
    ValueError
        If there is no such size, or a volume is less than 1.

    Examples
    --------
    >>> [round(row["usd"]["middle"]) for row in monthly_costs(["flux-2-pro@bfl", "flux-2-max@bfl"], "1K", [100_000])]
    [3000, 7000]
    >>> (row,) = monthly_costs(["gemini-nano-banana-2.1@google"], "1K", [100_000])
    >>> [round(row[name]["middle"]) for name in ("usd", "usd_with_text", "usd_batch")]
    [3360, 4006, 1680]
    """
    if size not in SIZES:
        raise ValueError(f"there is no size {size!r}; known are {', '.join(SIZES)}")
    if wrong := [volume for volume in volumes if volume < 1]:
        raise ValueError(f"{wrong[0]} is no number of pictures a month; it is at least 1")
    facts = read_facts()
    return [
        row
        for system in systems
        for price in [_price_of(system, size, facts, operations or ())]
        for row in _months(system, size, volumes, price, facts.offer_of(system))
    ]


def _months(
    system: str, size: str, volumes: Sequence[int], price: _Price, offer: Offer | None
) -> Iterable[MonthlyCost]:
    capabilities = read_capabilities()
    batch, volume_discount = (
        capabilities[name].of(offer.model, offer.host) if offer else None for name in (BATCH, VOLUME_DISCOUNT)
    )
    for n_images in volumes:
        usd = _times(price.usd, n_images)
        claimed = _claimed_discount(volume_discount, n_images, usd)
        cited = [cell for cell in (batch, volume_discount if claimed else None) if cell]
        sources = (*price.sources, *(str(source) for cell in cited for source in cell.sources))
        yield MonthlyCost(
            system=system,
            size=size,
            n_images=n_images,
            basis=price.basis,
            usd_per_image=price.usd,
            usd=usd,
            usd_with_text=_times(price.with_text, n_images),
            usd_batch=_times(usd, 1 - batch.discount) if batch and batch.discount else None,
            batch=batch.says if batch else None,
            claimed_discount=claimed,
            n_requests=price.n_requests,
            sources=list(dict.fromkeys(sources)),
            notes=list(price.notes),
            reason=price.reason,
        )


def _times(usd: UsdRange | None, factor: float) -> UsdRange | None:
    if usd is None:
        return None
    return UsdRange(low=usd["low"] * factor, middle=usd["middle"] * factor, high=usd["high"] * factor)


def _claimed_discount(cell: Cell | None, n_images: int, usd: UsdRange | None) -> ClaimedDiscount | None:
    if cell is None or cell.claimed is None or usd is None or n_images < cell.claimed.from_images:
        return None
    claimed = cell.claimed
    claim = (
        f"{claimed.least:.0%} to {claimed.most:.0%} off from {claimed.from_images:,} pictures a month on, as an "
        "article says without a source"
    )
    return ClaimedDiscount(claim=claim, low=usd["low"] * (1 - claimed.most), high=usd["high"] * (1 - claimed.least))


def _price_of(system: str, size: str, facts: Facts, operations: Sequence[SystemOperations]) -> _Price:
    offer = facts.offer_of(system)
    listed = _listed(offer, size, facts) if offer else None
    if listed and offer and offer.is_free:
        return listed  # a run on one's own machine is told to cost nothing, which is no price
    run = next((row for row in operations if (row["system"], row["size"]) == (system, size)), None)
    measured = _measured(run) if run and not (run["simulated"] and listed) else None
    if measured is None:
        return listed or _Price(reason="the facts do not know this system, and no run tells its cost")
    return replace(measured, notes=(*measured.notes, *_life_cycle(facts, system)))


def _measured(run: SystemOperations) -> _Price | None:
    figures = run["figures"]
    charged = figures["operations.cost_per_accepted_image"]
    at_most = figures["operations.cost_per_accepted_image_at_most"]["value"]
    if charged["value"] is None:
        return None
    notes = [f"Charged in a run of {charged['n']} requests, with its prompts, references and refusals."]
    if charged["at_least"]:
        notes.append("Some of its requests do not say what they cost, so the price can only be higher.")
    price = charged["value"]
    usd = UsdRange(low=price, middle=price, high=max(price, at_most or 0.0))
    basis: CostBasis = "simulated" if run["simulated"] else "measured"
    return _Price(basis, usd, n_requests=charged["n"], notes=tuple(notes))


def _listed(offer: Offer, size: str, facts: Facts) -> _Price:
    """Return the list price of a picture over all sources, or why there is none."""
    if size not in offer.sizes:
        return _Price(reason=f"it makes no {size} pictures; its sizes are {', '.join(offer.sizes)}")
    if not offer.prices:
        return _Price(reason="no source gives its price")
    if offer.is_free:
        return _Price(reason="nothing is charged for a picture; what one's own machine costs is not known here")
    pictures = _over_sources(offer, size, with_text=False)
    whole = _over_sources(offer, size, with_text=True)
    notes = [*_life_cycle(facts, offer.system)]
    if pictures["low"] < pictures["high"]:
        notes.append(f"{len(offer.prices)} sources disagree on the price.")
    if whole != pictures:
        notes.append("The host also charges for the tokens of prompts and thoughts, which the list price leaves out.")
    sources = tuple(dict.fromkeys(str(price.source) for price in offer.prices))
    return _Price("listed", pictures, whole if whole != pictures else None, sources=sources, notes=tuple(notes))


def _over_sources(offer: Offer, size: str, *, with_text: bool) -> UsdRange:
    costs = []
    for price in offer.prices:
        if not with_text and isinstance(price, TokenPrice):
            price = price.model_copy(update={"text_tokens_usual": 0.0})
        tokens = PROMPT_TOKENS_USUAL if with_text else 0
        cost = price_usd(price, size, prompt_tokens=tokens)
        if cost is not None:
            costs.append(cost)
    return UsdRange(low=min(costs), middle=statistics.median(costs), high=max(costs))


def _life_cycle(facts: Facts, system: str) -> Iterable[str]:
    offer = facts.offer_of(system)
    if offer and offer.retired and offer.retired < facts.read:
        yield f"It was to be shut down on {offer.retired}{f'; use {offer.replaced_by}' if offer.replaced_by else ''}."
