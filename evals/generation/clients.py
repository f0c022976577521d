"""Opens the systems of an eval: what each offers, its host with its key, its rate limit; nothing is sent yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from evals.definition import DefinitionError, EvalDefinition
from evals.facts.models import Facts, Offer, cautions
from evals.facts.settings import unlike_settings
from evals.facts.sources import FactsError
from evals.generation.hosts import load_host
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.keys import find_key
from evals.generation.pacing import RateLimiter
from evals.generation.plan import ImageRequest, plan_requests
from evals.generation.request_loop import SystemClient


class GenerationError(ValueError):
    """Generation was refused before anything was sent; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class OpenSystems:
    """An eval's plan, its systems ready to be asked, the keys in use, and what to know before money is spent.

    ``simulated`` systems cost nothing, and the next process knows nothing of the tasks that they have accepted.
    """

    requests: Sequence[ImageRequest]
    clients: Mapping[str, SystemClient]
    keys: tuple[str, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()
    simulated: bool = False


def plan_of(definition: EvalDefinition, facts: Facts) -> tuple[list[ImageRequest], dict[str, Offer]]:
    """Return the plan of an eval and the offer of each of its systems.

    Raises
    ------
    DefinitionError
        If a system is not known, with the line where the eval names it.
    GenerationError
        If a system cannot do what the eval asks of it.
    """
    like = {system.name: system.like for system in definition.simulated}
    offers: dict[str, Offer] = {}
    places: dict[str, str] = {}
    for system in definition.systems:
        real = like.get(system, system)
        places[system] = definition.where_named(real)
        try:
            offers[system] = facts.find(real)
        except FactsError as error:
            raise DefinitionError(f"{places[system]}: {error}") from None
    for system, offer in offers.items():
        if definition.size not in offer.sizes:
            sizes = ", ".join(offer.sizes)
            raise GenerationError(f"{places[system]}: {offer.system} has no {definition.size}; its sizes are {sizes}")
    requests = plan_requests(definition, {system: offer.sizes for system, offer in offers.items()})
    for request in requests:
        offer = offers[request.system]
        if request.n_references > offer.references_at_most:
            raise GenerationError(
                f"{places[request.system]}: {offer.system} takes {offer.references_at_most or 'no'} reference images, "
                f"suite {request.suite!r} sends {request.n_references}; leave out the system or the suite"
            )
    return requests, offers


def cautions_about(offers: Mapping[str, Offer], today: date) -> tuple[str, ...]:
    """Return what to know about systems before money is spent, as sentences."""
    of_each = (f"{system}: {caution}" for system, offer in offers.items() for caution in cautions(offer, today))
    return (*of_each, *unlike_settings(offers))


def real_systems(
    definition: EvalDefinition, facts: Facts, environ: Mapping[str, str], today: date | None = None
) -> OpenSystems:
    """Open the real systems of an eval. Nothing is sent yet.

    Raises
    ------
    GenerationError
        If a key is missing, or a system cannot do what the eval asks of it.
    """
    requests, offers = plan_of(definition, facts)
    hosts = {offer.host: facts.hosts[offer.host] for offer in offers.values()}
    keys = {name: find_key(host, environ) for name, host in hosts.items()}
    missing = {name: host.key_variables for name, host in hosts.items() if host.key_variables and not keys[name]}
    if missing:
        each = (first + (f" (or {' or '.join(others)})" if others else "") for first, *others in missing.values())
        raise GenerationError(
            f"no key for {', '.join(missing)}: set {', and '.join(each)} in the environment "
            "(or rehearse without keys: --simulated)"
        )
    opened = {name: load_host(host, keys[name]) for name, host in hosts.items()}
    rate_limiters = {
        name: RateLimiter(host.concurrency, host.per_minute, careful=isinstance(opened[name], PollingHost))
        for name, host in hosts.items()
    }
    clients = {
        system: SystemClient(opened[offer.host], offer, rate_limiters[offer.host]) for system, offer in offers.items()
    }
    warnings = cautions_about(offers, today or date.today())
    return OpenSystems(requests, clients, tuple(key for key in keys.values() if key), warnings)
