"""What people say of a run: a row "people" beside each row that was voted on, and how each metric does against them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import number_or_none
from evals.rating.stars.bradley_terry import SystemStrength, strengths_of
from evals.rating.stars.document import star_rows
from evals.rating.stars.table import suite_of
from evals.rating.statistics.bradley_terry import strengths_of_outcomes
from evals.rating.statistics.intervals import Estimate
from evals.run import Run
from evals.voting.agreement import one_voter_with_others, voters_alpha
from evals.voting.clusters import clustered_share, more_prompts
from evals.voting.fitting import FittedWeights, fit_weights
from evals.voting.judgements import PAIR, Voter, judgements, screen_voters
from evals.voting.metrics import MetricAgainstPeople, metrics_against_people
from evals.voting.store import read_votes


class Figure(TypedDict):
    """A number with its 95 % interval over ``n_prompts`` prompts; null where there is none."""

    value: float | None
    low: float | None
    high: float | None
    n_prompts: int


class PeopleShare(TypedDict):
    """A system's share of wins over all votes that it was in, a vote for neither counting half."""

    system: str
    share: Figure


class PeopleRow(TypedDict):
    """What people say on one row of the star table, asked one question.

    ``alpha`` is Krippendorff's, ``one_voter`` how often a vote is with the other voters: a metric that reaches it is
    worth one more voter. ``more_prompts`` says about how many more would tell the two systems apart that people
    like best (0: they are, null: no saying). ``strengths`` are Bradley-Terry's where more than two systems meet, or
    ``note`` says why there are none.
    """

    row: str
    title: str
    question: str
    n_votes: int
    n_voters: int
    n_prompts: int
    systems: list[PeopleShare]
    more_prompts: int | None
    strengths: list[SystemStrength]
    note: str | None
    alpha: Figure
    one_voter: Figure
    metrics: list[MetricAgainstPeople]


class People(TypedDict):
    """All that the votes of a run say; ``voters`` tells who failed the checks and is left out.

    ``n_elsewhere`` are votes of the others on pictures that the run does not have. ``fitted`` are weights fitted to the
    votes, where these were asked for.
    """

    n_votes: int
    n_elsewhere: int
    voters: list[Voter]
    rows: list[PeopleRow]
    fitted: list[FittedWeights]


def rate_people(run: Run, seed: int = 0, fit: bool = False, systems: Collection[str] | None = None) -> People | None:
    """Return what the votes of a run say, None where nobody has voted; ``fit`` asks for weights fitted to them.

    Of ``systems`` only votes between two of them count, where any are named.

    Raises
    ------
    VotingError
        If the votes are damaged.
    """
    votes = read_votes(run.path)
    if votes.empty:
        return None
    scores = run.read_scores(with_details=False)
    rows = {row.id: row for row in star_rows(scores, run.requests, run.definition)}
    titles = {row_id: row.title for row_id, row in rows.items()}
    primary = {row_id: list(row.metrics) for row_id, row in rows.items()}
    size = run.definition.size if run.definition else None
    suites = {row_id: suite_of(row, size) or "" for row_id, row in rows.items()}
    return people_of(votes, run.samples["system"], scores, suites, titles, primary, seed, fit, systems)


def people_of(
    votes: pd.DataFrame,
    systems: pd.Series[str],
    scores: pd.DataFrame,
    suites: Mapping[str, str],
    titles: Mapping[str, str] | None = None,
    primary: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    fit: bool = False,
    chosen: Collection[str] | None = None,
) -> People:
    """Return what votes say, from tables alone.

    Parameters
    ----------
    votes
        As `evals.voting.store.read_votes` returns them.
    systems
        The system of every sample, by sample_id.
    scores
        The score table.
    suites, titles, primary
        By row id: its suite, its title, and the metrics that its stars are made of.
    seed
        Of the bootstraps, and of the folds of a fit.
    fit
        Whether weights are fitted to the votes (`evals.voting.fitting.fit_weights`).
    chosen
        The systems between which votes count, all if None; voters who voted on none of these are not told of.
    """
    voters = screen_voters(votes)
    counted = judgements(votes, systems, voters)
    n_elsewhere = sum(voter["n_votes"] for voter in voters if not voter["left_out"]) - len(counted)
    if chosen is not None:
        counted = counted[counted[["system_a", "system_b"]].isin(list(chosen)).all(axis=1)]
        names = set(counted["voter"])
        voters = [voter for voter in voters if voter["left_out"] or voter["voter"] in names]
    rows = [
        _row(str(row_id), judged, scores, suites.get(str(row_id), ""), titles or {}, primary or {}, seed)
        for (row_id, _), judged in counted.groupby(["row", "question"], sort=False)
    ]
    order = list(titles or suites)
    rows.sort(key=lambda row: order.index(row["row"]) if row["row"] in order else len(order))
    fitted = fit_weights(counted, scores, suites, primary or {}, seed) if fit else []
    return People(n_votes=len(counted), n_elsewhere=n_elsewhere, voters=voters, rows=rows, fitted=fitted)


def _row(
    row_id: str,
    judged: pd.DataFrame,
    scores: pd.DataFrame,
    suite: str,
    titles: Mapping[str, str],
    primary: Mapping[str, Sequence[str]],
    seed: int,
) -> PeopleRow:
    systems = sorted({*judged["system_a"], *judged["system_b"]})
    shares = {system: _share(judged, system) for system in systems}
    best, second = sorted(systems, key=lambda system: -shares[system].value)[:2]
    duel = judged[judged[["system_a", "system_b"]].isin([best, second]).all(axis=1)]
    strengths, note = _strengths(judged, systems, seed) if len(systems) > 2 else ([], None)
    return PeopleRow(
        row=row_id,
        title=titles.get(row_id, row_id),
        question=str(judged["question"].iloc[0]),
        n_votes=len(judged),
        n_voters=int(judged["voter"].nunique()),
        n_prompts=int(judged["prompt"].nunique()),
        systems=[PeopleShare(system=system, share=figure(shares[system])) for system in systems],
        more_prompts=None if duel.empty else more_prompts(_share(duel, best)),
        strengths=strengths,
        note=note,
        alpha=figure(voters_alpha(judged, seed)),
        one_voter=figure(one_voter_with_others(judged, seed)),
        metrics=metrics_against_people(judged, scores, suite, primary.get(row_id, ()), seed),
    )


def figure(estimate: Estimate) -> Figure:
    """Return an estimate as it is written into documents."""
    value, low, high = map(number_or_none, (estimate.value, estimate.low, estimate.high))
    return Figure(value=value, low=low, high=high, n_prompts=estimate.n_prompts)


def _share(judged: pd.DataFrame, system: str) -> Estimate:
    of_system = judged[judged["system_a"].eq(system) | judged["system_b"].eq(system)]
    is_a = of_system["system_a"].eq(system)
    wins = of_system["preference"].where(is_a, 1 - of_system["preference"]).to_numpy(np.float64)
    prompts, voters = (pd.factorize(of_system[name])[0] for name in ("prompt", "voter"))
    return clustered_share(wins, prompts, voters)


def _strengths(judged: pd.DataFrame, systems: Sequence[str], seed: int) -> tuple[list[SystemStrength], str | None]:
    """Return Bradley-Terry strengths; a pair of a prompt is one meeting, shared out as its voters voted."""
    place = {system: n for n, system in enumerate(systems)}
    prompts, n_prompts = pd.factorize(judged["prompt"])[0], judged["prompt"].nunique()
    wins = np.zeros((n_prompts, len(systems), len(systems)))
    ties = wins.copy()
    weights = 1 / judged.groupby(PAIR)["preference"].transform("size")
    a, b = (judged[name].map(place).to_numpy() for name in ("system_a", "system_b"))
    for p, i, j, preference, weight in zip(prompts, a, b, judged["preference"], weights, strict=True):
        if preference == 0.5:
            ties[p, i, j] += weight
            ties[p, j, i] += weight
        else:
            wins[(p, i, j) if preference else (p, j, i)] += weight
    try:
        fitted = strengths_of_outcomes(wins, ties, systems, seed)
    except ValueError as error:
        return [], str(error)
    return strengths_of(fitted), fitted.unbounded
