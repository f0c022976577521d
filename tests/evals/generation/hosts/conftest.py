"""Builders of requests, offers, answers and hosts that the hosts' tests share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import httpx2 as httpx
import pytest

from evals.facts.models import HostFacts, Offer, read_facts
from evals.generation.answers import Ended, Finished, PollAnswer, Running, Task
from evals.generation.hosts import HOSTS
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.hosts.vertex import Vertex
from evals.generation.plan import ImageRequest
from evals.suites.suite import PromptItem

KEY = "known-key-0123456789"
HTTP_HOSTS = [name for name in HOSTS if name != "local"]
POLLING_HOSTS = [name for name in HTTP_HOSTS if name not in ("google", "vertex")]


def image_request(prompt: str = "a cat", **changes: Any) -> ImageRequest:
    """Return a request for "a cat" with seed 42, usually at 1K, any field changed."""
    item = PromptItem(suite="demo-signs", id="cat", prompt=prompt)
    usual = ImageRequest("s0123456789abcde", "model@host", "demo-signs", item, seed=42, repeat=0, size="1K")
    return replace(usual, **changes)


def offer(model: str, host: str, **changes: Any) -> Offer:
    """Return an offer, the ``api_id`` as the model, any field changed."""
    usual = {"api_id": model, "sizes": ("1K", "2K", "4K"), "references_at_most": 8, "takes_seed": True}
    return Offer(model=model, host=host, **(usual | changes))


def answer(body: Any, status: int = 200, **headers: str) -> HttpAnswer:
    """Return an answer with this JSON, or these raw bytes; underscores in names of headers are hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def client(answering: Callable[[httpx.Request], httpx.Response], **settings: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(answering), **({"trust_env": False} | settings))


def opened(
    name: str,
    answering: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(500),
    base_url: str | None = None,
    http: httpx.AsyncClient | None = None,
) -> Any:
    """Return a host of the facts whose every request is answered by a function, or goes through a client."""
    facts, http = read_facts().hosts[name], http or client(answering)
    if name == "vertex":
        return Vertex(facts, base_url=base_url, client=http, project="project", token=lambda: KEY)
    module, _, kind = HOSTS[name].partition(":")
    return getattr(import_module(module), kind)(facts, KEY, base_url, http)


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Any:
    """Return the host that the test's file is named after."""
    return opened(request.module.__name__.rpartition("test_")[2])


def an_offer(name: str) -> Offer:
    return next(offer for offer in read_facts().offers.values() if offer.host == name)


class Plain(PollingHost):
    """A host of no vendor: a POST is answered with a task or a picture's address, a poll with an address."""

    facts = HostFacts(
        id="vendor",
        title="Vendor",
        base_url="https://api.vendor.ai",
        key_domains=("vendor.ai",),
        key_variables=("VENDOR_API_KEY",),
        concurrency=4,
        sources=("twinlens",),
    )

    @classmethod
    def answered(
        cls,
        answers: Callable[[httpx.Request], httpx.Response] | Sequence[httpx.Response | Exception],
        base_url: str | None = None,
    ) -> Plain:
        """Return a host whose answers are a function of the request, or come (or are raised) one after the other."""
        queue = [] if callable(answers) else list(answers)

        def next_answer(request: httpx.Request) -> httpx.Response:
            answer = queue.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return cls(cls.facts, KEY, base_url, client(answers if callable(answers) else next_answer))

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        return self.post("make", {"prompt": request.prompt})

    def read_task(self, answer: HttpAnswer) -> Task | Finished:
        body = answer.json()
        return Task(body["id"], body["poll"]) if "id" in body else Finished(url=body["url"])

    def read_state(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall:
        body = answer.json()
        if "next" in body:
            return HttpCall("GET", body["next"], self.keyed(body["next"]))
        return Finished(url=body["url"]) if body.get("done") else Running(body["status"])


def in_brief(read: Any) -> Any:
    """Return the end of a request as outcome and reason, without its words; any other answer as it is."""
    return (read.outcome, read.reason) if isinstance(read, Ended) else read
