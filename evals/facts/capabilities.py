"""What systems can do by their documents, as cited cells: reads ``datasets/facts/capabilities.yaml``."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evals.data_files import data_path
from evals.facts.models import FactsError, read_facts
from evals.facts.models_reading import Source, read_sources
from evals.yaml_files import Section, meant, read_section

ANSWERS = ("yes", "partly", "no", "unknown")

LEVELS = 5
"""How many levels a rubric has; a level is its number of stars."""

COMPUTED = ("companies",)
"""What a level can be counted from in place of standing in each cell: the companies that serve a model."""

BATCH, VOLUME_DISCOUNT = "batch", "volume_discount"
"""The capabilities that say what many pictures save."""

_OWN_FIELD = {"discount": BATCH, "claimed": VOLUME_DISCOUNT}


@dataclass(frozen=True, slots=True)
class ClaimedDiscount:
    """What somebody says, without a source, that a large number of pictures saves: a share of the list price."""

    from_images: int
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer: for which models and hosts (all of the models' if empty), in a sentence, and who says so.

    Attributes
    ----------
    level
        The highest level of the capability's rubric that the sources prove, from 1; None where nobody knows the
        answer, where the level is computed and where there is no rubric.
    discount
        What waiting saves, as a share of the list price; told of the capability ``batch`` only.
    claimed
        What many pictures a month are said to save; told of ``volume_discount`` only, and only where nobody knows.
    """

    models: tuple[str, ...]
    hosts: tuple[str, ...]
    answer: str
    says: str
    sources: tuple[Source, ...]
    level: int | None = None
    discount: float | None = None
    claimed: ClaimedDiscount | None = None


@dataclass(frozen=True, slots=True)
class Capability:
    """One question about systems and the answers that are known.

    Attributes
    ----------
    rubric
        What earns one star, two, and so on, each in a sentence; empty where more is not better for everyone.
    computed
        What the levels are counted from (`COMPUTED`), None where the cells hold them.
    """

    id: str
    question: str
    cells: tuple[Cell, ...]
    rubric: tuple[str, ...] = ()
    computed: str | None = None

    def of(self, model: str, host: str) -> Cell | None:
        """Return the answer for a system, None if it was not looked into.

        Examples
        --------
        >>> read_capabilities()["lora"].of("flux-2-pro", "bfl").answer
        'no'
        """
        fitting = (cell for cell in self.cells if model in cell.models and (host in cell.hosts or not cell.hosts))
        return next(fitting, None)


def read_capabilities(path: Path | None = None) -> Mapping[str, Capability]:
    """Read and check the capabilities by id, those that come with TwinLens by default; sources lie beside the file.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or answered twice.
    """
    return (_read(path) if path is not None else _read_own())[0]


def read_companies() -> Mapping[str, str]:
    """Return who runs each host; a host that is missing is one's own machine.

    Examples
    --------
    >>> companies = read_companies()
    >>> companies["google"], companies["vertex"], "local" in companies
    ('Google', 'Google', False)
    """
    return _read_own()[1]


@functools.cache
def _read_own() -> tuple[dict[str, Capability], dict[str, str]]:
    return _read(data_path("facts/capabilities.yaml"))


def _read(path: Path) -> tuple[dict[str, Capability], dict[str, str]]:
    sources = read_sources(path.parent / "sources.yaml")
    top = read_section(path, FactsError).only("read", "companies", "capabilities")
    top.day("read")
    facts = read_facts()
    offered: dict[str, set[str]] = {}
    for offer in facts.offers.values():
        offered.setdefault(offer.model, set()).add(offer.host)
    run_by = top.section("companies").only(*facts.hosts)
    section = top.section("capabilities")
    capabilities = {id_: _capability(section.section(id_), id_, offered, sources) for id_ in section.nodes}
    return capabilities, {host: run_by.text(host) for host in run_by.nodes}


def _capability(
    section: Section, id_: str, offered: Mapping[str, set[str]], sources: Mapping[str, Source]
) -> Capability:
    section = section.named(f"capability {id_!r}").only("question", "rubric", "computed", "cells")
    rubric = section.names("rubric", ())
    if rubric and len(rubric) != LEVELS:
        raise section.refuse("rubric", f"it has {len(rubric)} levels; write {LEVELS}, from one star to {LEVELS}")
    computed = section.text("computed") if section.has("computed") else None
    if computed is not None:
        _known(section, "computed", (computed,), COMPUTED)
        if not rubric:
            raise section.refuse("computed", "there is no rubric whose level could be computed")
    answered: set[tuple[str, str]] = set()
    cells: list[Cell] = []
    for inner in section.sections("cells"):
        for field, owner in _OWN_FIELD.items():
            if inner.has(field) and id_ != owner:
                raise inner.refuse(field, f"it belongs to the capability {owner!r} alone")
        cell = _cell(inner, offered, sources, has_levels=bool(rubric) and computed is None)
        systems = {(model, host) for model in cell.models for host in cell.hosts or offered[model]}
        if twice := systems & answered:
            raise inner.refuse("models", f"{'@'.join(min(twice))} is answered twice")
        answered |= systems
        cells.append(cell)
    return Capability(id_, section.text("question"), tuple(cells), rubric, computed)


def _cell(
    section: Section, offered: Mapping[str, set[str]], sources: Mapping[str, Source], *, has_levels: bool
) -> Cell:
    section.only("models", "hosts", "answer", "level", "discount", "claimed", "says", "sources")
    models, hosts = section.names("models"), section.names("hosts", ())
    _known(section, "models", models, offered)
    for model in models:
        _known(section, "hosts", hosts, set().union(*offered.values()) if len(models) > 1 else offered[model])
    # YAML takes a bare yes or no for true or false.
    answer = section.plain("answer") if section.has("answer") else section.text("answer")
    _known(section, "answer", (answer,), ANSWERS)
    level = _level(section, answer, has_levels)
    claimed = _claimed(section.section("claimed")) if section.has("claimed") else None
    if claimed and answer != "unknown":
        raise section.refuse("claimed", "where there is an answer no claim is needed; leave it out")
    told_by = section.names("sources", () if answer == "unknown" else None)
    _known(section, "sources", told_by, sources)
    return Cell(
        models=models,
        hosts=hosts,
        answer=answer,
        says=section.text("says"),
        sources=tuple(sources[id_] for id_ in told_by),
        level=level,
        discount=_share(section, "discount") if section.has("discount") else None,
        claimed=claimed,
    )


def _claimed(section: Section) -> ClaimedDiscount:
    section.only("from_images", "least", "most")
    least, most = _share(section, "least"), _share(section, "most")
    if most < least:
        raise section.refuse("most", f"{most:g} is less than the least, {least:g}")
    return ClaimedDiscount(section.integer("from_images", least=1), least, most)


def _share(section: Section, key: str) -> float:
    share = section.number(key)
    if not 0 < share < 1:
        raise section.refuse(key, f"{share:g} is no share between 0 and 1; half is 0.5")
    return share


def _level(section: Section, answer: str, has_levels: bool) -> int | None:
    if not has_levels or answer == "unknown":
        if section.has("level"):
            why = "nobody knows the answer" if has_levels else "the capability's cells have no levels"
            raise section.refuse("level", f"{why}; leave it out")
        return None
    if not section.has("level"):
        raise section.refuse(None, "the level is missing; say which one of the rubric the sources prove")
    level = section.integer("level", least=1)
    if level > LEVELS:
        raise section.refuse("level", f"{level} is too large; the rubric has {LEVELS} levels")
    if (answer == "no") != (level == 1):
        raise section.refuse("level", f"{level} does not go with the answer {answer!r}; no is level 1, and only no is")
    if level == LEVELS and answer != "yes":
        raise section.refuse("level", f"{level} does not go with the answer {answer!r}; the highest is for yes")
    return level


def _known(section: Section, key: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise section.refuse(key, f"there is no {name!r} here; {meant(name, known)}")
