"""What a picture costs: the formulas by which hosts charge, and its cost at most, expected, and as billed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeAlias, cast

from pydantic import Discriminator, Field, Tag

from evals.facts.sources import SourceById
from evals.files.yaml_files import FileModel

SIZES: Mapping[str, int] = {"512": 512, "1K": 1024, "1.5K": 1536, "2K": 2048, "4K": 4096}
"""The sizes that can be asked for, each with the side of a square picture in pixels."""

Size: TypeAlias = Literal["512", "1K", "1.5K", "2K", "4K"]
Basis: TypeAlias = Literal["reported", "usage", "listed", "none"]

PROMPT_TOKENS_USUAL = 50
"""The prompt of a picture in tokens where nobody says more: some forty words."""

PROMPT_TOKENS_AT_MOST = 1_000
"""The bound for the same; a prompt has fewer tokens than UTF-8 bytes, so its length in bytes is a safe bound too."""

_MEGAPIXEL = 1024 * 1024
_TOKEN_COUNTS = ("input_text", "input_image", "output_text", "output_image")

_Number = Annotated[float, Field(ge=0)]
_BySize = dict[Size, _Number]
_NumberOrBySize = Annotated[
    Annotated[_Number, Tag("number")] | Annotated[_BySize, Tag("by size")],
    Discriminator(lambda value: "by size" if isinstance(value, dict) else "number"),
]


class _SourcedPrice(FileModel):
    source: SourceById

    @property
    def terms(self) -> dict[str, Any]:
        """Return the numbers of the formula."""
        return self.model_dump(exclude={"kind", "source"})


class TokenPrice(_SourcedPrice):
    """US dollars per million tokens; thoughts are charged as text.

    ``output_tokens_at_most`` is the model's own limit for an answer, where that is the tighter one.
    """

    kind: Literal["tokens"] = "tokens"
    input_per_m: _Number
    output_text_per_m: _Number
    output_image_per_m: _Number
    image_tokens: _BySize
    reference_tokens: _Number
    text_tokens_usual: _Number
    text_tokens_at_most: _Number
    output_tokens_at_most: Annotated[int, Field(ge=1)] | None = None

    def most_output_tokens(self, size: str, n_pictures: int) -> tuple[float, float] | None:
        """Return how many tokens of pictures and of text an answer can have at most, None for a size without a price.

        All of it is bounded by what is sent as ``maxOutputTokens``, so that more pictures mean less text.
        """
        image_tokens = _of_size(self.image_tokens, size)
        if image_tokens is None:
            return None
        images = n_pictures * image_tokens
        if self.output_tokens_at_most is None:
            return images, self.text_tokens_at_most
        images = min(images, self.output_tokens_at_most)
        return images, min(self.text_tokens_at_most, self.output_tokens_at_most - images)


class MegapixelPrice(_SourcedPrice):
    """US dollars for the first megapixel of a picture, each further one, and each of its references (``input``)."""

    kind: Literal["megapixels"] = "megapixels"
    first: _Number
    further: _Number
    input: _Number


class ImagePrice(_SourcedPrice):
    """US dollars a picture, one number or one a size."""

    kind: Literal["per_image"] = "per_image"
    usd: _NumberOrBySize


class FreePrice(_SourcedPrice):
    """Nothing is charged."""

    kind: Literal["free"] = "free"


Price: TypeAlias = TokenPrice | MegapixelPrice | ImagePrice | FreePrice
"""One source's price for an offer."""

AnyPrice = Annotated[Price, Field(discriminator="kind")]
"""A price in a file, which says its ``kind``."""


class Priced(Protocol):
    """An offer, as far as its prices go: every source's, conflicting ones included; empty where no source gives one."""

    @property
    def prices(self) -> Sequence[Price]:
        """Return them."""

    @property
    def pictures_at_most(self) -> int:
        """Return how many pictures one answer can hold and charge for."""


def megapixels(width: int, height: int) -> int:
    """Return the megapixels that a picture is charged for: units of 1024 x 1024 pixels, begun ones counted as whole.

    Source: Black Forest Labs' pricing page and fal's (via lumenfall.ai), read 2026-11-22.

    Examples
    --------
    >>> megapixels(512, 512), megapixels(1024, 1024), megapixels(1376, 768), megapixels(2048, 2048)
    (1, 1, 2, 4)
    """
    return math.ceil(width * height / _MEGAPIXEL)


def max_cost_usd(
    offer: Priced,
    size: str,
    n_references: int = 0,
    prompt_tokens: int = PROMPT_TOKENS_AT_MOST,
    references_mp: float | None = None,
) -> float | None:
    """Return the most that a square picture can cost by any source, in US dollars; None if no source gives a price.

    ``prompt_tokens`` is a bound for the prompt's tokens; ``references_mp`` what the references are charged for in
    megapixels, all together. Unknown ones count as large as the picture, since an earlier shot of the same size may be
    one of them.
    """
    if references_mp is None:
        references_mp = n_references * _side_mp(size)
    costs = [price_usd(price, size, n_references, prompt_tokens, references_mp, at_most=True) for price in offer.prices]
    return max((cost for cost in costs if cost is not None), default=None)


def worst_answer_usd(
    offer: Priced, size: str, n_references: int, prompt_tokens: int, references_mp: float
) -> float | None:
    """Return the most that one request can cost, in US dollars: `max_cost_usd` for as many pictures as can come."""
    return max(
        (
            cost
            for price in offer.prices
            if (cost := _worst_usd(price, size, n_references, prompt_tokens, references_mp, offer.pictures_at_most))
            is not None
        ),
        default=None,
    )


def output_tokens_at_most(offer: Priced, size: str) -> int | None:
    """Return how many tokens `worst_answer_usd` counts with in an answer, None where the price is not one of tokens.

    Sent along as the limit of an answer, it makes sure that none costs more.
    """
    bounds = [
        price.most_output_tokens(size, offer.pictures_at_most) for price in offer.prices if price.kind == "tokens"
    ]
    return max((math.ceil(sum(tokens)) for tokens in bounds if tokens is not None), default=None)


def _worst_usd(
    price: Price, size: str, n_references: int, prompt_tokens: int, references_mp: float, n_pictures: int
) -> float | None:
    if isinstance(price, TokenPrice):
        came_in = prompt_tokens + n_references * price.reference_tokens
        # Under a limit of tokens more pictures mean less text, which may be the dearer one.
        answers = (price.most_output_tokens(size, n) for n in range(n_pictures + 1))
        return max((_tokens_usd(price, came_in, text, image) for image, text in filter(None, answers)), default=None)
    one = price_usd(price, size, n_references, prompt_tokens, references_mp)
    return None if one is None else one * n_pictures


def expected_cost_usd(
    offer: Priced,
    size: str,
    n_references: int = 0,
    prompt_tokens: int = PROMPT_TOKENS_USUAL,
    references_mp: float | None = None,
) -> float | None:
    """Return what a picture usually costs, in US dollars: the median over the sources; None if none gives a price.

    Arguments as for `max_cost_usd`, but unknown references count one megapixel each.
    """
    if references_mp is None:
        references_mp = n_references
    costs = _by_source(offer, size, n_references, prompt_tokens, references_mp)
    return statistics.median(costs) if costs else None


def listed_usd(offer: Priced, size: str) -> tuple[float, ...]:
    """Return what a picture usually costs by each source, ascending, each price once; none where no source has one.

    Where sources disagree, `expected_cost_usd` lies between prices that none of them gives.
    """
    return tuple(sorted(set(_by_source(offer, size, 0, PROMPT_TOKENS_USUAL, 0.0))))


def _by_source(offer: Priced, size: str, n_references: int, prompt_tokens: float, references_mp: float) -> list[float]:
    prices = (price_usd(price, size, n_references, prompt_tokens, references_mp) for price in offer.prices)
    return [price for price in prices if price is not None]


def billed_usd(
    offer: Priced,
    named_usd: float | None,
    usage: Mapping[str, float] | None,
    size: str,
    n_references: int = 0,
    n_pictures: int = 1,
) -> tuple[float | None, Basis]:
    """Return what an answer with one or several pictures has cost, in US dollars, and how that is known.

    Returns
    -------
    cost, basis
        ``reported``: the host named the price. ``usage``: computed from the counts that the host told, by the source
        with the highest price. ``listed``: the host told nothing, so it is `expected_cost_usd` for each picture.
        ``none``: no price is known.

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
    costs = [cost for price in offer.prices if (cost := _usage_usd(price, usage or {})) is not None]
    if costs:
        return max(costs), "usage"
    listed = expected_cost_usd(offer, size, n_references)
    return (listed * n_pictures, "listed") if listed is not None else (None, "none")


def price_usd(
    price: Price,
    size: str,
    n_references: int = 0,
    prompt_tokens: float = PROMPT_TOKENS_USUAL,
    references_mp: float = 0.0,
    *,
    at_most: bool = False,
) -> float | None:
    """Return the price of a picture by one source before it is made; None where the source gives none for that size.

    Text tokens are the usual number, or the most there can be (``at_most``).
    """
    match price:
        case TokenPrice():
            text_tokens = price.text_tokens_at_most if at_most else price.text_tokens_usual
            image_tokens = _of_size(price.image_tokens, size)
            if image_tokens is None:
                return None
            return _tokens_usd(price, prompt_tokens + n_references * price.reference_tokens, text_tokens, image_tokens)
        case MegapixelPrice():
            return _megapixels_usd(price, _side_mp(size), references_mp)
        case ImagePrice():
            return _of_size(price.usd, size)
        case FreePrice():
            return 0.0


def _side_mp(size: str) -> int:
    return megapixels(SIZES[size], SIZES[size])


def _usage_usd(price: Price, usage: Mapping[str, float]) -> float | None:
    """Return the price of a picture by one source from what was counted; None where the counts are of another kind."""
    if isinstance(price, TokenPrice) and any(name in usage for name in _TOKEN_COUNTS):
        input_text, input_image, output_text, output_image = (usage.get(name, 0) for name in _TOKEN_COUNTS)
        return _tokens_usd(price, input_text + input_image, output_text, output_image)
    if isinstance(price, MegapixelPrice) and "output_mp" in usage:
        return _megapixels_usd(price, math.ceil(usage["output_mp"]), math.ceil(usage.get("input_mp", 0)))
    return None


def _tokens_usd(price: TokenPrice, input_tokens: float, text_tokens: float, image_tokens: float) -> float:
    r"""Return :math:`in \cdot P_{in} + text \cdot P_{text} + image \cdot P_{image}`, with P in dollars per million.

    Source: Google's price list by way of litellm 1.109.1, read 2026-11-22.
    """
    return (
        input_tokens * price.input_per_m
        + text_tokens * price.output_text_per_m
        + image_tokens * price.output_image_per_m
    ) / 1e6


def _megapixels_usd(price: MegapixelPrice, output_mp: float, input_mp: float) -> float:
    r"""Return :math:`first + (out - 1) \cdot further + in \cdot input`, in dollars.

    Source: docs.bfl.ai/quick_start/pricing, read 2026-11-22.
    """
    return price.first + max(0.0, output_mp - 1) * price.further + input_mp * price.input


def _of_size(value: float | Mapping[Size, float], size: str) -> float | None:
    return value.get(cast(Size, size)) if isinstance(value, Mapping) else value
