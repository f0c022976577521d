"""Quality: CLIP-IQA's formula against torchmetrics, and technical measures as facts that keep their reasons."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from metrics import quality
from metrics.encoders.runtime import import_open_clip, import_torchvision
from metrics.encoders.technical import technical_measures
from metrics.measurement import Subject
from metrics.quality import ANTONYMS, antonym_probability, antonym_texts
from tests.metrics.contract import assert_contract, embedded, measure, unit

TECHNICAL = ("sharpness", "exposure", "clipped", "contrast", "colourfulness", "noise", "blockiness", "bars")
DIMENSION = 16


def random_unit(seed, size=DIMENSION):
    return unit(*np.random.default_rng(seed).normal(size=size))


def random_texts():
    texts = [text for dimension in ANTONYMS for text in antonym_texts(dimension)]
    return {text: embedded(random_unit(number)) for number, text in enumerate(texts)}


def seen(vector, texts):
    return Subject(("a",), ({},), ({"clip_image": vector},), {"texts": texts}, {"kind": "x"})


def technical_subject(image):
    return Subject(("a",), ({},), ({"technical": technical_measures(image)},), details={"kind": "x"})


def towards(dimension, share):
    """Return texts of which the first of each pair is the east, the second the north, and an image between them."""
    east, north = np.eye(2, dtype=np.float32)
    texts = {}
    for first, second in ANTONYMS[dimension]:
        texts |= {first: embedded(east), second: embedded(north)}
    angle = math.pi / 2 * (1 - share)
    return np.array([math.cos(angle), math.sin(angle)], np.float32), texts


# Antonyms


@pytest.mark.parametrize(("gap", "expected"), [(0.0, 0.5), (0.01, 0.7310586), (-0.02, 0.1192029), (0.05, 0.9933071)])
def test_a_gap_of_one_cosine_hundredth_is_one_logit(gap, expected):
    # in three dimensions cosines of .3 and .3 - gap can be had exactly
    rest = math.sqrt(1 - 0.3**2 - (0.3 - gap) ** 2)
    vector = np.array([0.3, 0.3 - gap, rest])
    assert antonym_probability(vector, np.eye(3)[0], np.eye(3)[1]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dimension", ANTONYMS)
def test_torchmetrics_clip_iqa_on_the_same_embeddings_agrees_to_1e_5(dimension):
    import_torchvision()
    import torch
    from torchmetrics.functional.multimodal.clip_iqa import _clip_iqa_compute

    # near one another, as texts of CLIP are, so that no probability is all but 0 or 1
    centre = random_unit(7, 512)
    vectors = [unit(*centre + 0.3 * random_unit(seed, 512)) for seed in range(5)]
    texts = {
        text: embedded(unit(*centre + 0.3 * random_unit(50 + number, 512)))
        for number, text in enumerate(antonym_texts(dimension))
    }
    anchors = torch.from_numpy(np.stack([texts[text]["chunks"][0] for text in antonym_texts(dimension)]))
    names = [str(number) for number in range(len(ANTONYMS[dimension]))]
    theirs = _clip_iqa_compute(torch.from_numpy(np.stack(vectors)), anchors, names, format_as_dict=False).numpy()
    ours = getattr(quality, dimension)([seen(vector, texts) for vector in vectors])
    np.testing.assert_allclose([one.details["probabilities"] for one in ours], theirs, atol=1e-5)
    np.testing.assert_allclose([one.value for one in ours], theirs.mean(axis=1), atol=1e-5)
    assert np.ptp(theirs) > 0.3


@pytest.mark.parametrize("dimension", ANTONYMS)
def test_an_image_that_is_the_first_of_all_texts_scores_one_and_the_second_zero(dimension):
    scores = [getattr(quality, dimension)([seen(*towards(dimension, share))])[0].value for share in (1, 0.5, 0)]
    assert scores == pytest.approx([1, 0.5, 0], abs=1e-5)


@given(st.floats(0, 1), st.floats(0, 1))
def test_moving_towards_the_first_text_never_lowers_the_value(a, b):
    low, high = (quality.lighting([seen(*towards("lighting", share))])[0].value for share in sorted((a, b)))
    assert 0 <= low <= high <= 1


@given(st.integers(0, 10_000))
def test_exchanging_the_texts_of_a_pair_gives_the_complement(seed):
    vector, first, second = (random_unit(seed + number) for number in range(3))
    both = antonym_probability(vector, first, second) + antonym_probability(vector, second, first)
    assert both == pytest.approx(1, abs=1e-12)


def test_every_pair_counts_once_and_its_cosines_are_kept():
    measured = measure(quality.cinematic, seen(random_unit(5), random_texts()))
    probabilities, differences = measured.details["probabilities"], measured.details["cosine_differences"]
    assert len(probabilities) == len(differences) == len(ANTONYMS["cinematic"]) == 3
    assert measured.value == pytest.approx(np.mean(probabilities))
    recomputed = 1 / (1 + np.exp(-measured.details["logit_scale"] * np.array(differences)))
    np.testing.assert_allclose(probabilities, recomputed, rtol=1e-12)


def test_a_text_of_several_clauses_is_their_normalised_mean():
    vector, texts, clauses = random_unit(5), random_texts(), [random_unit(n) for n in (90, 91, 92)]
    (first, _), *_ = ANTONYMS["realism"]

    def value(*vectors):
        return measure(quality.realism, seen(vector, {**texts, first: embedded(*vectors)})).value

    assert value(*clauses) == pytest.approx(value(unit(*np.mean(clauses, axis=0))), abs=1e-5)
    assert math.isfinite(value(vector, -vector)), "clauses that cancel out"


def test_an_encoder_that_cannot_tell_the_texts_apart_says_one_half():
    texts = {text: embedded(random_unit(1)) for text in random_texts()}
    for dimension in ANTONYMS:
        assert measure(getattr(quality, dimension), seen(random_unit(2), texts)).value == 0.5


def test_every_dimension_has_two_or_three_pairs_of_different_texts_that_fit_the_context_of_clip():
    texts = [text for dimension in ANTONYMS for text in antonym_texts(dimension)]
    assert len(set(texts)) == len(texts)
    assert all(2 <= len(pairs) <= 3 for pairs in ANTONYMS.values())
    tokenizer = import_open_clip().tokenizer.SimpleTokenizer()
    assert all(len(tokenizer.encode(text)) <= 75 for text in texts)


# Technical measures


def test_the_measures_of_the_encoder_are_the_values():
    measures = technical_measures(data.astronaut())
    named = {name: name for name in ("sharpness", "contrast", "colourfulness", "noise", "blockiness", "bars")}
    for name, measured_as in {**named, "exposure": "mean_luma"}.items():
        assert measure(getattr(quality, name), technical_subject(data.astronaut())).value == measures[measured_as]
    assert measure(quality.aesthetic, Subject(("a",), ({},), ({"aesthetic": 5.4321},))).value == 5.4321


def test_clipped_shadows_and_highlights_add_up_and_are_told_apart():
    image = np.full((10, 10, 3), 128, np.uint8)
    image[:1], image[-3:] = 0, 255
    measured = measure(quality.clipped, technical_subject(image))
    assert measured.value == pytest.approx(0.4)
    assert (measured.details["shadows"], measured.details["highlights"]) == (0.1, 0.3)


def test_an_image_of_one_pixel_has_reasons_where_nothing_can_be_measured():
    subject = [technical_subject(np.full((1, 1, 3), 7, np.uint8))]
    reasons = {name: getattr(quality, name)(subject)[0].reason for name in TECHNICAL}
    # enlarged to 1024 pixels it is flat
    assert reasons == {name: "image_too_small" if name in ("noise", "blockiness") else None for name in TECHNICAL}
    assert quality.sharpness([technical_subject(np.zeros((1, 700, 3), np.uint8))])[0].reason == "image_too_small"


# What holds for all of them


@pytest.fixture(scope="module")
def every_subject():
    rng = np.random.default_rng(3)
    shapes = [(24, 40), (1, 1), (16, 3), (60, 20), (9, 200), (33, 33)]
    texts = random_texts()
    subjects = []
    for number, shape in enumerate(shapes):
        technical = technical_measures(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
        features = {"technical": technical, "clip_image": random_unit(number), "aesthetic": 0.5 * number}
        subjects.append(Subject((str(number),), ({},), (features,), {"texts": texts}, {"kind": "x"}))
    return subjects


@pytest.mark.parametrize("metric", [*ANTONYMS, *TECHNICAL, "aesthetic"])
def test_values_keep_order_and_details_and_do_not_depend_on_the_other_subjects(metric, every_subject):
    assert_contract(getattr(quality, metric), every_subject, (0, 1) if metric in ANTONYMS else (None, None))
