"""Claims that are held against the facts: prices, capabilities, sizes, hosts, names, and the requests we make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from evals.audit.evidence import Evidence, HostRequest
from evals.audit.measured import COST, Measurable
from evals.audit.rules import (
    APPROXIMATE_TOLERANCE,
    Finding,
    StatedInFile,
    Verdict,
    distance,
    judged,
    number,
    of_several,
    usd,
    usd_range,
)
from evals.facts.capabilities import Answer, Cell, read_capabilities
from evals.facts.models import Facts, KnownHost, KnownModel, KnownSystem, plain_name, read_facts
from evals.facts.pricing import SIZES, Size, listed_usd
from evals.files.yaml_files import FileModel, Names, Text, check_known, refused


class Price(FileModel):
    """A price of a picture: of the systems that are meant, at one size, in US dollars."""

    stated: StatedInFile
    systems: Names[KnownSystem]
    size: Size

    def check(self, evidence: Evidence) -> Finding:
        """Return the verdict by the facts, or by what a run paid where no source has a price; else that is a note."""
        listed = self._check_list_prices(evidence.facts, evidence.day)
        by_run = Measurable(figure=COST, stated=self.stated, systems=self.systems, size=self.size)
        if listed.verdict == "untested":
            return by_run.check_against_run(evidence, listed)
        paid, _ = by_run.measured(evidence)
        notes = [f"The run counted {usd(each.value)} a picture for {each.system}." for each in paid]
        return replace(listed, notes=tuple(notes))

    def _check_list_prices(self, facts: Facts, day: date) -> Finding:
        """Return what the systems cost by the facts; the price of any source that is nearest to the claim decides.

        Prices are those that a picture usually has, with its prompt and, where the model thinks, its thoughts. A size
        that a system does not make is priced at its largest.
        """
        prices: list[float] = []
        clauses = []
        for system in self.systems:
            offer = facts.find(system)
            size = self.size if self.size in offer.sizes else offer.sizes[-1]
            by_source = listed_usd(offer, size)
            if not by_source:
                clauses.append(f"{system} has no known price")
                continue
            prices += by_source
            costs = "costs" if size == self.size else f"makes none, and at its largest, {size}, costs"
            clauses.append(f"{system} {costs} {usd_range(by_source)}")
        if not prices:
            return Finding("untested", f"{', '.join(clauses)}.", unit="USD")
        nearest = min(prices, key=lambda price: distance(price, self.stated))
        verdict = judged(nearest, self.stated, APPROXIMATE_TOLERANCE)
        sentence = f"At {self.size} {', '.join(clauses)}."
        value, others = self.stated.value, self._others_at_this_price(facts, day)
        if verdict == "wrong" and value is not None and others:
            sentence += f" {usd(value)} is what {' and '.join(others)} cost{'s' * (len(others) == 1)} there."
        return Finding(verdict, sentence, nearest, "USD")

    def _others_at_this_price(self, facts: Facts, day: date) -> list[str]:
        """Return the titles of other models of the same hosts that cost what is stated, of those on sale on a day."""
        hosts = {facts.find(system).host for system in self.systems}
        titles = []
        for offer in facts.offers.values():
            was_on_sale = offer.released is None or offer.released <= day
            is_another = offer.system not in self.systems and offer.host in hosts and self.size in offer.sizes
            prices = listed_usd(offer, self.size) if is_another and was_on_sale else ()
            if any(self.stated.low < price < self.stated.high for price in prices):
                titles.append(offer.title)
        return titles


class Cheaper(FileModel):
    """That one system costs less than others at one size."""

    system: KnownSystem
    than: Names[KnownSystem]
    size: Size

    def check(self, evidence: Evidence) -> Finding:
        """Return whether the system costs less than each of the others, by all of the sources or by some."""
        prices, *others = (listed_usd(evidence.facts.find(system), self.size) for system in (self.system, *self.than))
        clauses = [
            f"{system} {f'costs {usd_range(by_source)}' if by_source else 'has no known price'}"
            for system, by_source in zip((self.system, *self.than), (prices, *others), strict=True)
        ]
        price = prices[0] if len(prices) == 1 else None
        verdict = of_several(_is_cheaper(prices, other) for other in others)
        return Finding(verdict, f"At {self.size} {', '.join(clauses)}.", price, "USD")


def _is_cheaper(prices: Sequence[float], others: Sequence[float]) -> Verdict:
    """Return whether one price is below another, each as its sources give it, ascending."""
    if not prices or not others:
        return "untested"
    if prices[-1] < others[0]:
        return "right"
    return "wrong" if prices[0] >= others[-1] else "imprecise"


class Able(FileModel):
    """What a claim answers to the question of a capability, for some systems."""

    id: Annotated[Text, AfterValidator(lambda name: check_known(name, read_capabilities(), "capability"))]
    states: Literal["yes", "partly", "no"]
    systems: Names[KnownSystem]

    def check(self, evidence: Evidence) -> Finding:
        """Return whether the claim's answer is that of the capability's cells.

        The same answer is right and the opposite one wrong; where one of the two is ``partly`` the claim is imprecise,
        and where nobody knows it is untested.
        """
        cells: dict[Cell, list[str]] = {}
        verdicts: list[Verdict] = []
        sentences: list[str] = []
        for system in self.systems:
            cell = evidence.capabilities[self.id].of(*system.split("@"))
            if cell is None:
                verdicts.append("untested")
                sentences.append(f"{system}: not looked into.")
                continue
            cells.setdefault(cell, []).append(system)
            verdicts.append(self._against(cell.answer))
        sentences += [f"{', '.join(systems)}: {cell.says}" for cell, systems in cells.items()]
        sources = tuple(dict.fromkeys(source for cell in cells for source in cell.sources))
        return Finding(of_several(verdicts), " ".join(sentences), sources=sources)

    def _against(self, answer: Answer) -> Verdict:
        if answer == "unknown":
            return "untested"
        if self.states == answer:
            return "right"
        return "imprecise" if "partly" in (self.states, answer) else "wrong"


class Sized(FileModel):
    """That systems make pictures of a size."""

    systems: Names[KnownSystem]
    size: Size

    def check(self, evidence: Evidence) -> Finding:
        """Return whether the systems make pictures of the size."""
        offers = [evidence.facts.find(system) for system in self.systems]
        makers = [offer.system for offer in offers if self.size in offer.sizes]
        clauses = [f"{_in_pixels(self.size)} is made by {', '.join(makers)}"] if makers else []
        clauses += [
            f"the largest picture of {offer.system} is {_in_pixels(offer.sizes[-1])}, not {_in_pixels(self.size)}"
            for offer in offers
            if offer.system not in makers
        ]
        verdicts: list[Verdict] = ["right" if offer.system in makers else "wrong" for offer in offers]
        return Finding(of_several(verdicts), _sentence(clauses))


class Served(FileModel):
    """That models can be asked on hosts, or on no others."""

    models: Names[KnownModel]
    hosts: Names[KnownHost]
    nowhere_else: bool = False

    def check(self, evidence: Evidence) -> Finding:
        """Return whether the models are offered on the hosts, or nowhere else.

        What was offered on the article's day and is not any more is outdated.
        """
        facts, day = evidence.facts, evidence.day
        if self.nowhere_else:
            return self._check_elsewhere(facts)
        verdicts: list[Verdict] = []
        systems_by_state: dict[str, list[str]] = {}
        verdict: Verdict
        for system in (f"{model}@{host}" for model in self.models for host in self.hosts):
            offer = facts.offers.get(system)
            if offer is None or (offer.released and offer.released > day):
                verdict, state = "wrong", "no source shows"
            elif offer.retired and offer.retired <= facts.read:
                verdict, state = "outdated" if offer.retired > day else "wrong", f"to be shut down on {offer.retired}"
            else:
                verdict, state = "right", "offered"
            verdicts.append(verdict)
            systems_by_state.setdefault(state, []).append(system)
        clauses = [f"{state}: {', '.join(systems)}" for state, systems in systems_by_state.items()]
        return Finding(of_several(verdicts), _sentence(clauses))

    def _check_elsewhere(self, facts: Facts) -> Finding:
        offers = (offer for offer in facts.offers.values() if offer.model in self.models)
        if others := [offer.system for offer in offers if offer.host not in self.hosts]:
            return Finding("wrong", f"It is also offered as {', '.join(others)}.")
        return Finding("right", f"No source shows it anywhere but on {', '.join(self.hosts)}.")


class SameModel(FileModel):
    """That names mean one model."""

    names: Names[Text]

    @model_validator(mode="after")
    def _check_names(self) -> SameModel:
        models = _models_by_name(read_facts())
        for n, name in enumerate(self.names):
            if plain_name(name) not in models:
                raise refused(f"no model is called {name!r}", "names", n)
        return self

    def check(self, evidence: Evidence) -> Finding:
        """Return whether the names mean one model."""
        models = {name: _models_by_name(evidence.facts)[plain_name(name)] for name in self.names}
        sentence = ", ".join(f"{name} is {model}" for name, model in models.items())
        return Finding("right" if len(set(models.values())) == 1 else "wrong", f"{sentence}.")


class Request(FileModel):
    """That a part of the request to a system is as stated; ``otherwise`` is the verdict where ours differs."""

    system: KnownSystem
    part: Literal["host", "path", "header", "field", "calls"]
    stated: Text
    otherwise: Literal["wrong", "outdated"]

    @model_validator(mode="after")
    def _check_fields(self) -> Request:
        facts = read_facts()
        if not facts.hosts[facts.offers[self.system].host].key_variables:
            why = f"the request to {self.system} depends on this machine; name a host that takes a key"
            raise refused(why, "system")
        if self.part == "calls":
            check_known(self.stated, ("one", "several"), "number of calls", "stated")
        return self

    def check(self, evidence: Evidence) -> Finding:
        """Return whether the request that TwinLens makes has the stated part; if not, the claim's sources say why."""
        is_so, words = self._compare(evidence.request(self.system))
        if is_so:
            return Finding("right", f"{words}, as TwinLens sends it.")
        offers, host = evidence.facts.offers.values(), evidence.facts.find(self.system).host
        titles = [each.title for each in offers if each.host == host and each.api_id == self.stated.rpartition("/")[2]]
        named = f" What the claim names is {titles[0]}." if titles and self.part == "path" else ""
        return Finding(self.otherwise, f"{words}.{named}")

    def _compare(self, request: HostRequest) -> tuple[bool, str]:
        match self.part:
            case "host":
                return self.stated == request.host, f"The server is {request.host}"
            case "path":
                return self.stated == request.path, f"The path is {request.path}"
            case "header":
                headers = ", ".join(request.headers)
                return self.stated.lower() in request.headers, f"The key goes into the header {headers}"
            case "calls":
                calls = "several" if request.is_polled else "one"
                task = "a task, which is asked for until it is ready, and a download"
                answer = task if request.is_polled else "the picture itself"
                return self.stated == calls, f"The answer to the first call is {answer}"
            case "field":
                is_there = self.stated in request.fields
                return is_there, f"There is {'a' if is_there else 'no'} field {self.stated}"


class Quality(FileModel):
    """What only pictures can show, and the row of the star table that compares them."""

    row: Text

    def check(self, evidence: Evidence) -> Finding:
        """Return that nothing here decides it."""
        return Finding("untested", f"Only pictures can tell: see the row {self.row!r} of the star table.")


class Cited(FileModel):
    """A verdict that the cited sources give and nothing computes."""

    verdict: Verdict

    def check(self, evidence: Evidence) -> Finding:
        """Return the verdict; the claim itself says why."""
        return Finding(self.verdict, "")


def _models_by_name(facts: Facts) -> dict[str, str]:
    return {plain_name(model): model for model in facts.models} | dict(facts.aliases)


def _in_pixels(size: str) -> str:
    side = SIZES[size]
    return f"{size} ({side} x {side}, {number(side * side / 1e6, 1)} megapixels)"


def _sentence(clauses: list[str]) -> str:
    words = "; ".join(clauses)
    return f"{words[:1].upper()}{words[1:]}."
