"""The figures of a run: ``run.plot.stars()``; each is a matplotlib figure that the notebook shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evals.files.yaml_files import suggestion
from evals.notebook.frames import known_metric
from metrics.catalogue import metric as spec_of
from metrics.specification import MetricSpec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from evals.rating.stage import RunRatings
    from evals.rating.stars.scales import FrozenScale
    from evals.rating.stars.table import TableRow
    from evals.run import Run
    from metrics.controls import Control


class Plots:
    """What can be drawn of a run; a system has its colour and marker in all of it."""

    def __init__(self, run: Run, rate: Callable[..., RunRatings]) -> None:
        """Draw a run, of which ``rate`` returns what is said of it, or of a slice ``where`` a condition holds."""
        self._run, self._rate = run, rate

    def stars(self, where: str | None = None) -> Figure:
        """Draw the stars of every system in every measured or computed row, with intervals."""
        from evals.reporting.figures import with_legend
        from evals.reporting.metric_figures import star_figure
        from evals.reporting.stars import section

        stars = self._rate(where=where)["stars"]
        return with_legend(star_figure(section(stars)), stars["systems"])

    def metric(self, metric: str, where: str | None = None) -> Figure:
        """Draw the means of one metric by suite and system, with intervals; a hollow mark has none."""
        from evals.reporting.figures import with_legend
        from evals.reporting.metric_figures import interval_figure

        ratings = self._rate(where=where)
        rows = [row for row in ratings["rows"] if row["metric"] == known_metric(metric)]
        return with_legend(interval_figure(rows, ratings["systems"]), ratings["systems"])

    def pictures(self, row: str, n: int = 4) -> Figure:
        """Draw the pictures of up to ``n`` prompts that decided a row of the star table, the systems side by side.

        They are those that speak most clearly for the verdict, and the one that speaks most clearly against it. Above
        each stands its place on the scale of the row, from 0 to 1.
        """
        from evals.reporting.picture_figures import deciding_figure

        ratings = self._rate()
        chosen = self._row(row, ratings["stars"]["rows"]).copy()
        chosen["deciding"] = chosen["deciding"][: max(n, 0)]
        if not chosen["deciding"]:
            why = chosen["problem"] or f"the row is {chosen['kind']}, or its systems do not differ"
            raise ValueError(f"row {row!r}: no picture decides it ({why})")
        return deciding_figure(self._run, chosen, ratings["systems"])

    def distribution(
        self, metric: str | MetricSpec, control: Control | None = None, scores: pd.DataFrame | None = None
    ) -> Figure:
        """Draw how a metric's own values (filled) and those of a control (hatched) are distributed, by system.

        The control is the metric's first where none is named. ``scores`` are rows in place of the run's own score
        table, as `evals.scoring.trial.measure_metric` returns them for a metric that is in no catalogue.
        """
        from evals.reporting.metric_figures import distribution_figure

        spec = metric if isinstance(metric, MetricSpec) else spec_of(known_metric(metric))
        if control is None and not spec.controls:
            raise ValueError(f"metric {spec.id!r} has no control to hold its values against")
        table = self._run.scores if scores is None else scores
        systems = self._rate()["systems"]
        return distribution_figure(table, spec, control or spec.controls[0], systems, self._scale(spec.id))

    def shots(self) -> Figure:
        """Draw how alike the face of every shot of a sequence is to the first one's, by system."""
        from evals.rating.shots import similarity_by_shot
        from evals.reporting.metric_figures import shot_figure

        scale, scores = self._scale("identity.self"), self._run.scores
        if scale is not None:
            scores = scores[scores["suite"].isin([scale["suite"]])]
        shots = similarity_by_shot(scores, self._run.samples)
        return shot_figure(shots, self._rate()["systems"], scale["floor"] if scale else None)

    def pairs(self, measurements: pd.DataFrame) -> Figure:
        """Draw the two pictures of each measurement, some rows of a score table, and where they differ."""
        from evals.reporting.picture_figures import pair_figure

        rows = measurements.to_dict("records")
        titles = [f"{row['system']}, {row['prompt_id']}: {row['value']:.3g}" for row in rows]
        return pair_figure(self._run, [(title, row["subject"]) for title, row in zip(titles, rows, strict=True)])

    def operations(self, *figures: str) -> Figure:
        """Draw figures of the requests by size and system, such as ``operations.latency_p50``."""
        from evals.rating.stage import operations_of
        from evals.reporting.operations import FIGURES
        from evals.reporting.operations_figures import operations_figure

        names = [name if name in FIGURES else f"operations.{name}" for name in figures]
        for name in names:
            if name not in FIGURES:
                raise ValueError(f"there is no figure {name!r} of operations; {suggestion(name, FIGURES)}")
        systems = self._rate()["systems"]
        rows = [row for row in operations_of(self._run) if row["system"] in systems]
        return operations_figure(rows, systems, names)

    def people(self) -> Figure:
        """Draw what people voted: shares of wins by row, and how each row's metrics do against them."""
        from evals.notebook.people_figure import people_figure
        from evals.voting.people import rate_people

        people = rate_people(self._run)
        if people is None:
            raise ValueError(f"nobody has voted on this run; twinlens vote {self._run.path} lets people do it")
        return people_figure(people, self._rate()["systems"])

    def costs(self) -> Figure:
        """Draw what so many pictures a month cost, by system."""
        from evals.reporting.operations_figures import monthly_cost_figure

        stars = self._rate()["stars"]
        return monthly_cost_figure(stars["costs"], stars["systems"])

    def _row(self, name: str, rows: Sequence[TableRow]) -> TableRow:
        by_id = {row["id"]: row for row in rows}
        if name not in by_id:
            raise ValueError(f"the star table has no row {name!r}; {suggestion(name, by_id)}")
        return by_id[name]

    def _scale(self, metric_id: str) -> FrozenScale | None:
        """Return the first scale of a metric in the star table, None where no row has it."""
        parts = (part for row in self._rate()["stars"]["rows"] for part in row["components"])
        return next((part["scale"] for part in parts if part["metric"] == metric_id), None)
