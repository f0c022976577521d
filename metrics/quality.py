"""Image quality: antonym prompts and aesthetic ratings as labelled proxies, and technical measures as plain facts.

None of it is people's judgement of quality. The antonym probabilities and the aesthetic rating are *proxies*: read
them as differences between systems on the same prompts, beside the neutral control, never as marks. They want a real
CLIP: with the embedded encoder antonyms do not follow scripted changes of light, focus or style, and its neutral pairs
part photographs from drawings as well as the realistic ones do. The technical measures describe pixels and have no
better end: they make a difference of format or processing visible (a JPEG against a PNG, an upscaler, a film-grain
look), so that it is not mistaken for taste.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.encoders.dual import EmbeddedPrompt, text_vector
from metrics.encoders.technical import TechnicalMeasures
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored

FloatArray = npt.NDArray[np.floating]

LOGIT_SCALE = 100.0
"""What cosines are multiplied with before the softmax: the scale that CLIP (Radford et al. 2021) learned and is capped
at, and the one of CLIP-IQA. One constant for every encoder, so that a value can be recomputed from the cosines beside
it; with an encoder that is not CLIP the probabilities are its own, uncalibrated ones, and only their order counts."""

ANTONYMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "lighting": (
        ("a picture with dramatic, carefully shaped lighting", "a picture with flat, dull lighting"),
        ("strong light and deep shadow on the subject", "even light without shadow on the subject"),
        ("a beautifully lit scene", "a badly lit scene"),
    ),
    "depth_of_field": (
        ("a sharp subject before a softly blurred background", "a subject and a background that are equally sharp"),
        ("shallow depth of field", "everything in focus"),
    ),
    "cinematic": (
        ("a still frame from a feature film", "a casual snapshot"),
        ("cinematic colour grading", "plain camera colours"),
        ("a scene staged like in a movie", "an ordinary everyday scene"),
    ),
    "realism": (
        ("a real photograph", "a computer-generated picture"),
        ("a photo taken with a camera", "a drawing or an illustration"),
        ("a lifelike picture with natural textures", "an artificial picture with plastic textures"),
    ),
    "composition": (
        ("a well composed picture", "a badly composed picture"),
        ("a balanced picture with a clear focal point", "a cluttered picture without a focal point"),
        ("a deliberately framed subject", "a carelessly cropped subject"),
    ),
    "neutral": (
        ("a picture", "an image"),
        ("a picture of something", "something in a picture"),
        ("one picture from a set", "a single picture out of a set"),
    ),
}
"""The prompt pairs of each dimension, what it asks for first. The pairs of ``neutral`` mean the same twice: whatever
an encoder sees between them is no quality, which makes them the control of the others. Changing a text is a new
version of its metric."""


def antonym_texts(dimension: str) -> tuple[str, ...]:
    """Return the texts that a dimension's metric needs embedded, pair by pair.

    Examples
    --------
    >>> antonym_texts("depth_of_field")[2:]
    ('shallow depth of field', 'everything in focus')
    """
    return tuple(text for pair in ANTONYMS[dimension] for text in pair)


def all_antonyms(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of every dimension; what a row says does not matter."""
    return tuple(text for dimension in ANTONYMS for text in antonym_texts(dimension))


def antonym_probability(image_vector: FloatArray, first: FloatArray, second: FloatArray) -> float:
    r"""Return the probability that an image is the first of two texts and not the second.

    .. math:: \frac{e^{100 \cos(v, a)}}{e^{100 \cos(v, a)} + e^{100 \cos(v, b)}}

    CLIP-IQA of Wang, Chan and Loy (2023, "Exploring CLIP for Assessing the Look and Feel of Images"), with the encoder
    as it is: the paper's ResNet-50 ran without its positional embedding. The vectors have shape (d,) and unit length
    and come from one encoder. The probability is 0.5 where the image is as close to either text.

    Examples
    --------
    >>> north, east = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    >>> antonym_probability(np.array([0.6, 0.8]), north, north)
    0.5
    >>> round(antonym_probability(np.array([0.704, 0.71]), north, east), 4)
    0.6457
    """
    return _logistic(LOGIT_SCALE * _cosine_difference(image_vector, first, second))


@measured_one_by_one
def lighting(subject: Subject) -> Measurement:
    """Measure ``quality.lighting``: shaped light against flat light, as :func:`_antonyms`."""
    return _antonyms(subject, "lighting")


@measured_one_by_one
def depth_of_field(subject: Subject) -> Measurement:
    """Measure ``quality.depth_of_field``: a blurred background against none, as :func:`_antonyms`.

    Higher is better only where a suite asks for it; a landscape is right to be sharp throughout.
    """
    return _antonyms(subject, "depth_of_field")


@measured_one_by_one
def cinematic(subject: Subject) -> Measurement:
    """Measure ``quality.cinematic``: a film still against a snapshot, as :func:`_antonyms`."""
    return _antonyms(subject, "cinematic")


@measured_one_by_one
def realism(subject: Subject) -> Measurement:
    """Measure ``quality.realism``: a photograph against a rendering or drawing, as :func:`_antonyms`.

    Higher is better only where a suite asks for a photograph.
    """
    return _antonyms(subject, "realism")


@measured_one_by_one
def composition(subject: Subject) -> Measurement:
    """Measure ``quality.composition``: a composed picture against a careless one, as :func:`_antonyms`."""
    return _antonyms(subject, "composition")


@measured_one_by_one
def neutral(subject: Subject) -> Measurement:
    """Measure ``quality.neutral``, the control: texts that mean the same, as :func:`_antonyms`.

    What two systems differ by here is the encoder's habit with their pictures, and so much of a difference in the
    other dimensions says nothing.
    """
    return _antonyms(subject, "neutral")


def _antonyms(subject: Subject, dimension: str) -> Measurement:
    """Return the mean of :func:`antonym_probability` over a dimension's pairs: a proxy, 0 to 1.

    Needs the features ``clip_image`` of the image and, in ``context["texts"]``, the embedded prompt of every text of
    the dimension; a text of several clauses is their normalised mean. ``details`` holds the probability and the
    difference of the cosines for each pair, in the order of ``ANTONYMS``, and the ``logit_scale``.
    """
    texts: Mapping[str, EmbeddedPrompt] = subject.context["texts"]
    vector: FloatArray = subject.images[0]["clip_image"]
    differences = [
        _cosine_difference(vector, text_vector(texts[first]), text_vector(texts[second]))
        for first, second in ANTONYMS[dimension]
    ]
    probabilities = [_logistic(LOGIT_SCALE * difference) for difference in differences]
    return scored(
        subject,
        math.fsum(probabilities) / len(probabilities),
        probabilities=probabilities,
        cosine_differences=differences,
        logit_scale=LOGIT_SCALE,
    )


def _cosine_difference(image_vector: FloatArray, first: FloatArray, second: FloatArray) -> float:
    vector, a, b = (np.asarray(array, np.float64) for array in (image_vector, first, second))
    return float(vector @ a) - float(vector @ b)


def _logistic(logit: float) -> float:
    # the softmax over two; cosines of unit vectors keep the exponent within 200, far from overflow
    return 1 / (1 + math.exp(-logit))


@measured_one_by_one
def aesthetic(subject: Subject) -> Measurement:
    """Measure ``quality.aesthetic``: the rating of a LAION head on CLIP's embedding, a proxy of taste.

    Fitted to people's ratings of photographs and generated pictures from 1 to 10; most pictures lie between 4 and
    7, and the linear head is not bounded. Comparable only with ratings of the same head, on the same prompts.
    """
    return scored(subject, subject.images[0]["aesthetic"])


@measured_one_by_one
def sharpness(subject: Subject) -> Measurement:
    """Return how sharp each image is when shown 1024 pixels long: the variance of the Laplacian of its luma.

    Has no better end: grain, halos and busy textures raise it as detail does, and a blurred background lowers it.
    Reason: ``image_too_small`` for an image with a side under three pixels at that size.
    """
    return _technical(subject, "sharpness")


@measured_one_by_one
def exposure(subject: Subject) -> Measurement:
    """Return how bright each image is on the whole: its mean luma, 0 black to 1 white. Has no better end."""
    return _technical(subject, "mean_luma")


@measured_one_by_one
def clipped(subject: Subject) -> Measurement:
    """Return the share of pixels that are black or white to within 1 % of the range.

    ``details`` holds ``shadows`` and ``highlights`` apart. Has no better end: detail is lost there in a photograph,
    and a white page or a night sky is meant so.
    """
    technical: TechnicalMeasures = subject.images[0]["technical"]
    shadows, highlights = technical["shadows_clipped"], technical["highlights_clipped"]
    return scored(subject, shadows + highlights, shadows=shadows, highlights=highlights)


@measured_one_by_one
def contrast(subject: Subject) -> Measurement:
    """Return the RMS contrast of each image: the standard deviation of luma, 0 to 0.5. Has no better end."""
    return _technical(subject, "contrast")


@measured_one_by_one
def colourfulness(subject: Subject) -> Measurement:
    """Return the colourfulness of each image (Hasler and Süsstrunk 2003), 0 for greys. Has no better end."""
    return _technical(subject, "colourfulness")


@measured_one_by_one
def noise(subject: Subject) -> Measurement:
    """Return the standard deviation of each image's noise in levels of luma, estimated at its own size.

    Has no better end, and no place in a rating. Lossy compression removes noise and film looks add it on purpose, so
    a report shows it beside the file format to say where two systems' files differ, not which pictures are better.
    Reason: ``image_too_small`` for an image with a side under three pixels.
    """
    return _technical(subject, "noise")


@measured_one_by_one
def blockiness(subject: Subject) -> Measurement:
    """Return how much the 8 x 8 grid of JPEG stands out of each image, at its own size; 1 is not at all.

    Has no better end here, though no one likes blocks: it is a property of the file that an API delivers, which
    another output format may change at no cost. A report shows its median beside the format: JPEG of quality 75 and
    less shows in single pictures (about 1.15 and more), of 90 in the median of a set only (about 1.03), of 95 hardly.
    Where two systems differ by it, their texture, sharpness and text should be compared in one lossless format before
    they are held against a model. A picture that was scaled or cropped after its compression keeps the damage and
    loses the grid, so 1 is no proof of a lossless past.
    Reason: ``image_too_small`` for an image that is under twelve pixels both ways.
    """
    return _technical(subject, "blockiness")


@measured_one_by_one
def bars(subject: Subject) -> Measurement:
    """Return the share of each image that black letterbox or pillarbox bars take, 0 to 1. Has no better end."""
    return _technical(subject, "bars")


def _technical(subject: Subject, name: str) -> Measurement:
    value: float | None = subject.images[0]["technical"][name]
    return unscored(subject, "image_too_small") if value is None else scored(subject, value)
