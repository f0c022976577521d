"""Builders of requests, offers, host facts and answers that the hosts' contract tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import httpx2 as httpx
import pytest

from evals.facts.models import HostFacts, Offer, read_facts
from evals.generation.hosts import HOSTS
from evals.generation.hosts.transport import HttpAnswer
from evals.generation.hosts.vertex import Vertex
from evals.generation.plan import ImageRequest
from evals.suites.suite import PromptItem


@pytest.fixture
def image_request() -> Callable[..., ImageRequest]:
    """Return a builder: ``image_request(size="4K")`` is "a cat" with seed 42, usually at 1K, any field changed."""

    def build(prompt: str = "a cat", **changes: Any) -> ImageRequest:
        item = PromptItem(suite="demo-signs", id="cat", prompt=prompt)
        usual = ImageRequest("s0123456789abcde", "model@host", "demo-signs", item, seed=42, repeat=0, size="1K")
        return replace(usual, **changes)

    return build


@pytest.fixture
def offer() -> Callable[..., Offer]:
    """Return a builder: ``offer("flux-2-pro", "bfl")``, the ``api_id`` as the model, with any field changed."""

    def build(model: str, host: str, **changes: Any) -> Offer:
        usual = {"api_id": model, "sizes": ("1K", "2K", "4K"), "references_at_most": 8, "takes_seed": True}
        return Offer(model=model, host=host, **(usual | changes))

    return build


@pytest.fixture
def host_facts() -> Callable[..., HostFacts]:
    """Return a builder: ``host_facts("bfl", "https://api.bfl.ai", "bfl.ai")``, with any field changed."""

    def build(host: str, base_url: str, *key_domains: str, **changes: Any) -> HostFacts:
        usual = HostFacts(
            id=host,
            title=host,
            base_url=base_url,
            key_variables=(f"{host.upper()}_API_KEY",),
            concurrency=4,
            sources=("twinlens",),
        )
        return usual.model_copy(update={"key_domains": key_domains, **changes})

    return build


@pytest.fixture
def answer() -> Callable[..., HttpAnswer]:
    """Return a builder: ``answer({"id": "x"})`` is HTTP 200 with that JSON, ``answer(b"", 502)`` raw bytes with 502."""

    def build(body: Any, status: int = 200, **headers: str) -> HttpAnswer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)

    return build


@pytest.fixture
def client() -> Callable[..., httpx.AsyncClient]:
    """Return a builder of an HTTP client that a function answers: ``client(lambda request: httpx.Response(200))``."""

    def build(answers: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(answers), follow_redirects=False)

    return build


KEY = "known-key-0123456789"
HTTP_HOSTS = [name for name in HOSTS if name != "local"]
POLLING_HOSTS = [name for name in HTTP_HOSTS if name not in ("google", "vertex")]


def opened(
    name: str, answering: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(500)
) -> Any:
    """Return a host of the facts whose every request is answered by a function."""
    web = httpx.AsyncClient(transport=httpx.MockTransport(answering), trust_env=False)
    facts = read_facts().hosts[name]
    if name == "vertex":
        return Vertex(facts, client=web, project="project", token=lambda: KEY)
    module, _, kind = HOSTS[name].partition(":")
    return getattr(import_module(module), kind)(facts, KEY, client=web)


def an_offer(name: str) -> Offer:
    """Return the first offer of a host in the facts."""
    return next(offer for offer in read_facts().offers.values() if offer.host == name)
