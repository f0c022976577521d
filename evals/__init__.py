"""The stages of an evaluation, in the order in which data flows: image set, scoring, rating, reporting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evals.run import Run

__all__ = ["load_run"]


def load_run(path: str | Path) -> Run:
    """Load a scored run for a notebook: ``.scores`` and ``.samples`` are pandas tables, ``.ratings()`` a dict.

    Raises
    ------
    evals.run.RunError
        If the folder is not a scored run.
    """
    from evals.run import Run

    return Run(path)
