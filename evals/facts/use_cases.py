"""Use cases: what matters for whom, as weights of the star table's rows, from ``datasets/facts/use-cases.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from evals.facts.capabilities import read_capabilities
from evals.facts.models import KnownHost
from evals.facts.sources import FactsError
from evals.files.data_files import data_path
from evals.files.yaml_files import DistinctEntries, FileModel, Text, check_known, read_yaml, refused

LARGEST_WEIGHT = 1e6

Weight: TypeAlias = Annotated[float, Field(gt=0, le=LARGEST_WEIGHT)]
"""How much a row or metric counts beside others; of far larger numbers the sum would be infinite."""


class Requirements(FileModel):
    """What a system must be able to do: a capability not answered with no by the cited facts, a host of its model."""

    capability: Annotated[
        Text | None, AfterValidator(lambda name: name and check_known(name, read_capabilities(), "capability"))
    ] = None
    host: KnownHost | None = None


class UseCase(FileModel):
    """A weight profile: how much each row counts for whom, why, and what a system must be able to do."""

    id: Text
    title: Text
    why: str = ""
    weights: dict[str, Weight]
    requires: Requirements = Requirements()

    @model_validator(mode="after")
    def _check(self) -> UseCase:
        if not self.weights:
            raise refused("it is empty; name the rows that count, as in {precise: 2}", "weights")
        return self


class _UseCaseFile(FileModel):
    version: Annotated[int, Field(ge=1)]
    use_cases: DistinctEntries[UseCase]


def read_use_cases(path: Path | None = None) -> tuple[UseCase, ...]:
    """Read and check the use cases that come with TwinLens, or those of a file.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or given twice.

    Examples
    --------
    >>> [case.id for case in read_use_cases()][:3]
    ['production-at-scale', 'prototyping', 'budget']
    """
    return read_yaml(path or data_path("facts/use-cases.yaml"), _UseCaseFile, FactsError).use_cases
