"""The hosts: one file an API, each saying how to ask for a picture and what the answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from evals.generation.answers import HostUnavailable

if TYPE_CHECKING:
    from evals.facts.models import HostFacts, Offer
    from evals.generation.answers import PollAnswer, SubmitAnswer, Task
    from evals.generation.plan import ImageRequest
from evals.generation.spooling import Spooled


class Host(Protocol):
    """A host as the request loop sees it. Behind HTTP it is one file that extends `HttpHost` or `PollingHost`."""

    def prepare(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> Any:
        """Return the call, whose ``record()`` holds no secrets; `ValueError` if this host cannot be asked for it."""
        ...

    async def submit(self, call: Any) -> SubmitAnswer:
        """Send it once."""
        ...

    async def poll(self, task: Task) -> PollAnswer:
        """Ask once how an accepted task is doing."""
        ...

    async def download(self, url: str) -> bytes | Spooled:
        """Fetch a delivered picture."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and models."""
        ...


HOSTS: Mapping[str, str] = {
    "google": "evals.generation.hosts.google:Google",
    "vertex": "evals.generation.hosts.vertex:Vertex",
    "bfl": "evals.generation.hosts.bfl:Bfl",
    "replicate": "evals.generation.hosts.replicate:Replicate",
    "fal": "evals.generation.hosts.fal:Fal",
    "fireworks": "evals.generation.hosts.fireworks:Fireworks",
    "atlascloud": "evals.generation.hosts.atlascloud:AtlasCloud",
    "local": "evals.generation.hosts.local:Local",
    "comfyui": "evals.generation.hosts.comfyui:ComfyUI",
}
"""Every host by its id in the facts: the class that speaks its interface, imported when it is used."""


def load_host(facts: HostFacts, key: str | None, base_url: str | None = None) -> Host:
    """Return a host that is ready to be asked.

    Parameters
    ----------
    facts
        The host's row of the facts; its ``id`` chooses the class.
    key
        The API key, None for a host that needs none.
    base_url
        Another address for the same interface: a proxy, or a server on this machine.

    Raises
    ------
    HostUnavailable
        If there is no such host, or it lacks its key, a library or weights.
    """
    if facts.id not in HOSTS:
        raise HostUnavailable(f"there is no host {facts.id!r}; there are {', '.join(HOSTS)}")
    if facts.key_variables and not key:
        raise HostUnavailable(f"the host {facts.id!r} needs a key; set {' or '.join(facts.key_variables)}")
    module, _, name = HOSTS[facts.id].partition(":")
    host: Host = getattr(import_module(module), name)(facts, key or "", base_url)
    return host
