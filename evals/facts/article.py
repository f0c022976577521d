"""What an article published, as data: its stars, advice and claims, from ``datasets/facts/article-2026-07.yaml``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from evals.data_files import data_path
from evals.facts.capabilities import read_capabilities
from evals.facts.claims import Claim
from evals.facts.claims_reading import read_claim
from evals.facts.models import Facts, FactsError, read_facts
from evals.facts.models_reading import read_sources
from evals.yaml_files import Section, meant, read_section

FEWEST_STARS, MOST_STARS = 1, 5


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """The stars that one column of a row gives: the name in the article, and the models that this name may mean."""

    name: str
    stars: float
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of the article's star table: two systems, in the article's order, and the source that it names."""

    id: str
    title: str
    source: str
    columns: tuple[PublishedCell, PublishedCell]


@dataclass(frozen=True, slots=True)
class PublishedUseCase:
    """One piece of the article's advice.

    Attributes
    ----------
    id, title
        The use case.
    recommends
        The system that is recommended first, as the article calls it.
    models
        The models that this name may mean.
    unless
        When the article recommends another one, and which; None where it does not.
    """

    id: str
    title: str
    recommends: str
    models: tuple[str, ...]
    unless: str | None


@dataclass(frozen=True, slots=True)
class Article:
    """An article: where and when it was published, what it claims, its stars and its advice."""

    title: str
    url: str
    day: date
    claims: tuple[Claim, ...]
    stars: tuple[PublishedRow, ...]
    use_cases: tuple[PublishedUseCase, ...]


def read_article(name: str = "article-2026-07", path: Path | None = None) -> Article:
    """Read and check an article by its name in ``datasets/facts``, or the one in a file; its sources are those there.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or given twice.

    Examples
    --------
    >>> first = read_article().stars[0]
    >>> first.id, [(column.name, column.stars) for column in first.columns]
    ('cinematic', [('Google Nano Banana 2', 4.0), ('Flux Pro (FLUX.2)', 5.0)])
    """
    facts, capabilities, sources = read_facts(), read_capabilities(), read_sources(data_path("facts/sources.yaml"))
    top = read_section(path or data_path(f"facts/{name}.yaml"), FactsError)
    top.only("title", "url", "day", "stars", "use_cases", "claims")
    return Article(
        title=top.text("title"),
        url=top.text("url"),
        day=top.day("day"),
        claims=tuple(
            read_claim(section, facts, capabilities, sources) for section in _distinct(top, "claims", "claim")
        ),
        stars=tuple(_row(section, facts) for section in _distinct(top, "stars", "row")),
        use_cases=tuple(_use_case(section, facts) for section in _distinct(top, "use_cases", "use case")),
    )


def _row(section: Section, facts: Facts) -> PublishedRow:
    section.only("id", "title", "source", "columns")
    columns = [_cell(inner, facts) for inner in section.sections("columns")]
    if len(columns) != 2:
        raise section.refuse("columns", f"a row compares two systems, not {len(columns)}")
    return PublishedRow(section.text("id"), section.text("title"), section.text("source"), (columns[0], columns[1]))


def _cell(section: Section, facts: Facts) -> PublishedCell:
    section.only("name", "stars", "models")
    stars = section.number("stars", least=FEWEST_STARS)
    if stars > MOST_STARS or stars * 2 != int(stars * 2):
        raise section.refuse("stars", f"{stars:g} is not in halves from {FEWEST_STARS} to {MOST_STARS}")
    return PublishedCell(section.text("name"), stars, _known_models(section, facts))


def _use_case(section: Section, facts: Facts) -> PublishedUseCase:
    section.only("id", "title", "recommends", "models", "unless")
    unless = section.text("unless") if section.has("unless") else None
    return PublishedUseCase(
        section.text("id"), section.text("title"), section.text("recommends"), _known_models(section, facts), unless
    )


def _distinct(top: Section, key: str, noun: str) -> Iterable[Section]:
    """Yield the entries of a list under their ids, none of which comes twice."""
    seen: set[str] = set()
    if not top.sections(key):
        raise top.refuse(key, "it is missing or empty")
    for entry in top.sections(key):
        id_ = entry.text("id")
        if id_ in seen:
            raise entry.refuse("id", f"{id_!r} is listed twice")
        seen.add(id_)
        yield entry.named(f"{noun} {id_!r}")


def _known_models(section: Section, facts: Facts) -> tuple[str, ...]:
    """Return the field ``models``, all of which the facts know."""
    known = {offer.model for offer in facts.offers.values()}
    models = section.names("models")
    for model in models:
        if model not in known:
            raise section.refuse("models", f"there is no {model!r} here; {meant(model, known)}", model)
    return models
