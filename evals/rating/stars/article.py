"""What an article published beside what was measured: supported, contradicted, cannot tell, or not comparable."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import product
from typing import Literal

from typing_extensions import TypedDict

from evals.facts.article import ArticleRow
from evals.rating.stars.table import TableRow

Verdict = Literal["supported", "contradicted", "cannot tell", "not comparable"]

SAME_STARS = 0.5
"""Two systems that are equal within half a star bear out an article that gives both the same stars, and contradict
one that sets them farther apart."""


class ArticleStars(TypedDict):
    """A row of an article's star table against ours.

    ``stars`` are the article's, by the names that it uses, ``models`` what each name may mean; ``why`` says which
    systems of the run were held against each other and how they came out.
    """

    article: str
    source: str
    stars: dict[str, float]
    models: dict[str, list[str]]
    verdict: Verdict
    why: str


def against_article(
    row: TableRow, article_row: ArticleRow, systems: Sequence[str], simulated: Container[str] = ()
) -> ArticleStars:
    """Hold one row of an article's table against the same row of ours.

    A name in the article may mean several models. Every pair of systems that the two names may mean is compared, and
    a verdict is given only where they do not contradict one another.

    Parameters
    ----------
    row
        Ours, settled.
    article_row
        The article's row of the same id.
    systems
        Of the run.
    simulated
        Those of them of which nothing real was measured: no article speaks of what they drew, whatever their names, but
        the declared facts are those of the real ones.
    """
    return hold_against(
        row,
        ArticleStars(
            article=article_row.title,
            source=article_row.source,
            stars={column.name: column.stars for column in article_row.columns},
            models={column.name: list(column.models) for column in article_row.columns},
            verdict="cannot tell",
            why="",
        ),
        systems,
        simulated,
    )


def hold_against(
    row: TableRow, article: ArticleStars, systems: Sequence[str], simulated: Container[str]
) -> ArticleStars:
    """Return an article's row with its verdict and the reason for some systems of ours."""
    held_against = [system for system in systems if row["kind"] == "declared" or system not in simulated]
    verdict, why = _verdict(row, article, held_against)
    held = article.copy()
    held["verdict"], held["why"] = verdict, why
    return held


def systems_of(models: Sequence[str], systems: Sequence[str]) -> list[str]:
    """Return the systems of a run that serve one of the models.

    Examples
    --------
    >>> systems_of(["flux-2-pro"], ["flux-2-pro@bfl", "flux-2-pro-preview@bfl", "flux-2-max@bfl"])
    ['flux-2-pro@bfl']
    """
    return [system for system in systems if system.rpartition("@")[0] in models]


def _verdict(row: TableRow, article: ArticleStars, systems: Sequence[str]) -> tuple[Verdict, str]:
    first, second = article["stars"]
    sides = [systems_of(article["models"][name], systems) for name in (first, second)]
    for name, side in zip((first, second), sides, strict=True):
        if not side:
            models = ", ".join(article["models"][name])
            return "not comparable", f"no system of this run is what {name} may mean: {models}"
    margin = article["stars"][first] - article["stars"][second]
    pairs = {(a, b): _of_pair(row, a, b, margin) for a, b in product(*sides)}
    words = "; ".join(f"{a} against {b}: {why}" for (a, b), (_, why) in pairs.items())
    verdicts = {verdict for verdict, _ in pairs.values()}
    if {"supported", "contradicted"} <= verdicts:
        mixed = " and ".join(name for name, side in zip((first, second), sides, strict=True) if len(side) > 1)
        return "not comparable", f"{mixed} may mean models that come out differently. {words}"
    if len(verdicts) > 1:
        return "cannot tell", words
    return verdicts.pop(), words


def _of_pair(row: TableRow, a: str, b: str, article_difference: float) -> tuple[Verdict, str]:
    if row["kind"] == "declared":
        stars = {cell["system"]: cell["stars"] for cell in row["declared_cells"]}
        ours, theirs = stars.get(a), stars.get(b)
        if ours is None or theirs is None:
            return "cannot tell", "no cited fact for one of them"
        return _held_against(ours - theirs, article_difference), f"{ours:g} and {theirs:g} stars by cited facts"
    if row["problem"] is not None:
        return "cannot tell", row["problem"]
    for difference in row["differences"]:
        if {difference["system_a"], difference["system_b"]} == {a, b}:
            better, equal = difference["better_system"], difference["equal_within"]
            if better is not None:
                return _held_against(1.0 if better == a else -1.0, article_difference), difference["verdict"]
            if equal is not None and equal <= SAME_STARS and not 0 < abs(article_difference) <= SAME_STARS:
                return _held_against(0.0, article_difference), difference["verdict"]
            return "cannot tell", difference["verdict"]
    return "cannot tell", "they were not compared"


def _held_against(ours: float, article_difference: float) -> Verdict:
    same_side = (ours > 0) == (article_difference > 0) and (ours < 0) == (article_difference < 0)
    return "supported" if same_side else "contradicted"
