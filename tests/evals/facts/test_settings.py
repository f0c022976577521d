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
        (("flux-2-pro@bfl", "flux-2-pro@atlascloud"), []),
        (("flux-2-pro@bfl", "flux-3-image-klein@bfl"), ["not known (flux-3-image-klein@bfl)"]),
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
    "system", [name for name, offer in FACTS.offers.items() if offer.host in ("bfl", "fal", "replicate", "atlascloud")]
)
def test_the_same_safety_tolerance_is_asked_of_every_offer_that_takes_one(system):
    offer = FACTS.find(system)
    body = opened(offer.host).prepare(image_request(size=offer.sizes[0]), offer, []).body
    sent = body.get("input", body).get(FIELD)
    assert (sent is None) == (offer.safety_tolerance_at_most is None)
    assert sent is None or int(sent) == SAFETY_TOLERANCE


SENT_AS = {
    "prompt rewriting": {"prompt_upsampling": False, "enable_prompt_expansion": False, "enhance_prompt": False}
    | {"disable_pup": True},
    "acceleration": {"acceleration": "none"},
    "grounding": {"grounding": False, "enable_web_search": False},
}
"""The fields by which a setting is sent; Google's models look nothing up unless they are given a tool for it."""


@pytest.mark.parametrize(
    "system",
    [name for name, offer in FACTS.offers.items() if offer.host not in ("local", "comfyui", "google", "vertex")],
)
def test_what_the_facts_call_off_is_sent_as_off_and_nothing_else_is(system):
    offer = FACTS.find(system)
    body = opened(offer.host).prepare(image_request(size=offer.sizes[0]), offer, []).body
    fields = body.get("input", body)
    for setting, off in SENT_AS.items():
        sent = [field for field in fields.keys() & off.keys() if fields[field] == off[field]]
        assert (setting, len(sent)) == (setting, int(offer.settings.get(setting) in ("off", "none")))


@pytest.mark.parametrize(
    ("systems", "setting", "told"),
    [
        (("flux-2-pro@bfl", "flux-2-pro@fal"), "prompt rewriting", ["off (flux-2-pro@bfl)", "no field turns it off"]),
        (("flux-2-dev@fal", "flux-2-dev@replicate"), "acceleration", ["none (flux-2-dev@fal)", "the host's default"]),
        (("flux-3-image@bfl", "gemini-3-pro-image@google"), "grounding", []),
        (("flux-2-pro@bfl", "flux-2-max@bfl"), "prompt rewriting", []),
    ],
)
def test_what_hosts_do_to_prompts_and_pictures_by_themselves_is_told_where_it_differs(systems, setting, told):
    sentences = [each for each in unlike_settings({name: FACTS.find(name) for name in systems}) if setting in each]
    assert len(sentences) == bool(told)
    assert all(part in sentences[0] for part in told)


def test_flex_is_asked_with_the_same_steps_on_every_host():
    systems = [name for name, offer in FACTS.offers.items() if offer.model == "flux-2-flex"]
    assert len(systems) == 3
    assert not list(unlike_settings({name: FACTS.find(name) for name in systems}))
