"""Declared stars: they follow from a cited fact and the rubric, and where there is no fact there is a reason."""

from dataclasses import replace
from datetime import date

import pytest

from evals.facts.capabilities import read_capabilities
from evals.facts.models import read_facts
from evals.facts.sources import FactsError
from evals.rating.stars import declared_rows
from evals.rating.stars.declared_rows import declared_cell

CAPABILITIES = read_capabilities()
SYSTEMS = tuple(read_facts().offers)


@pytest.mark.parametrize(
    ("capability", "system", "stars"),
    [
        ("lora", "flux-2-pro@bfl", 1.0),
        ("lora", "flux-2-klein-9b@bfl", 3.0),
        ("lora", "flux-2-dev@fal", 4.0),
        ("lora", "flux-2-dev@simulated-fal", 4.0),
        ("sla", "gemini-3-pro-image@vertex", 4.0),
        ("sla", "gemini-3-pro-image@google", 1.0),
        ("open_weights", "flux-2-pro@bfl", 1.0),
        ("open_weights", "flux-1-schnell@local", 5.0),
        ("batch", "gemini-nano-banana-2.1@google", 5.0),
        ("batch", "flux-2-pro@bfl", 1.0),
    ],
)
def test_stars_follow_from_the_level_of_the_cell(capability, system, stars):
    row = declared_cell(capability, system)
    assert row["stars"] == stars
    assert row["level"] == CAPABILITIES[capability].rubric[int(stars) - 1]
    assert row["reason"] is None


@pytest.mark.parametrize(
    ("system", "stars", "companies", "weights"),
    [
        ("flux-3-image@bfl", 1.0, "1 company known here serves it (Black Forest Labs)", "not open."),
        ("gemini-3.1-flash-lite-image@google", 2.0, "1 company known here serves it (Google)", "not open."),
        (
            "gemini-3-pro-image@fal",
            4.0,
            "4 companies known here serve it (AtlasCloud, fal, Google, Replicate)",
            "not open.",
        ),
        ("gemini-nano-banana-2.1@fal", 3.0, "2 companies known here serve it (fal, Google)", "not open."),
        ("flux-2-klein-9b@local", 3.0, "1 company", "open for non-commercial use."),
        ("flux-2-pro@bfl", 4.0, "4 companies known here serve it (AtlasCloud, Black Forest Labs, fal", "not open"),
        ("flux-2-klein-4b@bfl", 5.0, "1 company", "open."),
    ],
)
def test_deployment_counts_companies_and_open_weights(system, stars, companies, weights):
    row = declared_cell("deployment", system)
    assert (row["stars"], row["level"]) == (stars, CAPABILITIES["deployment"].rubric[int(stars) - 1])
    assert row["says"].startswith(companies)
    assert f"; its weights are {weights}" in row["says"]


@pytest.mark.parametrize(
    ("last_host", "stars", "reason"), [("bfl", 1.0, None), (None, None, "no company that is known here served it")]
)
def test_a_host_that_no_longer_serves_a_model_does_not_count(monkeypatch, last_host, stars, reason):
    offers = {
        system: offer if offer.host == last_host else offer.model_copy(update={"retired": date(2020, 1, 1)})
        for system, offer in read_facts().offers.items()
    }
    facts = replace(read_facts(), offers=offers)
    monkeypatch.setattr(declared_rows, "read_facts", lambda: facts)
    row = declared_cell("deployment", "flux-2-pro@bfl")
    assert row["stars"] == stars
    assert reason is None or reason in row["reason"]


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_stars_have_a_dated_source_and_everything_else_a_reason(capability):
    for system in SYSTEMS:
        row = declared_cell(capability, system)
        assert (row["stars"] is None) == (row["level"] is None) == bool(row["reason"])
        if row["stars"] is not None:
            assert 1 <= row["stars"] <= 5
            assert row["sources"]
            assert all(date.fromisoformat(source["read"]) and source["trust"] for source in row["sources"])


@pytest.mark.parametrize(
    ("capability", "system", "reason"),
    [
        ("sla", "flux-2-pro@bfl", "nobody knows: Nothing public was found"),
        ("lora", "flux-3-image@bfl", "nobody looked into it"),
        ("lora", "aurora-1@demo", "the facts do not know this system"),
        ("steps", "flux-2-flex@bfl", "it has no rubric: more of it is not better for everyone"),
    ],
)
def test_no_fact_gives_a_reason_and_no_stars(capability, system, reason):
    row = declared_cell(capability, system)
    assert row["stars"] is None
    assert row["reason"].startswith(reason)


def test_an_unknown_capability_is_refused_with_the_one_that_was_meant():
    with pytest.raises(FactsError, match="did you mean 'deployment'"):
        declared_cell("deploiment", "flux-2-pro@bfl")
