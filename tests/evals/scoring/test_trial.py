"""A metric on trial is measured as the same metric of the catalogue is, and the run stays as it was."""

import dataclasses

import numpy as np
import pytest

from evals.scoring.stage import score
from evals.scoring.trial import measure_metric
from metrics.catalogue import metric

COMPARED = ["system", "subject", "control", "value", "reason"]


@pytest.fixture
def run(repeats, tmp_path):
    return score(repeats, tmp_path / "run", ["reproducibility.mean_difference"])


def test_it_gives_what_scoring_gives_and_changes_no_table(run):
    known = metric("reproducibility.mean_difference")
    before = (run.path / "scores.parquet").read_bytes()
    found = measure_metric(run, dataclasses.replace(known, id="own.difference"))
    scored = run.scores[COMPARED].map(lambda value: list(value) if isinstance(value, np.ndarray) else value)
    assert found[COMPARED].astype(object).where(found[COMPARED].notna(), None).values.tolist() == (
        scored.astype(object).where(scored.notna(), None).values.tolist()
    )
    assert set(found["metric"]) == {"own.difference"}
    assert set(found["control"].dropna()) == {"different_seed", "identical_image"}
    assert (run.path / "scores.parquet").read_bytes() == before


def test_features_that_the_run_lacks_are_computed_once_and_kept(run):
    palettes = dataclasses.replace(
        metric("brand.consistency"), id="own.palette", columns=(), controls=(), subject="repeats"
    )
    assert not (run.path / "features" / "palette").exists()
    first = measure_metric(run, palettes)
    shards = sorted((run.path / "features" / "palette").rglob("*.shard"))
    assert first["value"].notna().all()
    assert measure_metric(run, palettes)["value"].tolist() == first["value"].tolist()
    assert sorted((run.path / "features" / "palette").rglob("*.shard")) == shards


def test_a_set_that_has_nothing_to_measure_gives_an_empty_table(run):
    found = measure_metric(run, metric("text.cer"))
    assert found.empty
    assert {"metric", "value", "control"} <= set(found.columns)
