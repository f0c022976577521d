"""What a request of a plan will cost, by its prompt and by what is sent along, before anything is sent."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path

from evals.facts.models import Offer
from evals.facts.pricing import (
    PROMPT_TOKENS_AT_MOST,
    SIZES,
    Basis,
    billed_usd,
    expected_cost_usd,
    max_cost_usd,
    megapixels,
    price_usd,
    worst_answer_usd,
)
from evals.files.regular_files import open_regular
from evals.generation.answers import ResponseMetadata
from evals.generation.pictures import Picture
from evals.generation.plan import ImageRequest
from evals.imageset.decoding import open_picture


def expected_request_usd(request: ImageRequest, offer: Offer) -> float | None:
    """Return what a request usually costs, in US dollars; None if no source gives a price."""
    tokens = -(-len(request.prompt.encode()) // 4)  # English has some four characters a token
    return expected_cost_usd(offer, request.size, request.n_references, tokens, _references_mp(request))


def max_request_usd(request: ImageRequest, offer: Offer) -> float | None:
    """Return the most that its picture can cost, in US dollars; None if no source gives a price."""
    return max_cost_usd(
        offer, request.size, request.n_references, _prompt_tokens_at_most(request), _references_mp(request)
    )


def worst_request_usd(request: ImageRequest, offer: Offer, references_mp: float | None = None) -> float | None:
    """Return the same for as many pictures as an answer can have: what the budget has to hold.

    ``references_mp`` are the megapixels of what is sent along, where they were measured already.
    """
    if references_mp is None:
        references_mp = _references_mp(request)
    return worst_answer_usd(offer, request.size, request.n_references, _prompt_tokens_at_most(request), references_mp)


def charged_usd(
    request: ImageRequest,
    offer: Offer,
    held_usd: float,
    references_mp: float | None,
    metadata: ResponseMetadata,
    n_pictures: int | None,
    picture: Picture | None,
) -> tuple[float | None, Basis, float]:
    """Return what an answer has cost, how that is known (`billed_usd`), and the most that it can have cost.

    A list price is a guess among the sources': its most is a share of what is held for the request, by the pictures
    that came, all of it where nobody knows how many; and more than it where more came, or a larger one, than was
    thought possible. ``references_mp`` are the megapixels that were sent along; where nobody noted them, each reference
    counts as large as the picture. No file is opened: the money is spent, and what it was must not depend on a disk.
    """
    if references_mp is None:
        references_mp = request.n_references * megapixels(request.side, request.side)
    size = _charged_size(request, offer, picture)
    cost, basis = billed_usd(
        offer, metadata.cost_usd, metadata.usage, size, request.n_references, metadata.n_pictures or 1
    )
    if cost is None or basis != "listed":
        return cost, basis, held_usd if cost is None else cost
    n_pictures = n_pictures or offer.pictures_at_most
    fewer = offer.model_copy(update={"pictures_at_most": min(n_pictures, offer.pictures_at_most)})
    worst, worst_of_fewer = (worst_request_usd(request, each, references_mp) for each in (offer, fewer))
    share = worst_of_fewer / worst if worst and worst_of_fewer is not None else 1.0
    worst_as_it_came = worst_request_usd(replace(request, size=size), fewer, references_mp) or 0.0
    at_most = max(held_usd * share, worst_as_it_came * n_pictures / fewer.pictures_at_most)
    return min(cost, at_most), basis, at_most


def _charged_size(request: ImageRequest, offer: Offer, picture: Picture | None) -> str:
    """Return the size that a picture is charged as: the one that was asked for, or a larger one if that came.

    It is one that all sources have a price for, the next larger one, and the dearest where none is as large.
    """
    came = math.sqrt(picture.width * picture.height) if picture is not None else 0.0
    every = {size: [usd for price in offer.prices if (usd := price_usd(price, size)) is not None] for size in SIZES}
    dearest = {size: max(usd) for size, usd in every.items() if usd and len(usd) == len(offer.prices)}
    # Models round the sides up by a few percent.
    large_enough = [size for size in dearest if SIZES[size] >= request.side and 1.1 * SIZES[size] >= came]
    return large_enough[0] if large_enough else max(dearest, key=dearest.__getitem__, default=request.size)


def _prompt_tokens_at_most(request: ImageRequest) -> int:
    return max(PROMPT_TOKENS_AT_MOST, len(request.prompt.encode()))


def _references_mp(request: ImageRequest) -> int:
    references_mp = sum(map(_megapixels_of, request.item.reference_images))
    references_mp += request.item.source is not None  # it is at most 1024 pixels wide and high
    if request.first_shot is not None:
        references_mp += megapixels(request.side, request.side)
    return references_mp


@functools.lru_cache(maxsize=4096)
def _megapixels_of(path: Path) -> int:
    with open_regular(path) as file, open_picture(file) as opened:  # reads the head of the file only
        return megapixels(*opened.size)
