"""What is not set alike is told before money is spent; what is alike is not."""

import pytest

from evals.facts.models import SAFETY_TOLERANCE, read_facts
from evals.facts.settings import unlike_settings
from tests.evals.generation.hosts.conftest import image_request, opened

FACTS = read_facts()
FIELD = "safety_tolerance"


@pytest.mark.parametrize(
    ("systems", "told"),
    [
        (("flux-2-pro@bfl", "flux-2-max@bfl"), []),
        (("flux-2-pro@bfl", "flux-2-max@fal", "flux-2-flex@replicate"), []),
        (("flux-2-pro@bfl", "gemini-nano-banana-2.1@fal"), ["tolerance 2 of 5", "tolerance 2 of 6"]),
        (("flux-2-pro@bfl", "flux-2-pro@atlascloud"), ["not known (flux-2-pro@atlascloud)"]),
    ],
)
def test_safety_that_differs_is_told_with_what_it_means(systems, told):
    facts = read_facts()
    sentences = [
        each for each in unlike_settings({name: facts.find(name) for name in systems}) if each.startswith("safety")
    ]
    assert len(sentences) == bool(told)
    for part in [*told, *(["a refusal counts as zero"] if told else [])]:
        assert part in sentences[0]


@pytest.mark.parametrize(
    "system", [name for name, offer in FACTS.offers.items() if offer.host in ("bfl", "fal", "replicate")]
)
def test_the_same_safety_tolerance_is_asked_of_every_offer_that_takes_one(system):
    offer = FACTS.find(system)
    body = opened(offer.host).prepare(image_request(size=offer.sizes[0]), offer, []).body
    sent = body.get("input", body).get(FIELD)
    assert (sent is None) == (offer.safety_tolerance_at_most is None)
    assert sent is None or int(sent) == SAFETY_TOLERANCE


def test_flex_is_asked_with_the_same_steps_on_every_host():
    systems = [name for name, offer in FACTS.offers.items() if offer.model == "flux-2-flex"]
    assert len(systems) == 3
    assert not list(unlike_settings({name: FACTS.find(name) for name in systems}))
