"""Asks for one picture, from the first attempt to the outcome, every step on the ledger before the next is taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from evals.facts.models import Offer
from evals.facts.pricing import PROMPT_TOKENS_AT_MOST, billed_usd, max_cost_usd, megapixels
from evals.generation.answers import (
    Accepted,
    Ended,
    Finished,
    OutcomeUnknown,
    PollAnswer,
    Rejected,
    ResponseMetadata,
    Running,
    SubmitAnswer,
    Task,
    UntrustedUrl,
)
from evals.generation.budget import Budget
from evals.generation.delivering import UNDELIVERED, deliver
from evals.generation.ledger import Ledger
from evals.generation.pacing import RateLimiter, RetryPolicy, Stop
from evals.generation.pictures import Picture, Pictures
from evals.generation.plan import ImageRequest
from evals.imageset.contract import UNTRUSTED_URL
from evals.imageset.decoding import picture_size


class Call(Protocol):
    """A prepared call of a host."""

    def record(self) -> dict[str, Any]:
        """Return what is sent, without secrets."""
        ...


class Host(Protocol):
    """A host as the runner sees it (see `evals.generation.hosts.http_host.HttpHost`)."""

    def prepare(self, asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> Any:
        """Return the call for a request."""
        ...

    async def submit(self, call: Any) -> SubmitAnswer:
        """Send it once."""
        ...

    async def poll(self, task: Task) -> PollAnswer:
        """Ask once how an accepted task is doing."""
        ...

    async def download(self, url: str) -> bytes:
        """Fetch a delivered picture."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and models."""
        ...


@dataclass(slots=True)
class SystemClient:
    """One system as it is asked: its host, its rate limit, why it is asked no more, whether it has ever answered."""

    system: str
    host: Host
    offer: Offer
    rate_limiter: RateLimiter
    stopped: str = ""
    answered: bool = False


@dataclass(slots=True)
class RunContext:
    """What all requests of a run share; ``changed`` is called with the outcome when a request has one."""

    ledger: Ledger
    budget: Budget
    pictures: Pictures
    retry_policy: RetryPolicy
    stop: Stop
    changed: Callable[[str], None] = lambda outcome: None


@dataclass(slots=True)
class _Clock:
    """The times of one attempt, monotonic; None before they come, or where another process saw them."""

    sent: float | None = None
    began: float | None = None
    ready: float | None = None
    delivered: float | None = None

    def as_facts(self, metadata: ResponseMetadata) -> dict[str, float | None]:
        """Return queue, generation and download time in seconds, the host's own word first."""
        if self.sent is None or self.ready is None:
            return {
                "queue_s": metadata.queue_s,
                "generation_s": metadata.generation_s,
                "download_s": None,
                "latency_s": None,
            }
        end = self.delivered or self.ready
        queue = metadata.queue_s if metadata.queue_s is not None else (self.began - self.sent if self.began else None)
        work = (
            metadata.generation_s
            if metadata.generation_s is not None
            else max(0.0, self.ready - self.sent - (queue or 0.0))
        )
        download = self.delivered - self.ready if self.delivered else None
        times = {"queue_s": queue, "generation_s": work, "download_s": download, "latency_s": end - self.sent}
        return {name: None if seconds is None else round(seconds, 4) for name, seconds in times.items()}


@dataclass(slots=True)
class _Attempt:
    """One request at work."""

    request: ImageRequest
    client: SystemClient
    context: RunContext
    clock: _Clock = field(default_factory=_Clock)
    task: Task | None = None

    def record(self, kind: str, **facts: Any) -> None:
        self.context.ledger.append(kind, self.request.sample_id, **facts)

    async def store(self, content: bytes) -> Picture:
        return await asyncio.to_thread(self.context.pictures.store, self.request.sample_id, content)


async def run_request(
    request: ImageRequest, client: SystemClient, context: RunContext, references: Callable[[], Sequence[bytes]]
) -> None:
    """Ask for a picture until the request has its outcome, the system is stopped, or the run is.

    An accepted task of an earlier process is asked for again; a request whose answer was lost is never sent again.

    Parameters
    ----------
    request, client, context
        What is asked for, of whom, and what all requests share.
    references
        Reads the images that are sent along, when it is the request's turn: those of a whole plan fill no memory.

    Raises
    ------
    OSError
        If ledger or picture cannot be written, or a reference cannot be read.
    """
    attempt = _Attempt(request, client, context)
    try:
        state = context.ledger.state(request.sample_id)
        if state.may_be_followed:
            attempt.task = state.task
            async with client.rate_limiter.slots:
                found = None if _halted(attempt) else await _wait_for(attempt)
            if found is not None:
                await _conclude(attempt, found)
        else:
            await _ask_anew(attempt, references)
    finally:
        # A task that is left to a later run may still cost what is held for it, and others must not wait for that.
        await context.budget.leave(request.sample_id)


async def _ask_anew(attempt: _Attempt, references: Callable[[], Sequence[bytes]]) -> None:
    for number in range(1, attempt.context.retry_policy.attempts + 1):
        attempt.clock = _Clock()
        answer: SubmitAnswer | None
        async with attempt.client.rate_limiter.slots:
            answer = await _submit(attempt, references)
            if isinstance(answer, Accepted):
                _accept(attempt, answer.task)
                answer = await _wait_for(attempt)
        if isinstance(answer, Rejected):
            if not await _rejected(attempt, answer, number):
                return
        else:
            if answer is not None:
                await _conclude(attempt, answer)
            return


async def _submit(attempt: _Attempt, references: Callable[[], Sequence[bytes]]) -> SubmitAnswer | None:
    """Send the request when it is its turn; None if it was not sent: the run or the system stopped, or no money."""
    request, client, context = attempt.request, attempt.client, attempt.context
    if _halted(attempt):
        return None
    sent_along = references()
    max_cost = _max_cost_usd(request, client.offer, sent_along)
    if not await context.budget.hold(request.sample_id, max_cost):
        return None
    await client.rate_limiter.turn(context.stop.sleep)
    if _halted(attempt):
        await context.budget.settle(request.sample_id, 0.0)
        return None
    context.pictures.check_space()
    try:
        call = client.host.prepare(request, client.offer, sent_along)
    except ValueError as error:
        return Rejected("not_sendable", str(error), stops="nothing was sent; see what it offers: twinlens systems")
    attempt.record("submitted", system=request.system, max_cost_usd=max_cost, sent=call.record())
    attempt.clock.sent = time.monotonic()
    answer = await client.host.submit(call)
    attempt.clock.ready = time.monotonic()
    return answer


def _accept(attempt: _Attempt, task: Task) -> None:
    attempt.task = task
    attempt.record("accepted", task=task)
    sample_id = attempt.request.sample_id
    max_cost = attempt.context.ledger.state(sample_id).max_cost_usd
    if task.cost_usd is not None and task.cost_usd > max_cost:
        attempt.context.budget.set_aside(sample_id, task.cost_usd)


def _max_cost_usd(request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> float:
    """Return the most that a request can cost, 0 where no price is known."""
    prompt_tokens = max(PROMPT_TOKENS_AT_MOST, len(request.prompt.encode()))
    references_mp = sum(megapixels(*picture_size(reference)) for reference in references)
    return max_cost_usd(offer, request.size, len(references), prompt_tokens, references_mp) or 0.0


def _halted(attempt: _Attempt) -> bool:
    return bool(attempt.client.stopped) or attempt.context.stop.wanted


async def _wait_for(attempt: _Attempt) -> Finished | Ended | None:
    """Ask for an accepted task until it ends; None if the run or the system stopped and it did not end soon after.

    It is paid for, and some hosts serve its picture for minutes only: a later run may come too late.
    """
    context, clock = attempt.context, attempt.clock
    assert attempt.task is not None
    started = clock.sent if clock.sent is not None else time.monotonic()
    wait = context.retry_policy.first_poll_s if clock.sent is not None else 0.0
    leave_at: float | None = None
    while True:
        if await context.stop.sleep(wait) or attempt.client.stopped:
            leave_at = leave_at or time.monotonic() + context.retry_policy.grace_s
            left_s = leave_at - time.monotonic()
            if left_s <= 0:
                return None
            await asyncio.sleep(min(wait, left_s))
        try:
            answer = await attempt.client.host.poll(attempt.task)
        except UntrustedUrl as error:
            answer = Ended("failed", UNTRUSTED_URL, str(error))
        clock.ready = time.monotonic()
        elapsed = clock.ready - started
        wait = min(max(elapsed / 8, context.retry_policy.first_poll_s / 2), context.retry_policy.longest_poll_s)
        if isinstance(answer, (Finished, Ended)):
            return answer
        if isinstance(answer, Rejected):
            if answer.stops:
                attempt.client.stopped = _why(answer)
                return None
            wait = answer.delay_s if answer.delay_s is not None else context.retry_policy.longest_poll_s
        elif not answer.queued and clock.began is None and clock.sent is not None:
            clock.began = clock.ready
        if elapsed > context.retry_policy.task_s:
            status = answer.status if isinstance(answer, Running) else answer.reason
            return Ended("failed", _TIMEOUT, f"not ready after {elapsed:.0f} s; its last status was {status!r}")
        wait = min(wait, context.retry_policy.task_s - elapsed)


_TIMEOUT = "timeout"


async def _rejected(attempt: _Attempt, answer: Rejected, number: int) -> bool:
    """Record that a request was turned away and wait; False if it is not to be sent again in this run."""
    client, context = attempt.client, attempt.context
    client.answered = client.answered or answer.reason != "no_connection"
    possible_cost = context.ledger.state(attempt.request.sample_id).max_cost_usd if answer.may_have_cost else 0.0
    facts = {"reason": answer.reason, "message": answer.message}
    attempt.record("rejected", **facts, delay_s=answer.delay_s, possible_cost_usd=possible_cost)
    await context.budget.settle(attempt.request.sample_id, possible_cost)
    if answer.stops:
        client.stopped = client.stopped or _why(answer)
    elif answer.delay_s is not None and answer.delay_s > context.retry_policy.longest_wait_s:
        client.stopped = client.stopped or f"{answer.message or answer.reason}; it asks to wait {answer.delay_s:.0f} s"
    elif answer.reason == "no_connection" and number >= (context.retry_policy.attempts if client.answered else _KNOCKS):
        client.stopped = client.stopped or f"it cannot be reached ({answer.message})"
    elif number == context.retry_policy.attempts or (answer.may_have_cost and number >= _COSTLY_TRIES):
        # What the host never took in, a later run may ask again; what may have been charged, it may not.
        rejected = not answer.may_have_cost
        attempt.record("failed", **facts, cost_usd=0.0, cost_basis="none", rejected=rejected)
        context.changed("failed")
    else:
        client.rate_limiter.pause(
            answer.delay_s if answer.delay_s is not None else context.retry_policy.backoff(number)
        )
        return not context.stop.wanted
    return False


_COSTLY_TRIES = 3
"""How often a request is sent whose failures may have been charged."""

_KNOCKS = 3
"""How often a host is tried that has not answered once in this run: it is down, or there is no network at all."""


def _why(answer: Rejected) -> str:
    return f"{answer.message or answer.reason}; {answer.stops}"


async def _conclude(attempt: _Attempt, answer: Finished | Ended | OutcomeUnknown) -> None:
    """Bring the picture home, if there is one, and write the event that ends the request."""
    request, client, context = attempt.request, attempt.client, attempt.context
    client.answered = True
    state = context.ledger.state(request.sample_id)
    if isinstance(answer, OutcomeUnknown):
        attempt.record("unknown", reason=answer.reason, message=answer.message)
        await context.budget.settle(request.sample_id, state.max_cost_usd)
        context.changed("unknown")
        return
    picture: Picture | None = None
    metadata = answer.metadata
    if isinstance(answer, Finished):
        found = await deliver(answer, attempt.task, client.host, attempt.store, context.retry_policy, context.stop)
        if found is None:
            return
        if isinstance(found, Ended):
            answer = replace(found, metadata=metadata)
        else:
            picture, attempt.clock.delivered = found.picture, found.at
    cost, basis = _cost(attempt, answer)
    # A list price is a guess among the sources': the budget goes by the highest.
    at_most = max(cost or 0.0, state.max_cost_usd) if basis == "listed" else cost or 0.0
    facts: dict[str, Any] = {
        "cost_usd": cost,
        "cost_basis": basis,
        "at_most_usd": at_most,
        "metadata": _as_record(metadata),
    }
    facts |= attempt.clock.as_facts(metadata)
    if picture is not None:
        attempt.record("completed", picture=picture.as_dict(), **facts)
    elif isinstance(answer, Ended):
        kind = "timeout" if answer.reason == _TIMEOUT else answer.outcome
        attempt.record(kind, reason=answer.reason, message=answer.message, **facts)
    await context.budget.settle(request.sample_id, at_most)
    context.changed(state.status)


def _cost(attempt: _Attempt, answer: Finished | Ended) -> tuple[float | None, str]:
    """Return what the request cost and how that is known. What ended before any work was taken up cost nothing."""
    metadata = answer.metadata
    if metadata.cost_usd is None and attempt.task is not None and attempt.task.cost_usd is not None:
        metadata = replace(metadata, cost_usd=attempt.task.cost_usd)
    no_work = isinstance(answer, Ended) and answer.reason not in UNDELIVERED and attempt.task is None
    if no_work and metadata.cost_usd is None and metadata.usage is None:
        return 0.0, "none"
    return billed_usd(
        attempt.client.offer, metadata.cost_usd, metadata.usage, attempt.request.size, attempt.request.n_references
    )


def _as_record(metadata: ResponseMetadata) -> dict[str, Any]:
    fields = {name: getattr(metadata, name) for name in ResponseMetadata.__slots__}
    return {name: dict(value) if name == "usage" else value for name, value in fields.items() if value is not None}
