"""The requests that documents are held against are those that the hosts make, with the fields in full."""

from dataclasses import replace

import pytest

from evals.audit.evidence import request_to
from evals.facts.models import read_facts
from evals.facts.sources import FactsError

FACTS = read_facts()


def test_google_is_asked_once_with_the_prompt_in_parts():
    request = request_to(FACTS, "gemini-3-pro-image@google")
    assert (request.method, request.host) == ("POST", "generativelanguage.googleapis.com")
    assert request.path == "/v1beta/models/gemini-3-pro-image:generateContent"
    assert request.headers == ("x-goog-api-key",)
    assert not request.is_polled
    fields = {"contents[].parts[].text", "contents[].parts[].inlineData.data", "generationConfig.seed"}
    assert fields <= set(request.fields)


def test_the_address_is_that_of_the_facts():
    moved = FACTS.hosts["bfl"].model_copy(update={"base_url": "https://api.example.bfl.ai"})
    facts = replace(FACTS, hosts={**FACTS.hosts, "bfl": moved})
    assert request_to(facts, "flux-2-pro@bfl").host == "api.example.bfl.ai"


def test_what_is_not_asked_over_http_or_not_known_is_refused():
    with pytest.raises(ValueError, match="not asked over HTTP"):
        request_to(FACTS, "flux-2-dev@local")
    with pytest.raises(FactsError, match="did you mean flux-2-pro"):
        request_to(FACTS, "flux-2-prow@bfl")
