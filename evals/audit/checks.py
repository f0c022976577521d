"""Holds claims against the facts: prices, capabilities, sizes, hosts, names, and the requests that TwinLens makes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from evals.audit.requests import OwnRequest
from evals.audit.rules import APPROXIMATE_TOLERANCE, Finding, distance, judged, number, of_several, usd
from evals.facts.capabilities import Capability, Cell
from evals.facts.claims import Able, Cheaper, Price, Request, SameModel, Served, Sized
from evals.facts.models import Facts, Offer
from evals.facts.pricing import likely_usd
from evals.facts.sizes import SIZES


def check_price(check: Price, facts: Facts, day: date) -> Finding:
    """Return what the systems cost by the facts; the one whose price is nearest to the claim decides.

    Prices are those that a picture usually has, with its prompt and, where the model thinks, its thoughts. A size that
    a system does not make is priced at its largest.
    """
    prices: dict[str, float] = {}
    told = []
    for system in check.systems:
        offer = facts.find(system)
        size = check.size if check.size in offer.sizes else offer.sizes[-1]
        price = likely_usd(offer, size)
        if price is None:
            told.append(f"{system} has no known price")
            continue
        prices[system] = price
        made = size == check.size
        told.append(f"{system} {'costs' if made else f'makes none, and at its largest, {size}, costs'} {usd(price)}")
    if not prices:
        return Finding("untested", f"{_joined(told)}.", unit="USD")
    nearest = min(prices.values(), key=lambda price: distance(price, check.stated))
    verdict = judged(nearest, check.stated, APPROXIMATE_TOLERANCE)
    sentence = f"At {check.size} {_joined(told)}."
    if verdict == "wrong" and (others := _costing(check, facts, day)):
        sentence += (
            f" {usd(check.stated.value or 0)} is what {' and '.join(others)} cost{'s' * (len(others) == 1)} there."
        )
    return Finding(verdict, sentence, nearest, "USD")


def check_cheaper(check: Cheaper, facts: Facts) -> Finding:
    """Return whether a system costs less than each of the others."""
    price = likely_usd(facts.find(check.system), check.size)
    others = {system: likely_usd(facts.find(system), check.size) for system in check.than}
    verdicts = [
        "untested" if price is None or other is None else "right" if price < other else "wrong"
        for other in others.values()
    ]
    shown = {
        system: "has no known price" if cost is None else f"costs {usd(cost)}"
        for system, cost in {check.system: price, **others}.items()
    }
    told = _joined([f"{system} {costs}" for system, costs in shown.items()])
    return Finding(of_several(verdicts), f"At {check.size} {told}.", price, "USD")


def check_ability(check: Able, capabilities: Mapping[str, Capability]) -> Finding:
    """Return whether the claim's answer is that of the capability's cells.

    The same answer is right and the opposite one wrong; where one of the two is ``partly`` the claim is imprecise, and
    where nobody knows it is untested.
    """
    cells: dict[Cell, list[str]] = {}
    verdicts: list[str] = []
    told: list[str] = []
    for system in check.systems:
        cell = capabilities[check.capability].of(*system.split("@"))
        if cell is None:
            verdicts.append("untested")
            told.append(f"{system}: not looked into.")
            continue
        cells.setdefault(cell, []).append(system)
        verdicts.append(_against(check.states, cell.answer))
    told += [f"{', '.join(systems)}: {cell.says}" for cell, systems in cells.items()]
    sources = tuple(dict.fromkeys(source for cell in cells for source in cell.sources))
    return Finding(of_several(verdicts), " ".join(told), sources=sources)


def _against(states: str, answer: str) -> str:
    if answer == "unknown":
        return "untested"
    if states == answer:
        return "right"
    return "imprecise" if "partly" in (states, answer) else "wrong"


def check_size(check: Sized, facts: Facts) -> Finding:
    """Return whether the systems make pictures of the size."""
    offers = [facts.find(system) for system in check.systems]
    makers = [offer.system for offer in offers if check.size in offer.sizes]
    told = [f"{_in_pixels(check.size)} is made by {_joined(makers)}"] if makers else []
    told += [
        f"the largest picture of {offer.system} is {_in_pixels(offer.sizes[-1])}, not {_in_pixels(check.size)}"
        for offer in offers
        if offer.system not in makers
    ]
    verdict = of_several("right" if offer.system in makers else "wrong" for offer in offers)
    return Finding(verdict, f"{_sentence('; '.join(told))}.")


def check_served(check: Served, facts: Facts, day: date) -> Finding:
    """Return whether the models are offered on the hosts, or nowhere else.

    What was offered on the article's day and is not any more is outdated.
    """
    if check.nowhere_else:
        return _served_elsewhere(check, facts)
    verdicts: list[str] = []
    told: dict[str, list[str]] = {}
    for system in (f"{model}@{host}" for model in check.models for host in check.hosts):
        offer = facts.offers.get(system)
        if offer is None or (offer.released and offer.released > day):
            verdict, state = "wrong", "no source shows"
        elif offer.retired and offer.retired <= facts.read:
            verdict, state = "outdated" if offer.retired > day else "wrong", f"to be shut down on {offer.retired}"
        else:
            verdict, state = "right", "offered"
        verdicts.append(verdict)
        told.setdefault(state, []).append(system)
    states = "; ".join(f"{state}: {_joined(systems)}" for state, systems in told.items())
    return Finding(of_several(verdicts), f"{_sentence(states)}.")


def _served_elsewhere(check: Served, facts: Facts) -> Finding:
    others = [
        offer.system for offer in facts.offers.values() if offer.model in check.models and offer.host not in check.hosts
    ]
    if others:
        return Finding("wrong", f"It is also offered as {', '.join(others)}.")
    return Finding("right", f"No source shows it anywhere but on {', '.join(check.hosts)}.")


def check_names(check: SameModel) -> Finding:
    """Return whether names mean one model."""
    told = _joined([f"{name} is {model}" for name, model in check.models.items()])
    return Finding("right" if len(set(check.models.values())) == 1 else "wrong", f"{told}.")


def check_request(check: Request, own: OwnRequest, facts: Facts) -> Finding:
    """Return whether the request that TwinLens makes has the stated part; if not, the claim's sources say why."""
    found, told = _found(check, own)
    if found:
        return Finding("right", f"{told}, as TwinLens sends it.")
    title = next((offer.title for offer in _named_in(check.stated, check.system, facts)), None)
    named = f" What the claim names is {title}." if title and check.part == "path" else ""
    return Finding(check.otherwise, f"{told}.{named}")


def _found(check: Request, own: OwnRequest) -> tuple[bool, str]:
    """Return whether a request has the stated part, and what it has, in words."""
    if check.part == "host":
        return check.stated == own.host, f"The server is {own.host}"
    if check.part == "path":
        return check.stated == own.path, f"The path is {own.path}"
    if check.part == "header":
        return check.stated.lower() in own.headers, f"The key goes into the header {', '.join(own.headers)}"
    if check.part == "calls":
        calls = "several" if own.is_polled else "one"
        how = "a task, which is asked for until it is ready, and a download" if own.is_polled else "the picture itself"
        return check.stated == calls, f"The answer to the first call is {how}"
    found = check.stated in own.fields
    return found, f"There is {'a' if found else 'no'} field {check.stated}"


def _named_in(path: str, system: str, facts: Facts) -> list[Offer]:
    """Return the other models of a system's host whose name there is the last part of a path."""
    host = facts.find(system).host
    last = path.rpartition("/")[2]
    return [offer for offer in facts.offers.values() if offer.host == host and offer.api_id == last]


def _costing(check: Price, facts: Facts, day: date) -> list[str]:
    """Return the titles of other models of the same hosts that cost what is stated, of those on sale on a day."""
    hosts = {facts.find(system).host for system in check.systems}
    titles = []
    for offer in facts.offers.values():
        was_on_sale = offer.released is None or offer.released <= day
        if offer.system in check.systems or offer.host not in hosts or check.size not in offer.sizes or not was_on_sale:
            continue
        price = likely_usd(offer, check.size)
        if price is not None and check.stated.low < price < check.stated.high:
            titles.append(offer.title)
    return titles


def _in_pixels(size: str) -> str:
    side = SIZES[size]
    return f"{size} ({side} x {side}, {number(side * side / 1e6, 1)} megapixels)"


def _joined(parts: list[str]) -> str:
    return ", ".join(parts)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
