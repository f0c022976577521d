"""Asks for one picture, from the first attempt to the outcome, every step on the ledger before the next is taken."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from evals.facts.models import Offer
from evals.facts.pricing import megapixels
from evals.generation.answers import (
    Accepted,
    Ended,
    Finished,
    OutcomeUnknown,
    Rejected,
    ResponseMetadata,
    Running,
    SubmitAnswer,
    Task,
    UntrustedUrl,
)
from evals.generation.budget import Budget
from evals.generation.delivering import UNDELIVERED, Delivered, deliver, keep_others
from evals.generation.hosts import Host
from evals.generation.ledger import Ledger, RequestState
from evals.generation.pacing import InitialFailures, RateLimiter, RetryPolicy, Stop
from evals.generation.pictures import Picture, Pictures
from evals.generation.plan import ImageRequest
from evals.generation.prices import charged_usd, worst_request_usd
from evals.generation.spooling import Spooled
from evals.imageset.contract import UNTRUSTED_URL, Outcome
from evals.imageset.decoding import picture_size

_TIMEOUT = "timeout"
_COSTLY_TRIES = 3
"""How often a request is sent whose failures may have been charged."""
_FIRST_CONTACTS = 3
"""How often a host is tried that has not answered once in this run: it is down, or there is no network at all."""


@dataclass(slots=True)
class SystemClient:
    """One system as it is asked: its host, its rate limit, why it is asked no more, whether it has ever answered.

    ``in_flight`` are the requests that it is at work on, by ``sample_id``. ``surcharge`` is how many times the worst
    price of the facts an answer has been charged: 1 until one was dearer.
    """

    host: Host
    offer: Offer
    rate_limiter: RateLimiter
    stopped: str = ""
    answered: bool = False
    surcharge: float = 1.0
    initial_failures: InitialFailures = field(default_factory=InitialFailures)
    in_flight: dict[str, _Attempt] = field(default_factory=dict)
    _own_slots: asyncio.Semaphore | None = None

    def __post_init__(self) -> None:
        """Keep the limit of the model's own, where it has one."""
        self._own_slots = asyncio.Semaphore(self.offer.concurrency) if self.offer.concurrency else None

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until the system and its host may have one more request in flight."""
        async with self._own_slots or contextlib.nullcontext(), self.rate_limiter.slots:
            yield

    def stop(self, reason: str) -> None:
        """Ask the system no more in this run; the first reason stays."""
        self.stopped = self.stopped or reason


@dataclass(slots=True)
class RunContext:
    """What all requests of a run share; ``changed`` is called with the outcome when a request has one.

    When a system stops for good, a last one is not asked what can no longer be compared either, unless
    ``keep_going``; ``abandoned`` are such requests of prompts that were begun.
    """

    ledger: Ledger
    budget: Budget
    pictures: Pictures
    retry_policy: RetryPolicy
    stop: Stop
    changed: Callable[[Outcome], None] = lambda outcome: None
    keep_going: bool = False
    abandoned: set[str] = field(default_factory=set)


async def run_request(
    request: ImageRequest, client: SystemClient, context: RunContext, references: Callable[[], Sequence[bytes]]
) -> None:
    """Ask for a picture until the request has its outcome, the system is stopped, or the run is.

    An accepted task of an earlier process is asked for again; a request whose answer was lost is never sent again.
    ``references`` reads the images that are sent along, when it is the request's turn: those of a whole plan would not
    fit into memory.

    Raises
    ------
    OSError
        If ledger or picture cannot be written, or a reference cannot be read.
    """
    attempt = _Attempt(request, client, context)
    try:
        if attempt.state.may_be_followed:
            await attempt.follow()
        else:
            await attempt.send(references)
    finally:
        # A task that is left to a later run may still cost what is held for it, and others must not wait for that.
        await context.budget.leave(request.sample_id)


@dataclass(slots=True)
class _Attempt:
    """One request at work. Its times are monotonic, None before they come, or where another process saw them.

    ``most_in_flight`` is how many requests of its system were in flight at once while it was, itself included.
    """

    request: ImageRequest
    client: SystemClient
    context: RunContext
    task: Task | None = None
    sent: float | None = None
    began: float | None = None
    ready: float | None = None
    delivered: Delivered | None = None
    worst_usd: float = 0.0
    most_in_flight: int = 0

    @property
    def state(self) -> RequestState:
        return self.context.ledger.states[self.request.sample_id]

    def halted(self) -> bool:
        context = self.context
        return bool(self.client.stopped) or context.stop.requested or self.request.sample_id in context.abandoned

    def record(self, kind: str, **facts: Any) -> None:
        self.context.ledger.append(kind, self.request.sample_id, **facts)

    async def settle(self, cost_usd: float) -> None:
        await self.context.budget.settle(self.request.sample_id, cost_usd)

    def set_aside(self, cost_usd: float) -> None:
        """Hold what the request costs where that is more than was thought possible, and as much more for the others."""
        client = self.client
        if cost_usd > self.state.max_cost_usd:
            self.context.budget.set_aside(self.request.sample_id, cost_usd)
            if self.worst_usd > 0:
                client.surcharge = max(client.surcharge, cost_usd / self.worst_usd)
                for other in client.in_flight.values():
                    self.context.budget.raise_to(other.request.sample_id, other.worst_usd * client.surcharge)

    async def store(self, content: bytes | Spooled) -> Picture:
        return await asyncio.to_thread(self.context.pictures.store, self.request.sample_id, content)

    async def keep(self, content: bytes | Spooled) -> str:
        return await asyncio.to_thread(self.context.pictures.keep, content)

    def enter_flight(self) -> None:
        """Count as in flight, for this request and for all that are in flight beside it."""
        together = self.client.in_flight
        together[self.request.sample_id] = self
        self.most_in_flight = 0
        for attempt in together.values():
            attempt.most_in_flight = max(attempt.most_in_flight, len(together))

    def leave_flight(self) -> None:
        self.client.in_flight.pop(self.request.sample_id, None)

    async def follow(self) -> None:
        self.task = self.state.task
        try:
            async with self.client.slot():
                if self.halted():
                    return
                self.enter_flight()
                answer = await self.wait_for_task()
            if answer is not None:
                await self.conclude(answer)
        finally:
            self.leave_flight()

    async def send(self, references: Callable[[], Sequence[bytes]]) -> None:
        limiter = self.client.rate_limiter
        number, n_taken_in = 0, limiter.n_taken_in
        while True:
            number += 1
            self.task = self.sent = self.began = self.ready = self.delivered = None
            try:
                async with self.client.slot():
                    answer = await self.submit(references)
                    if isinstance(answer, Accepted):
                        self.task = answer.task
                        self.record("accepted", task=self.task)
                        if self.task.cost_usd is not None:
                            self.set_aside(self.task.cost_usd)
                        answer = await self.wait_for_task()
                charged = 0.0
                if isinstance(answer, Ended) and answer.passes:
                    charged = self.cost_of(answer)[0] or 0.0
                    self.set_aside(charged)
                    answer = Rejected(answer.reason, answer.message, may_have_cost=True)
                if isinstance(answer, Rejected):
                    if answer.throttled and limiter.n_taken_in > n_taken_in:
                        # The host goes on, with others of this run: waiting for one's turn is no failed try.
                        number, n_taken_in = 1, limiter.n_taken_in
                    if await self.may_send_again(answer, number, charged):
                        continue
                elif answer is not None:
                    await self.conclude(answer)
                return
            finally:
                self.leave_flight()

    async def submit(self, references: Callable[[], Sequence[bytes]]) -> SubmitAnswer | None:
        """Send the request when it is its turn; None if it was not sent: the run or the system stopped, or no money."""
        request, offer, context = self.request, self.client.offer, self.context
        if self.halted():
            return None
        images = references()
        references_mp = sum(megapixels(*picture_size(image)) for image in images)
        self.worst_usd = worst_request_usd(request, offer, references_mp) or 0.0
        policy, limiter, taken_in, surcharge = context.retry_policy, self.client.rate_limiter, False, 0.0
        while surcharge < self.client.surcharge:  # it may rise while this request waits for its turn
            if surcharge:
                limiter.answered(None, taken_in=False)
                await self.settle(0.0)  # two that kept theirs would wait for each other
            surcharge = self.client.surcharge
            if not await context.budget.hold(request.sample_id, self.worst_usd * surcharge):
                return None
            await limiter.turn(context.stop.sleep)
        try:
            if self.halted():
                await self.settle(0.0)
                return None
            context.pictures.check_space()
            try:
                call = self.client.host.prepare(request, offer, images)
            except ValueError as error:
                stops = "nothing was sent; see what it offers: twinlens systems"
                return Rejected("not_sendable", str(error), stops=stops)
            worst = {"max_cost_usd": self.worst_usd * surcharge, "references_mp": references_mp}
            self.record("submitted", system=request.system, **worst, sent=call.record())
            self.enter_flight()
            self.sent = time.monotonic()
            answer = await self.client.host.submit(call)
            self.ready = time.monotonic()
            taken_in = not isinstance(answer, Rejected)
            if isinstance(answer, Rejected) and answer.throttled and (answer.delay_s or 0) <= policy.longest_wait_s:
                limiter.throttle(answer.delay_s)
            return answer
        finally:
            limiter.answered(self.sent, taken_in)

    async def wait_for_task(self) -> Finished | Ended | None:
        """Ask for an accepted task until it ends; None if the run or the system stopped and it did not end soon after.

        It is paid for, and some hosts serve its picture for minutes only: a later run may come too late.
        """
        assert self.task is not None
        policy, stop = self.context.retry_policy, self.context.stop
        started = self.sent if self.sent is not None else time.monotonic()
        wait = policy.first_poll_s if self.sent is not None else 0.0
        leave_at: float | None = None
        while True:
            if await stop.sleep(wait) or self.client.stopped:
                leave_at = leave_at or time.monotonic() + policy.grace_s
                left_s = leave_at - time.monotonic()
                if left_s <= 0:
                    return None
                await asyncio.sleep(min(wait, left_s))
            try:
                answer = await self.client.host.poll(self.task)
            except UntrustedUrl as error:
                answer = Ended("failed", UNTRUSTED_URL, str(error))
            self.ready = time.monotonic()
            elapsed = self.ready - started
            wait = min(max(elapsed / (32 if self.request.timed else 8), policy.first_poll_s / 2), policy.longest_poll_s)
            if isinstance(answer, (Finished, Ended)):
                return answer
            if isinstance(answer, Rejected):
                if answer.stops:
                    self.client.stop(f"{answer.message or answer.reason}; {answer.stops}")
                    return None
                wait = answer.delay_s or policy.longest_poll_s
            elif not answer.queued and self.began is None and self.sent is not None:
                self.began = self.ready
            if elapsed > policy.task_s:
                status = answer.status if isinstance(answer, Running) else answer.reason
                return Ended("failed", _TIMEOUT, f"not ready after {elapsed:.0f} s; its last status was {status!r}")
            wait = min(wait, policy.task_s - elapsed)

    async def may_send_again(self, answer: Rejected, number: int, charged_usd: float) -> bool:
        """Record that the host did not take the request in, and wait; False if it is not to be sent again.

        ``charged_usd`` is what it told to have charged all the same.
        """
        client, policy, words = self.client, self.context.retry_policy, answer.message or answer.reason
        client.answered = client.answered or answer.reason != "no_connection"
        possible_cost = max(self.state.max_cost_usd, charged_usd) if answer.may_have_cost else 0.0
        facts = {"reason": answer.reason, "message": answer.message}
        self.record("rejected", **facts, delay_s=answer.delay_s, possible_cost_usd=possible_cost)
        await self.settle(possible_cost)
        if answer.stops:
            client.stop(f"{words}; {answer.stops}")
        elif answer.delay_s is not None and answer.delay_s > policy.longest_wait_s:
            client.stop(f"{words}; it asks to wait {answer.delay_s:.0f} s")
        elif answer.reason == "no_connection" and number >= (policy.attempts if client.answered else _FIRST_CONTACTS):
            client.stop(f"it cannot be reached ({answer.message})")
        elif number == policy.attempts or (answer.may_have_cost and number >= _COSTLY_TRIES):
            # A later run asks again; what this one may have been charged for it stays counted.
            self.record("failed", **facts, cost_usd=0.0, cost_basis="none", rejected=True)
            self.count_outcome()
        else:
            client.rate_limiter.pause(answer.delay_s or policy.backoff(number))  # 0 s is no wait that helps
            if not possible_cost:
                self.context.budget.keep(self.request.sample_id, self.state.max_cost_usd)
            return not self.context.stop.requested
        return False

    async def conclude(self, answer: Finished | Ended | OutcomeUnknown) -> None:
        """Bring the picture home, if there is one, and write the event that ends the request."""
        self.client.answered = True
        if isinstance(answer, OutcomeUnknown):
            self.record("unknown", reason=answer.reason, message=answer.message)
            await self.settle(self.state.max_cost_usd)
            return self.count_outcome()
        others: list[str] = []
        lost_others: str | None = None
        metadata = answer.metadata
        if isinstance(answer, Finished):
            policy, stop = self.context.retry_policy, self.context.stop
            # Bringing the picture home takes a while, in which nobody may count on money that is spent.
            self.set_aside(self.cost_of(answer)[0] or 0.0)
            delivered = await deliver(answer, self.task, self.client.host, self.store, policy, stop)
            if delivered is None:
                return
            if isinstance(delivered, Ended):
                answer = replace(delivered, metadata=metadata)
            else:
                self.delivered = delivered
                others, lost_others = await keep_others(answer, self.client.host, self.keep)
        cost, basis, at_most = self.cost_of(answer)
        self.set_aside(at_most)
        facts = {"cost_usd": cost, "cost_basis": basis, "at_most_usd": at_most, **self.times(metadata)}
        facts["metadata"] = {name: value for name, value in asdict(metadata).items() if value is not None}
        if self.delivered is not None:
            facts["picture"] = asdict(self.delivered.picture)
            self.record("completed", others=others, message=lost_others, **facts)
        elif isinstance(answer, Ended):
            kind = "timeout" if answer.reason == _TIMEOUT else answer.outcome
            self.record(kind, reason=answer.reason, message=answer.message, rejected=answer.passes, **facts)
        await self.settle(at_most)
        self.count_outcome()

    def count_outcome(self) -> None:
        outcome, ending = cast(Outcome, self.state.outcome), self.state.ending
        if self.client.initial_failures.record(outcome):
            self.client.stop(f"nothing but failures came of it, the last one: {ending['message'] or ending['reason']}")
        self.context.changed(outcome)

    def cost_of(self, answer: Finished | Ended) -> tuple[float | None, str, float]:
        """Return cost, basis and the most it can be (`charged_usd`). What ended before any work cost nothing."""
        metadata, state = answer.metadata, self.state
        if metadata.cost_usd is None and self.task is not None:
            metadata = replace(metadata, cost_usd=self.task.cost_usd)
        no_work = isinstance(answer, Ended) and answer.reason not in UNDELIVERED and self.task is None
        if no_work and metadata.cost_usd is None and metadata.usage is None:
            return 0.0, "none", 0.0
        n_pictures = metadata.n_pictures or (1 if isinstance(answer, Finished) else None)
        picture = self.delivered.picture if self.delivered is not None else None
        held_usd, references_mp = state.max_cost_usd, state.references_mp
        return charged_usd(self.request, self.client.offer, held_usd, references_mp, metadata, n_pictures, picture)

    def times(self, metadata: ResponseMetadata) -> dict[str, Any]:
        """Return queue, generation and download time in seconds, the host's own word first, and the concurrency."""
        queue, work, download, latency = metadata.queue_s, metadata.generation_s, None, None
        if self.sent is not None and self.ready is not None:
            if queue is None and self.began is not None:
                queue = self.began - self.sent
            if work is None:
                work = max(0.0, self.ready - self.sent - (queue or 0.0))
            latency = self.ready - self.sent
            if self.delivered is not None:
                download = self.delivered.download_s
                latency += download or 0.0
        times = {"queue_s": queue, "generation_s": work, "download_s": download, "latency_s": latency}
        rounded = {name: None if seconds is None else round(seconds, 4) for name, seconds in times.items()}
        return {**rounded, "in_flight": self.most_in_flight if latency is not None else None}
