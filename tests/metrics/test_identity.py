"""Identity consistency: known answers, the traps of real scorers, and separation of real people."""

import itertools
import json

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.encoders.catalogue import load_encoder
from metrics.encoders.faces import Face
from metrics.identity import (
    copy_paste,
    drift,
    face_count,
    face_similarity,
    pair_similarity,
    people_similarity,
    to_reference,
)
from metrics.measurement import Subject
from tests.metrics.contract import assert_contract, measure

METRICS = (face_count, to_reference, copy_paste, pair_similarity, drift, people_similarity)
FIRST = [1.0, 0.0, 0.0]


def face(embedding, distance="cosine", crop_phash="0" * 16, left=0.0):
    box, vector = [left, 0.0, left + 10.0, 10.0], np.array(embedding, np.float32)
    return Face(box=box, score=0.9, embedding=vector, distance=distance, crop_phash=crop_phash)


def at_similarity(cosine):
    """Return a face with this cosine to ``FIRST``."""
    return face([cosine, float(np.sqrt(1 - cosine**2)), 0.0])


def shots(*faces_of_each, numbers=None, references=()):
    return Subject(
        sample_ids=tuple(f"s{i}" for i in range(len(faces_of_each))),
        rows=tuple({"shot": number} for number in numbers or range(len(faces_of_each))),
        images=tuple({"faces": list(faces)} for faces in faces_of_each),
        context={"references": tuple({"faces": list(faces)} for faces in references)},
        details={"same_sequence": True},
    )


def sequence(*cosines, numbers=None):
    """Return shots of a face at these similarities to ``FIRST``, and without a face at None."""
    return shots(*([] if cosine is None else [at_similarity(cosine)] for cosine in cosines), numbers=numbers)


VECTOR = np.random.default_rng(0).normal(size=512)
UNIT = VECTOR / np.linalg.norm(VECTOR)


@pytest.mark.parametrize(
    ("a", "b", "similarity"),
    [
        (face(FIRST), face([0.6, 0.8, 0.0]), 0.6),
        (face([1.4, 0.0], "euclidean"), face([1.4, 0.6], "euclidean"), 0.4),
        (face(UNIT), face(UNIT), 1),
        (face(VECTOR, "euclidean"), face(VECTOR, "euclidean"), 1),
    ],
)
def test_similarity_is_the_cosine_or_one_minus_the_distance_and_never_above_one(a, b, similarity):
    assert face_similarity(a, b) == pytest.approx(similarity, abs=1e-6)
    assert face_similarity(a, b) <= 1


@pytest.mark.parametrize("other", [face(FIRST, "euclidean"), face([1.0, 0.0])])
def test_faces_of_two_encoders_are_not_compared(other):
    with pytest.raises(ValueError, match="two different encoders"):
        face_similarity(face(FIRST), other)


def test_faces_are_counted_and_every_box_kept():
    measurement = measure(face_count, shots([face(FIRST), face(FIRST, left=50.0)]))
    assert measurement.value == 2
    assert measurement.details["boxes"] == {"s0": [[0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 60.0, 10.0]]}


def test_likeness_is_the_mean_over_the_references_that_show_a_face():
    references = ([at_similarity(0.8)], [], [at_similarity(0.4)])
    measurement = measure(to_reference, shots([face(FIRST)], references=references))
    assert measurement.value == pytest.approx(0.6)
    assert measurement.details["similarities"] == [pytest.approx(0.8), None, pytest.approx(0.4)]
    assert measurement.details["minimum"] == pytest.approx(0.4)
    assert measurement.details["boxes"] == {"s0": [0.0, 0.0, 10.0, 10.0]}
    assert measurement.details["reference_boxes"][1] is None


def test_main_faces_are_compared_and_bystanders_ignored():
    subject = shots([face(FIRST), face([0.0, 1.0, 0.0])], references=[[face(FIRST), face([0.0, 0.0, 1.0])]])
    assert measure(to_reference, subject).value == pytest.approx(1)
    others = [at_similarity(0.7), face(FIRST, left=30.0)]
    measurement = measure(pair_similarity, shots([face(FIRST), face([0.0, 0.0, 1.0])], others))
    assert measurement.value == pytest.approx(0.7)
    assert measurement.details["boxes"] == {"s0": [0.0, 0.0, 10.0, 10.0], "s1": [0.0, 0.0, 10.0, 10.0]}


def test_a_copy_is_the_share_of_equal_hash_bits_to_the_most_similar_reference():
    references = ([face(FIRST, crop_phash="f" * 16)], [], [face(FIRST, crop_phash="000000000000000f")])
    measurement = measure(copy_paste, shots([face(FIRST)], references=references))
    assert measurement.value == 60 / 64
    assert measurement.details["shares"] == [0.0, None, 60 / 64]
    assert measurement.details["reference"] == 2
    copied = face(FIRST, crop_phash="96c06ae53b9c6cd2")
    assert measure(copy_paste, shots([copied], references=[[copied]])).value == 1


ONE = [face(FIRST)]


@pytest.mark.parametrize(
    ("metrics", "subject", "reason"),
    [
        ([face_count], shots([]), "no_face"),
        ([to_reference, copy_paste], shots([], references=[ONE]), "no_face"),
        # a reference without a face is not blamed on the image
        ([to_reference, copy_paste], shots([], references=[[], []]), "no_face_in_reference"),
        ([to_reference, copy_paste], shots(ONE, references=[[], []]), "no_face_in_reference"),
        # three shots with a face at different numbers
        ([drift], shots([], [], []), "too_few_shots"),
        ([drift], shots(ONE, ONE, []), "too_few_shots"),
        ([drift], shots(ONE, ONE, ONE, numbers=(0, 1, 1)), "too_few_shots"),
    ],
)
def test_without_the_faces_there_is_a_reason_and_never_zero(metrics, subject, reason):
    for metric in metrics:
        measurement = measure(metric, subject)
        assert (measurement.value, measurement.reason) == (None, reason)


@pytest.mark.parametrize("metric", [pair_similarity, people_similarity])
@pytest.mark.parametrize(("first", "second", "without"), [([], ONE, ["s0"]), (ONE, [], ["s1"]), ([], [], ["s0", "s1"])])
def test_either_image_without_a_face_is_a_reason_that_names_it(metric, first, second, without):
    measurement = measure(metric, shots(first, second))
    assert (measurement.value, measurement.reason) == (None, "no_face")
    assert measurement.details["without_face"] == without


def test_mean_over_all_pairs_is_what_the_mean_embedding_says():
    vectors = np.random.default_rng(1).normal(size=(7, 16)) + 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [shots([face(a)], [face(b)]) for a, b in itertools.combinations(vectors, 2)]
    mean = np.mean([measurement.value for measurement in pair_similarity(pairs)])
    n = len(vectors)
    assert mean == pytest.approx((n * np.linalg.norm(vectors.mean(axis=0)) ** 2 - 1) / (n - 1), abs=1e-6)


NUMBERS, SIMILARITIES = (2, 3, 7, 8, 12), (1.0, 0.71, 0.66, 0.5, 0.52)


@pytest.mark.parametrize(
    ("similarities", "numbers", "slope"),
    [
        ((1.0, 0.9, 0.8, 0.7), None, -0.1),
        (SIMILARITIES, NUMBERS, np.polyfit(NUMBERS[1:], SIMILARITIES[1:], 1)[0]),
        # a character who stays equally like the first shot does not drift
        ((1.0, 0.6, 0.6, 0.6), None, 0),
        # shots without a face are left out, not counted as zero
        ((None, 1.0, 0.9, None, 0.7), None, -0.1),
    ],
)
def test_drift_is_the_least_squares_slope_of_similarity_to_the_first_shot(similarities, numbers, slope):
    measurement = measure(drift, sequence(*similarities, numbers=numbers))
    assert measurement.value == pytest.approx(slope, abs=1e-6)
    expected = [None if one is None else pytest.approx(one) for one in similarities]
    assert list(measurement.details["similarities"].values()) == expected
    assert set(measurement.details["boxes"]) == {f"s{n}" for n, one in enumerate(similarities) if one is not None}


def people(*vectors):
    return [face(vector, left=20.0 * i) for i, vector in enumerate(vectors)]


# Two people whose best partners are one and the same: greedy takes .8, is left with .1 and gets .45 on average.
GREEDY_TRAP_FIRST = people([0.8, 0.6, 0.0], [0.75, 0.1, float(np.sqrt(1 - 0.75**2 - 0.1**2))])
GREEDY_TRAP_SECOND = people(*np.eye(3)[:2])

CAST = people(*np.eye(3))


@pytest.mark.parametrize(
    ("first", "second", "value", "matched", "missing", "extra"),
    [
        # the same people agree wherever they stand
        (CAST, CAST[::-1], 1, [([0, 2], 1), ([1, 1], 1), ([2, 0], 1)], 0, 0),
        # matching is optimal, not greedy
        (GREEDY_TRAP_FIRST, GREEDY_TRAP_SECOND, (0.6 + 0.75) / 2, [([0, 1], 0.6), ([1, 0], 0.75)], 0, 0),
        # a lost person and an intruder lower the value although the rest agree perfectly
        (CAST, CAST[:2], 2 / 3, [([0, 0], 1), ([1, 1], 1)], 1, 0),
        (CAST[:2], CAST, 2 / 3, [([0, 0], 1), ([1, 1], 1)], 0, 1),
        # a swapped person lowers it, an opposite one counts as no agreement and not as less than absent
        (CAST[:2], [CAST[0], CAST[2]], 0.5, [([0, 0], 1), ([1, 1], 0)], 0, 0),
        (people([1.0, 0.0]), people([-1.0, 0.0]), 0, [([0, 0], -1)], 0, 0),
    ],
)
def test_people_are_matched_one_to_one(first, second, value, matched, missing, extra):
    measurement = measure(people_similarity, shots(first, second))
    details = measurement.details
    assert measurement.value == pytest.approx(value, abs=1e-6)
    assert details["matched"] == [{"faces": pair, "similarity": pytest.approx(x, abs=1e-6)} for pair, x in matched]
    assert details["matched_mean"] == pytest.approx(np.mean([similarity for _, similarity in matched]), abs=1e-6)
    assert (details["missing"], details["extra"]) == (missing, extra)
    assert details["boxes"]["s1"] == [face["box"] for face in second]


@st.composite
def casts(draw, at_least=0):
    seeds = draw(st.lists(st.integers(0, 10_000), min_size=at_least, max_size=4))
    vectors = [np.random.default_rng(seed).normal(size=4) for seed in seeds]
    return people(*(vector / np.linalg.norm(vector) for vector in vectors))


@given(casts(at_least=1), casts(at_least=2), st.data())
def test_losing_anyone_from_the_shot_with_no_more_people_never_raises_agreement(first, second, data):
    if len(second) > len(first):
        first = first + second[: len(second) - len(first)]
    lost = data.draw(st.integers(0, len(second) - 1))
    rest = [person for i, person in enumerate(second) if i != lost]
    whole, reduced = people_similarity([shots(first, second), shots(first, rest)])
    assert reduced.value <= whole.value + 1e-9


@given(casts(), casts(), st.randoms(use_true_random=False))
def test_order_of_people_in_a_shot_changes_no_agreement(first, second, random):
    shuffled = random.sample(second, len(second))
    one, other = people_similarity([shots(first, second), shots(first, shuffled)])
    assert (one.value, one.reason) == (pytest.approx(other.value), other.reason)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=25)
@given(st.lists(st.tuples(casts(), casts(), casts(), casts()), max_size=4))
def test_every_metric_keeps_the_contract(metric, groups):
    length = 3 if metric is drift else 2
    assert_contract(metric, [shots(*cast[:length], references=[cast[3]]) for cast in groups])


@pytest.mark.parametrize("name", ["dlib:resnet_v1", "insightface"])
def test_every_pair_of_one_person_is_above_every_pair_of_two_people(name, shared):
    if name == "insightface":
        name = f"insightface:{shared('models/insightface/models/scrfd_mobilefacenet')}"
    folder = shared("data/faces")
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    images = [np.asarray(PIL.Image.open(folder / row["file_name"]).convert("RGB")) for row in rows]
    faces_of_each = load_encoder(name, "cpu").encode(images)
    subjects = [
        Subject((a["file_name"], b["file_name"]), (a, b), ({"faces": faces_a}, {"faces": faces_b}))
        for (a, faces_a), (b, faces_b) in itertools.combinations(zip(rows, faces_of_each, strict=True), 2)
    ]
    same, different = [], []
    for subject, measurement in zip(subjects, pair_similarity(subjects), strict=True):
        one_person = subject.rows[0]["sequence_id"] == subject.rows[1]["sequence_id"]
        (same if one_person else different).append(measurement.value)
    assert (len(same), len(different)) == (6, 39)
    assert min(same) > 0.4 > max(different)


def test_another_person_in_one_shot_lowers_identity_with_dlib():
    import insightface.data
    import skimage.data

    astronaut = skimage.data.astronaut()
    t1 = insightface.data.get_image("t1", use_cache=False)[:, :, ::-1]
    darker = (astronaut * 0.6).astype(np.uint8)
    first, same, other = load_encoder("dlib:resnet_v1", "cpu").encode([astronaut, darker, t1])
    kept, swapped = pair_similarity([shots(first, same), shots(first, other)])
    assert kept.value == pytest.approx(1 - 0.1154, abs=0.01)
    assert swapped.value < 0.4
