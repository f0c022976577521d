"""What is not set alike is told before money is spent; what is alike is not."""

import pytest

from evals.facts.models import read_facts
from evals.facts.settings import unlike_settings


@pytest.mark.parametrize(
    ("systems", "told"),
    [
        (("flux-2-pro@bfl", "flux-2-max@bfl"), []),
        (("flux-2-pro@bfl", "gemini-nano-banana-2.1@fal"), ["tolerance 2 of 0 to 5", "tolerance 4 of 1 to 6"]),
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
