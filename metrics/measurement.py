"""The two nouns every metric speaks: the subject that is measured and the measurement, or the reason for none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

REASONS: Mapping[str, str] = {
    "no_face": "no face was found in the image",
    "no_face_in_reference": "no face was found in the reference image",
    "no_text": "no text was found in the image",
    "illegible_text": "text was found in the image, but none of it is legible",
    "letters_stand_apart": "the letters stand one by one, in an order that the text engine cannot follow",
    "language_unsupported": "no text engine at hand knows the script or a character of the expected text",
    "size_differs": "the two images differ in size, so their pixels cannot be compared",
    "image_too_small": "the image is smaller than the window that the metric looks through",
    "too_few_shots": "too few shots of the sequence could be measured",
    "no_checkable_object": "the prompt names no object that a detector could look for",
    "no_checkable_colour": "no object is asked for in one of the eleven basic colours",
    "no_checkable_relation": "no relation is asked for that boxes in a picture could decide",
    "no_checkable_position": "no object is asked for in a part of the picture",
    "no_source": "no source picture was given, so nothing says what the edit started from",
    "no_mask": "no mask was given, so nothing says what may change",
    "unclear_mask": "the mask can be read in several ways; save it black and white, white where the picture may change",
    "mask_covers_all": "the mask leaves no part of the picture that must stay as it is, or too little to measure",
    "mask_is_empty": "the mask lets nothing change",
    "texts_agree": "the texts before and after the edit say the same, so there is no change to follow",
    "no_decoys": "the suite has no other prompt to hold the image against",
    "encoder_unavailable": "the encoder's weights are not on this machine",
    "encoder_unfit": "the encoder at hand was seen to fail the control of this metric",
    "too_large": "the picture is too large for the memory that this measurement may take, which is a limit of ours",
    "unreadable_image": "the image file could not be decoded",
    "unreadable_reference": "the reference image could not be decoded",
    "decode_timeout": "decoding the image took longer than the limit",
    "decode_crashed": "the decoder process died on this image",
    "encoder_failed": "the encoder failed on this image",
    "text_unknown": "the encoder knows hardly a word of the text, so its vector would say nothing",
    "metric_failed": "the metric failed on this subject",
}
"""Every reason a measurement may carry instead of a value, with the sentence that a report prints."""

SYSTEM_FAILURES = ("no_face", "no_text", "illegible_text", "size_differs")
"""Reasons that are the system's own: no face where one was asked for, nothing legible, another size for one seed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that is measured: a sample, a pair, or a sequence, with everything that a metric may look at.

    ``sample_ids`` are the samples it consists of, in order (repeats and shots ascending), ``rows`` the image-set row of
    each. ``images`` holds the features of each sample's image: feature name to value (see
    ``metrics.features.FEATURES``). ``context`` is what the images are held against: ``prompt`` (an embedded prompt),
    ``decoys`` (the embedded prompts of the suite by text, one object shared by its subjects) with ``prompt_text``
    (which of them is ``prompt``), ``references`` (features of each reference image), or the features of a pair such as
    ``difference``. ``details`` are facts that the measurement's own details start from, such as ``same_sequence``.
    """

    sample_ids: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    images: tuple[Mapping[str, Any], ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of one metric for one subject, or the reason why there is none.

    Raises ValueError if there is both a value and a reason, or neither, or the reason is not in ``REASONS``.

    Examples
    --------
    >>> Measurement(("a",), 31.2).value
    31.2
    >>> Measurement(("a",), reason="no_face").value is None
    True
    """

    sample_ids: tuple[str, ...]
    value: float | None = None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a measurement has either a value or a reason")
        if self.reason is not None and self.reason not in REASONS:
            raise ValueError(f"unknown reason {self.reason!r}; add it to metrics.measurement.REASONS")
        if self.value is not None and self.value != self.value:
            raise ValueError("a value is a number, never NaN; give a reason instead")


def scored(subject: Subject, value: float, **details: Any) -> Measurement:
    """Return the measurement of ``subject`` with ``value``, its details added to the subject's own."""
    return Measurement(subject.sample_ids, float(value), None, {**subject.details, **details})


def unscored(subject: Subject, reason: str, **details: Any) -> Measurement:
    """Return the measurement of ``subject`` that says why there is no value."""
    return Measurement(subject.sample_ids, None, reason, {**subject.details, **details})


Measurements = Sequence[Measurement]


def measured_one_by_one(measure: Callable[[Subject], Measurement]) -> Callable[[Sequence[Subject]], list[Measurement]]:
    """Make a metric, a function over a batch, of a function that measures one subject without a look at the others."""

    @wraps(measure)
    def metric(subjects: Sequence[Subject]) -> list[Measurement]:
        return [measure(subject) for subject in subjects]

    return metric
