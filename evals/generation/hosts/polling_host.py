"""What the hosts share whose tasks are polled: the question, what its errors mean, tasks that are not found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from evals.facts.models import HostFacts
from evals.generation.answers import Ended, PollAnswer, Rejected, ResponseMetadata, Running, Task
from evals.generation.hosts.http_answer import HttpAnswer, message_of, refused_call
from evals.generation.hosts.http_host import HttpCall, HttpHost
from evals.generation.hosts.refusals import withheld

if TYPE_CHECKING:
    import httpx2 as httpx

MISSES_AT_MOST = 5
MISSING_S = 10.0
"""A host may say that it does not know an accepted task less often than this, or for a shorter time, before the task
counts as failed: clusters take a moment to learn of a new task."""


class PollingHost(HttpHost):
    """A host whose accepted tasks are asked for by a GET of their address."""

    def __init__(
        self, facts: HostFacts, key: str, base_url: str | None = None, client: httpx.AsyncClient | None = None
    ) -> None:
        """Keep the key in memory and open no connection."""
        super().__init__(facts, key, base_url, client)
        self._misses: dict[str, tuple[int, float]] = {}

    def polling(self, task: Task) -> HttpCall:
        """Return the GET of the task's address."""
        return HttpCall("GET", task.polling_url, self.keyed(task.polling_url))

    def refused_poll(self, answer: HttpAnswer, task: Task) -> PollAnswer | None:
        """Return what an HTTP error means for an accepted task, None where the status is no error."""
        if answer.status in (404, 410):
            return self.missing_task(task, message_of(answer))
        self._misses.pop(task.id, None)
        if answer.status < 400:
            return None
        if answer.status in (408, 499):  # somebody on the way gave up on the question, not the host on the task
            return Running(f"http_{answer.status}")
        rejected = refused_call(answer)
        if rejected:  # what a question is answered with cannot have cost anything
            return Rejected(rejected.reason, rejected.message, rejected.delay_s, rejected.stops)
        message = message_of(answer)
        return Ended(withheld(message) or "failed", f"http_{answer.status}", message)

    def missing_task(self, task: Task, message: str = "") -> Running | Ended:
        """Return "not there yet" for a task that the host does not know, and its end when that has lasted."""
        now = time.monotonic()
        misses, since = self._misses.get(task.id, (0, now))
        self._misses[task.id] = misses + 1, since
        if misses + 1 < MISSES_AT_MOST or now - since < MISSING_S:
            return Running("not found yet")
        del self._misses[task.id]
        metadata = ResponseMetadata(cost_usd=task.cost_usd)
        return Ended("failed", "task_not_found", message or "the host does not know the task (any more)", metadata)
