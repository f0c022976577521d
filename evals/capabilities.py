"""What systems can do by their documents, as cited cells: reads ``datasets/facts/capabilities.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evals.data_files import data_path
from evals.fields import Section, meant, read_section
from evals.generation.facts import FactsError, read_facts
from evals.generation.facts_reading import Source, read_sources

ANSWERS = ("yes", "partly", "no", "unknown")


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer: for which models and hosts (all of the models' if empty), in a sentence, and who says so."""

    models: tuple[str, ...]
    hosts: tuple[str, ...]
    answer: str
    says: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    """One question about systems and the answers that are known."""

    id: str
    question: str
    cells: tuple[Cell, ...]

    def of(self, model: str, host: str) -> Cell | None:
        """Return the answer for a system, None if it was not looked into.

        Examples
        --------
        >>> read_capabilities()["lora"].of("flux-2-pro", "bfl").answer
        'no'
        """
        fitting = (cell for cell in self.cells if model in cell.models and (host in cell.hosts or not cell.hosts))
        return next(fitting, None)


def read_capabilities(path: Path | None = None) -> dict[str, Capability]:
    """Read and check the capabilities by id, those that come with TwinLens by default; sources lie beside the file.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or answered twice.
    """
    path = path or data_path("facts/capabilities.yaml")
    sources = read_sources(path.parent / "sources.yaml")
    top = read_section(path, FactsError).only("read", "capabilities")
    top.day("read")
    offered: dict[str, set[str]] = {}
    for offer in read_facts().offers.values():
        offered.setdefault(offer.model, set()).add(offer.host)
    section = top.section("capabilities")
    return {id_: _capability(section.section(id_), id_, offered, sources) for id_ in section.nodes}


def _capability(
    section: Section, id_: str, offered: Mapping[str, set[str]], sources: Mapping[str, Source]
) -> Capability:
    section = section.named(f"capability {id_!r}").only("question", "cells")
    answered: set[tuple[str, str]] = set()
    cells: list[Cell] = []
    for inner in section.sections("cells"):
        cell = _cell(inner, offered, sources)
        systems = {(model, host) for model in cell.models for host in cell.hosts or offered[model]}
        if twice := systems & answered:
            raise inner.refuse("models", f"{'@'.join(min(twice))} is answered twice")
        answered |= systems
        cells.append(cell)
    return Capability(id_, section.text("question"), tuple(cells))


def _cell(section: Section, offered: Mapping[str, set[str]], sources: Mapping[str, Source]) -> Cell:
    section.only("models", "hosts", "answer", "says", "sources")
    models, hosts = section.names("models"), section.names("hosts", ())
    _known(section, "models", models, offered)
    for model in models:
        _known(section, "hosts", hosts, set().union(*offered.values()) if len(models) > 1 else offered[model])
    # YAML takes a bare yes or no for true or false.
    answer = section.plain("answer") if section.has("answer") else section.text("answer")
    _known(section, "answer", (answer,), ANSWERS)
    told_by = section.names("sources", () if answer == "unknown" else None)
    _known(section, "sources", told_by, sources)
    return Cell(models, hosts, answer, section.text("says"), tuple(sources[id_] for id_ in told_by))


def _known(section: Section, key: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise section.refuse(key, f"there is no {name!r} here; {meant(name, known)}")
