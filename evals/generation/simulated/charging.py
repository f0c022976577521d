"""What a simulated host charges, worked out from a model's price terms alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.facts.pricing import megapixels
from evals.generation.simulated.host import Order, SimulatedModel
from evals.generation.simulated.references import size_if_picture


@dataclass(frozen=True, slots=True)
class TokenUse:
    """The tokens of one request: prompt and reference pictures in; picture, text beside it and thoughts out."""

    prompt_text: int
    prompt_image: int = 0
    image: int = 0
    text: int = 0
    thoughts: int = 0


def token_use(model: SimulatedModel, prompt: str, size: str | None, n_references: int) -> TokenUse:
    """Return the tokens of a request; ``size`` None if no picture came of it, so that nothing but the prompt counts.

    Text and thoughts vary from prompt to prompt around the usual number and never exceed the bound. A term that the
    model lacks counts as 0.
    """
    came_in = TokenUse(
        prompt_text=max(1, math.ceil(len(prompt.encode()) / 4)),
        prompt_image=n_references * round(_number(model, "reference_tokens")),
    )
    if size is None:
        return came_in
    spread = 0.5 + hashlib.sha256(prompt.encode()).digest()[0] / 255
    written = min(
        round(spread * _number(model, "text_tokens_usual")), math.floor(_number(model, "text_tokens_at_most"))
    )
    text = written // 3
    images = round(_by_size(model.terms.get("image_tokens", 0.0), size))
    return TokenUse(came_in.prompt_text, came_in.prompt_image, images, text, written - text)


def tokens_usd(model: SimulatedModel, use: TokenUse) -> float:
    """Return the price of tokens in US dollars: input, picture output, text and thought output each at its own rate."""
    per_million = (
        (use.prompt_text + use.prompt_image) * _number(model, "input_per_m")
        + use.image * _number(model, "output_image_per_m")
        + (use.text + use.thoughts) * _number(model, "output_text_per_m")
    )
    return per_million / 1e6


def price_usd(order: Order) -> float:
    """Return the price of one finished picture in US dollars, by its model's terms."""
    model, n_references = order.model, len(order.references)
    if model.kind == "tokens":
        return tokens_usd(model, token_use(model, order.prompt, order.size, n_references))
    if model.kind == "megapixels":
        further = (megapixels(order.width, order.height) - 1) * _number(model, "further")
        return _number(model, "first") + further + billed_megapixels(order.references) * _number(model, "input")
    return _by_size(model.terms["usd"], order.size) if model.kind == "per_image" else 0.0


def billed_megapixels(references: Sequence[bytes]) -> int:
    """Return the megapixels that references are billed together, each rounded up by itself."""
    sizes = [size_if_picture(reference) for reference in references]
    return sum(megapixels(*size) for size in sizes if size is not None)


def _number(model: SimulatedModel, term: str) -> float:
    value = model.terms.get(term, 0.0)
    if isinstance(value, Mapping):
        raise TypeError(f"{model.api_id}: the term {term!r} must be a number")
    return value


def _by_size(value: float | Mapping[str, float], size: str) -> float:
    if not isinstance(value, Mapping):
        return value
    if size not in value:
        raise ValueError(f"there is no price for the size {size!r}; there are {', '.join(value)}")
    return value[size]
