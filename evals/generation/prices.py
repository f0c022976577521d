"""What a request of a plan will cost, by its prompt and by what is sent along, before anything is sent."""

from __future__ import annotations

import functools
from pathlib import Path

from evals.facts.models import Offer
from evals.facts.pricing import PROMPT_TOKENS_AT_MOST, expected_cost_usd, max_cost_usd, megapixels, worst_answer_usd
from evals.files.regular_files import open_regular
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


def worst_request_usd(request: ImageRequest, offer: Offer) -> float | None:
    """Return the same for as many pictures as an answer can have: what the budget has to hold."""
    return worst_answer_usd(
        offer, request.size, request.n_references, _prompt_tokens_at_most(request), _references_mp(request)
    )


def worst_of_pictures_usd(request: ImageRequest, offer: Offer, held_usd: float, n_pictures: int | None) -> float:
    """Return the share of what is held for a request that an answer of so many pictures can have cost at most.

    All of it where nobody knows how many pictures came; more than it where more came than was thought possible.
    """
    if n_pictures is None or n_pictures >= offer.pictures_at_most:
        return held_usd * max(1.0, (n_pictures or 1) / offer.pictures_at_most)
    fewer = offer.model_copy(update={"pictures_at_most": n_pictures})
    worst = worst_request_usd(request, offer)
    return held_usd * (worst_request_usd(request, fewer) or 0.0) / worst if worst else held_usd


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
