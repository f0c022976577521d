"""A host that accepts a task and is asked how it is doing, until the picture is made or it has ended."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from evals.facts.models import HostFacts
from evals.generation.answers import (
    Accepted,
    Ended,
    PollAnswer,
    Rejected,
    ResponseMetadata,
    Running,
    SubmitAnswer,
    Task,
    UntrustedUrl,
)
from evals.generation.hosts.errors import message_of, read_error, unmasked
from evals.generation.hosts.http_host import (
    REDIRECTS,
    UNREADABLE,
    HttpHost,
    complete,
    read_without_prompt,
    redirect_of,
    words_of,
)
from evals.generation.hosts.redaction import redact_answer
from evals.generation.hosts.transport import HttpAnswer, HttpCall, send

if TYPE_CHECKING:
    import httpx2 as httpx

MISSES_AT_MOST = 5
MISSING_S = 10.0
"""A host may say that it does not know an accepted task less often than this, or for a shorter time, before the task
counts as failed: clusters take a moment to learn of a new task."""


class PollingHost(HttpHost):
    """A host whose accepted tasks are asked for, by a GET of their address where a subclass says nothing else."""

    def __init__(
        self, facts: HostFacts, key: str, base_url: str | None = None, client: httpx.AsyncClient | None = None
    ) -> None:
        """Keep the key in memory and open no connection."""
        super().__init__(facts, key, base_url, client)
        self._misses: dict[str, tuple[int, float]] = {}
        self._prompts: dict[str, str] = {}  # of tasks that this process submitted

    # What a host's file says.

    def read_task(self, answer: HttpAnswer) -> Task | SubmitAnswer:
        """Return the accepted task, or what the answer means instead."""
        raise NotImplementedError

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall | None:
        """Return how the task is doing.

        Returns
        -------
        Running, Finished, Ended, Rejected, HttpCall or None
            `HttpCall` is a further call whose answer is to be read the same way, None says that the host does not
            know the task.
        """
        raise NotImplementedError

    def polling(self, task: Task) -> HttpCall:
        """Return the call that asks how an accepted task is doing."""
        return HttpCall("GET", task.polling_url, self.keyed(task.polling_url))

    def read_poll_error(self, answer: HttpAnswer, task: Task) -> PollAnswer | None:
        """Return what an HTTP error means for an accepted task, None if the host does not know the task."""
        if answer.status in (404, 410):
            return None
        if answer.status in (408, 499):  # somebody on the way gave up on the question, not the host on the task
            return Running(f"http_{answer.status}")
        error = read_error(answer)
        if isinstance(error, Rejected):  # what a question is answered with cannot have cost anything
            return Rejected(error.reason, error.message, error.delay_s, error.stops)
        # It is the question that failed: the task is at work and paid for, and must not be bought again.
        return Running(f"{error.reason} ({error.message})") if error.passes else error

    # What the request loop calls.

    def read_picture(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return the accepted task, or what the answer means instead."""
        read = self.read_task(answer)
        return Accepted(read) if isinstance(read, Task) else read

    async def _submitted(self, call: HttpCall) -> SubmitAnswer:
        read = await super()._submitted(call)
        if isinstance(read, Accepted):
            self._prompts[read.task.id] = call.prompt
        return read

    async def poll(self, task: Task) -> PollAnswer:
        """Ask once how a task is doing. What cannot be understood counts as still running.

        Raises
        ------
        UntrustedUrl
            If the task's address, or one that the answer names, must not be given the key.
        """
        return redact_answer(await self._polled(task), (self._key,))

    async def _polled(self, task: Task) -> PollAnswer:
        import httpx2 as httpx

        call = self.polling(task)
        try:
            for _ in range(3):
                answer = await send(self._client, call, self.facts.id)
                if answer.status in REDIRECTS:
                    return Running(f"http_{answer.status} ({redirect_of(answer)})")
                reading = partial(self.read_poll, task=task)
                read = read_without_prompt(reading, answer, self._prompts.get(task.id, ""))
                if not isinstance(read, HttpCall):
                    return complete(read)
                call = read
        except (httpx.RequestError, httpx.StreamError) as error:
            return Running(f"no answer ({type(error).__name__})")
        except UntrustedUrl:
            raise
        except UNREADABLE as error:
            return Running(f"malformed response ({words_of(error)})")
        return Running("no end of further addresses")

    def read_poll(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall:
        """Return what the answer to a poll means; a task that the host does not know has a moment to appear."""
        answer = unmasked(answer)
        failed = answer.status >= 400
        read = self.read_poll_error(answer, task) if failed else self.read_state(answer, task)
        if read is not None:
            if not isinstance(read, HttpCall):
                self._misses.pop(task.id, None)
            return read
        now = time.monotonic()
        misses, since = self._misses.get(task.id, (0, now))
        self._misses[task.id] = misses + 1, since
        if misses + 1 < MISSES_AT_MOST or now - since < MISSING_S:
            return Running("not found yet")
        del self._misses[task.id]
        message = message_of(answer) if failed else ""
        metadata = ResponseMetadata(cost_usd=task.cost_usd)
        return Ended("failed", "task_not_found", message or "the host does not know the task (any more)", metadata)
