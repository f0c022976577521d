"""What claims are held against: the facts, what a run measured, and the requests that TwinLens makes (unsent)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from evals.facts.capabilities import Capability, read_capabilities
from evals.facts.models import Facts, read_facts
from evals.rating.operations import SystemOperations


@dataclass(frozen=True)
class Evidence:
    """What is known: the day of the article, a run's latencies and costs if any, facts and capabilities."""

    day: date
    operations: Sequence[SystemOperations] | None = None
    facts: Facts = field(default_factory=read_facts)
    capabilities: Mapping[str, Capability] = field(default_factory=read_capabilities)

    @functools.cached_property
    def request(self) -> Callable[[str], HostRequest]:
        """The function that returns the request to a system; several claims are about the same one."""
        return functools.cache(functools.partial(request_to, self.facts))


_A_PICTURE = b"\x89PNG\r\n\x1a\n"
"""The beginning of a PNG: enough for the media type of a reference picture that is never sent."""


@dataclass(frozen=True, slots=True)
class HostRequest:
    """What is sent to ask for one picture, with a reference picture where the model takes one.

    ``headers`` are the names of those that carry the key, lower case; ``fields`` every field of the body with its path,
    ``contents[].parts[].text``; ``is_polled``: the answer is a task that is asked for again, not the picture.
    """

    method: str
    url: str
    headers: tuple[str, ...]
    fields: tuple[str, ...]
    is_polled: bool

    @property
    def host(self) -> str:
        """Return the name of the server."""
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        """Return the path on the server."""
        return urlsplit(self.url).path


def request_to(facts: Facts, system: str) -> HostRequest:
    """Return the request that TwinLens makes for a 1K picture, made by the very code that asks.

    Raises
    ------
    FactsError
        If the facts do not know the system.
    ValueError
        If the system is not asked over HTTP.

    Examples
    --------
    >>> from evals.facts.models import read_facts
    >>> request = request_to(read_facts(), "flux-2-pro@bfl")
    >>> request.url, request.headers, request.is_polled, "input_image" in request.fields
    ('https://api.bfl.ai/v1/flux-2-pro', ('x-key',), True, True)
    """
    from evals.generation.hosts import load_host
    from evals.generation.hosts.http_host import HttpHost
    from evals.generation.hosts.polling_host import PollingHost
    from evals.generation.plan import ImageRequest
    from evals.suites.items import PromptItem

    offer = facts.find(system)
    host = load_host(facts.hosts[offer.host], key="no-key")
    if not isinstance(host, HttpHost):
        raise ValueError(f"{system} is not asked over HTTP")
    item = PromptItem(id="asked", suite="audit", prompt="a harbour")
    request = ImageRequest("s0", system, item.suite, item, seed=1, repeat=0, size="1K")
    call = host.submission(request, offer, [_A_PICTURE] if offer.references_at_most else [])
    return HostRequest(
        method=call.method,
        url=call.url,
        headers=tuple(sorted(name.lower() for name in call.headers)),
        fields=tuple(_paths(call.body or {})),
        is_polled=isinstance(host, PollingHost),
    )


def _paths(body: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every field, those that hold others included."""
    if isinstance(body, dict):
        for name, value in body.items():
            inner = f"{path}.{name}" if path else name
            yield inner
            yield from _paths(value, inner)
    elif isinstance(body, list):
        for value in body:
            yield from _paths(value, f"{path}[]")
