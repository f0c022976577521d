"""Runs of every wire format against simulators: the plan, the simulation, and one process's share of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from evals.facts.models import read_facts
from evals.generation.clients import OpenSystems
from evals.generation.hosts import load_host
from evals.generation.pacing import RateLimiter, RetryPolicy
from evals.generation.plan import ImageRequest
from evals.generation.request_loop import SystemClient
from evals.generation.simulated.host import SimulatedModel
from evals.generation.stage import Generation, generate
from evals.suites.suite import PromptItem
from tests.simulators.faults import FaultyHost
from tests.simulators.rendering import plain_renderer

SYSTEMS = (
    "gemini-3.1-flash-image@google",
    "gemini-3.1-flash-image@vertex",
    "flux-2-pro@bfl",
    "flux-2-pro@replicate",
    "flux-2-pro@fal",
    "flux-1-schnell@fireworks",
    "flux-2-pro@atlascloud",
    "flux-1-schnell@comfyui",
)
FREE_HOST = "comfyui"
KEY = "kept-secret-0123456789"

HASTE = RetryPolicy(attempts=8, backoff_s=0.02, longest_backoff_s=0.1, first_poll_s=0.02, longest_poll_s=0.1)
"""Short waits, but no end to a task that a busy machine could come to."""


def a_plan(n: int, systems: Sequence[str] = SYSTEMS, size: str = "1K") -> list[ImageRequest]:
    """Return ``n`` requests, each with a prompt of its own, the systems taking turns."""
    return [
        ImageRequest(
            sample_id=f"s{number:04}",
            system=systems[number % len(systems)],
            suite="load",
            item=PromptItem(suite="load", id=f"p{number}", prompt=f"Picture number {number} of a load test"),
            seed=1000 + number,
            repeat=0,
            size=size,
        )
        for number in range(n)
    ]


def faulty_hosts(
    systems: Sequence[str] = SYSTEMS, script_of=lambda host: lambda arrival, prompt: "ok", **settings
) -> dict[str, FaultyHost]:
    """Return the systems' hosts with the prices of the real ones, each with a script of its own."""
    facts = read_facts()
    models: dict[str, list[SimulatedModel]] = {}
    for offer in map(facts.find, systems):
        models.setdefault(offer.host, []).append(model_of(offer))
    keys = {name: KEY if facts.hosts[name].key_variables else None for name in models}
    return {name: FaultyHost(served, keys[name], script=script_of(name), **settings) for name, served in models.items()}


def model_of(offer) -> SimulatedModel:
    price = offer.prices[0] if offer.prices else None
    return SimulatedModel(
        offer.api_id,
        price.kind if price else "free",
        price.terms if price else {},
        offer.sizes,
        offer.references_at_most,
        plain_renderer,
        offer.edit_api_id,
    )


def open_systems(requests: Sequence[ImageRequest], addresses: Mapping[str, str], concurrency: int = 3) -> OpenSystems:
    facts = read_facts()
    offers = {request.system: facts.find(request.system) for request in requests}
    hosts = {name: load_host(facts.hosts[name], KEY, address) for name, address in addresses.items()}
    rate_limiters = {name: RateLimiter(concurrency) for name in addresses}
    clients = {
        system: SystemClient(hosts[offer.host], offer, rate_limiters[offer.host]) for system, offer in offers.items()
    }
    return OpenSystems(requests, clients, (KEY,))


def run_once(out: Path, n: int, addresses: Mapping[str, str], **options) -> Generation:
    requests = a_plan(n)
    return generate(open_systems(requests, addresses), out, retry_policy=HASTE, **options)
