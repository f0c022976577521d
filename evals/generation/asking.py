"""Asks for one picture, from the first attempt to the outcome, every step on the ledger before the next is taken."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from evals.generation.answers import (
    Accepted,
    Ended,
    Finished,
    Lost,
    PollAnswer,
    Running,
    SubmitAnswer,
    Task,
    Told,
    TurnedAway,
)
from evals.generation.budget import Budget
from evals.generation.facts import Offer
from evals.generation.hosts.http_host import Expired, ForeignAddress, Garbled
from evals.generation.ledger import Ledger
from evals.generation.pacing import Pace, Stop
from evals.generation.pictures import NotAPicture, Picture, Pictures, size_of
from evals.generation.plan import ImageRequest
from evals.generation.pricing import PROMPT_TOKENS_AT_MOST, billed_usd, megapixels, worst_usd


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


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long things are tried.

    Attributes
    ----------
    attempts
        How often a request that is turned away is sent, and a picture downloaded.
    backoff_s, longest_backoff_s
        The first wait between attempts where the host names none, doubled each time up to the longest.
    longest_wait_s
        A host that asks to wait longer than this is not asked any more in this run.
    first_poll_s, longest_poll_s
        The waits between questions about a task: an eighth of the time that it has taken so far, between these.
    task_s
        After how long a task that is not ready ends as a timeout.
    """

    attempts: int = 8
    backoff_s: float = 1.0
    longest_backoff_s: float = 60.0
    longest_wait_s: float = 600.0
    first_poll_s: float = 0.2
    longest_poll_s: float = 3.0
    task_s: float = 900.0

    def backoff(self, attempt: int) -> float:
        """Return the jittered wait after an attempt, counted from 1."""
        longest = min(self.longest_backoff_s, self.backoff_s * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)


@dataclass(slots=True)
class Line:
    """One system as it is being asked: its host, its pace, why it is asked no more, whether it has ever answered."""

    system: str
    host: Host
    offer: Offer
    pace: Pace
    stopped: str = ""
    answered: bool = False


@dataclass(slots=True)
class Desk:
    """What all requests of a run share; ``changed`` is called with the outcome when a request has one."""

    ledger: Ledger
    budget: Budget
    pictures: Pictures
    patience: Patience
    stop: Stop
    changed: Callable[[str], None] = lambda outcome: None


@dataclass(slots=True)
class _Clock:
    """The times of one attempt, monotonic; None before they come, or where another process saw them."""

    sent: float | None = None
    began: float | None = None
    ready: float | None = None
    delivered: float | None = None

    def as_facts(self, told: Told) -> dict[str, float | None]:
        """Return queue, generation and download time in seconds, the host's own word first."""
        if self.sent is None or self.ready is None:
            return {"queue_s": told.queue_s, "generation_s": told.generation_s, "download_s": None, "latency_s": None}
        end = self.delivered or self.ready
        queue = told.queue_s if told.queue_s is not None else (self.began - self.sent if self.began else None)
        work = told.generation_s if told.generation_s is not None else self.ready - self.sent - (queue or 0.0)
        download = self.delivered - self.ready if self.delivered else None
        times = {"queue_s": queue, "generation_s": work, "download_s": download, "latency_s": end - self.sent}
        return {name: None if seconds is None else round(seconds, 4) for name, seconds in times.items()}


@dataclass(slots=True)
class _Attempt:
    """One request at work."""

    request: ImageRequest
    line: Line
    desk: Desk
    clock: _Clock = field(default_factory=_Clock)
    task: Task | None = None

    def record(self, kind: str, **facts: Any) -> None:
        self.desk.ledger.append(kind, self.request.sample_id, **facts)


async def ask(request: ImageRequest, line: Line, desk: Desk, references: Sequence[bytes]) -> None:
    """Ask for a picture until the request has its outcome, the system is stopped, or the run is.

    An accepted task of an earlier process is asked for again; a request whose answer was lost is never sent again.

    Raises
    ------
    OSError
        If ledger or picture cannot be written.
    """
    attempt = _Attempt(request, line, desk)
    standing = desk.ledger.standing(request.sample_id)
    if standing.may_be_followed:
        attempt.task = standing.task
        async with line.pace.slots:
            answer: Any = await _wait_for(attempt)
        if answer is not None:
            await _conclude(attempt, answer)
        return
    for number in range(1, desk.patience.attempts + 1):
        attempt.clock = _Clock()
        async with line.pace.slots:
            answer = await _submit(attempt, references)
            if isinstance(answer, Accepted):
                attempt.task = answer.task
                attempt.record("accepted", task=answer.task)
                answer = await _wait_for(attempt)
        if answer is None:
            return
        if not isinstance(answer, TurnedAway):
            await _conclude(attempt, answer)
            return
        if not await _turned_away(attempt, answer, number):
            return


async def _submit(attempt: _Attempt, references: Sequence[bytes]) -> SubmitAnswer | None:
    """Send the request when it is its turn; None if it was not sent: the run or the system stopped, or no money."""
    request, line, desk = attempt.request, attempt.line, attempt.desk
    if _halted(attempt):
        return None
    worst = _worst_usd(request, line.offer, references)
    if not await desk.budget.hold(request.sample_id, worst):
        return None
    await line.pace.turn(desk.stop.sleep)
    if _halted(attempt):
        await desk.budget.settle(request.sample_id, 0.0)
        return None
    desk.pictures.check_space()
    call = line.host.prepare(request, line.offer, references)
    attempt.record("submitted", system=request.system, worst_usd=worst, sent=call.record())
    attempt.clock.sent = time.monotonic()
    answer = await line.host.submit(call)
    attempt.clock.ready = time.monotonic()
    return answer


def _worst_usd(request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> float:
    """Return the most that a request can cost, 0 where no price is known."""
    prompt_tokens = max(PROMPT_TOKENS_AT_MOST, len(request.prompt.encode()))
    references_mp = sum(megapixels(*size_of(reference)) for reference in references)
    return worst_usd(offer, request.size, len(references), prompt_tokens, references_mp) or 0.0


def _halted(attempt: _Attempt) -> bool:
    return bool(attempt.line.stopped) or attempt.desk.stop.wanted


async def _wait_for(attempt: _Attempt) -> Finished | Ended | TurnedAway | None:
    """Ask for an accepted task until it ends; None if the run or the system stopped before."""
    desk, clock = attempt.desk, attempt.clock
    assert attempt.task is not None
    started = clock.sent if clock.sent is not None else time.monotonic()
    wait = desk.patience.first_poll_s if clock.sent is not None else 0.0
    while True:
        if await desk.stop.sleep(wait) or attempt.line.stopped:
            return None
        try:
            answer = await attempt.line.host.poll(attempt.task)
        except ForeignAddress as error:
            return Ended("failed", "foreign_address", str(error))
        elapsed = time.monotonic() - started
        wait = min(max(elapsed / 8, desk.patience.first_poll_s / 2), desk.patience.longest_poll_s)
        if isinstance(answer, (Finished, Ended)):
            clock.ready = time.monotonic()
            return answer
        if isinstance(answer, TurnedAway):
            if answer.stops:
                attempt.line.stopped = _why(answer)
                return None
            wait = answer.delay_s if answer.delay_s is not None else desk.patience.longest_poll_s
        elif not answer.queued and clock.began is None and clock.sent is not None:
            clock.began = time.monotonic()
        if elapsed > desk.patience.task_s:
            status = answer.status if isinstance(answer, Running) else answer.reason
            return Ended("failed", _TIMEOUT, f"not ready after {elapsed:.0f} s; its last status was {status!r}")


_TIMEOUT = "timeout"


async def _turned_away(attempt: _Attempt, answer: TurnedAway, number: int) -> bool:
    """Record that a request was turned away and wait; False if it is not to be sent again in this run."""
    line, desk = attempt.line, attempt.desk
    line.answered = line.answered or answer.reason != "no_connection"
    doubtful = desk.ledger.standing(attempt.request.sample_id).worst_usd if answer.may_have_cost else 0.0
    facts = {"reason": answer.reason, "message": answer.message}
    attempt.record("rejected", **facts, delay_s=answer.delay_s, doubtful_usd=doubtful)
    await desk.budget.settle(attempt.request.sample_id, doubtful)
    if answer.stops:
        line.stopped = line.stopped or _why(answer)
    elif answer.delay_s is not None and answer.delay_s > desk.patience.longest_wait_s:
        line.stopped = line.stopped or f"{answer.message or answer.reason}; it asks to wait {answer.delay_s:.0f} s"
    elif answer.reason == "no_connection" and number >= (desk.patience.attempts if line.answered else _KNOCKS):
        line.stopped = line.stopped or f"it cannot be reached ({answer.message})"
    elif number == desk.patience.attempts:
        # The host never took it in, so a later run may ask again.
        attempt.record("failed", **facts, cost_usd=0.0, cost_basis="none", turned_away=True)
        desk.changed("failed")
    else:
        line.pace.pause(answer.delay_s if answer.delay_s is not None else desk.patience.backoff(number))
        return not desk.stop.wanted
    return False


_KNOCKS = 3
"""How often a host is tried that has not answered once in this run: it is down, or there is no network at all."""


def _why(answer: TurnedAway) -> str:
    return f"{answer.message or answer.reason}; {answer.stops}"


async def _conclude(attempt: _Attempt, answer: Finished | Ended | Lost) -> None:
    """Bring the picture home, if there is one, and write the event that ends the request."""
    request, desk = attempt.request, attempt.desk
    attempt.line.answered = True
    picture: Picture | None = None
    if isinstance(answer, Finished):
        fetched = await _fetch(attempt, answer)
        if fetched is None:
            return
        if isinstance(fetched, Ended):
            answer = replace(fetched, told=answer.told)
        else:
            picture = fetched
    if isinstance(answer, Lost):
        attempt.record("unknown", reason=answer.reason, message=answer.message)
        await desk.budget.settle(request.sample_id, desk.ledger.standing(request.sample_id).worst_usd)
        desk.changed("unknown")
        return
    cost, basis = _cost(attempt, answer)
    facts: dict[str, Any] = {"cost_usd": cost, "cost_basis": basis, "told": _as_record(answer.told)}
    facts |= attempt.clock.as_facts(answer.told)
    if picture is not None:
        attempt.record("completed", picture=picture.as_dict(), **facts)
    elif isinstance(answer, Ended):
        kind = "timeout" if answer.reason == _TIMEOUT else answer.outcome
        attempt.record(kind, reason=answer.reason, message=answer.message, **facts)
    if attempt.task is not None:
        desk.ledger.standing(request.sample_id).task = attempt.task
    await desk.budget.settle(request.sample_id, cost or 0.0)
    desk.changed(desk.ledger.standing(request.sample_id).status)


async def _fetch(attempt: _Attempt, finished: Finished) -> Picture | Ended | None:
    """Download, check and store the picture; None if the run stopped before and a later one can ask again."""
    import httpx

    desk, host, url = attempt.desk, attempt.line.host, finished.url
    if url is None:
        try:
            return await _store(attempt, finished.content or b"")
        except NotAPicture as error:
            return Ended("failed", "not_a_picture", f"it was answered with bytes that are no picture: {error}")
    trouble = Ended("failed", "delivery_failed", "it was made, but never arrived")
    renewed = False
    for number in range(1, desk.patience.attempts + 1):
        try:
            content = await host.download(url)
            attempt.clock.delivered = time.monotonic()
            return await _store(attempt, content)
        except ForeignAddress as error:
            return Ended("failed", "foreign_address", str(error))
        except Expired as error:
            fresh = None if renewed or attempt.task is None else await host.poll(attempt.task)
            if not isinstance(fresh, Finished) or fresh.url is None:
                message = f"the address of the picture is no longer served ({error}); it was made and may be charged"
                return Ended("failed", "delivery_expired", message)
            renewed, url = True, fresh.url
            continue
        except NotAPicture as error:
            trouble = Ended("failed", "not_a_picture", f"what was delivered is no picture: {error}")
        except (httpx.HTTPError, httpx.StreamError, Garbled) as error:
            trouble = Ended("failed", "delivery_failed", f"it was made, but never arrived ({type(error).__name__})")
        if await desk.stop.sleep(desk.patience.backoff(number)) and attempt.task is not None:
            return None
    return trouble


async def _store(attempt: _Attempt, content: bytes) -> Picture:
    return await asyncio.to_thread(attempt.desk.pictures.store, attempt.request.sample_id, content)


def _cost(attempt: _Attempt, answer: Finished | Ended) -> tuple[float | None, str]:
    """Return what the request cost and how that is known. What ended before any work was taken up cost nothing."""
    told = answer.told
    if told.cost_usd is None and attempt.task is not None and attempt.task.cost_usd is not None:
        told = replace(told, cost_usd=attempt.task.cost_usd)
    if isinstance(answer, Ended) and attempt.task is None and told.cost_usd is None and told.usage is None:
        made = answer.reason in ("not_a_picture", "delivery_failed", "delivery_expired", "foreign_address")
        if not made:
            return 0.0, "none"
    return billed_usd(attempt.line.offer, told, attempt.request.size, attempt.request.n_references)


def _as_record(told: Told) -> dict[str, Any]:
    fields = {name: getattr(told, name) for name in Told.__slots__}
    return {name: dict(value) if name == "usage" else value for name, value in fields.items() if value is not None}
