"""Identity along a sequence: how alike each shot's face is to the first one's, shot by shot."""

from __future__ import annotations

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.statistics.estimates import score_means
from metrics.catalogue import METRICS, primary_metrics

DRIFT = next(spec for spec in METRICS if "shots" in spec.derived)
"""The metric whose details hold the similarity of every shot to the first."""


class ShotMean(TypedDict):
    """The mean over ``n_sequences`` sequences of one shot's similarity to the first, and its 95 % interval.

    ``low`` and ``high`` are None below five sequences.
    """

    system: str
    shot: int
    n_sequences: int
    mean: float
    low: float | None
    high: float | None


def similarity_by_shot(scores: pd.DataFrame, samples: pd.DataFrame, seed: int = 0) -> list[ShotMean]:
    """Return for every system and shot how alike the face is to that of the sequence's first shot.

    The sequence is the unit: its repeats are averaged inside it. The first shot with a face is left out, it is 1 by
    definition; a shot without a face has no similarity and is in no mean.

    Parameters
    ----------
    scores
        The score table with ``details`` as dicts, one suite of it or all; only `DRIFT` is read.
    samples
        The rows of the image set by sample id, with the column ``shot`` where it has sequences.
    seed
        Of the bootstrap.

    Examples
    --------
    >>> details = {"similarities": {"a": 1.0, "b": 0.75, "c": 0.5}}
    >>> table = pd.DataFrame([{"system": "x", "suite": "s", "sequence_id": "kim", "metric": "identity.drift",
    ...                        "control": None, "details": details}])
    >>> samples = pd.DataFrame({"shot": [1, 2, 3]}, index=["a", "b", "c"])
    >>> [(row["shot"], row["mean"]) for row in similarity_by_shot(table, samples)]
    [(2, 0.75), (3, 0.5)]
    """
    drifts = scores[(scores["metric"] == DRIFT.id) & scores["control"].isna()]
    shots = samples["shot"] if "shot" in samples else pd.Series(dtype=float)
    rows = [
        (row["system"], int(shots[sample]), f"{row['suite']} {row['sequence_id']}", similarity)
        for row in drifts.to_dict("records")
        for sample, similarity in [
            (sample, value) for sample, value in row["details"].get("similarities", {}).items() if value is not None
        ][1:]
    ]
    table = pd.DataFrame(rows, columns=["system", "shot", "sequence", "similarity"])
    by_sequence = table.pivot_table(index="sequence", columns=["system", "shot"], values="similarity", aggfunc="mean")
    values = by_sequence.to_numpy(np.float64)
    estimates = score_means(values, primary_metrics(DRIFT.dimension)[0].range, seed) if values.size else []
    return [
        ShotMean(
            system=str(system),
            shot=int(shot),
            n_sequences=estimate.n_prompts,
            mean=estimate.value,
            low=number_or_none(estimate.low),
            high=number_or_none(estimate.high),
        )
        for system, shot, estimate in zip(
            by_sequence.columns.get_level_values(0), by_sequence.columns.get_level_values(1), estimates, strict=True
        )
    ]
