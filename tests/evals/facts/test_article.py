"""The article's stars and advice as data; its claims are tested with the audit."""

from datetime import date

import pytest

from evals.facts.article import Article, read_article
from evals.facts.sources import FactsError
from evals.files.yaml_files import read_yaml
from tests.evals.facts.conftest import ARTICLE_FILE
from tests.refusals import refusal_of

ARTICLE = read_article()

NANO_BANANA = ("gemini-3.1-flash-image", "gemini-3-pro-image")
FLUX = ("flux-2-pro", "flux-2-max")


def read_small(path):
    return read_yaml(path, Article, FactsError)


def test_the_eleven_rows_have_the_stars_published_on_their_day():
    assert ARTICLE.day == date(2026, 7, 15)
    assert ARTICLE.url.startswith("https://aiapiplaybook.com/")
    stars = {row.id: tuple(column.stars for column in row.columns) for row in ARTICLE.stars}
    assert stars == {
        "cinematic": (4, 5), "editing": (5, 3), "imprecise": (5, 3), "precise": (4, 5), "identity": (5, 3),
        "scenes": (5, 4), "speed-4k": (4, 5), "cost": (3, 5), "lora": (2, 5), "sla": (5, 3), "deployment": (3, 5),
    }  # fmt: skip


def test_a_column_means_both_models_unless_its_row_says_which():
    models = {row.id: tuple(column.models for column in row.columns) for row in ARTICLE.stars}
    assert models.pop("speed-4k") == (("gemini-3-pro-image",), ("flux-2-max",))
    assert models.pop("cost") == (NANO_BANANA, ("flux-2-pro",))
    assert set(models.values()) == {(NANO_BANANA, FLUX)}


def test_each_use_case_recommends_a_system():
    recommended = {case.id: case.recommends for case in ARTICLE.use_cases}
    assert recommended == {
        "production-at-scale": "FLUX.2 Pro", "prototyping": "Nano Banana Pro", "budget": "FLUX.2 Pro",
        "quality-first": "FLUX.2 Max", "multimodal": "Nano Banana Pro", "google-cloud": "Nano Banana Pro",
        "self-hosting": "FLUX.2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("passage", "put", "line", "place", "problem"),
    [
        ("stars: 4.5", "stars: 5.5", 9, "star 'precise', column 'Flux', field 'stars'", "5.5 is not in halves from 1"),
        ("stars: 4.5", "stars: 3.7", 9, "star 'precise', column 'Flux', field 'stars'", "3.7 is not in halves from 1"),
        ("models: flux-2-pro}", "models: flux-2-prow}", 9, "column 'Flux', field 'models'",
            "did you mean 'flux-2-pro'"),
        ("      - {name: Flux, stars: 4.5, models: flux-2-pro}\n", "", 8, "star 'precise', field 'columns'",
            "1 entries; write 2"),
        ("id: quality", "id: budget", 13, "use case 'budget'", "'budget' is listed twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_that_says_where(written, passage, put, line, place, problem):
    sentence = refusal_of(read_small, FactsError, written("article.yaml", ARTICLE_FILE), passage, put)
    assert sentence.startswith(f"article.yaml, line {line}, ")
    assert f"{place}: " in sentence
    assert problem in sentence
