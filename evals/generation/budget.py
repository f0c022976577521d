"""The budget: the highest price of a request is held before it is sent, so that no sum of answers can exceed it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

_ROUNDING = 1e-9


class Budget:
    """What a run may spend, has spent, and holds for requests in flight, in US dollars.

    ``limit_usd`` is None without a limit; ``spent_usd`` includes earlier processes, and what nobody knows at its worst;
    ``exhausted`` says whether a request was left out because of the limit; ``refused`` are the first ones that were,
    by ``sample_id``, with what had to be held for each, and ``refused_usd`` is what has to be held for all that is
    missing of their prompt, once the run has ended.
    """

    def __init__(self, limit_usd: float | None, spent_usd: float = 0.0) -> None:
        """Hold nothing yet."""
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.exhausted = False
        self.refused: dict[str, float] = {}
        self.refused_usd = 0.0
        self._held: dict[str, float] = {}
        self._reserved: dict[str, float] = {}
        self._changed = asyncio.Condition()

    @property
    def held_usd(self) -> float:
        """Return what is held for requests in flight."""
        return sum(self._held.values())

    def set_aside(self, sample_id: str, cost_usd: float) -> None:
        """Hold what an accepted task costs, whatever the limit: it is at work already."""
        self._reserved.pop(sample_id, None)
        self._held[sample_id] = cost_usd

    def raise_to(self, sample_id: str, cost_usd: float) -> None:
        """Hold more for a request in flight, whatever the limit, if that is more than what is held for it."""
        if sample_id in self._held:
            self._held[sample_id] = max(self._held[sample_id], cost_usd)

    async def reserve(self, max_costs_usd: Mapping[str, float]) -> bool:
        """Reserve the highest prices of requests that are to be sent, all or none, waiting as long as that may help.

        Returns
        -------
        bool
            False if they cannot be afforded together.
        """
        async with self._changed:
            price = sum(max_costs_usd.values())
            while self.limit_usd is not None:
                committed = self.held_usd + sum(self._reserved.values())
                missing = self.spent_usd + committed + price - self.limit_usd
                if missing <= _ROUNDING:
                    break
                if missing > committed + _ROUNDING:
                    self._refuse(max_costs_usd)
                    return False
                await self._changed.wait()
            self._reserved.update(max_costs_usd)
            return True

    def keep(self, sample_id: str, max_cost_usd: float) -> None:
        """Reserve the money of a request that is about to be sent, whatever the limit."""
        self._reserved[sample_id] = max_cost_usd

    async def hold(self, sample_id: str, max_cost_usd: float) -> bool:
        """Hold the highest price of a request, waiting while others in flight may give some of theirs back.

        What is held or reserved for it already is replaced. What is reserved for others is not waited for: they may be
        waiting for this request.

        Returns
        -------
        bool
            False if the request cannot be afforded: nothing in flight can give back what is missing.
        """
        async with self._changed:
            if sample_id in self._held:
                self.keep(sample_id, self._held.pop(sample_id))
                self._changed.notify_all()
            while self.limit_usd is not None:
                reserved = sum(self._reserved.values()) - self._reserved.get(sample_id, 0.0)
                missing = self.spent_usd + self.held_usd + reserved + max_cost_usd - self.limit_usd
                if missing <= _ROUNDING:
                    break
                if missing > self.held_usd + _ROUNDING or not self._held:
                    self._refuse({sample_id: max_cost_usd})
                    return False
                await self._changed.wait()
            self._reserved.pop(sample_id, None)
            self._held[sample_id] = max_cost_usd
            return True

    def _refuse(self, max_costs_usd: Mapping[str, float]) -> None:
        if not self.exhausted:
            self.exhausted, self.refused = True, dict(max_costs_usd)

    async def settle(self, sample_id: str, cost_usd: float) -> None:
        """Turn what is held for a request into what it cost; 0 gives all of it back."""
        async with self._changed:
            self._reserved.pop(sample_id, None)
            self._held.pop(sample_id, None)
            self.spent_usd += cost_usd
            self._changed.notify_all()

    async def leave(self, sample_id: str) -> None:
        """Count what is still held for a request as spent: nothing of it comes back any more; what is reserved does."""
        await self.settle(sample_id, self._held.get(sample_id, 0.0))
