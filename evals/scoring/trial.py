"""One metric on trial: measured over the pictures of a run before it has a place in the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evals.imageset.imageset import read_image_set
from evals.imageset.prompts import with_one_text_a_prompt
from evals.run import Run, table_of
from evals.scoring.decoders import Decoders
from evals.scoring.encoders import choose_encoders, roles_of
from evals.scoring.engine import FeatureTable
from evals.scoring.features import FeatureCache
from evals.scoring.measuring import collect_needs, measure
from evals.scoring.plans import picture_keys
from evals.scoring.stage import no_progress
from evals.scoring.subjects import plan_subjects
from evals.scoring.table import schema
from metrics.specification import MetricSpec

if TYPE_CHECKING:
    import pandas as pd


def measure_metric(run: Run, spec: MetricSpec, device: str = "auto") -> pd.DataFrame:
    """Measure a metric over a run's pictures, its controls included, exactly as scoring would; nothing of it is kept.

    Features come from the run's cache and, where it has none, are computed and added to it. The run's own score table
    stays as it is.

    Parameters
    ----------
    run
        The run; its pictures must still be there.
    spec
        The metric, of the catalogue or not; in a notebook its ``function`` is ``__main__:name``.
    device
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    DataFrame
        Rows as in the score table, ``details`` left as JSON.

    Raises
    ------
    evals.imageset.imageset.ImageSetError
        If the pictures are gone, or no row of them is good any more.
    """
    image_set = read_image_set(run.copy or run.image_set, skip_bad=True)
    run.fetch(key.name for row in image_set.rows for key in picture_keys(row))
    rows = with_one_text_a_prompt(image_set.rows)
    encoders = choose_encoders(roles_of([spec]), device=device)
    cache = FeatureCache(run.path / "features")
    with cache.closing(), Decoders() as decoders:
        table = FeatureTable(image_set.folder, cache, decoders, no_progress, {})
        table.fill(collect_needs(((spec, plan) for plan in plan_subjects(spec, rows)), rows, encoders))
        measured = list(measure(spec, rows, encoders, table))
    return table_of(measured, schema().names)
