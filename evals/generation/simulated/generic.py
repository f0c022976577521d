"""A simulated host without a wire format: it answers in this process, for hosts whose format is not simulated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evals.facts.models import Offer
from evals.generation.answers import Ended, Finished, PollAnswer, ResponseMetadata, SubmitAnswer, Task, UntrustedUrl
from evals.generation.plan import ImageRequest
from evals.generation.simulated.host import Order
from evals.generation.simulated.server import SimulatedServer


@dataclass(frozen=True, slots=True)
class GenericCall:
    """One order to a host without a wire format."""

    order: Order

    def record(self) -> dict[str, Any]:
        """Return what is asked for, as the ledger keeps it."""
        order = self.order
        hashes = [hashlib.sha256(reference).hexdigest() for reference in order.references]
        size = {"width": order.width, "height": order.height}
        return {"model": order.model.api_id, "prompt": order.prompt, "seed": order.seed, **size, "references": hashes}


class GenericHost:
    """Plays the models of a simulated host; like most hosts it names no price, so that the listed one counts."""

    def __init__(self, server: SimulatedServer) -> None:
        """Take the host that is to be played; it need not be served."""
        self._server = server

    def prepare(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> GenericCall:
        """Return the order for a request."""
        model = self._server.model(offer.api_id)
        if model is None:
            raise ValueError(f"{offer.host} serves no {offer.api_id}")
        seed = request.seed if offer.takes_seed else None
        order = Order(model, request.prompt, seed, request.side, request.side, request.size, "png", tuple(references))
        return GenericCall(order)

    async def submit(self, call: GenericCall) -> SubmitAnswer:
        """Return the picture, or that the prompt was declined or the picture withheld."""
        job = self._server.take_in(call.order)
        if job.behaviour == "refuse_prompt":
            job.call.outcome = "refused"
            return Ended("refused", job.behaviour, "the prompt was declined")
        if job.behaviour == "filter_image":
            job.call.outcome = "filtered"
            return Ended("filtered", job.behaviour, "the picture was withheld")
        job.call.outcome = "ok"
        return Finished(await self._server.picture(job), metadata=ResponseMetadata(seed_used=call.order.seed))

    async def poll(self, task: Task) -> PollAnswer:
        """Return the end of any task: none is accepted, pictures come at once."""
        return Ended("failed", "task_not_found", "this host keeps no tasks")

    async def download(self, url: str) -> bytes:
        """Raise `UntrustedUrl`: nothing is delivered by address."""
        raise UntrustedUrl("this host delivers no pictures by address")

    async def aclose(self) -> None:
        """Hold nothing open."""
