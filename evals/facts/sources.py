"""Who said what: ``datasets/facts/sources.yaml`` as objects, and how other files name its entries."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, RootModel, ValidationInfo

from evals.files.data_files import data_path
from evals.files.yaml_files import ById, Day, FileModel, Names, Text, check_known, read_yaml

TRUST = {
    "A": "official",
    "W": "wire capture of the vendor's own client",
    "R": "recorded from the live service by a third party",
    "C": "secondary",
    "I": "our inference",
}
"""How far a source is to be trusted, best first."""


class FactsError(ValueError):
    """The facts were refused, or do not know a system; the message is one sentence that says what to do."""


class Source(FileModel):
    """Who said something: what was read, where, on which day, and how far it is to be trusted (`TRUST`)."""

    id: Text
    what: Text
    url: Text | None = None
    read: Day
    trust: Literal["A", "W", "R", "C", "I"]

    def __str__(self) -> str:
        """Return what was read, how far to trust it and when it was read, as it stands beside a fact."""
        return f"{self.what} ({TRUST[self.trust]}, read {self.read})"


class _SourceFile(RootModel[ById[Source]]):
    pass


@functools.cache
def read_sources(path: Path | None = None) -> dict[str, Source]:
    """Read a file of sources by id, once a process; the one that comes with TwinLens by default.

    Raises
    ------
    FactsError
        If something in it is missing, unknown or of the wrong kind.
    """
    return read_yaml(path or data_path("facts/sources.yaml"), _SourceFile, FactsError).root


def _find_source(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    sources = (info.context or {}).get("sources") or read_sources()
    return sources[check_known(value, sources, "source")]


SourceById = Annotated[Source, BeforeValidator(_find_source)]
"""The id of a source in the file, the source in the model."""

SourcesById = Names[SourceById]
"""The ids of at least one source in the file, the sources in the model."""
