"""The stages of an evaluation, in the order in which data flows: generation, image set, scoring, rating, reporting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evals.notebook.run import NotebookRun
    from evals.rating.stage import RunRatings
    from evals.rating.weights import Weights
    from evals.run import Run

__all__ = ["load_run", "rate_run"]


def load_run(path: str | Path, systems: Sequence[str] = ()) -> NotebookRun:
    """Load a scored run for a notebook: it shows itself, and has its tables and figures (`evals.notebook.run`).

    Of a run of more, ``systems`` are those to look at; the verdicts stay those of the whole run.

    Raises
    ------
    evals.run.RunError
        If the folder is not a scored run.
    """
    from evals.notebook.run import NotebookRun

    return NotebookRun(path, systems)


def rate_run(run: Run, weights: Weights | None = None, where: str | None = None) -> RunRatings:
    """Return the ratings of a run, whole, with own weights, or of a slice (see `evals.rating.stage.rate_run`)."""
    from evals.rating.stage import rate_run

    return rate_run(run, weights, where)
