"""Reads ``datasets/facts/models.yaml`` and the sources beside it, and refuses what is wrong in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from evals.facts.models import (
    Facts,
    FactsError,
    FormerModel,
    HostFacts,
    Latency,
    Offer,
    PriceKind,
    Quote,
    plain_name,
)
from evals.facts.sizes import SIZES
from evals.yaml_files import Section, meant, read_section

TRUST: Mapping[str, str] = {
    "A": "official",
    "W": "wire capture of the vendor's own client",
    "R": "recorded from the live service by a third party",
    "C": "secondary",
    "I": "our inference",
}
"""How far a source is to be trusted, best first."""

_PRICE_TERMS: Mapping[PriceKind, tuple[str, ...]] = {
    "tokens": (
        "input_per_m",
        "output_text_per_m",
        "output_image_per_m",
        "image_tokens",
        "reference_tokens",
        "text_tokens_usual",
        "text_tokens_at_most",
    ),
    "megapixels": ("first", "further", "input"),
    "per_image": ("usd",),
    "free": (),
}
_BY_SIZE = ("image_tokens", "usd")


@dataclass(frozen=True, slots=True)
class Source:
    """Who said something: what was read, where, on which day, and how far it is to be trusted (`TRUST`)."""

    id: str
    what: str
    url: str | None
    read: date
    trust: str

    def __str__(self) -> str:
        """Return what was read, how far to trust it and when it was read, as it stands beside a fact."""
        return f"{self.what} ({TRUST[self.trust]}, read {self.read})"


def read_sources(path: Path) -> dict[str, Source]:
    """Read a file of sources by id.

    Raises
    ------
    FactsError
        If something in it is missing, unknown or of the wrong kind.
    """
    top = read_section(path, FactsError)
    sources: dict[str, Source] = {}
    for id_ in top.nodes:
        section = top.section(id_).only("what", "url", "read", "trust")
        trust = section.text("trust")
        if trust not in TRUST:
            raise section.refuse("trust", f"there is no {trust!r}; {meant(trust, TRUST)}")
        url = section.text("url") if section.has("url") else None
        sources[id_] = Source(id_, section.text("what"), url, section.day("read"), trust)
    return sources


def parse_facts(path: Path) -> Facts:
    """Read and check a file of models; its sources are in ``sources.yaml`` beside it.

    Raises
    ------
    FactsError
        If something in either file is missing, unknown, of the wrong kind, given twice or out of order.
    """
    sources = read_sources(path.parent / "sources.yaml")
    top = read_section(path, FactsError).only("read", "hosts", "models", "former")
    hosts: dict[str, HostFacts] = {}
    for section in top.sections("hosts"):
        host = _host(section, sources)
        if host.id in hosts:
            raise section.refuse("id", f"{host.id!r} is listed twice")
        hosts[host.id] = host
    offers: dict[str, Offer] = {}
    aliases: dict[str, str] = {}
    at: dict[str, Section] = {}
    models = [section.named(f"model {section.text('model')!r}") for section in top.sections("models")]
    canonical = {plain_name(section.text("model")) for section in models}
    for section in models:
        section.only("model", "title", "also", "licence", "sources", "notes", "offers")
        for offer, where in _offers(section, hosts, sources):
            if offer.system in offers:
                raise where.refuse(None, f"{offer.system} is listed twice")
            offers[offer.system], at[offer.system] = offer, where
            _name_also(aliases, canonical, offer.model, (offer.title, offer.api_id), where, "api_id")
        _name_also(aliases, canonical, section.text("model"), section.names("also", ()), section, "also")
    for system, offer in offers.items():
        if offer.replaced_by and offer.replaced_by not in offers:
            raise at[system].refuse("replaced_by", _no_such(offer.replaced_by, offers, "system"))
    former = tuple(_former(section, offers, sources) for section in top.sections("former"))
    return Facts(top.day("read"), hosts, offers, aliases, former)


def _host(section: Section, sources: Mapping[str, Source]) -> HostFacts:
    section = section.named(f"host {section.text('id')!r}")
    section.only(
        "id", "title", "base_url", "key_variables", "key_domains", "credentials", "concurrency", "per_minute",
        "sources", "notes",
    )  # fmt: skip
    return HostFacts(
        id=section.text("id"),
        title=section.text("title"),
        base_url=section.text("base_url") if section.has("base_url") else "",
        key_variables=section.names("key_variables", ()),
        key_domains=section.names("key_domains", ()),
        concurrency=section.integer("concurrency", least=1),
        per_minute=section.number("per_minute", least=1) if section.has("per_minute") else None,
        sources=_told_by(section, sources),
        notes=section.texts("notes", ()),
        credentials=section.text("credentials") if section.has("credentials") else None,
    )


def _offers(
    model: Section, hosts: Mapping[str, HostFacts], sources: Mapping[str, Source]
) -> Iterable[tuple[Offer, Section]]:
    title = model.text("title")
    licence = model.text("licence") if model.has("licence") else None
    told_by, notes = _told_by(model, sources), model.texts("notes", ())
    if not model.sections("offers"):
        raise model.refuse("offers", "it is missing; name at least one host")
    for section in model.sections("offers"):
        section.only(
            "host", "api_id", "edit_api_id", "sizes", "references_at_most", "takes_seed", "rolling", "released",
            "retired", "replaced_by", "prices", "latencies", "sources", "notes",
        )  # fmt: skip
        host = section.text("host")
        if host not in hosts:
            raise section.refuse("host", _no_such(host, hosts, "host"))
        section = section.named(f"{model.text('model')}@{host}")
        sizes = _sizes(section)
        released = section.day("released") if section.has("released") else None
        retired = section.day("retired") if section.has("retired") else None
        if released and retired and retired < released:
            raise section.refuse("retired", f"{retired} is before its release on {released}")
        if not section.has("takes_seed"):
            raise section.refuse("takes_seed", "it is missing")
        yield (
            Offer(
                model=model.text("model"),
                host=host,
                title=title,
                api_id=section.text("api_id"),
                edit_api_id=section.text("edit_api_id") if section.has("edit_api_id") else None,
                sizes=sizes,
                references_at_most=section.integer("references_at_most"),
                takes_seed=section.flag("takes_seed"),
                quotes=tuple(_quote(price, sizes, sources) for price in section.sections("prices")),
                released=released,
                retired=retired,
                replaced_by=section.text("replaced_by") if section.has("replaced_by") else None,
                notes=(*notes, *section.texts("notes", ())),
                sources=(*told_by, *(_told_by(section, sources) if section.has("sources") else ())),
                latencies=tuple(_latency(latency, sizes, sources) for latency in section.sections("latencies")),
                licence=licence,
                rolling=section.flag("rolling"),
            ),
            section,
        )


def _sizes(section: Section) -> tuple[str, ...]:
    sizes = section.names("sizes")
    for size in sizes:
        if size not in SIZES:
            raise section.refuse("sizes", f"there is no size {size!r}; {meant(size.upper(), SIZES)}")
    return sizes


def _quote(section: Section, sizes: tuple[str, ...], sources: Mapping[str, Source]) -> Quote:
    given = section.text("kind")
    kind = next((known for known in _PRICE_TERMS if known == given), None)
    if kind is None:
        raise section.refuse("kind", _no_such(given, _PRICE_TERMS, "kind of price"))
    section.only("kind", *_PRICE_TERMS[kind], "source")
    source = _source(section, section.text("source"), "source", sources)
    terms = {name: _term(section, name, sizes) for name in _PRICE_TERMS[kind]}
    return Quote(kind, terms, str(source), source.read)


def _term(section: Section, name: str, sizes: tuple[str, ...]) -> float | dict[str, float]:
    if name not in _BY_SIZE or (name == "usd" and section.has(name) and not section.is_mapping(name)):
        return section.number(name)
    inner = section.section(name).only(*SIZES)
    missing = next((size for size in sizes if size not in inner.nodes), None)
    if missing is not None:
        raise section.refuse(name, f"the size {missing} is offered and has no number here")
    return {size: inner.number(size) for size in inner.nodes}


def _latency(section: Section, sizes: tuple[str, ...], sources: Mapping[str, Source]) -> Latency:
    section.only("size", "median_s", "p95_s", "n", "source")
    size = section.text("size")
    if size not in sizes:
        raise section.refuse("size", _no_such(size, sizes, "size on offer"))
    source = _source(section, section.text("source"), "source", sources)
    return Latency(
        size=size,
        median_s=section.number("median_s"),
        p95_s=section.number("p95_s") if section.has("p95_s") else None,
        n=section.integer("n", least=1) if section.has("n") else None,
        source=str(source),
        read=source.read,
    )


def _former(section: Section, offers: Mapping[str, Offer], sources: Mapping[str, Source]) -> FormerModel:
    section = section.only("name", "retired", "replaced_by", "sources").named(f"former model {section.text('name')!r}")
    replaced_by = section.text("replaced_by")
    models = sorted({offer.model for offer in offers.values()})
    if replaced_by not in models:
        raise section.refuse("replaced_by", _no_such(replaced_by, models, "model"))
    retired = section.day("retired") if section.has("retired") else None
    return FormerModel(section.text("name"), retired, replaced_by, _told_by(section, sources))


def _name_also(
    aliases: dict[str, str], canonical: set[str], model: str, names: Iterable[str], where: Section, key: str
) -> None:
    for name in map(plain_name, names):
        if name in canonical:
            if name != plain_name(model):
                raise where.refuse(key, f"{name!r} is the name of another model")
            continue
        if aliases.setdefault(name, model) != model:
            raise where.refuse(key, f"{name!r} also stands for {aliases[name]}")


def _told_by(section: Section, sources: Mapping[str, Source]) -> tuple[str, ...]:
    return tuple(str(_source(section, id_, "sources", sources)) for id_ in section.names("sources"))


def _source(section: Section, id_: str, key: str, sources: Mapping[str, Source]) -> Source:
    if id_ not in sources:
        raise section.refuse(key, _no_such(id_, sources, "source"))
    return sources[id_]


def _no_such(name: str, known: Iterable[str], noun: str) -> str:
    return f"there is no {noun} {name!r}; {meant(name, known)}"
