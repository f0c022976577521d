"""What an article published, as data: its stars, its advice and its claims, from ``datasets/facts/article-*.yaml``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from evals.facts.models import KnownModel
from evals.facts.sources import FactsError
from evals.files.data_files import data_path
from evals.files.yaml_files import Day, DistinctEntries, Entries, FileModel, Names, Text, read_yaml, refused

FEWEST_STARS, MOST_STARS = 1, 5


def _check_stars(stars: float) -> float:
    if not FEWEST_STARS <= stars <= MOST_STARS or stars * 2 != int(stars * 2):
        raise refused(f"{stars:g} is not in halves from {FEWEST_STARS} to {MOST_STARS}")
    return stars


class ArticleColumn(FileModel):
    """The stars that one column of a row gives: the name in the article, and the models that this name may mean."""

    name: Text
    stars: Annotated[float, AfterValidator(_check_stars)]
    models: Names[KnownModel]


class ArticleRow(FileModel):
    """One row of the article's star table: two systems, in the article's order, and the source that it names."""

    id: Text
    title: Text
    source: Text
    columns: Annotated[Entries[ArticleColumn], Field(min_length=2, max_length=2)]


class ArticleUseCase(FileModel):
    """One piece of the article's advice: the system that it recommends first, and the models that this name may mean.

    ``unless`` says when the article recommends another one, and which; None where it does not.
    """

    id: Text
    title: Text
    recommends: Text
    models: Names[KnownModel]
    unless: Text | None = None


class Article(FileModel):
    """An article: where and when it was published, its stars, its advice, and what it claims.

    ``claims`` are as they stand in the file; `evals.audit.claims` reads each with its check.
    """

    title: Text
    url: Text
    day: Day
    stars: DistinctEntries[ArticleRow]
    use_cases: DistinctEntries[ArticleUseCase]
    claims: Entries[Any]


def read_article(name: str = "article-2026-07") -> Article:
    """Read and check an article by its name in ``datasets/facts``, its claims aside.

    Raises
    ------
    FactsError
        If something in the file is missing, unknown, of the wrong kind or given twice.

    Examples
    --------
    >>> first = read_article().stars[0]
    >>> first.id, [(column.name, column.stars) for column in first.columns]
    ('cinematic', [('Google Nano Banana 2', 4.0), ('Flux Pro (FLUX.2)', 5.0)])
    """
    return read_yaml(data_path(f"facts/{name}.yaml"), Article, FactsError)
