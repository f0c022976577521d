"""What our host sends to Black Forest Labs fits what the vendor publishes, and so does what the simulator lets in."""

import json

import pytest

from evals.facts.models import read_facts
from evals.generation.simulated.bfl import Invalid, read_body
from tests.contracts.bfl_bodies import BODIES
from tests.contracts.serving import REFERENCE
from tests.evals.generation.hosts.conftest import image_request, opened
from tests.evals.generation.simulated_runs import model_of

OFFERS = {offer.api_id: offer for offer in read_facts().offers.values() if offer.host == "bfl"}
BREAKS = {
    "prompt": 7,
    "seed": 1.5,
    "width": 1000,
    "height": 48,
    "safety_tolerance": 7,
    "output_format": "gif",
    "input_image": 7,
    "prompt_upsampling": 7,
    "disable_pup": 7,
    "grounding": 7,
    "steps": 51,
    "guidance": 11,
    "resolution": "8k",
    "images": ["a"] * 11,
}
"""A value by field that the vendor refuses, in whichever endpoints have the field."""


def fits(api_id, body):
    import jsonschema  # takes seconds, and every run collects this module

    return jsonschema.Draft202012Validator(BODIES[api_id]).is_valid(body)


def is_let_in(api_id, body):
    try:
        read_body(model_of(OFFERS[api_id]), json.dumps(body).encode())
    except Invalid:
        return False
    return True


def our_body(api_id, size="1K", references=0):
    return opened("bfl").prepare(image_request(size=size), OFFERS[api_id], [REFERENCE] * references).body


@pytest.mark.parametrize("api_id", OFFERS)
def test_what_our_host_sends_fits_the_vendors_schema_and_is_let_in_by_the_simulator(api_id):
    offer = OFFERS[api_id]
    for size in offer.sizes:
        for references in {0, min(1, offer.references_at_most), offer.references_at_most}:
            body = our_body(api_id, size, references)
            assert fits(api_id, body), body
            assert is_let_in(api_id, body)


@pytest.mark.parametrize("api_id", OFFERS)
def test_the_simulator_refuses_what_the_vendors_schema_refuses(api_id):
    fields = [field for field in BREAKS if field in BODIES[api_id]["properties"]]
    assert len(fields) >= 3
    for field in fields:
        body = our_body(api_id) | {field: BREAKS[field]}
        assert (field, fits(api_id, body), is_let_in(api_id, body)) == (field, False, False)


@pytest.mark.parametrize("api_id", OFFERS)
def test_more_pictures_than_the_vendors_schema_has_fields_for_are_noticed(api_id):
    assert not fits(api_id, our_body(api_id, references=11))
