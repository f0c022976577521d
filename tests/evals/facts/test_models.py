"""The facts: all are sourced and in order, names lead to the right system, mistakes are told with their place."""

import re
from datetime import date, timedelta

import pytest

from evals.facts.models import Latency, cautions, plain_name, read_facts
from evals.facts.pricing import SIZES, FreePrice, max_cost_usd
from evals.facts.sources import FactsError, read_sources
from evals.files.data_files import data_path
from evals.generation.hosts import HOSTS
from tests.evals.facts.conftest import SOURCES
from tests.refusals import refusal_of

FACTS = read_facts()
TODAY = date(2026, 11, 23)
OFFERS = list(FACTS.offers.values())

SMALL = """\
read: 2026-11-23
hosts:
  - id: north
    title: North Cloud
    base_url: https://north.example
    key_variables: [NORTH_KEY]
    key_domains: north.example
    concurrency: 4
    sources: docs
  - {id: local, title: This machine, concurrency: 1, per_minute: 2, sources: [docs]}
models:
  - model: brush-2
    title: Brush Two
    also: [Big Brush]
    licence: MIT
    sources: [docs]
    notes: One of two.
    offers:
      - host: north
        api_id: vendor/brush-2
        edit_api_id: vendor/brush-2/edit
        sizes: ["512", 1K]
        references_at_most: 3
        takes_seed: true
        released: 2026-01-01
        retired: 2026-06-01
        replaced_by: brush-3@north
        sources: blog
        notes: [It is old.]
        prices:
          - kind: tokens
            input_per_m: 1
            output_text_per_m: 2.5
            output_image_per_m: 30
            image_tokens: {"512": 600, 1K: 1000}
            reference_tokens: 500
            text_tokens_usual: 100
            text_tokens_at_most: 4000
            source: docs
          - {kind: megapixels, first: 0.03, further: 0.01, input: 0.02, source: blog}
        latencies:
          - {size: 1K, median_s: 9, p95_s: 12.5, n: 16, source: blog}
      - {host: local, api_id: weights-2, sizes: 1K, references_at_most: 0, takes_seed: false, prices: [
           {kind: free, source: docs}]}
  - model: brush-3
    title: Brush Three
    sources: [docs]
    offers:
      - {host: north, api_id: b3, sizes: [1K], references_at_most: 0, takes_seed: true, prices: [
           {kind: per_image, usd: 0.1, source: docs}]}
former:
  - {name: brush-1*, retired: 2025-01-01, replaced_by: brush-3, sources: [docs]}
"""


def test_a_file_is_read_with_what_a_model_shares_filled_into_its_offers(written):
    facts = read_facts(written("models.yaml", SMALL))
    assert list(facts.hosts) == ["north", "local"]
    assert facts.hosts["north"].key_domains == ("north.example",)
    assert facts.hosts["local"].base_url == ""
    assert list(facts.offers) == ["brush-2@north", "brush-2@local", "brush-3@north"]
    offer = facts.offers["brush-2@north"]
    assert (offer.title, offer.licence, offer.sizes) == ("Brush Two", "MIT", ("512", "1K"))
    assert offer.notes == ("One of two.", "It is old.")
    assert [source.id for source in offer.sources] == ["docs", "blog"]
    assert str(offer.sources[0]) == "The documents (official, read 2026-11-22)"
    assert [price.kind for price in offer.prices] == ["tokens", "megapixels"]
    assert offer.prices[0].terms["image_tokens"] == {"512": 600, "1K": 1000}
    assert (offer.latencies[0].n, offer.latencies[0].p95_s) == (16, 12.5)
    assert facts.offers["brush-2@local"].is_free
    assert facts.aliases == {
        "brush-two": "brush-2", "vendor/brush-2": "brush-2", "weights-2": "brush-2", "big-brush": "brush-2",
        "brush-three": "brush-3", "b3": "brush-3",
    }  # fmt: skip
    assert facts.former[0].name == "brush-1*"


@pytest.mark.parametrize(
    ("passage", "put", "line", "place", "problem"),
    [
        ("id: local", "id: north", 10, "host 'north'", "'north' is listed twice"),
        ("sources: docs", "sources: dogs", 9, "host 'north', field 'sources'", "no source 'dogs'; did you mean 'docs'"),
        ("also: [Big Brush]", "also: [Brush-3]", 14, "model 'brush-2', field 'also'", "also stands for brush-3"),
        ("also: [Big Brush]", "also: [brush three]", 46, "", "'Brush Three' also stands for brush-2"),
        ("api_id: b3", "api_id: big brush", 49, "model 'brush-3', offer 'north', field 'api_id'", "also stands for"),
        ("- host: north", "- host: nort", 19, "offer 'nort', field 'host'", "no host 'nort'; did you mean 'north'?"),
        ("{host: local,", "{host: local, title: Two,", 43, "offer 'local', field 'title'", "it stands with the model"),
        ("{host: local, api", "{host: north, api", 43, "offer 'north'", "brush-2@north is listed twice"),
        ('["512", 1K]', '["512", 1k]', 22, "field 'sizes'", "there is no size '1k'; did you mean '1K'?"),
        ("2026-06-01", "2025-06-01", 26, "field 'retired'", "2025-06-01 is before its release on 2026-01-01"),
        ("brush-3@north", "brush@north", 27, "field 'replaced_by'", "no system 'brush@north'; did you mean 'brush-3@n"),
        (", 1K: 1000}", "}", 35, "field 'image_tokens'", "the size 1K is offered and has no number here"),
        (", 1K: 1000}", ", 1k: 1000}", 35, "field '1k'", "there is no such field; did you mean '1K'?"),
        ("usd: 0.1", "usd: cheap", 50, "entry 1 of prices, field 'usd'", "'cheap' is not a number"),
        ("usd: 0.1", "usd: {1K: cheap}", 50, "entry 1 of prices, usd, field '1K'", "'cheap' is not a number"),
        ("{size: 1K,", "{size: 4K,", 42, "entry 1 of latencies, field 'size'", "there is no size on offer '4K'"),
        ("replaced_by: brush-3,", "replaced_by: brush-9,", 52, "former 'brush-1*', field 'replaced_by'", "no model"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_models_is_one_sentence_that_says_where(written, passage, put, line, place, problem):
    sentence = refusal_of(read_facts, FactsError, written("models.yaml", SMALL), passage, put)
    assert sentence.startswith(f"models.yaml, line {line}, ")
    assert f"{place}: " in sentence
    assert problem in sentence


def test_a_mistake_in_the_sources_is_one_sentence_that_says_where(written):
    sentence = refusal_of(read_sources, FactsError, written("sources.yaml", SOURCES), "trust: A", "trust: Z")
    assert sentence.endswith("line 5, docs, field 'trust': there is no trust 'Z'; known are A, C, I, R, W")


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ({}, "either median_s or both"),
        ({"least_s": 3}, "either median_s or both"),
        ({"median_s": 4, "least_s": 3, "most_s": 6}, "either median_s or both"),
        ({"least_s": 6, "most_s": 3}, "3 is below least_s, 6"),
    ],
)
def test_a_latency_is_one_number_or_a_range(times, problem):
    with pytest.raises(ValueError, match=problem):
        Latency(size="1K", source="google-latency", **times)
    assert Latency(size="1K", source="google-latency", least_s=3, most_s=6).at_most_s == 6


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.system)
def test_every_offer_that_is_shipped_has_sizes_in_order_and_dated_sources(offer):
    assert list(offer.sizes) == sorted(offer.sizes, key=list(SIZES).index)
    assert offer.sources
    assert all(date(2026, 1, 1) < cited.source.read <= FACTS.read for cited in (*offer.prices, *offer.latencies))
    assert all(0 < latency.at_most_s < (latency.p95_s or 3600) for latency in offer.latencies)
    if offer.host in ("fal", "atlascloud") and offer.references_at_most:
        assert offer.edit_api_id
    if offer.replaced_by:
        successor = FACTS.find(offer.replaced_by)
        assert successor.retired is None or successor.retired > offer.retired


def test_the_systems_that_the_design_names_are_offered():
    for system in (
        "gemini-nano-banana-2.1@google", "gemini-3.1-flash-image@google", "gemini-3.1-flash-image@vertex",
        "gemini-3.1-flash-lite-image@google", "gemini-3-pro-image@google", "gemini-2.5-flash-image@google",
        "flux-2-pro@bfl", "flux-2-pro@replicate", "flux-2-pro@fal", "flux-2-pro@atlascloud", "flux-2-max@bfl",
        "flux-2-flex@bfl", "flux-2-klein-4b@bfl", "flux-2-klein-9b@bfl", "flux-3-image@bfl", "flux-1-dev@local",
    ):  # fmt: skip
        assert FACTS.find(system).system == system
    assert FACTS.find("flux-1-dev@local").api_id == "black-forest-labs/FLUX.1-dev"
    assert not any(offer.model.startswith("flux-2") for offer in OFFERS if offer.host == "fireworks")


def test_hosts_of_the_facts_are_the_hosts_that_are_spoken_to():
    assert set(FACTS.hosts) == set(HOSTS)
    assert read_facts() is FACTS  # read once
    assert FACTS.hosts["bfl"].base_url == "https://api.bfl.ai"
    assert FACTS.hosts["bfl"].concurrency <= 24
    for host in FACTS.hosts.values():
        assert host.base_url.startswith("https://") or host.id in ("local", "comfyui")
        assert not host.key_domains or any(host.base_url.endswith(domain) for domain in host.key_domains)
        assert not host.key_variables or host.key_domains


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("nano-banana-2@google", r"gemini-3.1-flash-image@google \(until 2026-10-29, then gemini-nano-banana-2.1@"),
        ("Nano Banana Pro", "gemini-3-pro-image@google or gemini-3-pro-image@vertex"),
        ("nano-banana-pro-preview@vertex", "gemini-3-pro-image@vertex"),
        ("FLUX.2 [pro]@bfl", "flux-2-pro@bfl"),
        ("flux-pro-1.1@bfl", "flux-1.1-pro@bfl"),
        ("black-forest-labs/FLUX.1-dev@local", "flux-1-dev@local"),
        ("fal-ai/flux-2-pro@fal", "flux-2-pro@fal"),
        ("flux-2-pro", "the host is missing; write flux-2-pro@bfl or"),
        ("flux-2-flex@atlascloud", "flux-2-flex is not known on atlascloud; write flux-2-flex@bfl or"),
        ("flux-2-pr@bfl", r"did you mean flux-2-pro@bfl\?"),
        ("flux-2-pro@bfll", r"there is no host 'bfll' .*did you mean 'bfl'\?"),
        ("dall-e-3@local", "see: twinlens systems"),
        ("gemini-3-pro-image-preview@google", "was shut down on 2026-06-25; write gemini-3-pro-image@google"),
        ("gemini-3.1-flash-image-preview@google", "was shut down on 2026-06-25; write gemini-nano-banana-2.1@google"),
        ("imagen-4.0-ultra-generate-001@google", "was shut down on 2026-08-17; write gemini-nano-banana-2.1@google"),
        ("gemini-2.5-flash-image-preview@google", "is no longer served; write gemini-nano-banana-2.1@google"),
    ],
)
def test_another_name_is_answered_with_the_system_that_was_meant(written, right):
    with pytest.raises(FactsError, match=right) as refused:
        FACTS.find(written)
    assert "\n" not in str(refused.value)


def test_no_other_name_hides_a_model():
    assert not {plain_name(model) for model in FACTS.models} & set(FACTS.aliases)
    assert set(FACTS.aliases.values()) <= set(FACTS.models)


def test_cautions_say_that_an_offer_is_over_or_ends_soon():
    offer = FACTS.find("gemini-3.1-flash-image@google")
    for days, caution in (
        (1, "it was to be shut down on 2026-10-29; use gemini-nano-banana-2.1@google"),
        (0, "it will be shut down on 2026-10-29"),
        (-60, "it will be shut down on 2026-10-29"),
    ):
        assert caution in cautions(offer, offer.retired + timedelta(days))[0]
    assert cautions(offer, offer.retired - timedelta(days=61)) == []
    assert "released" in cautions(offer, offer.released - timedelta(days=1))[0]


@pytest.mark.parametrize(
    ("system", "caution"),
    [
        ("flux-2-pro-preview@bfl", "weights are exchanged"),
        ("flux-3-image@bfl", "takes no seed"),
        ("flux-2-flex@bfl", "2 sources disagree on its price"),
        ("flux-2-dev@replicate", "no source gives its price"),
        ("flux-2-pro@bfl", ""),
    ],
)
def test_cautions_say_what_makes_a_comparison_doubtful(system, caution):
    sentences = cautions(FACTS.find(system), TODAY)
    assert caution in " ".join(sentences)
    assert bool(sentences) == bool(caution)


def test_two_sources_with_one_price_do_not_disagree():
    offer = FACTS.find("flux-2-pro@bfl")
    (price,) = offer.prices
    again = price.model_copy(update={"source": FreePrice(source="twinlens").source})
    assert cautions(offer.model_copy(update={"prices": (price, again)}), TODAY) == []


def test_every_source_is_used_by_somebody():
    texts = [data_path(f"facts/{name}.yaml").read_text(encoding="utf-8") for name in ("models", "capabilities")]
    sources = read_sources()
    assert len(sources) > 30
    for id_ in sources:
        assert any(re.search(rf"[\[ ,]{id_}[\],}}\s]", text) for text in texts), id_


def test_a_size_between_two_others_is_offered_and_priced_where_a_model_has_it():
    offer = FACTS.find("flux-3-image@bfl")
    assert max_cost_usd(offer, "1K") < max_cost_usd(offer, "1.5K") == 0.07 < max_cost_usd(offer, "2K")
    assert [each.system for each in OFFERS if "1.5K" in each.sizes] == [offer.system]


@pytest.mark.parametrize(
    ("model", "at_most"),
    [
        ("flux-2-klein-4b", {"bfl": 4, "local": 4}),
        ("flux-2-flex", {"bfl": 8, "fal": 8, "replicate": 10}),
        ("flux-2-dev", {"fal": 4, "replicate": 4, "local": 6}),
    ],
)
def test_how_many_references_a_model_takes_is_known_by_host(model, at_most):
    assert {each.host: each.references_at_most for each in OFFERS if each.model == model} == at_most
