"""Own weights of the rows of a star table, from a mapping or a file, for the total in place of the eval's."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import ConfigDict, Field, RootModel, ValidationError, ValidationInfo, model_validator

from evals.facts.use_cases import LARGEST_WEIGHT
from evals.files.yaml_files import check_known, read_yaml, refused, sentence_of

Weights: TypeAlias = Mapping[str, float] | str | os.PathLike[str]
"""How much each row counts, by row id; or the YAML or JSON file that says so."""


class WeightsError(ValueError):
    """Weights were refused; the message is one sentence that says which, and what was meant."""


class _Weights(RootModel[dict[str, Annotated[float, Field(ge=0, le=LARGEST_WEIGHT)]]]):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> _Weights:
        for row in self.root:
            check_known(row, info.context["rows"] if info.context else (), "row of the star table", row)
        if not any(self.root.values()):
            raise refused("no row has a weight above 0, so nothing would count")
        return self


def read_weights(weights: Weights, rows: Iterable[str]) -> dict[str, float]:
    """Return how much each row counts in the total; a row that is not named has no weight.

    Parameters
    ----------
    weights
        By row id, from 0 to `evals.facts.use_cases.LARGEST_WEIGHT`, one of them above 0; or the path of a file of lines
        such as ``cost: 2``.
    rows
        The ids of all rows of the star table.

    Raises
    ------
    WeightsError
        If a row is unknown, or a weight is no number, negative or too large, or none is above 0.

    Examples
    --------
    >>> read_weights({"cost": 2, "precise": 0.5}, ["cost", "precise", "text"])
    {'cost': 2.0, 'precise': 0.5}
    """
    if not isinstance(weights, Mapping):
        return read_yaml(Path(weights), _Weights, WeightsError, rows=list(rows)).root
    try:
        plain = {row: _plain(weight) for row, weight in weights.items()}
        return _Weights.model_validate(plain, context={"rows": list(rows)}).root
    except ValidationError as problems:
        first = problems.errors(include_url=False)[0]
        steps = (*first["loc"], *first.get("ctx", {}).get("steps", ()))
        raise WeightsError(f"weights{f', row {steps[0]!r}' if steps else ''}: {sentence_of(first)}") from None


def _plain(weight: Any) -> Any:
    """Return a number of any library, as a column of a table has them, as a float."""
    try:
        return weight if isinstance(weight, bool) or not isinstance(weight, Real) else float(weight)
    except OverflowError:
        return math.inf
