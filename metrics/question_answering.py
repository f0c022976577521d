"""Prompt adherence by asking: how likely a vision-language model says that a picture shows what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metrics.encoders.vqa import Answer
from metrics.measurement import Measurement, Subject, scored


def asked_about(row: Mapping[str, Any]) -> str:
    """Return the text that a picture is asked about: the row's caption if it has one, else its prompt.

    A caption says what the picture shows; a prompt may also say how to make it.

    Examples
    --------
    >>> asked_about({"prompt": "Draw me a red fox, please, in 4K.", "caption": "a red fox"})
    'a red fox'
    >>> asked_about({"prompt": "a red fox", "caption": None})
    'a red fox'
    """
    return (row.get("caption") or "").strip() or str(row["prompt"])


def vqa_score(subjects: Sequence[Subject]) -> list[Measurement]:
    r"""Measure ``adherence.vqa``: the probability of Yes to "Does this figure show ...? Please answer yes or no.".

    .. math:: P(\text{yes} \mid \text{image}, \text{question})

    VQAScore of Lin et al. (2024, "Evaluating Text-to-Visual Generation with Image-to-Text Generation"), over all tokens
    that spell yes. As in the paper it is not divided by P(yes) + P(no): what a model gives to neither is doubt too.
    Values are specific to the model and to the wording: never compare them across either.

    Needs the feature ``vqa_answer``: the answer of the encoder about the picture and the text of :func:`asked_about`.

    Returns
    -------
    measurements
        In order, in 0..1. ``details`` carries ``no`` (the probability of No), and ``yes_or_no`` (how much of the
        answer is either; a model that leaves little of it was not answering the question).
    """
    measurements = []
    for subject in subjects:
        answer: Answer = subject.images[0]["vqa_answer"]
        yes = min(answer["yes"], 1.0)  # a sum of probabilities may stray past it by a rounding error
        measurements.append(scored(subject, yes, no=answer["no"], yes_or_no=min(yes + answer["no"], 1.0)))
    return measurements
