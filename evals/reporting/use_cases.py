"""For whom: the use cases in which a system can be recommended, and which ones cannot be decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evals.rating.stars.document import Stars
from evals.reporting.formatting import join_names
from evals.reporting.system_labels import system_labels, with_labels


@dataclass(frozen=True, slots=True)
class UseCase:
    """One use case with the system for it (by its place among all, too), how sure that is, and what would change it.

    ``is_fact`` is true where the system is the only one that can do what is needed. ``left_out`` says which rows do not
    count, and how much of the weight that is.
    """

    title: str
    why: str
    place: int
    verdict: str
    would_change: str
    left_out: str
    is_fact: bool
    article: str
    article_verdict: str


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases that can be decided, and the titles of the others."""

    decided: tuple[UseCase, ...]
    open: tuple[str, ...]


def use_cases(stars: Stars) -> UseCases:
    """Return what the recommendations of a star document say."""
    labels = system_labels(stars["systems"])
    titles = {row["id"]: row["title"] for row in stars["rows"]}
    decided, open_cases = [], []
    for case in stars["recommendations"]:
        system = case["system"] or case["only_able"]
        if system is None:
            open_cases.append(case["title"])
            continue
        decided.append(
            UseCase(
                title=case["title"],
                why=case["why"],
                place=stars["systems"].index(system),
                verdict=with_labels(case["verdict"], labels),
                would_change=with_labels(case["would_change"], labels),
                left_out="" if case["only_able"] else _left_out(case["unrated"], titles),
                is_fact=case["only_able"] is not None,
                article=case["article"] or "",
                article_verdict=case["article_verdict"] or "",
            )
        )
    return UseCases(tuple(decided), tuple(open_cases))


def _left_out(unrated: Mapping[str, float], titles: Mapping[str, str]) -> str:
    if not unrated:
        return ""
    names = join_names([titles.get(row, row) for row in unrated])
    return f"{names}, {sum(unrated.values()):.0%} of the weight, {'is' if len(unrated) == 1 else 'are'} not rated."
