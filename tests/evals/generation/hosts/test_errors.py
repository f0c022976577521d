from __future__ import annotations

import pytest

from evals.generation.hosts.errors import withheld


@pytest.mark.parametrize(
    "words",
    [
        "NSFW content detected. Try running it again, or try a different prompt.",
        "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
        "Content Moderated",
        "The generated image violates our content policy",
    ],
)
def test_words_about_a_picture_mean_filtered(words):
    assert withheld(words) == "filtered"


@pytest.mark.parametrize(
    "words",
    ["Request Moderated", "Your prompt was flagged as inappropriate", "Invalid: prompt contains prohibited content"],
)
def test_words_about_the_prompt_mean_refused(words):
    assert withheld(words) == "refused"


@pytest.mark.parametrize(
    "words",
    ["", "CUDA out of memory", "prompt: field required", "failed to load the safety checker", "the request timed out"],
)
def test_other_failures_are_nobodys_refusal(words):
    assert withheld(words) is None
