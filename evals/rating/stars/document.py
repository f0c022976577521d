"""The star document of a run: its table, totals, recommendations and monthly costs, ready to be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from typing_extensions import TypedDict

from evals.definition import EvalDefinition, StarRow
from evals.facts.article import read_article
from evals.facts.use_cases import UseCase, read_use_cases
from evals.rating.controls import ControlStatistic
from evals.rating.monthly_cost import MonthlyCost, monthly_costs
from evals.rating.operations import SystemOperations
from evals.rating.stars.article import ArticleStars, against_article
from evals.rating.stars.bradley_terry import BradleyTerryStrengths, bradley_terry_strengths
from evals.rating.stars.deciding import name_deciding_prompts
from evals.rating.stars.primary_metrics import rows_without_eval
from evals.rating.stars.recommendations import Recommendation, recommend, weigh
from evals.rating.stars.table import TableRow, rate_rows, rating_inputs
from evals.rating.stars.totals import Totals, totals
from evals.rating.stars.verdicts import settle
from metrics.scale import SCALES_VERSION


class Stars(TypedDict):
    """Everything that is said in stars.

    ``simulated`` are the systems of which nothing real was measured. ``article_stars`` holds the article's rows by row
    id where the eval names an article, ``costs`` what many pictures a month cost. ``n_compared`` comparisons were
    corrected together (`evals.rating.stars.verdicts.settle`); ``own_weights`` says that the total is under weights
    that are not the eval's.
    """

    scales_version: int
    systems: list[str]
    simulated: list[str]
    rows: list[TableRow]
    totals: Totals
    bradley_terry: BradleyTerryStrengths | None
    article_stars: dict[str, ArticleStars]
    recommendations: list[Recommendation]
    costs: list[MonthlyCost]
    n_compared: int
    own_weights: bool


def award_stars(
    scores: pd.DataFrame,
    requests: pd.DataFrame | None,
    controls: Sequence[ControlStatistic],
    operations: Sequence[SystemOperations],
    definition: EvalDefinition | None = None,
    seed: int = 0,
    weights: Mapping[str, float] | None = None,
) -> Stars:
    """Return the star table of a run with all that follows from it.

    Rows, totals and use cases are all rated before anybody is named: what may be said of each depends on how many are
    compared (`evals.rating.stars.verdicts.settle`).

    Parameters
    ----------
    scores, requests
        The tables of the run, prompts that ask for the same under one id; ``requests`` is None where it does not tell
        them.
    controls, operations
        What was computed from the tables already.
    definition
        The eval that the run is of. Without one, each suite gets a row a dimension.
    seed
        Of the bootstrap; the same tables and seed give the same stars.
    weights
        By row id, for the total in place of the rows' own.
    """
    rows = star_rows(scores, requests, definition)
    systems_and_size = (definition.systems, definition.size) if definition else ((), None)
    inputs = rating_inputs(scores, requests, controls, *systems_and_size)
    rated = rate_rows(rows, inputs, seed)
    table, systems = [one.row for one in rated], list(inputs.systems)
    simulated = {row["system"] for row in operations if row["simulated"]}
    total = totals(rated, systems, weights)
    weighed = [weigh(case, rated, systems) for case in _use_cases(definition)]
    n_compared = settle(rated, [total, *(one.totals for one in weighed if one.may_name)])
    name_deciding_prompts(rated)
    article = read_article(definition.published) if definition and definition.published else None
    advice = {case.id: case for case in article.use_cases} if article and not simulated else {}
    article_rows = {row.id: row for row in article.stars} if article else {}
    costs = monthly_costs(systems, definition.size if definition else "1K", operations=operations or None)
    return Stars(
        scales_version=SCALES_VERSION,
        systems=systems,
        simulated=[system for system in systems if system in simulated],
        rows=table,
        totals=total,
        bradley_terry=bradley_terry_strengths(rated, systems, seed),
        article_stars={
            row["id"]: against_article(row, article_rows[row["id"]], systems, simulated)
            for row in table
            if row["id"] in article_rows
        },
        recommendations=[recommend(one, advice.get(one.case.id)) for one in weighed],
        costs=costs,
        n_compared=n_compared,
        own_weights=weights is not None,
    )


def star_rows(
    scores: pd.DataFrame, requests: pd.DataFrame | None, definition: EvalDefinition | None
) -> tuple[StarRow, ...]:
    """Return the rows of a run's star table: those of its eval, without one a row a suite and dimension."""
    has_requests = requests is not None and not requests.empty
    return definition.rows if definition else rows_without_eval(scores, has_requests)


def _use_cases(definition: EvalDefinition | None) -> list[UseCase]:
    """Return the use cases of an eval, then those that come with TwinLens and of which it has none of its own."""
    cases = {case.id: case for case in definition.use_cases} if definition else {}
    return [*cases.values(), *(case for case in read_use_cases() if case.id not in cases)]
