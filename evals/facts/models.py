"""What is known about models, hosts and prices, with source and date: ``datasets/facts/models.yaml`` as objects."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from evals.facts.pricing import AnyPrice, Size
from evals.facts.sources import FactsError, SourceById, SourcesById, read_sources
from evals.files.data_files import data_path
from evals.files.yaml_files import (
    Day,
    DistinctEntries,
    Entries,
    FileModel,
    Names,
    Text,
    Texts,
    check_known,
    read_yaml,
    refused,
    suggestion,
)

RETIRES_SOON = timedelta(days=60)
"""How long before its last day an offer carries a caution."""

SAFETY_TOLERANCE = 2
"""What is asked of every offer whose requests can carry it, higher is more lenient: Black Forest Labs' own default."""

_Seconds = Annotated[float, Field(ge=0)]


class Latency(FileModel):
    """How long one picture took, from request to picture, as somebody else measured it.

    ``median_s`` is the value itself where there is one only; who tells a range has ``least_s`` and ``most_s`` instead,
    for nobody measured its middle. ``n`` is how many pictures are behind it. What nobody says is None.
    """

    size: Size
    median_s: _Seconds | None = None
    least_s: _Seconds | None = None
    most_s: _Seconds | None = None
    p95_s: _Seconds | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    source: SourceById

    @model_validator(mode="after")
    def _check(self) -> Latency:
        ends = self.least_s, self.most_s
        if (self.median_s is None) == (None in ends) or (self.median_s is not None and ends != (None, None)):
            raise refused("a latency has either median_s or both least_s and most_s")
        if self.least_s is not None and self.most_s is not None and self.most_s < self.least_s:
            raise refused(f"{self.most_s:g} is below least_s, {self.least_s:g}", "most_s")
        return self

    @property
    def at_most_s(self) -> float:
        """Return the value, or the longer end of a range: what an estimate of time is safe with."""
        longest = self.median_s if self.median_s is not None else self.most_s
        assert longest is not None
        return longest


class HostFacts(FileModel):
    """One host: where its interface is (empty inside this process), what gives access, how much it takes at once.

    Of ``key_variables`` in the environment the first that is set counts; there are none where no key is needed. Only
    addresses in ``key_domains`` may be given the key. ``credentials`` says in words where access comes from if not from
    a key. At most ``concurrency`` requests are in flight, and ``per_minute`` are sent a minute; None is no limit.
    """

    id: Text
    title: Text
    base_url: str = ""
    key_variables: Names[Text] = ()
    key_domains: Names[Text] = ()
    credentials: Text | None = None
    concurrency: Annotated[int, Field(ge=1)]
    per_minute: Annotated[float, Field(ge=1)] | None = None
    sources: SourcesById
    notes: Texts = ()


class Offer(FileModel):
    """One model on one host: how it is called there, what it can do, what it costs.

    ``model``, ``title``, ``licence`` (of open weights) and ``pictures_at_most`` are filled in from the model.
    ``api_id`` is its name in that host's addresses, ``edit_api_id`` the one for requests with reference images where
    that is another. ``rolling``: the vendor exchanges the weights under the same name. ``concurrency`` is how many of
    its tasks an account may have at once, where that is less than the host's. One answer holds ``pictures_at_most``,
    all of which are charged for. ``released`` and ``retired`` are its first and last day, where known. Prices and
    latencies are every source's, conflicting ones included; ``sources`` are those of all else.
    ``settings`` are what is sent, or the host's defaults, of what no row compares: ``safety``, ``thinking``, ``steps``,
    ``prompt rewriting``, ``acceleration``, ``grounding``.
    ``safety_tolerance_at_most`` is the most lenient value of that field, where requests have it: `SAFETY_TOLERANCE` is
    sent then, and told as the setting ``safety``.
    """

    model: str = ""
    host: Text
    title: str = ""
    licence: str | None = None
    pictures_at_most: Annotated[int, Field(ge=1)] = 1
    api_id: Text
    edit_api_id: Text | None = None
    sizes: Names[Size]
    references_at_most: Annotated[int, Field(ge=0)]
    takes_seed: bool
    rolling: bool = False
    concurrency: Annotated[int, Field(ge=1)] | None = None
    released: Day | None = None
    retired: Day | None = None
    replaced_by: Text | None = None
    prices: Entries[AnyPrice] = ()
    latencies: Entries[Latency] = ()
    settings: dict[Text, Text] = Field(default_factory=dict)
    safety_tolerance_at_most: Annotated[int, Field(ge=SAFETY_TOLERANCE)] | None = None
    notes: Texts = ()
    sources: SourcesById = ()

    @property
    def system(self) -> str:
        """Return the system's name."""
        return f"{self.model}@{self.host}"

    @property
    def all_settings(self) -> dict[str, str]:
        """Return the settings with the safety tolerance that is sent, if one is."""
        most = self.safety_tolerance_at_most
        return self.settings if most is None else {**self.settings, "safety": f"tolerance {SAFETY_TOLERANCE} of {most}"}

    @property
    def is_free(self) -> bool:
        """Whether every source says that it costs nothing."""
        return bool(self.prices) and all(price.kind == "free" for price in self.prices)

    @model_validator(mode="after")
    def _check(self) -> Offer:
        if self.released and self.retired and self.retired < self.released:
            raise refused(f"{self.retired} is before its release on {self.released}", "retired")
        for n, price in enumerate(self.prices):
            for field, numbers in price.terms.items():
                missing = [size for size in self.sizes if isinstance(numbers, dict) and size not in numbers]
                if missing:
                    raise refused(f"the size {missing[0]} is offered and has no number here", "prices", n, field)
        for n, latency in enumerate(self.latencies):
            check_known(latency.size, self.sizes, "size on offer", "latencies", n, "size")
        return self


_SHARED = frozenset({"model", "title", "licence", "pictures_at_most"})
"""What stands with the model and holds for all of its offers."""


class _Model(FileModel):
    """One model with its other names and its offers."""

    model: Text
    title: Text
    also: Names[Text] = ()
    licence: Text | None = None
    pictures_at_most: Annotated[int, Field(ge=1)] = 1
    sources: SourcesById
    notes: Texts = ()
    offers: Annotated[Entries[Offer], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> _Model:
        for n, offer in enumerate(self.offers):
            if shared := _SHARED & offer.model_fields_set:
                raise refused("it stands with the model, not with its offers", "offers", n, min(shared))
        return self

    def complete_offers(self) -> Iterator[Offer]:
        """Yield the offers with what holds for all of them."""
        shared = {name: getattr(self, name) for name in _SHARED}
        for offer in self.offers:
            longer = {"notes": self.notes + offer.notes, "sources": self.sources + offer.sources}
            yield offer.model_copy(update=shared | longer)


class FormerModel(FileModel):
    """A model that can no longer be asked for: its name, where a star stands for any ending, and what to use now."""

    name: Text
    retired: Day | None = None
    replaced_by: Text
    sources: SourcesById


class _ModelFile(FileModel):
    read: Day
    hosts: DistinctEntries[HostFacts]
    models: Entries[_Model]
    former: Entries[FormerModel] = ()

    def offers(self) -> dict[str, Offer]:
        return {offer.system: offer for model in self.models for offer in model.complete_offers()}

    def aliases(self) -> dict[str, str]:
        """Return the model that another name means, by `plain_name`."""
        owners = {plain_name(model.model): model.model for model in self.models}
        aliases: dict[str, str] = {}
        for m, model in enumerate(self.models):
            names: dict[tuple[str | int, ...], str] = {("title",): model.title}
            names |= {("offers", n, "api_id"): offer.api_id for n, offer in enumerate(model.offers)}
            names |= {("also", n): name for n, name in enumerate(model.also)}
            for steps, name in names.items():
                plain = plain_name(name)
                owner = owners.get(plain) or aliases.setdefault(plain, model.model)
                if owner != model.model:
                    raise refused(f"{name!r} also stands for {owner}", "models", m, *steps)
        return aliases

    @model_validator(mode="after")
    def _check(self) -> _ModelFile:
        hosts, offers = [host.id for host in self.hosts], self.offers()
        seen: set[str] = set()
        for m, model in enumerate(self.models):
            for n, offer in enumerate(model.complete_offers()):
                steps = ("models", m, "offers", n)
                check_known(offer.host, hosts, "host", *steps, "host")
                if offer.system in seen:
                    raise refused(f"{offer.system} is listed twice", *steps)
                seen.add(offer.system)
                if offer.replaced_by:
                    check_known(offer.replaced_by, offers, "system", *steps, "replaced_by")
        for n, former in enumerate(self.former):
            check_known(former.replaced_by, [model.model for model in self.models], "model", "former", n, "replaced_by")
        self.aliases()
        return self


SIMULATED_HOST = "simulated-"
"""Before the host of a system that a rehearsal plays."""


def rehearsed_name(system: str) -> str:
    """Return what a rehearsal calls a system, so that nobody takes its pictures for the real one's."""
    return system.replace("@", f"@{SIMULATED_HOST}", 1)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known: hosts by id, offers by system (``model@host``), and the day when it was last gone through.

    ``aliases`` has the model that another name means (a marketing name, a name in addresses) by `plain_name`.
    """

    read: date
    hosts: Mapping[str, HostFacts]
    offers: Mapping[str, Offer]
    aliases: Mapping[str, str]
    former: tuple[FormerModel, ...]

    @property
    def models(self) -> list[str]:
        """Return the names of the models, each once."""
        return list(dict.fromkeys(offer.model for offer in self.offers.values()))

    def offer_of(self, system: str) -> Offer | None:
        """Return the offer of a system, or of the real one that a rehearsal's stands for; None of one not known.

        Examples
        --------
        >>> read_facts().offer_of(rehearsed_name("flux-2-pro@bfl")).system
        'flux-2-pro@bfl'
        """
        return self.offers.get(system.replace(f"@{SIMULATED_HOST}", "@", 1))

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
        evals.facts.sources.FactsError: 'Nano Banana 2.1' is called gemini-nano-banana-2.1 here; write \
gemini-nano-banana-2.1@google
        """
        if system in self.offers:
            return self.offers[system]
        host = system.partition("@")[2].strip()
        if host and host not in self.hosts:
            raise FactsError(f"there is no host {host!r} in {system!r}; {suggestion(host, self.hosts)}")
        raise FactsError(self._meant(system) or f"there is no system {system!r}; see: twinlens systems")

    def unknown_names(self, systems: Iterable[str]) -> str:
        """Return one sentence on the systems that the facts do not know, with the nearest one; empty where none is.

        Examples
        --------
        >>> read_facts().unknown_names(["flux-2-klein-4b@bfl", "flux-2-flexx@bfl", "baseline"])
        'The facts do not know flux-2-flexx@bfl (did you mean flux-2-flex@bfl?).'
        """
        unknown = [system for system in systems if self.offer_of(system) is None]
        meant = [f"{name} (did you mean {nearest}?)" for name in unknown if (nearest := self._nearest(name))]
        return f"The facts do not know {', '.join(meant)}." if meant else ""

    def _nearest(self, system: str) -> str:
        model, _, host = (part.strip() for part in system.partition("@"))
        names = (model, self.aliases.get(plain_name(model)), *difflib.get_close_matches(model, self.models, n=1))
        offers = [offer for name in names for offer in self.offers.values() if offer.model == name]
        # Sorting keeps the order of what is alike: the name as it is before one that is only close.
        return next((offer.system for offer in sorted(offers, key=lambda offer: offer.host != host)), "")

    def _meant(self, system: str) -> str:
        """Return the clause that helps with a system that is not known, empty where nothing is near."""
        model, _, host = (part.strip() for part in system.partition("@"))
        if served := self._served(model, host):
            return f"{model} is not known on {host}; write {served}" if host else f"the host is missing; write {served}"
        if right := self.aliases.get(plain_name(model)):
            return f"{model!r} is called {right} here; write {self._served(right, host)}"
        for gone in self.former:
            if re.fullmatch(re.escape(plain_name(gone.name)).replace(r"\*", ".*"), plain_name(model)):
                when = f"was shut down on {gone.retired}" if gone.retired else "is no longer served"
                return f"{model!r} {when}; write {self._served(gone.replaced_by, host)}"
        close = difflib.get_close_matches(model, self.models, n=1)
        return f"there is no system {system!r}; did you mean {self._served(close[0], host)}?" if close else ""

    def _served(self, model: str, host: str) -> str:
        """Return the systems of a model as a choice, the one on the host that was asked for alone if there is one."""
        offers = [offer for offer in self.offers.values() if offer.model == model]
        on_host = [offer for offer in offers if offer.host == host] or offers
        return " or ".join(
            f"{offer.system} (until {offer.retired}, then {offer.replaced_by})"
            if offer.retired and offer.replaced_by
            else offer.system
            for offer in on_host
        )


def plain_name(name: str) -> str:
    """Return a name as it is compared with others: without case, brackets and the choice of separator.

    Examples
    --------
    >>> plain_name("FLUX.2 [pro]"), plain_name("Nano_Banana 2.1")
    ('flux.2-pro', 'nano-banana-2.1')
    """
    return re.sub(r"[\s_-]+", "-", re.sub(r"[\[\]()]", "", name).strip().casefold())


@functools.cache
def read_facts(path: Path | None = None) -> Facts:
    """Read and check the facts, once a process; the ones that come with TwinLens by default.

    Raises
    ------
    FactsError
        If something in the file, or in ``sources.yaml`` beside it, is missing, unknown, of the wrong kind, given
        twice or out of order.
    """
    path = path or data_path("facts/models.yaml")
    file = read_yaml(path, _ModelFile, FactsError, sources=read_sources(path.parent / "sources.yaml"))
    return Facts(file.read, {host.id: host for host in file.hosts}, file.offers(), file.aliases(), file.former)


KnownModel = Annotated[Text, AfterValidator(lambda name: check_known(name, read_facts().models, "model"))]
KnownSystem = Annotated[Text, AfterValidator(lambda name: check_known(name, read_facts().offers, "system"))]
KnownHost = Annotated[Text, AfterValidator(lambda name: check_known(name, read_facts().hosts, "host"))]


def cautions(offer: Offer, today: date) -> list[str]:
    """Return what to know before an offer is used in an eval, as sentences."""
    sentences: list[str] = []
    instead = f"; use {offer.replaced_by}" if offer.replaced_by else ""
    if offer.released and today < offer.released:
        sentences.append(f"it is released on {offer.released}")
    if offer.retired and offer.retired < today:
        sentences.append(f"it was to be shut down on {offer.retired}{instead}")
    elif offer.retired and offer.retired - today <= RETIRES_SOON:
        sentences.append(f"it will be shut down on {offer.retired}{instead}")
    if offer.rolling:
        sentences.append("its weights are exchanged under the same name, so a later run may ask another model")
    if not offer.takes_seed:
        sentences.append("it takes no seed, so its repeats differ")
    if not offer.prices:
        sentences.append("no source gives its price")
    elif len({(price.kind, repr(price.terms)) for price in offer.prices}) > 1:
        sentences.append(f"{len(offer.prices)} sources disagree on its price; the budget counts with the highest")
    return sentences
