"""The facts: all are sourced and in order, names lead to the right system, mistakes are told with their line."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from evals.data_files import data_path
from evals.facts.models import FactsError, cautions, plain_name, read_facts
from evals.facts.sizes import SIZES
from evals.generation.hosts import HOSTS

FACTS = read_facts()
TODAY = date(2026, 11, 23)
OFFERS = list(FACTS.offers.values())


@pytest.fixture
def changed(tmp_path):
    """Return a function that reads the facts with one passage changed, and the line of the change."""

    def change(found: str, put: str, file: str = "models.yaml") -> tuple[int, str]:
        for name in ("models.yaml", "sources.yaml"):
            text = data_path(f"facts/{name}").read_text(encoding="utf-8")
            if name == file:
                assert found in text, f"{found!r} is not in {file} any more"
                line = text[: text.index(found)].count("\n") + 1
                text = text.replace(found, put, 1)
            (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(FactsError) as refused:
            read_facts(tmp_path / "models.yaml")
        return line, str(refused.value)

    return change


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.system)
def test_every_offer_has_a_host_sizes_and_sources(offer):
    assert offer.host in FACTS.hosts
    assert offer.sizes
    assert set(offer.sizes) <= set(SIZES)
    assert list(offer.sizes) == sorted(offer.sizes, key=list(SIZES).index)
    assert offer.sources
    assert all(source for source in offer.sources)
    assert not offer.retired or not offer.released or offer.released < offer.retired
    for quote in offer.quotes:
        assert quote.source
        assert date(2026, 1, 1) < quote.read <= FACTS.read
    for latency in offer.latencies:
        assert latency.source
        assert 0 < latency.median_s < (latency.p95_s or 3600)


def test_what_design_names_is_offered():
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
    assert FACTS.hosts["bfl"].base_url == "https://api.bfl.ai"
    assert FACTS.hosts["bfl"].concurrency <= 24
    for host in FACTS.hosts.values():
        assert host.base_url.startswith("https://") or host.id in ("local", "comfyui")
        assert all(host.base_url.endswith(f"{domain}") for domain in host.key_domains)
        assert not host.key_variables or host.key_domains


def test_references_to_other_systems_lead_on_to_systems_that_are_not_over():
    for offer in OFFERS:
        if offer.replaced_by:
            successor = FACTS.find(offer.replaced_by)
            assert successor.retired is None or successor.retired > offer.retired


def test_models_that_take_references_by_another_address_have_it():
    for offer in OFFERS:
        if offer.host in ("fal", "atlascloud") and offer.references_at_most:
            assert offer.edit_api_id, offer.system


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("Nano Banana 2.1@google", "gemini-nano-banana-2.1@google"),
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
    models = {plain_name(offer.model) for offer in OFFERS}
    assert not models & set(FACTS.aliases)
    assert set(FACTS.aliases.values()) <= {offer.model for offer in OFFERS}


def test_cautions_say_that_an_offer_is_over_or_ends_soon():
    offer = FACTS.find("gemini-3.1-flash-image@google")
    last = offer.retired
    assert cautions(offer, last + timedelta(days=1)) == [
        "it was to be shut down on 2026-10-29; use gemini-nano-banana-2.1@google"
    ]
    for day in (last, last - timedelta(days=60)):
        assert "it will be shut down on 2026-10-29" in cautions(offer, day)[0]
    assert cautions(offer, last - timedelta(days=61)) == []
    assert "released" in cautions(offer, offer.released - timedelta(days=1))[0]


def test_cautions_say_what_makes_a_comparison_doubtful():
    def said(system):
        return " ".join(cautions(FACTS.find(system), TODAY))

    assert "weights are exchanged" in said("flux-2-pro-preview@bfl")
    assert "takes no seed" in said("flux-3-image@bfl")
    assert "2 sources disagree on its price" in said("flux-2-flex@bfl")
    assert "no source gives its price" in said("flux-2-dev@replicate")
    assert said("flux-2-pro@bfl") == ""


def test_two_sources_with_one_price_do_not_disagree():
    offer = FACTS.find("flux-2-pro@bfl")
    twice = replace(offer, quotes=(offer.quotes[0], replace(offer.quotes[0], source="somebody else")))
    assert cautions(twice, TODAY) == []


@pytest.mark.parametrize(
    ("found", "put", "said"),
    [
        ("title: FLUX.2 [max]", "titel: FLUX.2 [max]", r"no such field; did you mean 'title'\?"),
        ("api_id: flux-2-max", "# gone", "it is missing"),
        ("host: bfl\n        api_id: flux-2-max", "host: blf\n        api_id: flux-2-max", "did you mean 'bfl'"),
        ("source: bfl-skills", "source: bfl-skill", "there is no source 'bfl-skill'; did you mean 'bfl-skills'"),
        ("usd: 0.025", "usd: -0.025", "-0.025 is too small"),
        ("usd: 0.025", "usd: .nan", "not a finite number"),
        ("usd: 0.025", "usd: cheap", "'cheap' is not a number"),
        ("first: 0.014, ", "", "it is missing"),
        ("input_per_m: 0.25", "input_per_m: 0.25\n            discount: 1", "no such field"),
        ("{1K: 1120, 2K: 1120, 4K: 2000}", "{1K: 1120, 2K: 1120}", "the size 4K is offered and has no number"),
        ("kind: megapixels, first: 0.07", "kind: megapixel, first: 0.07", "did you mean 'megapixels'"),
        ("released: 2026-06-30", "released: last June", "is not a day; write it as 2026-11-22"),
        ("retired: 2026-10-29", "retired: 2026-01-29", "2026-01-29 is before its release on 2026-05-28"),
        ("replaced_by: gemini-nano-banana-2.1@vertex", "replaced_by: gemini-nano-banana-2@vertex", "did you mean"),
        ("sizes: [1K]", "sizes: [1k]", "there is no size '1k'; did you mean '1K'"),
        ("takes_seed: false", "takes_seed: sometimes", "neither true nor false"),
        ("concurrency: 20 ", "concurrency: 0 ", "0 is too small; it is at least 1"),
        ("also: [flux-2-klein]", "also: [flux-2-max]", "is the name of another model"),
        ("also: [Nano Banana 1]", "also: [Nano Banana 2]", "also stands for gemini-3.1-flash-image"),
        ("size: 2K, median_s: 21.2", "size: 512, median_s: 21.2", "512 is not text; put it in quotes"),
    ],
)
def test_a_mistake_in_the_models_is_one_sentence_with_file_and_line(changed, found, put, said):
    line, refused = changed(found, put)
    assert re.search(said, refused), refused
    told = re.match(r"models\.yaml, line (\d+), ", refused)
    assert told, refused
    # What is missing is told with the line on which its section begins.
    assert line - 6 <= int(told[1]) <= line + 1, (line, refused)
    assert "\n" not in refused


@pytest.mark.parametrize(
    ("found", "put", "said"),
    [
        ("trust: A", "trust: Z", "there is no 'Z'; known are A, C, I, R, W"),
        ("  what: google-genai", "  what_: google-genai", "no such field; did you mean 'what'"),
        ("read: 2026-11-22", "read: yesterday", "is not a day"),
    ],
)
def test_a_mistake_in_the_sources_is_one_sentence_with_file_and_line(changed, found, put, said):
    line, refused = changed(found, put, "sources.yaml")
    assert refused.startswith(f"sources.yaml, line {line}, "), refused
    assert said in refused


def test_a_system_that_is_offered_twice_is_refused(changed):
    offer = "      - host: replicate\n        api_id: black-forest-labs/flux-2-max"
    _, refused = changed(offer, offer.replace("replicate", "bfl", 1))
    assert "flux-2-max@bfl is listed twice" in refused


def test_the_facts_are_read_once():
    assert read_facts() is read_facts()


def test_every_source_is_used_by_somebody():
    texts = [data_path(f"facts/{name}.yaml").read_text(encoding="utf-8") for name in ("models", "capabilities")]
    ids = re.findall(r"^([a-z0-9-]+):$", data_path("facts/sources.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(ids) > 30
    for id_ in ids:
        assert any(re.search(rf"[\[ ,]{id_}[\],}}\s]", text) for text in texts), id_
