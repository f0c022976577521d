"""Reads the claims of an article from their YAML section, and refuses what is wrong in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from evals.facts.capabilities import ANSWERS, Capability
from evals.facts.claims import (
    CALLS,
    FIGURES,
    GIVEN,
    KINDS,
    OPERATIONS,
    PARTS,
    VERDICTS,
    Able,
    Arithmetic,
    Cheaper,
    Check,
    Cited,
    Claim,
    Measurable,
    Price,
    Quality,
    Reading,
    Request,
    SameModel,
    Served,
    Sized,
    Stated,
)
from evals.facts.models import Facts, plain_name
from evals.facts.models_reading import Source
from evals.facts.sizes import SIZES
from evals.yaml_files import Section, meant


def read_claim(
    section: Section, facts: Facts, capabilities: Mapping[str, Capability], sources: Mapping[str, Source]
) -> Claim:
    """Return one entry of the list ``claims``.

    Raises
    ------
    FactsError
        If a field is missing, unknown or of the wrong kind, or the entry has no check or more than one.
    """
    readers: Mapping[str, Callable[[Section], Check]] = {
        "arithmetic": lambda inner: _arithmetic(inner, facts),
        "price": lambda inner: _price(inner, facts),
        "cheaper": lambda inner: _cheaper(inner, facts),
        "capability": lambda inner: _able(inner, facts, capabilities),
        "size": lambda inner: _sized(inner, facts),
        "served": lambda inner: _served(inner, facts),
        "same_model": lambda inner: _same_model(inner, facts),
        "request": lambda inner: _request(inner, facts),
        "measurable": lambda inner: _measurable(inner, facts),
        "quality": lambda inner: Quality(inner.only("row").text("row")),
        "cited": lambda inner: Cited(_choice(inner.only("verdict"), "verdict", VERDICTS)),
    }
    section.only("id", "quote", "section", "kind", "says", "sources", *readers)
    checks = [key for key in readers if section.has(key)]
    if len(checks) != 1:
        found = f"it has {' and '.join(checks)}" if checks else f"it has none of {', '.join(readers)}"
        raise section.refuse(None, f"a claim has one check, and {found}")
    if checks == ["cited"] and not section.has("says"):
        raise section.refuse("says", "it is missing; a verdict that nothing computes says why")
    return Claim(
        id=section.text("id"),
        quote=section.text("quote"),
        section=section.text("section"),
        kind=_choice(section, "kind", KINDS),
        check=readers[checks[0]](section.section(checks[0])),
        says=section.text("says", ""),
        sources=tuple(sources[id_] for id_ in _names(section, "sources", sources)),
    )


def _arithmetic(section: Section, facts: Facts) -> Arithmetic:
    section.only("stated", "between", "unit", "given", "readings", "slip", "list_prices_of")
    readings = tuple(_reading(inner) for inner in section.sections("readings"))
    if not readings:
        raise section.refuse("readings", "it is missing; name at least one operation")
    list_prices_of = _names(section, "list_prices_of", facts.offers, optional=True)
    if len(list_prices_of) not in (0, 2):
        raise section.refuse("list_prices_of", "it names two systems, in the order of 'of' and 'than'")
    return Arithmetic(
        stated=_stated(section),
        unit=section.text("unit"),
        readings=readings,
        slip=_reading(section.section("slip")) if section.has("slip") else None,
        given=_choice(section, "given", GIVEN),
        list_prices_of=list_prices_of,
    )


def _reading(section: Section) -> Reading:
    operation = _choice(section, "operation", OPERATIONS)
    section.only("words", "operation", *OPERATIONS[operation])
    operands = {name: section.number(name) for name in OPERATIONS[operation]}
    if operation.startswith("percent") and operands["than"] == 0:
        raise section.refuse("than", "there is no percentage of nothing")
    return Reading(section.text("words"), operation, operands["of"], operands["than"], operands.get("times", 1.0))


def _price(section: Section, facts: Facts) -> Price:
    section.only("stated", "systems", "size")
    return Price(_stated(section), _names(section, "systems", facts.offers), _choice(section, "size", SIZES))


def _cheaper(section: Section, facts: Facts) -> Cheaper:
    section.only("system", "than", "size")
    system = _choice(section, "system", facts.offers)
    return Cheaper(system, _names(section, "than", facts.offers), _choice(section, "size", SIZES))


def _able(section: Section, facts: Facts, capabilities: Mapping[str, Capability]) -> Able:
    section.only("id", "states", "systems")
    capability = _choice(section, "id", capabilities)
    # YAML takes a bare yes or no for true or false.
    states = section.plain("states") if section.has("states") else section.text("states")
    known = [answer for answer in ANSWERS if answer != "unknown"]
    if states not in known:
        raise section.refuse("states", f"there is no {states!r} here; {meant(states, known)}")
    return Able(capability, states, _names(section, "systems", facts.offers))


def _sized(section: Section, facts: Facts) -> Sized:
    section.only("systems", "size")
    return Sized(_names(section, "systems", facts.offers), _choice(section, "size", SIZES))


def _served(section: Section, facts: Facts) -> Served:
    section.only("models", "hosts", "nowhere_else")
    models = _names(section, "models", {offer.model for offer in facts.offers.values()})
    return Served(models, _names(section, "hosts", facts.hosts), section.flag("nowhere_else"))


def _same_model(section: Section, facts: Facts) -> SameModel:
    names = section.only("names").names("names")
    known = {plain_name(offer.model): offer.model for offer in facts.offers.values()} | dict(facts.aliases)
    for name in names:
        if plain_name(name) not in known:
            raise section.refuse("names", f"no model is called {name!r}", name)
    return SameModel({name: known[plain_name(name)] for name in names})


def _request(section: Section, facts: Facts) -> Request:
    section.only("system", "part", "stated", "otherwise")
    system, part = _choice(section, "system", facts.offers), _choice(section, "part", PARTS)
    if not facts.hosts[facts.offers[system].host].key_variables:
        raise section.refuse("system", f"the request to {system} depends on this machine; name a host that takes a key")
    return Request(
        system=system,
        part=part,
        stated=_choice(section, "stated", CALLS) if part == "calls" else section.text("stated"),
        otherwise=_choice(section, "otherwise", ("wrong", "outdated")),
    )


def _measurable(section: Section, facts: Facts) -> Measurable:
    section.only("figure", "stated", "above", "systems", "size")
    figure, systems = _choice(section, "figure", FIGURES), _names(section, "systems", facts.offers)
    return Measurable(figure, _stated(section), systems, _choice(section, "size", SIZES))


def _stated(section: Section) -> Stated:
    """Return the number that is given as ``stated``, as ``between`` with low and high, or as ``above``."""
    if section.has("between"):
        bounds = section.section("between").only("low", "high")
        low, high = bounds.number("low"), bounds.number("high")
        if high < low:
            raise section.refuse("between", f"{high:g} is below {low:g}")
        return Stated(f"{low:g} to {high:g}", low, high)
    if section.has("above"):
        low = section.number("above")
        return Stated(f"above {low:g}", low, math.inf)
    value, words = section.number("stated"), section.plain("stated")
    half = 0.5 * 10.0 ** -len(words.partition(".")[2])
    return Stated(words, value - half, value + half, value)


def _choice(section: Section, key: str, known: Iterable[str]) -> str:
    value = section.text(key)
    if value not in set(known):
        raise section.refuse(key, f"there is no {value!r} here; {meant(value, known)}")
    return value


def _names(section: Section, key: str, known: Iterable[str], optional: bool = False) -> tuple[str, ...]:
    names = section.names(key, () if optional else None)
    for name in names:
        if name not in set(known):
            raise section.refuse(key, f"there is no {name!r} here; {meant(name, known)}", name)
    return names
