"""What systems can do by their documents, as cited cells: reads ``datasets/facts/capabilities.yaml``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from evals.facts.models import KnownHost, KnownModel, read_facts
from evals.facts.sources import FactsError, SourcesById, read_sources
from evals.files.data_files import data_path
from evals.files.yaml_files import ById, Day, Entries, FileModel, Names, Text, check_known, read_yaml, refused

Answer = Literal["yes", "partly", "no", "unknown"]

LEVELS = 5
"""How many levels a rubric has; a level is its number of stars."""

BATCH, VOLUME_DISCOUNT = "batch", "volume_discount"
"""The capabilities that say what many pictures save."""

_FIELDS_OF_ONE_CAPABILITY = {"discount": BATCH, "claimed": VOLUME_DISCOUNT}


def _check_share(share: float) -> float:
    if not 0 < share < 1:
        raise refused(f"{share:g} is no share between 0 and 1; half is 0.5")
    return share


_Share = Annotated[float, AfterValidator(_check_share)]


class ClaimedDiscount(FileModel):
    """What somebody says, without a source, that a large number of pictures saves: a share of the list price."""

    from_images: Annotated[int, Field(ge=1)]
    least: _Share
    most: _Share

    @model_validator(mode="after")
    def _check(self) -> ClaimedDiscount:
        if self.most < self.least:
            raise refused(f"{self.most:g} is less than the least, {self.least:g}", "most")
        return self


class Cell(FileModel):
    """One answer: for which models and hosts (all of the models' if empty), in a sentence, and who says so.

    ``level`` is the highest of the capability's rubric that the sources prove, from 1; None where nobody knows the
    answer, where it is computed and where there is no rubric. ``discount`` is the share of the list price that waiting
    saves (of ``batch`` only); ``claimed`` what many pictures a month are said to save (of ``volume_discount`` only, and
    only where nobody knows).
    """

    models: Names[KnownModel]
    hosts: Names[KnownHost] = ()
    answer: Answer
    says: Text
    sources: SourcesById = ()
    level: Annotated[int, Field(ge=1, le=LEVELS)] | None = None
    discount: _Share | None = None
    claimed: ClaimedDiscount | None = None

    @model_validator(mode="after")
    def _check(self) -> Cell:
        if len(self.models) == 1:
            for n, host in enumerate(self.hosts):
                check_known(host, self._offered(self.models[0]), f"host of {self.models[0]}", "hosts", n)
        if self.claimed and self.answer != "unknown":
            raise refused("where there is an answer no claim is needed; leave it out", "claimed")
        if not self.sources and self.answer != "unknown":
            raise refused("it is missing", "sources")
        return self

    def level_problem(self, has_levels: bool) -> str | None:
        """Return why the level does not go with the answer, in a capability that has levels or has none."""
        if not has_levels or self.answer == "unknown":
            why = "nobody knows the answer" if has_levels else "the capability's cells have no levels"
            return f"{why}; leave it out" if self.level is not None else None
        if self.level is None:
            return "the level is missing; say which one of the rubric the sources prove"
        if (self.answer == "no") != (self.level == 1):
            return f"{self.level} does not go with the answer {self.answer!r}; no is level 1, and only no is"
        if self.level == LEVELS and self.answer != "yes":
            return f"{self.level} does not go with the answer {self.answer!r}; the highest is for yes"
        return None

    def systems(self) -> set[tuple[str, str]]:
        """Return model and host of every system that the cell answers for."""
        return {(model, host) for model in self.models for host in self.hosts or self._offered(model)}

    @staticmethod
    def _offered(model: str) -> list[str]:
        return [offer.host for offer in read_facts().offers.values() if offer.model == model]


class Capability(FileModel):
    """One question about systems and the answers that are known.

    ``rubric`` says in a sentence each what earns one star, two, and so on; it is empty where more is not better for
    everyone. Levels that are ``computed`` are counted, from the companies that serve a model, and stand in no cell.
    """

    id: Text
    question: Text
    rubric: Names[Text] = ()
    computed: Literal["companies"] | None = None
    cells: Entries[Cell]

    def of(self, model: str, host: str) -> Cell | None:
        """Return the answer for a system, None if it was not looked into.

        Examples
        --------
        >>> read_capabilities()["lora"].of("flux-2-pro", "bfl").answer
        'no'
        """
        fitting = (cell for cell in self.cells if model in cell.models and (host in cell.hosts or not cell.hosts))
        return next(fitting, None)

    @model_validator(mode="after")
    def _check(self) -> Capability:
        if self.rubric and len(self.rubric) != LEVELS:
            raise refused(f"it has {len(self.rubric)} levels; write {LEVELS}, from one star to {LEVELS}", "rubric")
        if self.computed and not self.rubric:
            raise refused("there is no rubric whose level could be computed", "computed")
        answered: set[tuple[str, str]] = set()
        for n, cell in enumerate(self.cells):
            for field, owner in _FIELDS_OF_ONE_CAPABILITY.items():
                if getattr(cell, field) is not None and self.id != owner:
                    raise refused(f"it belongs to the capability {owner!r} alone", "cells", n, field)
            if problem := cell.level_problem(has_levels=bool(self.rubric) and self.computed is None):
                raise refused(problem, "cells", n, "level")
            if twice := cell.systems() & answered:
                raise refused(f"{'@'.join(min(twice))} is answered twice", "cells", n, "models")
            answered |= cell.systems()
        return self


class _CapabilityFile(FileModel):
    read: Day
    companies: dict[KnownHost, Text]
    capabilities: ById[Capability]


def read_capabilities(path: Path | None = None) -> Mapping[str, Capability]:
    """Read and check the capabilities by id, those that come with TwinLens by default; sources lie beside the file.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or answered twice.
    """
    return _read(path).capabilities


def read_companies() -> Mapping[str, str]:
    """Return who runs each host; a host that is missing is one's own machine."""
    return _read().companies


@functools.cache
def _read(path: Path | None = None) -> _CapabilityFile:
    path = path or data_path("facts/capabilities.yaml")
    return read_yaml(path, _CapabilityFile, FactsError, sources=read_sources(path.parent / "sources.yaml"))
