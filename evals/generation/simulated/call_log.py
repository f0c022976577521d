"""The simulators' own record: every request that was understood, what was charged for it, what became of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

CallOutcome: TypeAlias = Literal["open", "ok", "refused", "filtered", "failed", "rejected", "lost"]
"""What became of a call, as its client was told: ``rejected`` was not taken in, ``lost`` was charged and the answer
spoiled; ``open`` is not done, or nobody asked for it."""


@dataclass(slots=True)
class Call:
    """One request. ``keys_at_delivery`` counts the requests for the finished picture that carried a key."""

    host: str
    api_id: str
    prompt: str
    seed: int | None
    n_references: int
    behaviour: str
    outcome: CallOutcome = "open"
    task_id: str | None = None
    charged_usd: float = 0.0
    keys_at_delivery: int = 0


@dataclass(slots=True)
class CallLog:
    """All calls in order; only the server's thread adds and changes them."""

    calls: list[Call] = field(default_factory=list)

    @property
    def charged_usd(self) -> float:
        """Return what all calls together were charged."""
        return math.fsum(call.charged_usd for call in self.calls)

    @property
    def keys_at_delivery(self) -> int:
        """Return how many requests for finished pictures carried a key."""
        return sum(call.keys_at_delivery for call in self.calls)
