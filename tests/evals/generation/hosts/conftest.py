"""Builders of requests, offers, host facts and answers that the hosts' contract tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from evals.facts.models import HostFacts, Offer
from evals.generation.hosts.transport import HttpAnswer
from evals.generation.plan import ImageRequest
from evals.suites.suite import PromptItem


@pytest.fixture
def asked() -> Callable[..., ImageRequest]:
    """Return a builder: ``asked()`` is "a cat" with seed 42 at 1K; ``asked(size="4K", ...)`` changes any field."""

    def build(prompt: str = "a cat", reference_images: tuple[Path, ...] = (), **changes: Any) -> ImageRequest:
        references = {"reference_images": reference_images} if reference_images else {}
        item = PromptItem(suite="demo-signs", id="cat", prompt=prompt, **references)
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


@pytest.fixture(autouse=True)
def _no_clock_for_missing_tasks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only the count of misses end a task that is not found, but for the host whose tests move the clock."""
    if "test_bfl" not in request.node.nodeid:
        monkeypatch.setattr("evals.generation.hosts.polling_host.MISSING_S", 0.0)


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
