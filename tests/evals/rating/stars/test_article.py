"""An article's stars held against ours: borne out, contradicted, undecided, or about something else."""

import numpy as np
import pytest

from evals.facts.article import ArticleColumn, ArticleRow, read_article
from evals.rating.stars.article import against_article
from tests.evals.rating.stars.rated_rows import FLUX, GEMINI, HIGH, LOW, UNSURE, rated_row

ALIKE = LOW + 0.02 * np.resize([1.0, -1.0], 12)
"""Nearly the same as the low places, for certain."""


def said(flux, gemini, flux_models=("flux-2-pro",), gemini_models=("gemini-3-pro-image",)):
    """Return a row of an article; the second column is Gemini's."""
    columns = (
        ArticleColumn(name="Flux", stars=flux, models=tuple(flux_models)),
        ArticleColumn(name="Banana", stars=gemini, models=tuple(gemini_models)),
    )
    return ArticleRow(id="precise", title="Precise prompts", source="a forum", columns=columns)


def held(article_row, systems=None, row=None, **shares):
    row = row or rated_row("precise", shares=shares)
    return against_article(row.row, article_row, systems or list(shares))


@pytest.mark.parametrize(
    ("flux", "gemini", "stars", "verdict"),
    [
        (HIGH, LOW, (5, 3), "supported"),
        (HIGH, LOW, (3, 5), "contradicted"),
        (HIGH, LOW, (4, 4), "contradicted"),
        (LOW, HIGH, (3, 5), "supported"),
        (LOW, ALIKE, (4, 4), "supported"),
        (LOW, ALIKE, (5, 3), "contradicted"),
        # Half a star and equal within half a star go together as well as not.
        (LOW, ALIKE, (5, 4.5), "cannot tell"),
        (LOW, UNSURE, (5, 3), "cannot tell"),
        (LOW, UNSURE, (4, 4), "cannot tell"),
    ],
)
def test_the_verdict_follows_from_who_is_ahead_for_certain(flux, gemini, stars, verdict):
    found = held(said(*stars), **{FLUX: flux, GEMINI: gemini})
    assert found["verdict"] == verdict
    assert found["why"].startswith(f"{FLUX} against {GEMINI}: ")
    assert found["stars"] == {"Flux": stars[0], "Banana": stars[1]}
    # The order of systems in the table does not matter.
    assert held(said(*stars), **{GEMINI: gemini, FLUX: flux})["verdict"] == verdict


MAX = "flux-2-max@bfl"


@pytest.mark.parametrize(
    ("pro", "largest", "verdict"),
    [(HIGH, HIGH, "supported"), (HIGH, LOW - 0.15, "not comparable"), (HIGH, UNSURE, "cannot tell"),
     (LOW - 0.15, LOW - 0.15, "contradicted")],
)  # fmt: skip
def test_a_name_that_means_two_models_needs_both_to_agree(pro, largest, verdict):
    article_row = said(5, 3, flux_models=("flux-2-pro", "flux-2-max"))
    found = held(article_row, **{FLUX: pro, MAX: largest, GEMINI: LOW})
    assert found["verdict"] == verdict
    assert found["models"]["Flux"] == ["flux-2-pro", "flux-2-max"]
    if verdict == "not comparable":
        assert found["why"].startswith("Flux may mean models that come out differently.")


@pytest.mark.parametrize("others", [("aurora-1@demo",), ("gemini-3-flash@google",), ()])
def test_without_a_system_that_the_name_may_mean_nothing_is_comparable(others):
    found = held(said(5, 3), shares={FLUX: HIGH, **dict.fromkeys(others, LOW)}, systems=[FLUX, *others])
    assert found["verdict"] == "not comparable"
    assert found["why"] == "no system of this run is what Banana may mean: gemini-3-pro-image"


def test_a_row_without_stars_cannot_tell_and_says_why():
    row = rated_row("precise", problem="its control fails here")
    found = held(said(5, 3), systems=[FLUX, GEMINI], row=row)
    assert (found["verdict"], found["why"]) == ("cannot tell", f"{FLUX} against {GEMINI}: its control fails here")
    found = held(said(5, 3), systems=[FLUX, GEMINI], **{FLUX: HIGH})
    assert found["why"].endswith("they were not compared")


@pytest.mark.parametrize(
    ("ours", "stars", "verdict"),
    [((5, 1), (5, 2), "supported"), ((1, 5), (5, 2), "contradicted"), ((3, 3), (3, 3), "supported"),
     ((3, 3), (5, 2), "contradicted"), ((5, None), (5, 2), "cannot tell")],
)  # fmt: skip
def test_declared_stars_are_held_against_the_articles_by_cited_facts(ours, stars, verdict):
    row = rated_row("lora", kind="declared", declared=dict(zip((FLUX, GEMINI), ours, strict=True)))
    assert held(said(*stars), systems=[FLUX, GEMINI], row=row)["verdict"] == verdict


def test_every_row_of_the_article_can_be_held_against_a_row_of_ours():
    for article_row in read_article().stars:
        row = rated_row(article_row.id, **{FLUX: HIGH, MAX: HIGH, GEMINI: LOW, "gemini-3.1-flash-image@google": LOW})
        found = against_article(row.row, article_row, [cell["system"] for cell in row.row["cells"]])
        first, second = article_row.columns
        # Ours has FLUX ahead everywhere; the article's first column is Gemini's.
        assert found["verdict"] == ("supported" if second.stars > first.stars else "contradicted")
