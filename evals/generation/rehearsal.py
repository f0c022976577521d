"""Rehearses an eval: its systems are played on this machine, in the wire format of the real one where there is one."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from evals.definition import EvalDefinition, SimulatedSystem
from evals.facts.models import Facts, Offer, rehearsed_name
from evals.generation.clients import OpenSystems, plan_of
from evals.generation.hosts import Host, load_host
from evals.generation.ledger import read_events, replay
from evals.generation.pacing import RateLimiter
from evals.generation.request_loop import SystemClient
from evals.suites.suite import Suite

if TYPE_CHECKING:
    from evals.generation.simulated.host import Renderer, SimulatedModel

_KEY = "simulated-key"
_TINT = "#dddddd"
_BEHAVIOURS = {"refuse": "refuse_prompt", "withhold": "filter_image"}


@contextlib.contextmanager
def simulated_systems(definition: EvalDefinition, facts: Facts, ledger: Path) -> Iterator[OpenSystems]:
    """Play an eval's systems on this machine and open them.

    Systems that the eval itself invents keep their names; real ones are called ``model@simulated-host``, so that nobody
    takes the drawn pictures for theirs and no real run goes on with them. Where a host's wire format is simulated
    (`evals.generation.simulated.serving.FORMATS`), it is asked over HTTP as the real one would be; the others are
    played by one generic host. Prices, sizes and limits are the real ones' either way.
    What the run's ledger says was drawn in earlier processes counts as drawn before.
    """
    from evals.generation.simulated.call_log import CallLog
    from evals.generation.simulated.generic import GenericHost
    from evals.generation.simulated.host import SimulatedHost
    from evals.generation.simulated.rendering import suite_renderer
    from evals.generation.simulated.server import SimulatedServer
    from evals.generation.simulated.serving import DRAWING_THREADS, FORMATS, serve

    invented = {system.name: system for system in definition.simulated}
    systems = [
        invented.get(name) or SimulatedSystem(system=rehearsed_name(name), tint=_TINT, like=name)
        for name in definition.systems
    ]
    names = tuple(system.name for system in systems)
    definition = definition.model_copy(update={"systems": names, "simulated": tuple(systems)})
    requests, offers = plan_of(definition, facts)
    states = replay(read_events(ledger)[0])
    drawn: Counter[tuple[str, str, int | None]] = Counter()
    for request in requests:
        drawn[request.system, request.prompt, request.seed] += states[request.sample_id].attempts
    suites = {name: definition.suite(name) for name in definition.suite_names}
    models: dict[str, list[SimulatedModel]] = {}
    for system in systems:
        offer = offers[system.name]
        if system.name in invented:
            offer = offer.model_copy(update={"api_id": system.name.partition("@")[0], "edit_api_id": None})
            offers[system.name] = offer
        renderer = _continued(suite_renderer(system, list(suites.values())), drawn, system.name)
        models.setdefault(offer.host, []).append(_model(offer, renderer, _behaviours(system, suites)))
    hosts = {
        name: SimulatedHost(served, _KEY if facts.hosts[name].key_variables else None)
        for name, served in models.items()
    }
    with (
        ThreadPoolExecutor(DRAWING_THREADS, "simulated-renderer") as threads,
        serve({name: host for name, host in hosts.items() if name in FORMATS}) as addresses,
    ):
        opened: dict[str, Host] = {
            name: load_host(facts.hosts[name], _KEY, addresses[name])
            if name in addresses
            else GenericHost(SimulatedServer(name, host, CallLog(), threads))
            for name, host in hosts.items()
        }
        rate_limiters = {name: RateLimiter(facts.hosts[name].concurrency) for name in hosts}
        yield OpenSystems(
            requests,
            {
                system: SystemClient(opened[offer.host], offer, rate_limiters[offer.host])
                for system, offer in offers.items()
            },
            simulated=True,
        )


def _behaviours(system: SimulatedSystem, suites: Mapping[str, Suite]) -> dict[str, str]:
    """Return what a system does instead of answering with a picture, by prompt."""
    return {
        item.prompt: _BEHAVIOURS[defect.does]
        for defect in system.defects
        if defect.does in _BEHAVIOURS and defect.suite in suites
        for item in suites[defect.suite].items
        if not defect.items or item.id in defect.items
    }


def _model(offer: Offer, renderer: Renderer, behaviours: Mapping[str, str]) -> SimulatedModel:
    from evals.generation.simulated.host import SimulatedModel

    return SimulatedModel(
        api_id=offer.api_id,
        edit_api_id=offer.edit_api_id,
        kind=offer.prices[0].kind if offer.prices else "free",
        terms=offer.prices[0].terms if offer.prices else {},
        sizes=offer.sizes,
        references_at_most=offer.references_at_most,
        renderer=renderer,
        behaviours=behaviours,
    )


def _continued(renderer: Renderer, drawn: Mapping[tuple[str, str, int | None], int], system: str) -> Renderer:
    """Return the renderer that counts on from what was drawn in earlier processes: a repeat is no first drawing."""
    return lambda prompt, seed, nth, *rest: renderer(prompt, seed, nth + drawn.get((system, prompt, seed), 0), *rest)
