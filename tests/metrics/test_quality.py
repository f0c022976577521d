"""Quality: CLIP-IQA's formula against torchmetrics, and technical measures as facts that keep their reasons."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import quality
from metrics.encoders.runtime import import_open_clip, import_torchvision
from metrics.encoders.technical import technical_measures
from metrics.measurement import Subject
from metrics.quality import ANTONYMS, antonym_probability, antonym_texts
from tests.metrics.contract import assert_contract, embedded, unit

TECHNICAL = ("sharpness", "exposure", "clipped", "contrast", "colourfulness", "noise", "blockiness", "bars")
DIMENSION = 16


def random_unit(seed, size=DIMENSION):
    return unit(*np.random.default_rng(seed).normal(size=size))


def random_texts(seed=0):
    texts = [text for dimension in ANTONYMS for text in antonym_texts(dimension)]
    return {text: embedded(random_unit(1000 * seed + number)) for number, text in enumerate(texts)}


def seen(vector, texts, name="a"):
    return Subject((name,), ({},), ({"clip_image": vector},), {"texts": texts}, {"kind": "x"})


def technical_subject(image, name="a"):
    return Subject((name,), ({},), ({"technical": technical_measures(image)},), details={"kind": "x"})


def towards(dimension, share):
    """Return texts of which the first of each pair is the east, the second the north, and an image between them."""
    east, north = np.eye(2, dtype=np.float32)
    texts = {}
    for first, second in ANTONYMS[dimension]:
        texts |= {first: embedded(east), second: embedded(north)}
    angle = math.pi / 2 * (1 - share)
    return np.array([math.cos(angle), math.sin(angle)], np.float32), texts


# Antonyms


def test_the_probability_is_the_logistic_of_a_hundred_times_the_difference_of_the_cosines():
    vector, first, second = random_unit(1), random_unit(2), random_unit(3)
    vector = unit(*vector + 40 * first + 40 * second)
    difference = float(vector @ first) - float(vector @ second)
    assert abs(difference) < 0.05
    assert antonym_probability(vector, first, second) == pytest.approx(1 / (1 + math.exp(-100 * difference)), rel=1e-4)


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
    (measured,) = quality.cinematic([seen(random_unit(5), random_texts())])
    probabilities, differences = measured.details["probabilities"], measured.details["cosine_differences"]
    assert len(probabilities) == len(differences) == len(ANTONYMS["cinematic"]) == 3
    assert measured.value == pytest.approx(np.mean(probabilities))
    recomputed = 1 / (1 + np.exp(-measured.details["logit_scale"] * np.array(differences)))
    np.testing.assert_allclose(probabilities, recomputed, rtol=1e-12)
    assert measured.details["kind"] == "x"


def test_a_text_of_several_clauses_is_their_normalised_mean():
    vector, texts = random_unit(5), random_texts()
    clauses = [random_unit(90), random_unit(91), random_unit(92)]
    (first, _), *_ = ANTONYMS["realism"]
    in_clauses = {**texts, first: embedded(*clauses)}
    as_one = {**texts, first: embedded(unit(*np.mean(clauses, axis=0)))}
    ours, expected = (quality.realism([seen(vector, given)])[0].value for given in (in_clauses, as_one))
    assert ours == pytest.approx(expected, abs=1e-5)


def test_clauses_that_cancel_out_give_a_number_all_the_same():
    vector, texts = random_unit(5), random_texts()
    (first, _), *_ = ANTONYMS["realism"]
    texts[first] = embedded(vector, -vector)
    assert math.isfinite(quality.realism([seen(vector, texts)])[0].value)


def test_an_encoder_that_cannot_tell_the_texts_apart_says_one_half():
    texts = {text: embedded(random_unit(1)) for text in random_texts()}
    for dimension in ANTONYMS:
        assert getattr(quality, dimension)([seen(random_unit(2), texts)])[0].value == 0.5


def test_every_dimension_has_two_or_three_pairs_and_no_text_is_used_twice():
    texts = [text for dimension in ANTONYMS for text in antonym_texts(dimension)]
    assert len(set(texts)) == len(texts)
    assert all(2 <= len(pairs) <= 3 for pairs in ANTONYMS.values())


def test_every_text_fits_the_context_of_clip():
    tokenizer = import_open_clip().tokenizer.SimpleTokenizer()
    assert all(len(tokenizer.encode(text)) <= 75 for text in random_texts())


# The aesthetic rating


def test_the_aesthetic_rating_is_the_heads():
    rated = Subject(("a",), ({},), ({"aesthetic": 5.4321},))
    assert quality.aesthetic([rated])[0].value == 5.4321


# Technical measures


def test_the_measures_of_the_encoder_are_the_values():
    from skimage import data

    measures = technical_measures(data.astronaut())
    subject = technical_subject(data.astronaut())
    same = ("sharpness", "contrast", "colourfulness", "noise", "blockiness", "bars")
    assert {name: getattr(quality, name)([subject])[0].value for name in same} == {n: measures[n] for n in same}
    assert quality.exposure([subject])[0].value == measures["mean_luma"]


def test_clipped_shadows_and_highlights_add_up_and_are_told_apart():
    image = np.full((10, 10, 3), 128, np.uint8)
    image[:1], image[-3:] = 0, 255
    (measured,) = quality.clipped([technical_subject(image)])
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
        image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        features = {
            "technical": technical_measures(image),
            "clip_image": random_unit(number),
            "aesthetic": 0.5 * number,
        }
        subjects.append(Subject((str(number),), ({},), (features,), {"texts": texts}, {"kind": "x"}))
    return subjects


@pytest.mark.parametrize("metric", [*ANTONYMS, *TECHNICAL, "aesthetic"])
def test_values_keep_order_and_details_and_do_not_depend_on_the_other_subjects(metric, every_subject):
    assert_contract(getattr(quality, metric), every_subject, (0, 1) if metric in ANTONYMS else (None, None))
