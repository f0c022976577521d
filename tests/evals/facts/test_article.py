"""The article as data: rows, advice and claims are complete and sourced, mistakes are told with their line."""

from datetime import date

import pytest

from evals.data_files import data_path
from evals.definition import read_definition
from evals.facts.article import read_article
from evals.facts.claims import KINDS, Measurable, Price, Quality
from evals.facts.models import FactsError, read_facts

ARTICLE = read_article()
FACTS = read_facts()

NANO_BANANA = ("gemini-3.1-flash-image", "gemini-3-pro-image")
FLUX = ("flux-2-pro", "flux-2-max")


def test_the_article_says_who_published_it_and_when():
    assert ARTICLE.day == date(2026, 7, 15)
    assert ARTICLE.url.startswith("https://aiapiplaybook.com/")


def test_the_eleven_rows_have_the_published_stars():
    stars = {row.id: tuple(cell.stars for cell in row.columns) for row in ARTICLE.stars}
    assert stars == {
        "cinematic": (4, 5), "editing": (5, 3), "imprecise": (5, 3), "precise": (4, 5), "identity": (5, 3),
        "scenes": (5, 4), "speed-4k": (4, 5), "cost": (3, 5), "lora": (2, 5), "sla": (5, 3), "deployment": (3, 5),
    }  # fmt: skip


def test_a_column_means_both_models_unless_its_row_says_which():
    models = {row.id: tuple(cell.models for cell in row.columns) for row in ARTICLE.stars}
    assert models.pop("speed-4k") == (("gemini-3-pro-image",), ("flux-2-max",))
    assert models.pop("cost") == (NANO_BANANA, ("flux-2-pro",))
    assert set(models.values()) == {(NANO_BANANA, FLUX)}


def test_each_use_case_recommends_a_system():
    recommended = {case.id: case.recommends for case in ARTICLE.use_cases}
    assert recommended == {
        "production-at-scale": "FLUX.2 Pro",
        "prototyping": "Nano Banana Pro",
        "budget": "FLUX.2 Pro",
        "quality-first": "FLUX.2 Max",
        "multimodal": "Nano Banana Pro",
        "google-cloud": "Nano Banana Pro",
        "self-hosting": "FLUX.2",
    }


def test_there_are_claims_of_every_kind_each_with_a_source():
    assert len(ARTICLE.claims) >= 45
    assert {claim.kind for claim in ARTICLE.claims} == set(KINDS)
    assert all(claim.sources for claim in ARTICLE.claims)


def test_quotes_are_short():
    assert max(len(claim.quote.split()) for claim in ARTICLE.claims) <= 15


def test_names_are_known_by_the_model_that_they_mean():
    (check,) = [claim.check for claim in ARTICLE.claims if claim.id == "two-names-one-model"]
    assert check.models == {"Nano Banana 2": "gemini-3.1-flash-image", "Nano Banana Pro": "gemini-3-pro-image"}


def test_claims_about_quality_name_rows_that_an_eval_asks_for():
    asked = {row.id for row in read_definition("flux2-vs-nano-banana").rows}
    named = {claim.check.row for claim in ARTICLE.claims if isinstance(claim.check, Quality)}
    assert named
    assert named <= asked


@pytest.mark.parametrize("claim", ARTICLE.claims, ids=lambda claim: claim.id)
def test_whoever_told_the_prices_and_times_of_a_claims_systems_is_among_its_sources(claim):
    told = []
    if isinstance(claim.check, Price):
        told = [quote.source for system in claim.check.systems for quote in FACTS.find(system).quotes]
    if isinstance(claim.check, Measurable):
        latencies = [latency for system in claim.check.systems for latency in FACTS.find(system).latencies]
        told = [latency.source for latency in latencies if latency.size == claim.check.size]
    assert set(told) <= {str(source) for source in claim.sources}


@pytest.mark.parametrize(
    ("found", "put", "said"),
    [
        ("stars: 4, models", "stars: 6, models", "6 is not in halves from 1 to 5"),
        ("stars: 4, models", "stars: 3.7, models", "3.7 is not in halves from 1 to 5"),
        ("models: [flux-2-pro]", "models: [flux-2-prow]", "there is no 'flux-2-prow' here; did you mean 'flux-2-pro'?"),
        ("  - id: editing\n", "  - id: cinematic\n", "'cinematic' is listed twice"),
        ("      - {name: Google Nano Banana 2, stars: 4,", "      - {nme: Google, stars: 4,", "did you mean 'name'?"),
        ("claims:\n", "claims: []\nrest:\n", "there is no such field"),
        ("kind: name\n", "kind: names\n", "there is no 'names' here; did you mean 'name'?"),
        ("    sources: [google-sdk, nanobanana-skill]\n", "", "it is missing"),
        ("sources: [google-sdk, nanobanana-skill]", "sources: [gogle-sdk]", "did you mean 'google-sdk'?"),
        ("    cited: {verdict: imprecise}\n", "", "a claim has one check, and it has none of arithmetic, price"),
        (
            "    cited: {verdict: imprecise}\n",
            "    cited: {verdict: wrong}\n    quality: {row: a}\n",
            "quality and cited",
        ),
        ("cited: {verdict: imprecise}", "cited: {verdict: false}", "False is not text; put it in quotes"),
        ("cited: {verdict: imprecise}", "cited: {verdict: fine}", "there is no 'fine' here; known are"),
        ("says: Nano Banana Pro is Gemini 3 Pro Image;", "say: Nano", "did you mean 'says'?"),
        ("operation: percent_more, of: 0.04,", "operation: percent_mor, of: 0.04,", "did you mean 'percent_more'?"),
        ("of: 0.04, than: 0.025}", "of: 0.04, than: 0}", "there is no percentage of nothing"),
        ("of: 0.04, than: 0.025}", "of: 0.04}", "field 'than': it is missing"),
        ("of: 0.04, than: 0.025}", "of: 0.04, than: 0.025, times: 3}", "there is no such field"),
        ("stated: 60\n", "stated: sixty\n", "'sixty' is not a number"),
        ("between: {low: 15, high: 30}", "between: {low: 30, high: 15}", "15 is below 30"),
        ("given: prices", "given: price", "did you mean 'prices'?"),
        ("[gemini-3.1-flash-image@google, flux-2-pro@bfl]\n", "[flux-2-pro@bfl]\n", "it names two systems"),
        ("{id: batch, states: partly,", "{id: batch, states: unknown,", "there is no 'unknown' here; known are no"),
        ("{id: batch, states: partly,", "{id: bach, states: partly,", "did you mean 'batch'?"),
        (
            "names: [Nano Banana 2, Nano Banana Pro]",
            "names: [Nano Banana 3, Nano]",
            "no model is called 'Nano Banana 3'",
        ),
        ("part: calls, stated: one", "part: calls, stated: two", "there is no 'two' here; known are one, several"),
        ("{system: flux-2-pro@bfl, part: host", "{system: flux-2-dev@local, part: host", "depends on this machine"),
        ("otherwise: outdated", "otherwise: right", "there is no 'right' here; known are outdated, wrong"),
        ("figure: operations.latency_p50\n", "figure: operations.latency\n", "did you mean 'operations.latency_p50'?"),
        (
            "size: {systems: [flux-2-max@bfl], size: 4K}",
            "size: {systems: [flux-2-max@bfl], size: 4k}",
            "there is no '4k' here",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path, found, put, said):
    text = data_path("facts/article-2026-07.yaml").read_text(encoding="utf-8")
    assert found in text
    path = tmp_path / "article.yaml"
    path.write_text(text.replace(found, put, 1), encoding="utf-8")
    with pytest.raises(FactsError, match=r"^article\.yaml, line \d+, ") as refused:
        read_article(path=path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
