"""Serves one simulated host to a vendor's own client, keeps what that client sends, and counts its calls."""

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
from aiohttp import web

from evals.facts.models import Offer, read_facts
from evals.generation.hosts.transport import HttpCall
from evals.generation.simulated.call_log import Call, CallLog
from tests.evals.generation.hosts.conftest import KEY, image_request
from tests.evals.generation.hosts.conftest import opened as opened_host
from tests.evals.generation.simulated_runs import model_of
from tests.simulators.clients import encoded, opened
from tests.simulators.faults import FaultyHost, serve_faulty

CALLS: Counter[str] = Counter()
"""How often each client called each host; pictures are fetched by the tests, which does not count."""

REFERENCE = base64.b64decode(encoded(256, 256))


@dataclass
class Served:
    """A host while it is served; ``posts`` are path, headers and body of what was posted to it."""

    offer: Offer
    address: str
    log: CallLog
    posts: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    def our_call(self, references: int = 0, **changes: Any) -> HttpCall:
        """Return the POST that our own host would send for "a cat" with seed 42 at 1K."""
        host = opened_host(self.offer.host, base_url=self.address)
        return host.prepare(image_request(**changes), self.offer, [REFERENCE] * references)

    def check_post(self, ours: HttpCall, as_we_write: Callable[[Any], Any] = lambda body: body) -> None:
        """Fail unless the client posted once, what our host would, to the same place, with the same key.

        ``as_we_write`` turns the client's way to write the body into ours.
        """
        ((path, headers, body),) = self.posts
        assert path == urlsplit(ours.url).path
        assert as_we_write(body) == ours.body
        assert {name: headers.get(name.lower()) for name in ours.headers} == dict(ours.headers)

    @property
    def call(self) -> Call:
        """Return the one call that the simulator understood."""
        (call,) = self.log.calls
        return call


@contextmanager
def served(system: str, behaviour: str = "ok", **settings: Any) -> Iterator[Served]:
    """Serve an offer of the facts by a host that behaves the same at every call."""
    offer, log = read_facts().offers[system], CallLog()

    @web.middleware
    async def note(request, handler):
        if "/delivery/" not in request.path:
            CALLS[f"{request.headers['User-Agent'].split()[0]} to {offer.host}"] += 1
        if request.method == "POST":
            headers = {name.lower(): value for name, value in request.headers.items()}
            host.posts.append((request.path, headers, await request.json()))
        return await handler(request)

    faulty = FaultyHost([model_of(offer)], KEY, lambda arrival, prompt: behaviour, **settings)
    with serve_faulty({offer.host: faulty}, log, [note]) as addresses:
        host = Served(offer, addresses[offer.host], log)
        yield host


def size_at(url):
    """Return width and height of a finished picture."""
    # Loading the certificates of the web would take longer than the whole test.
    return opened(httpx.get(url, verify=False).content).size
