"""What a simulated host is made of: its models, how it behaves and when, how fast it is, what it lets in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import PIL.Image

from evals.generation.simulated.books import Books

Artist: TypeAlias = Callable[[str, int | None, int, int, int, Sequence[bytes]], PIL.Image.Image]
"""Draws: prompt, seed, how often this (model, prompt, seed) was drawn before, width, height, reference pictures."""

Behaviour: TypeAlias = Literal[
    "ok",
    "refuse_prompt",  # the prompt is declined, no picture is begun
    "filter_image",  # the picture is made and withheld
    "text_only",  # the model writes instead of drawing
    "draft_thoughts",  # ok, with draft pictures among the thoughts
    "rate_limited",  # 429, with the time to wait where the vendor names it
    "daily_quota",  # 429, nothing more today
    "unavailable",  # 503, not charged
    "internal",  # 500, not charged
    "gateway_timeout",  # 504 after the work was charged
    "stall",  # charged and never answered
    "drop",  # charged, then the connection is cut before any answer
    "drop_before",  # the connection is cut before the request was taken in
    "garbage",  # charged, and answered 200 with something that means nothing
    "truncated",  # charged, and the answer's body is cut short
    "not_an_image",  # the delivered bytes are no picture
    "expired",  # the delivery address answers 403
    "moderated_request",  # an accepted task ends: the prompt is declined
    "moderated_content",  # an accepted task ends: the picture is withheld
    "error_status",  # an accepted task ends in an error
    "never_ready",  # an accepted task stays at work for ever
    "odd_status",  # statuses that nobody has heard of for a while, then ready
    "slow",  # ok, `SimulatedHost.slow_s` later
    "bad_key",  # as if the key were wrong
    "no_credit",  # the account is empty
    "echo_key",  # 401, with the key that was sent inside the message
]
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)

PASSING_FAULTS: tuple[Behaviour, ...] = (
    "rate_limited",
    "unavailable",
    "internal",
    "gateway_timeout",
    "drop",
    "drop_before",
    "garbage",
    "truncated",
    "not_an_image",
    "refuse_prompt",
    "filter_image",
    "error_status",
    "odd_status",
    "slow",
)
"""Faults after which the next request may be answered, and that make nobody wait for a time limit."""

TASK_KIN: Mapping[Behaviour, Behaviour] = {
    "refuse_prompt": "moderated_request",
    "filter_image": "moderated_content",
    "text_only": "moderated_request",
    "draft_thoughts": "ok",
}
"""What a host with tasks and picture files does for a behaviour that its wire format cannot show."""

Script: TypeAlias = Callable[[int, str], str]
"""The behaviour for an arrival: its number at this host (from 0, requests turned away by limits not counted), its
prompt."""

Seconds: TypeAlias = float | Callable[[int], float]
"""A number of seconds, or a function from an arrival's number to one."""


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A model of a simulated host.

    Attributes
    ----------
    api_id
        Its name in the host's addresses.
    kind, terms
        Its price, as in `evals.facts.pricing.Price`.
    sizes
        The sizes that may be asked for, of `evals.facts.pricing.SIZES`.
    references_at_most
        How many reference pictures a request may carry.
    artist
        What draws.
    edit_api_id
        Its other name for requests with reference pictures, where the host has one.
    behaviours
        What it does for a prompt every time, whatever the host's script says.
    """

    api_id: str
    kind: Literal["tokens", "megapixels", "per_image", "free"]
    terms: Mapping[str, float | Mapping[str, float]]
    sizes: tuple[str, ...]
    references_at_most: int
    artist: Artist
    edit_api_id: str | None = None
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """A host as it is to be simulated.

    Attributes
    ----------
    models
        What it serves.
    key
        The key it wants, None where it asks for none.
    script
        How it behaves: a function, or a mapping from prompt to behaviours that are played in turn (ok after the last,
        and for every other prompt).
    queue_s, work_s
        How long a request waits, and how long it is worked on.
    slow_s
        What the behaviour ``slow`` adds to the work.
    retry_after_s
        What a rate-limited answer asks to wait.
    address_valid_s
        How long a delivery address is served after its picture is ready.
    active_limit
        How many requests may be queued or at work; 429 beyond. None without a limit.
    per_minute
        How many requests may arrive within any 60 seconds; 429 beyond. None without a limit.
    """

    models: Sequence[SimulatedModel]
    key: str | None = None
    script: Script | Mapping[str, Sequence[str]] = field(default_factory=dict)
    queue_s: Seconds = 0.0
    work_s: Seconds = 0.0
    slow_s: float = 1.0
    retry_after_s: float = 1.0
    address_valid_s: float = 600.0
    active_limit: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """The hosts to serve, by wire format (see `evals.generation.simulated.server.FORMATS`), and their books."""

    hosts: Mapping[str, SimulatedHost]
    books: Books = field(default_factory=Books)


def storm(rate: float, seed: int, among: Sequence[str] = PASSING_FAULTS) -> Script:
    """Return a script that answers a share ``rate`` of the arrivals with faults drawn evenly from ``among``.

    What an arrival gets depends on the seed and its number alone.

    Examples
    --------
    >>> script = storm(0.5, seed=1, among=["drop"])
    >>> sorted({script(arrival, "a cat") for arrival in range(20)})
    ['drop', 'ok']
    """

    def script(arrival: int, prompt: str) -> str:
        drawn = random.Random(f"storm {seed} {arrival}")
        return drawn.choice(among) if drawn.random() < rate else "ok"

    return script
