"""What a picture costs: at most, usually, and by what the host told; pure arithmetic over the facts' quotes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Literal, TypeAlias

from evals.facts.models import Offer, Quote
from evals.facts.sizes import SIZES

Basis: TypeAlias = Literal["reported", "usage", "listed", "none"]

PROMPT_TOKENS_USUAL = 50
"""The prompt of a picture in tokens where nobody says more: some forty words."""

PROMPT_TOKENS_AT_MOST = 1_000
"""The bound for the same; a prompt has fewer tokens than UTF-8 bytes, so its length in bytes is a safe bound too."""

_MEGAPIXEL = 1024 * 1024
_TOKEN_COUNTS = ("input_text", "input_image", "output_text", "output_image")


def megapixels(width: int, height: int) -> int:
    """Return the megapixels that a picture is charged for: units of 1024 x 1024 pixels, begun ones counted as whole.

    Source: Black Forest Labs' pricing page and fal's (via lumenfall.ai), read 2026-11-22.

    Examples
    --------
    >>> megapixels(512, 512), megapixels(1024, 1024), megapixels(1376, 768), megapixels(2048, 2048)
    (1, 1, 2, 4)
    """
    return math.ceil(width * height / _MEGAPIXEL)


def worst_usd(
    offer: Offer,
    size: str,
    n_references: int = 0,
    prompt_tokens: int = PROMPT_TOKENS_AT_MOST,
    references_mp: float | None = None,
) -> float | None:
    """Return the most that a picture can cost by any source, in US dollars; None if no source gives a price.

    Parameters
    ----------
    offer
        The model on its host.
    size
        Of `evals.facts.sizes.SIZES`; pictures are square.
    n_references
        How many reference images are sent along.
    prompt_tokens
        A bound for the prompt's tokens.
    references_mp
        What the references are charged for in megapixels, all together. Unknown ones count as large as the picture,
        since an earlier shot of the same size may be one of them.
    """
    if references_mp is None:
        references_mp = n_references * _side_mp(size)
    prices = [
        _price(quote, size, n_references, prompt_tokens, references_mp, "text_tokens_at_most") for quote in offer.quotes
    ]
    return max((price for price in prices if price is not None), default=None)


def likely_usd(
    offer: Offer,
    size: str,
    n_references: int = 0,
    prompt_tokens: int = PROMPT_TOKENS_USUAL,
    references_mp: float | None = None,
) -> float | None:
    """Return what a picture usually costs, in US dollars: the median over the sources; None if none gives a price.

    Arguments as for `worst_usd`, but unknown references count one megapixel each.
    """
    if references_mp is None:
        references_mp = n_references
    prices = [
        _price(quote, size, n_references, prompt_tokens, references_mp, "text_tokens_usual") for quote in offer.quotes
    ]
    known = [price for price in prices if price is not None]
    return statistics.median(known) if known else None


def billed_usd(
    offer: Offer, named_usd: float | None, usage: Mapping[str, float] | None, size: str, n_references: int = 0
) -> tuple[float | None, Basis]:
    """Return what a picture has cost, in US dollars, and how that is known.

    Returns
    -------
    cost, basis
        ``reported``: the host named the price. ``usage``: computed from the counts that the host told, by the source
        with the highest price. ``listed``: the host told nothing, so it is `likely_usd`. ``none``: no price is known.

    Examples
    --------
    >>> from evals.facts.models import read_facts
    >>> pro = read_facts().find("gemini-3-pro-image@google")
    >>> usage = {"input_text": 10, "output_image": 1120, "output_text": 60 + 102}
    >>> cost, basis = billed_usd(pro, None, usage, "1K")
    >>> round(cost, 5), basis
    (0.13636, 'usage')
    """
    if named_usd is not None:
        return named_usd, "reported"
    counted = [cost for quote in offer.quotes if (cost := _cost_of_usage(quote, usage or {})) is not None]
    if counted:
        return max(counted), "usage"
    listed = likely_usd(offer, size, n_references)
    return listed, "listed" if listed is not None else "none"


def _side_mp(size: str) -> int:
    return megapixels(SIZES[size], SIZES[size])


def _price(
    quote: Quote, size: str, n_references: int, prompt_tokens: float, references_mp: float, text_tokens: str
) -> float | None:
    """Return the price of a picture by one source before it is made; None where the source gives none for that size."""
    if quote.kind == "tokens":
        image_tokens = _of_size(quote.terms["image_tokens"], size)
        if image_tokens is None:
            return None
        return _tokens_usd(
            quote,
            input_tokens=prompt_tokens + n_references * _number(quote, "reference_tokens"),
            text_tokens=_number(quote, text_tokens),
            image_tokens=image_tokens,
        )
    if quote.kind == "megapixels":
        return _megapixels_usd(quote, _side_mp(size), references_mp)
    if quote.kind == "per_image":
        return _of_size(quote.terms["usd"], size)
    return 0.0


def _cost_of_usage(quote: Quote, usage: Mapping[str, float]) -> float | None:
    """Return the price of a picture by one source from what was counted; None where the counts are of another kind."""
    if quote.kind == "tokens" and any(name in usage for name in _TOKEN_COUNTS):
        return _tokens_usd(
            quote,
            input_tokens=usage.get("input_text", 0) + usage.get("input_image", 0),
            text_tokens=usage.get("output_text", 0),
            image_tokens=usage.get("output_image", 0),
        )
    if quote.kind == "megapixels" and "output_mp" in usage:
        return _megapixels_usd(quote, math.ceil(usage["output_mp"]), math.ceil(usage.get("input_mp", 0)))
    return None


def _tokens_usd(quote: Quote, input_tokens: float, text_tokens: float, image_tokens: float) -> float:
    r"""Return :math:`in \cdot P_{in} + text \cdot P_{text} + image \cdot P_{image}`, with P in dollars per million.

    Thoughts are charged as text. Source: Google's price list by way of litellm 1.109.1, read 2026-11-22.
    """
    return (
        input_tokens * _number(quote, "input_per_m")
        + text_tokens * _number(quote, "output_text_per_m")
        + image_tokens * _number(quote, "output_image_per_m")
    ) / 1e6


def _megapixels_usd(quote: Quote, output_mp: float, input_mp: float) -> float:
    r"""Return :math:`first + (out - 1) \cdot further + in \cdot input`, in dollars.

    Source: docs.bfl.ai/quick_start/pricing, read 2026-11-22.
    """
    further = max(0.0, output_mp - 1) * _number(quote, "further")
    return _number(quote, "first") + further + input_mp * _number(quote, "input")


def _of_size(value: float | Mapping[str, float], size: str) -> float | None:
    return value.get(size) if isinstance(value, Mapping) else value


def _number(quote: Quote, term: str) -> float:
    value = quote.terms[term]
    if isinstance(value, Mapping):
        raise TypeError(f"{term} of a price is one number, not one by size")
    return value
