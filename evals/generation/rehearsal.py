"""Rehearses an eval: its systems are served on this machine, each in the wire format of the real one."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evals.definition import EvalDefinition, SimulatedSystem
from evals.facts.models import Facts, Offer
from evals.generation.clients import GenerationError, OpenSystems, plan_of
from evals.generation.hosts import load_host
from evals.generation.ledger import read_events, replay
from evals.generation.pacing import RateLimiter
from evals.generation.plan import ImageRequest
from evals.generation.request_loop import SystemClient
from evals.suites.suite import read_suite

if TYPE_CHECKING:
    from evals.generation.simulated.service import Artist, Behaviour, SimulatedModel

_KEY = "simulated-key"
_TINT = "#dddddd"
_DECLINES: Mapping[str, Behaviour] = {"refuse": "refuse_prompt", "withhold": "filter_image"}


@contextlib.contextmanager
def simulated_systems(definition: EvalDefinition, facts: Facts, ledger: Path) -> Iterator[OpenSystems]:
    """Serve an eval's systems on this machine and open them.

    Systems that the eval itself invents keep their names; real ones are called ``model@simulated-host``, so that nobody
    takes the drawn pictures for theirs.

    Parameters
    ----------
    definition
        The eval.
    facts
        Prices and limits of the real systems.
    ledger
        The ledger of the run: what it was drawn in earlier processes counts as drawn before.

    Raises
    ------
    GenerationError
        If a system's host cannot be simulated.
    """
    from evals.generation.simulated.artists import demo_artist
    from evals.generation.simulated.server import FORMATS, serve
    from evals.generation.simulated.service import SimulatedHost, Simulation

    invented = tuple(system.name for system in definition.simulated)
    definition = _renamed(definition)
    requests, offers = plan_of(definition, facts)
    drawn = _drawn_before(requests, ledger)
    models: dict[str, list[SimulatedModel]] = {}
    for system in definition.simulated:
        offer = offers[system.name]
        if offer.host not in FORMATS:
            simulated = ", ".join(FORMATS)
            raise GenerationError(f"{offer.system} cannot be simulated; leave it out, there are only {simulated}")
        if system.name in invented:
            offer = offer.model_copy(update={"api_id": system.name.partition("@")[0], "edit_api_id": None})
            offers[system.name] = offer
        artist = _continued(demo_artist(system, definition.suites), drawn, system.name)
        models.setdefault(offer.host, []).append(_model(offer, artist, _behaviours(system)))
    hosts = {
        name: SimulatedHost(models=served, key=_KEY if facts.hosts[name].key_variables else None)
        for name, served in models.items()
    }
    with serve(Simulation(hosts)) as addresses:
        opened = {name: load_host(facts.hosts[name], _KEY, addresses[name]) for name in hosts}
        rate_limiters = {name: RateLimiter(facts.hosts[name].concurrency) for name in hosts}
        yield OpenSystems(
            requests,
            {
                system: SystemClient(system, opened[offer.host], offer, rate_limiters[offer.host])
                for system, offer in offers.items()
            },
            simulated=True,
        )


def _renamed(definition: EvalDefinition) -> EvalDefinition:
    """Return the eval with every system simulated, real ones under a name that says so."""
    invented = {system.name: system for system in definition.simulated}
    simulated = tuple(
        invented.get(name) or SimulatedSystem(name.replace("@", "@simulated-"), _TINT, like=name)
        for name in definition.systems
    )
    return replace(definition, systems=tuple(system.name for system in simulated), simulated=simulated)


def _behaviours(system: SimulatedSystem) -> dict[str, Behaviour]:
    """Return what a system does instead of answering with a picture, by prompt."""
    behaviours: dict[str, Behaviour] = {}
    for defect in system.defects:
        behaviour = _DECLINES.get(defect.does)
        if behaviour is not None:
            items = read_suite(defect.suite).items
            behaviours |= {item.prompt: behaviour for item in items if not defect.items or item.id in defect.items}
    return behaviours


def _model(offer: Offer, artist: Artist, behaviours: Mapping[str, Behaviour]) -> SimulatedModel:
    from evals.generation.simulated.service import SimulatedModel

    return SimulatedModel(
        api_id=offer.api_id,
        edit_api_id=offer.edit_api_id,
        kind=offer.prices[0].kind if offer.prices else "free",
        terms=offer.prices[0].terms if offer.prices else {},
        sizes=offer.sizes,
        references_at_most=offer.references_at_most,
        artist=artist,
        behaviours=behaviours,
    )


def _drawn_before(requests: Sequence[ImageRequest], ledger: Path) -> Counter[tuple[str, str, int | None]]:
    states = replay(read_events(ledger)[0])
    drawn: Counter[tuple[str, str, int | None]] = Counter()
    for request in requests:
        if request.sample_id in states:
            drawn[request.system, request.prompt, request.seed] += states[request.sample_id].attempts
    return drawn


def _continued(artist: Artist, drawn: Mapping[tuple[str, str, int | None], int], system: str) -> Artist:
    """Return the artist who counts on from what was drawn in earlier processes: a repeat is no first drawing."""
    return lambda prompt, seed, nth, *rest: artist(prompt, seed, nth + drawn.get((system, prompt, seed), 0), *rest)
