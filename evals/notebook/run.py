"""The run that a notebook holds: the files of a scored run, what is said of it as tables, and its figures."""

from __future__ import annotations

import functools
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from evals.imageset.visible import visible
from evals.notebook import frames
from evals.notebook.frames import Table
from evals.notebook.plots import Plots
from evals.rating.selection import find_systems, select_ratings
from evals.rating.stage import RunRatings, operations_of, rate_run
from evals.rating.weights import Weights
from evals.reporting.answer import Answer, answer
from evals.reporting.formatting import join_names, pluralize
from evals.run import Run
from evals.voting.people import rate_people

_FALSE_ALARMS = 0.05
"""The share of families without any difference that name a system (`evals.rating.stars.verdicts.settle`)."""


class NotebookRun(Run):
    """A scored run that shows itself: ``run``, ``run.stars()``, ``run.verdicts()``, ``run.plot.stars()``.

    Two arguments come back. ``weights`` says how much each row counts in the total, in place of the eval's weights: a
    mapping by row id, or a YAML or JSON file; rows that are not named count nothing. ``where`` is a condition over the
    columns of ``run.samples``, such as ``language == "de" and width >= 1024`` or ``"poster" in tags``
    (`evals.rating.conditions.read_condition`); what it holds of is rated by itself, with scales and controls that are
    measured anew on it.

    Each of these is a family of comparisons of its own. ``attrs["family"]`` of a table is how many were corrected
    together, and its notes say what trying several does to the doubt.
    """

    def __init__(self, path: str | Path, systems: Sequence[str] = ()) -> None:
        """Open a run, of some of its systems where they are named; the verdicts stay those of the whole run.

        Raises
        ------
        evals.run.RunError
            If the folder is not a scored run.
        """
        super().__init__(path)
        self._systems, self._ratings = tuple(systems), dict[tuple[object, str | None], RunRatings]()

    def rate(self, weights: Weights | None = None, where: str | None = None) -> RunRatings:
        """Return everything that is said of the run as one document; tables and figures are made of it.

        Raises
        ------
        WeightsError, ConditionError
            If weights or condition are refused, in one sentence.
        SelectionError
            If the run has not the systems that were named.
        """
        key = _contents(weights), where
        if key not in self._ratings:
            ratings = rate_run(self, weights, where)
            if self._systems:
                chosen = find_systems(self._systems, rate_run(self)["systems"])
                ratings = select_ratings(ratings, [system for system in chosen if system in ratings["systems"]])
            self._ratings[key] = ratings
        return self._ratings[key]

    def stars(self, weights: Weights | None = None, where: str | None = None) -> Table:
        """Return the star table, one line a row and system, and in row ``total`` all rows together.

        Returns
        -------
        Table
            ``row title kind suite system``; ``stars`` from 1 to 5 with ``low`` and ``high`` (a total has its interval
            in `verdicts`, as a difference); ``n_prompts``, and the outcomes ``n_scored``, ``n_failed`` (counted as 0)
            and ``n_left_out``; ``value``, the plain number in its ``unit``; ``weight``, the share in the total; and
            the ``reason`` for no stars.
        """
        ratings = self.rate(weights, where)
        return frames.star_table(ratings["stars"], self._notes(ratings))

    def verdicts(self, weights: Weights | None = None, where: str | None = None) -> Table:
        """Return who is better: every row for every two systems, and in row ``total`` all rows together.

        Returns
        -------
        Table
            ``row title system_a system_b n_prompts`` (common ones); ``stars``, A minus B, with ``low`` and ``high``;
            ``p_value`` alone and ``p_holm`` corrected for the family; ``better_system``, missing where nobody is
            named, and the ``verdict`` in words.
        """
        ratings = self.rate(weights, where)
        return frames.verdict_table(ratings["stars"], self._notes(ratings))

    def advice(self, where: str | None = None) -> Table:
        """Return the better system for every use case, those of the eval first.

        Returns
        -------
        Table
            ``use_case title``; ``system``, missing where none can be named, with the ``verdict`` in words; ``rated``,
            the share of its weight that counts; ``n_prompts p_holm would_change requirements``; and what an
            ``article`` recommends with the ``article_verdict``.
        """
        ratings = self.rate(where=where)
        return frames.advice_table(ratings["stars"], self._notes(ratings))

    def scales(self, where: str | None = None) -> Table:
        """Return where one star and five stars lie for every metric of a row, and what sets them there.

        Returns
        -------
        Table
            ``row metric weight one_star_at one_star_source five_stars_at five_stars_source problem``.
        """
        ratings = self.rate(where=where)
        return frames.scale_table(ratings["stars"], ratings["scope"])

    def means(self, metric: str | None = None, where: str | None = None) -> Table:
        """Return the means over prompts, one line a metric, suite and system.

        Returns
        -------
        Table
            ``metric title suite system``; ``mean`` with ``low`` and ``high`` (missing below 5 prompts); ``n_prompts``,
            the measurements ``n_scored n_unscored`` with the ``reasons`` of the latter; ``unit better encoder``.
        """
        return frames.mean_table(self.rate(where=where), metric)

    def differences(self, metric: str | None = None, where: str | None = None) -> Table:
        """Return the paired differences over common prompts, one line a metric, suite and pair of systems.

        They are in the unit of the metric and corrected for nothing: who is better is said by `verdicts` alone.

        Returns
        -------
        Table
            ``metric suite system_a system_b n_prompts``; ``mean``, A minus B, with ``low`` and ``high``.
        """
        return frames.difference_table(self.rate(where=where), metric)

    def controls(self, metric: str | None = None, where: str | None = None) -> Table:
        """Return how well metrics tell their own values from those whose true answer is known.

        Returns
        -------
        Table
            ``metric suite control statistic system n``; ``value`` with ``low`` and ``high``.
        """
        return frames.control_table(self.rate(where=where), metric)

    def article(self) -> Table:
        """Return the stars of the article that the eval names, and whether ours bear them out.

        Returns
        -------
        Table
            ``row title``; ``name`` of the article's column, its ``stars``; ``verdict`` and ``why``.
        """
        return frames.article_table(self.rate()["stars"])

    def people(self) -> Table:
        """Return what people voted, one line a row and metric (or one without metric, where none was measured).

        Returns
        -------
        Table
            ``row title question n_votes n_voters n_prompts``; Krippendorff's ``alpha``; ``one_voter``, how often a vote
            is with the others; the ``metric``, and how often it prefers what people prefer: ``accuracy low high`` over
            ``n_pairs``, and ``kendall`` with its interval. Shares of wins by system are in `shares_of_wins`.
        """
        return frames.people_table(rate_people(self))

    def shares_of_wins(self) -> Table:
        """Return people's share of wins, one line a row and system.

        Returns
        -------
        Table
            ``row title question system``; ``share`` with ``low`` and ``high`` over prompts and voters, and
            ``n_prompts``.
        """
        return frames.share_table(rate_people(self))

    def operations(self) -> Table:
        """Return latency, cost and outcomes of the requests, one line a system, size and figure.

        Returns
        -------
        Table
            ``system size figure title``; ``value`` with ``low`` and ``high``, over ``n`` requests, in its ``unit``;
            ``at_least`` where it is a lower bound; and the ``reason`` for no value.
        """
        from evals.rating.operations import notes

        systems = self.rate()["systems"]
        rows = [row for row in operations_of(self) if row["system"] in systems]
        return frames.operations_table(rows, notes(rows) if rows else ["The run does not tell its requests."])

    def costs(self) -> Table:
        """Return what ``n_images`` accepted pictures a month cost, one line a system and number.

        Returns
        -------
        Table
            ``system size n_images basis``; ``usd`` with the ``low`` and ``high`` of its sources, ``usd_batch`` where
            pictures may wait; a ``claim`` that no vendor bears out with ``claim_low claim_high``; ``reason sources``.
        """
        return frames.cost_table(self.rate()["stars"])

    @functools.cached_property
    def plot(self) -> Plots:
        """The figures of the run."""
        return Plots(self, self.rate)

    def __repr__(self) -> str:
        """Return folder and counts; the answer is what ``print`` gives."""
        return visible(f"<{type(self).__name__} {str(self.path)!r}: {self._counts()}>")

    def __str__(self) -> str:
        """Return systems, counts and the answer as plain text."""
        answer = self._answer()
        cautions = [f"{caution.says} {caution.remedy}" for caution in answer.cautions]
        lines = [answer.title, answer.rehearsal, *answer.advice, self._counts(), *cautions]
        return visible("\n".join(filter(None, lines)))

    def _repr_html_(self) -> str:
        answer = self._answer()
        lines = [f"<h3>{html.escape(answer.title)}</h3>"]
        lines += [f"<p>{html.escape(text)}</p>" for text in (answer.rehearsal, *answer.advice) if text]
        lines.append(f"<p><small>{html.escape(self._counts())} {html.escape(self._family(self.rate()))}</small></p>")
        cautions = [f"<li>{html.escape(f'{caution.says} {caution.remedy}')}</li>" for caution in answer.cautions]
        return visible("\n".join([*lines, f"<ul>{''.join(cautions)}</ul>" if cautions else ""]))

    def _answer(self) -> Answer:
        return answer(self.rate(), self.provenance)

    def _counts(self) -> str:
        samples, scores = self.samples, self.read_scores(with_details=False)
        systems = list(self._systems) or sorted(set(samples["system"]))
        n_prompts = len(samples[["suite", "prompt_id"]].drop_duplicates())
        return (
            f"{join_names(systems)}: {pluralize(len(samples), 'picture')} of {pluralize(n_prompts, 'prompt')} in "
            f"{pluralize(samples['suite'].nunique(), 'suite')}, {pluralize(len(scores), 'measurement')} with controls."
        )

    def _notes(self, ratings: RunRatings) -> list[str]:
        """Return what holds of all stars: of which part they are, and how much was compared."""
        notes = [*ratings["scope"], self._family(ratings)]
        n_tried = len(self._ratings) - ((None, None) in self._ratings)
        if ratings["scope"]:
            chance = min(1.0, n_tried * _FALSE_ALARMS)
            notes.append(
                "A slice or weighting that is looked at after the fact is a family of its own, and each further one "
                f"adds chances: after {n_tried} of them up to {chance:.0%} of runs without a difference name a system."
            )
        return notes

    def _family(self, ratings: RunRatings) -> str:
        comparisons = pluralize(ratings["stars"]["n_compared"], "comparison")
        return f"{comparisons} corrected together (Holm): rows, total and the use cases that may name a system."


def _contents(weights: Weights | None) -> object:
    """Return what tells weights from others: those of a file are the same until somebody writes it."""
    if weights is None:
        return None
    if isinstance(weights, Mapping):
        return repr(dict(weights))
    path = Path(weights)
    return path.read_bytes() if path.is_file() else str(path)
