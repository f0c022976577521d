"""What is known about models, hosts and prices, with source and date: ``datasets/facts/models.yaml`` as objects."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from evals.data_files import data_path
from evals.yaml_files import meant

RETIRES_SOON = timedelta(days=60)
"""How long before its last day an offer carries a caution."""


PriceKind: TypeAlias = Literal["tokens", "megapixels", "per_image", "free"]
"""The formulas by which hosts charge (see `evals.facts.pricing`)."""


class FactsError(ValueError):
    """The facts were refused, or do not know a system; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One source's price for an offer, in US dollars.

    ``terms`` are the numbers of its kind's formula (see `evals.facts.pricing`).
    """

    kind: PriceKind
    terms: Mapping[str, float | Mapping[str, float]]
    source: str
    read: date


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one picture took, from request to picture, as somebody else measured it.

    Attributes
    ----------
    size
        Of `evals.facts.sizes.SIZES`.
    median_s
        The middle of what was measured, in seconds; the value itself where there is one only.
    p95_s
        What 95 % stayed below, None where nobody says.
    n
        How many pictures are behind it, None where nobody says.
    """

    size: str
    median_s: float
    p95_s: float | None
    n: int | None
    source: str
    read: date


@dataclass(frozen=True, slots=True)
class Offer:
    """One model on one host: how it is called there, what it can do, what it costs.

    Attributes
    ----------
    model, host
        The two halves of a system's name, ``model@host``.
    title
        The name the vendor sells it under.
    api_id, edit_api_id
        The model's name in that host's addresses; another one for requests with reference images, where it has one.
    sizes
        The sizes that can be asked for, of `evals.facts.sizes.SIZES`.
    references_at_most
        How many reference images a request may carry, 0 where it takes none.
    takes_seed
        Whether the interface has a seed at all.
    quotes
        Every source's price, conflicting ones included; empty where no source gives one.
    released, retired
        First and last day, where known.
    replaced_by
        The system to use after that day.
    notes
        Sentences that a user of this offer should read: conflicting sources, rolling weights.
    sources
        Where the facts other than prices come from.
    latencies
        Every source's measurement of how long a picture takes.
    licence
        The licence of the weights where they are open, None where they are not.
    rolling
        Whether the vendor exchanges the weights under the same name.
    """

    model: str
    host: str
    title: str
    api_id: str
    edit_api_id: str | None
    sizes: tuple[str, ...]
    references_at_most: int
    takes_seed: bool
    quotes: tuple[Quote, ...]
    released: date | None
    retired: date | None
    replaced_by: str | None
    notes: tuple[str, ...]
    sources: tuple[str, ...]
    latencies: tuple[Latency, ...] = ()
    licence: str | None = None
    rolling: bool = False

    @property
    def system(self) -> str:
        """Return the system's name."""
        return f"{self.model}@{self.host}"

    @property
    def is_free(self) -> bool:
        """Whether every source says that it costs nothing."""
        return bool(self.quotes) and all(quote.kind == "free" for quote in self.quotes)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One host: where it is, which environment variable holds its key, how much it takes at once.

    Attributes
    ----------
    id, title
        Its short name and the name people know.
    base_url
        Where its interface is; empty for a host inside this process.
    key_variables
        Environment variables that may hold the key, the first that is set counts; empty where none is needed.
    key_domains
        The domains whose addresses may be given the key.
    concurrency
        How many requests TwinLens keeps in flight at most.
    per_minute
        How many requests it sends a minute at most, None without a limit.
    sources
        Where these facts come from.
    notes
        Sentences that a user of this host should read.
    credentials
        Where access comes from, in words, for a host that takes something else than a key.
    """

    id: str
    title: str
    base_url: str
    key_variables: tuple[str, ...]
    key_domains: tuple[str, ...]
    concurrency: int
    per_minute: float | None
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()
    credentials: str | None = None


@dataclass(frozen=True, slots=True)
class FormerModel:
    """A model that can no longer be asked for: its name, where a star stands for any ending, and what to use now."""

    name: str
    retired: date | None
    replaced_by: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known, and the day it was put together.

    Attributes
    ----------
    read
        The day on which the whole was last gone through.
    hosts
        By id.
    offers
        By system, ``model@host``.
    aliases
        The model that another name means (a marketing name, a name in addresses), by `plain_name`.
    former
        Models that are gone.
    """

    read: date
    hosts: Mapping[str, HostFacts]
    offers: Mapping[str, Offer]
    aliases: Mapping[str, str]
    former: tuple[FormerModel, ...]

    def find(self, system: str) -> Offer:
        """Return the offer of a system.

        Raises
        ------
        FactsError
            If there is none. The sentence names the system that an alias or a name of former days stands for, or the
            nearest known one.

        Examples
        --------
        >>> read_facts().find("flux-2-pro@bfl").api_id
        'flux-2-pro'
        >>> read_facts().find("Nano Banana 2.1@google")
        Traceback (most recent call last):
        evals.facts.models.FactsError: 'Nano Banana 2.1' is called gemini-nano-banana-2.1 here; write \
gemini-nano-banana-2.1@google
        """
        if system in self.offers:
            return self.offers[system]
        model, _, host = (part.strip() for part in system.partition("@"))
        if host and host not in self.hosts:
            raise FactsError(f"there is no host {host!r} in {system!r}; {meant(host, self.hosts)}")
        raise FactsError(self._why_unknown(system, model, host))

    def _why_unknown(self, system: str, model: str, host: str) -> str:
        if served := self._served(model, host):
            return f"{model} is not known on {host}; write {served}" if host else f"the host is missing; write {served}"
        if right := self.aliases.get(plain_name(model)):
            return f"{model!r} is called {right} here; write {self._served(right, host)}"
        for gone in self.former:
            if re.fullmatch(re.escape(plain_name(gone.name)).replace(r"\*", ".*"), plain_name(model)):
                when = f"was shut down on {gone.retired}" if gone.retired else "is no longer served"
                return f"{model!r} {when}; write {self._served(gone.replaced_by, host)}"
        models = dict.fromkeys(offer.model for offer in self.offers.values())
        close = difflib.get_close_matches(model, models, n=1)
        instead = f"did you mean {self._served(close[0], host)}?" if close else "see: twinlens systems"
        return f"there is no system {system!r}; {instead}"

    def _served(self, model: str, host: str) -> str:
        """Return the systems of a model as a choice, the one on the host that was asked for alone if there is one."""
        offers = [offer for offer in self.offers.values() if offer.model == model]
        wanted = [offer for offer in offers if offer.host == host] or offers
        return " or ".join(
            f"{offer.system} (until {offer.retired}, then {offer.replaced_by})"
            if offer.retired and offer.replaced_by
            else offer.system
            for offer in wanted
        )


def plain_name(name: str) -> str:
    """Return a name as it is compared with others: without case, brackets and the choice of separator.

    Examples
    --------
    >>> plain_name("FLUX.2 [pro]"), plain_name("Nano_Banana 2.1")
    ('flux.2-pro', 'nano-banana-2.1')
    """
    return re.sub(r"[\s_-]+", "-", re.sub(r"[\[\]()]", "", name).strip().casefold())


def read_facts(path: Path | None = None) -> Facts:
    """Read and check the facts, the ones that come with TwinLens by default.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or given twice.
    """
    return _read(path) if path is not None else _read_own()


@functools.cache
def _read_own() -> Facts:
    return _read(data_path("facts/models.yaml"))


def _read(path: Path) -> Facts:
    from evals.facts.models_reading import parse_facts  # it builds the classes above

    return parse_facts(path)


def cautions(offer: Offer, today: date) -> list[str]:
    """Return what to know before an offer is used in an eval, as sentences.

    It is retired or will be soon; its weights are exchanged under the same name; it takes no seed; its price is
    unknown or sources disagree on it.
    """
    found: list[str] = []
    instead = f"; use {offer.replaced_by}" if offer.replaced_by else ""
    if offer.released and today < offer.released:
        found.append(f"it is released on {offer.released}")
    if offer.retired and offer.retired < today:
        found.append(f"it was to be shut down on {offer.retired}{instead}")
    elif offer.retired and offer.retired - today <= RETIRES_SOON:
        found.append(f"it will be shut down on {offer.retired}{instead}")
    if offer.rolling:
        found.append("its weights are exchanged under the same name, so a later run may ask another model")
    if not offer.takes_seed:
        found.append("it takes no seed, so its repeats differ")
    if not offer.quotes:
        found.append("no source gives its price")
    elif len({(quote.kind, repr(sorted(quote.terms.items()))) for quote in offer.quotes}) > 1:
        found.append(f"{len(offer.quotes)} sources disagree on its price; the budget counts with the highest")
    return found
