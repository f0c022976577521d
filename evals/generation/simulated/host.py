"""What a simulated host is made of: the models that it serves, and the requests and jobs that it works on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import PIL.Image

from evals.generation.simulated.call_log import Call

Renderer: TypeAlias = Callable[[str, int | None, int, int, int, Sequence[bytes]], PIL.Image.Image]
"""Draws: prompt, seed, how often this (model, prompt, seed) was drawn before, width, height, reference pictures."""

Format: TypeAlias = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A model of a simulated host.

    ``kind`` and ``terms`` are its price, as in `evals.facts.pricing.Price`; ``sizes`` are of its `SIZES`;
    ``edit_api_id`` is its other name for requests with reference pictures, where the host has one. ``behaviours`` says
    what it does for a prompt in place of answering with the picture: ``refuse_prompt`` (the prompt is declined),
    ``filter_image`` (the picture is withheld), ``text_only`` (it writes instead of drawing) or ``error_status``.
    """

    api_id: str
    kind: Literal["tokens", "megapixels", "per_image", "free"]
    terms: Mapping[str, float | Mapping[str, float]]
    sizes: tuple[str, ...]
    references_at_most: int
    renderer: Renderer
    edit_api_id: str | None = None
    behaviours: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """A host that is to be simulated: what it serves, and the key it wants, None where it asks for none."""

    models: Sequence[SimulatedModel]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What a well-formed request asks for.

    ``size`` is the name that a price is listed under, of `evals.facts.pricing.SIZES`; ``prompt_used`` is the prompt as
    the host rewrote it, for hosts that do (the renderer draws ``prompt`` all the same).
    """

    model: SimulatedModel
    prompt: str
    seed: int | None
    width: int
    height: int
    size: str
    format: Format
    references: tuple[bytes, ...] = ()
    prompt_used: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """An order that was taken in: its entry in the call log, how it is to be answered, its place in time.

    ``nth`` says how often the same prompt and seed was drawn before. ``task_id`` is a name for it that never changes.
    Times are seconds since 1970; its picture is delivered from ``ready_at`` to ``served_until``.
    """

    order: Order
    call: Call
    behaviour: str
    nth: int
    task_id: str
    started_at: float
    ready_at: float
    served_until: float

    @property
    def phase(self) -> Literal["queued", "working", "ready"]:
        """Return how far it is by the clock."""
        now = time.time()
        return "queued" if now < self.started_at else "working" if now < self.ready_at else "ready"
