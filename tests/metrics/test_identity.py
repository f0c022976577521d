"""Identity consistency: known answers, the traps of real scorers, and separation of real people."""

import itertools
import json

import numpy as np
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
from tests.metrics.contract import assert_contract


def face(embedding, distance="cosine", crop_phash="0" * 16, left=0.0):
    vector = np.array(embedding, dtype=np.float32)
    return Face(
        box=[left, 0.0, left + 10.0, 10.0], score=0.9, embedding=vector, distance=distance, crop_phash=crop_phash
    )


def at_similarity(cosine):
    """Return a unit embedding with this cosine to ``FIRST``."""
    return [cosine, float(np.sqrt(1 - cosine**2)), 0.0]


FIRST = [1.0, 0.0, 0.0]


def shots(*faces_of_each, numbers=None, references=()):
    numbers = range(len(faces_of_each)) if numbers is None else numbers
    return Subject(
        sample_ids=tuple(f"s{i}" for i in range(len(faces_of_each))),
        rows=tuple({"shot": number} for number in numbers),
        images=tuple({"faces": list(faces)} for faces in faces_of_each),
        given={"references": tuple({"faces": list(faces)} for faces in references)},
    )


def measure(metric, subject):
    (measurement,) = metric([subject])
    json.dumps(dict(measurement.details))
    return measurement


class TestFaceSimilarity:
    def test_is_the_cosine_of_unit_embeddings(self):
        assert face_similarity(face(FIRST), face([0.6, 0.8, 0.0])) == pytest.approx(0.6)

    def test_is_one_minus_the_distance_of_raw_embeddings(self):
        assert face_similarity(face([1.4, 0.0], "euclidean"), face([1.4, 0.6], "euclidean")) == pytest.approx(0.4)

    def test_is_one_for_the_same_face_and_never_more(self):
        vector = np.random.default_rng(0).normal(size=512)
        same = face(vector / np.linalg.norm(vector))
        assert 1 - 1e-6 < face_similarity(same, same) <= 1
        assert face_similarity(face(vector, "euclidean"), face(vector, "euclidean")) == 1

    @pytest.mark.parametrize("other", [face(FIRST, "euclidean"), face([1.0, 0.0])])
    def test_refuses_faces_of_two_encoders(self, other):
        with pytest.raises(ValueError, match="two different encoders"):
            face_similarity(face(FIRST), other)


class TestFaceCount:
    def test_counts_faces_and_keeps_every_box(self):
        measurement = measure(face_count, shots([face(FIRST), face(FIRST, left=50.0)]))
        assert measurement.value == 2
        assert measurement.details["boxes"] == {"s0": [[0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 60.0, 10.0]]}

    def test_no_face_is_a_reason_and_never_zero(self):
        measurement = measure(face_count, shots([]))
        assert (measurement.value, measurement.reason) == (None, "no_face")


class TestToReference:
    def test_is_the_mean_over_the_references_that_show_a_face(self):
        references = ([face(at_similarity(0.8))], [], [face(at_similarity(0.4))])
        measurement = measure(to_reference, shots([face(FIRST)], references=references))
        assert measurement.value == pytest.approx(0.6)
        assert measurement.details["similarities"] == [pytest.approx(0.8), None, pytest.approx(0.4)]
        assert measurement.details["minimum"] == pytest.approx(0.4)
        assert measurement.details["boxes"] == {"s0": [0.0, 0.0, 10.0, 10.0]}
        assert measurement.details["reference_boxes"][1] is None

    def test_compares_main_faces_and_ignores_bystanders(self):
        subject = shots([face(FIRST), face([0.0, 1.0, 0.0])], references=[[face(FIRST), face([0.0, 0.0, 1.0])]])
        assert measure(to_reference, subject).value == pytest.approx(1)

    @pytest.mark.parametrize("metric", [to_reference, copy_paste])
    def test_image_without_a_face_is_a_reason(self, metric):
        assert measure(metric, shots([], references=[[face(FIRST)]])).reason == "no_face"

    @pytest.mark.parametrize("metric", [to_reference, copy_paste])
    @pytest.mark.parametrize("faces", [[], [face(FIRST)]])
    def test_reference_without_a_face_is_not_blamed_on_the_image(self, metric, faces):
        assert measure(metric, shots(faces, references=[[], []])).reason == "no_face_in_reference"


class TestCopyPaste:
    def test_is_the_share_of_equal_hash_bits_to_the_most_similar_reference(self):
        references = (
            [face(FIRST, crop_phash="f" * 16)],
            [],
            [face(FIRST, crop_phash="000000000000000f")],
        )
        measurement = measure(copy_paste, shots([face(FIRST)], references=references))
        assert measurement.value == 60 / 64
        assert measurement.details["shares"] == [0.0, None, 60 / 64]
        assert measurement.details["reference"] == 2

    def test_copied_face_has_all_bits_equal(self):
        copied = face(FIRST, crop_phash="96c06ae53b9c6cd2")
        assert measure(copy_paste, shots([copied], references=[[copied]])).value == 1


class TestPairSimilarity:
    def test_compares_the_main_faces_of_both_images(self):
        subject = shots([face(FIRST), face([0.0, 0.0, 1.0])], [face(at_similarity(0.7)), face(FIRST, left=30.0)])
        measurement = measure(pair_similarity, subject)
        assert measurement.value == pytest.approx(0.7)
        assert measurement.details["boxes"] == {"s0": [0.0, 0.0, 10.0, 10.0], "s1": [0.0, 0.0, 10.0, 10.0]}

    def test_keeps_what_the_subject_says_of_itself(self):
        subject = Subject(("a", "b"), ({}, {}), ({"faces": [face(FIRST)]},) * 2, details={"same_sequence": True})
        assert measure(pair_similarity, subject).details["same_sequence"] is True

    @pytest.mark.parametrize(
        ("first", "second", "without"), [([], [FIRST], ["s0"]), ([FIRST], [], ["s1"]), ([], [], ["s0", "s1"])]
    )
    def test_either_image_without_a_face_is_a_reason_that_names_it(self, first, second, without):
        measurement = measure(pair_similarity, shots([face(e) for e in first], [face(e) for e in second]))
        assert (measurement.value, measurement.reason) == (None, "no_face")
        assert measurement.details["without_face"] == without

    def test_mean_over_all_pairs_is_what_the_mean_embedding_says(self):
        vectors = np.random.default_rng(1).normal(size=(7, 16)) + 1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        pairs = [shots([face(a)], [face(b)]) for a, b in itertools.combinations(vectors, 2)]
        mean = np.mean([measurement.value for measurement in pair_similarity(pairs)])
        n = len(vectors)
        assert mean == pytest.approx((n * np.linalg.norm(vectors.mean(axis=0)) ** 2 - 1) / (n - 1), abs=1e-6)


class TestDrift:
    def test_is_the_slope_of_similarity_to_the_first_shot(self):
        subject = shots(*([face(at_similarity(s))] for s in (1.0, 0.9, 0.8, 0.7)))
        measurement = measure(drift, subject)
        assert measurement.value == pytest.approx(-0.1, abs=1e-6)
        assert list(measurement.details["similarities"].values()) == pytest.approx([1.0, 0.9, 0.8, 0.7])
        assert set(measurement.details["boxes"]) == {"s0", "s1", "s2", "s3"}

    def test_agrees_with_a_least_squares_fit_over_the_shot_numbers(self):
        numbers, similarities = (2, 3, 7, 8, 12), (1.0, 0.71, 0.66, 0.5, 0.52)
        subject = shots(*([face(at_similarity(s))] for s in similarities), numbers=numbers)
        slope = np.polyfit(numbers[1:], similarities[1:], 1)[0]
        assert measure(drift, subject).value == pytest.approx(slope, abs=1e-6)

    def test_character_who_stays_equally_like_the_first_shot_does_not_drift(self):
        subject = shots(*([face(at_similarity(s))] for s in (1.0, 0.6, 0.6, 0.6)))
        assert measure(drift, subject).value == pytest.approx(0, abs=1e-9)

    def test_shots_without_a_face_are_left_out_not_counted_as_zero(self):
        faces = [[], [face(FIRST)], [face(at_similarity(0.9))], [], [face(at_similarity(0.7))]]
        measurement = measure(drift, shots(*faces))
        assert measurement.value == pytest.approx(-0.1, abs=1e-6)
        assert measurement.details["similarities"]["s0"] is None
        assert measurement.details["similarities"]["s3"] is None

    @pytest.mark.parametrize(
        "subject",
        [
            shots([], [], []),
            shots([face(FIRST)], [face(FIRST)], []),
            shots([face(FIRST)], [face(FIRST)], [face(FIRST)], numbers=(0, 1, 1)),
        ],
    )
    def test_needs_three_shots_with_a_face_at_different_numbers(self, subject):
        measurement = measure(drift, subject)
        assert (measurement.value, measurement.reason) == (None, "too_few_shots")


def people(*vectors):
    return [face(vector, left=20.0 * i) for i, vector in enumerate(vectors)]


# Two people whose best partners are one and the same: greedy takes .8, is left with .1 and gets .45 on average.
GREEDY_TRAP_FIRST = people([0.8, 0.6, 0.0], [0.75, 0.1, float(np.sqrt(1 - 0.75**2 - 0.1**2))])
GREEDY_TRAP_SECOND = people([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])


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
    assert [pair["faces"] for pair in details["matched"]] == [faces for faces, _ in matched]
    similarities = [similarity for _, similarity in matched]
    assert [pair["similarity"] for pair in details["matched"]] == pytest.approx(similarities, abs=1e-6)
    assert details["matched_mean"] == pytest.approx(np.mean(similarities), abs=1e-6)
    assert (details["missing"], details["extra"]) == (missing, extra)
    assert details["boxes"]["s1"] == [face["box"] for face in second]


@pytest.mark.parametrize(("first", "second"), [([], CAST[:2]), (CAST[:2], []), ([], [])])
def test_shot_without_any_person_is_a_reason(first, second):
    measurement = measure(people_similarity, shots(first, second))
    assert (measurement.value, measurement.reason) == (None, "no_face")


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


@pytest.mark.parametrize("metric", [face_count, to_reference, copy_paste, pair_similarity, drift, people_similarity])
@settings(max_examples=25)
@given(st.lists(st.tuples(casts(), casts(), casts(), casts()), max_size=4))
def test_every_metric_keeps_the_contract(metric, groups):
    length = 3 if metric is drift else 2
    assert_contract(metric, [shots(*cast[:length], references=[cast[3]]) for cast in groups])


def identity_encoder(name, shared):
    pack = "models/insightface/models/scrfd_mobilefacenet"
    return load_encoder(f"insightface:{shared(pack)}" if name == "insightface" else name, "cpu")


@pytest.mark.parametrize("name", ["dlib:resnet_v1", "insightface"])
def test_every_pair_of_one_person_is_above_every_pair_of_two_people(name, shared):
    from PIL import Image

    folder = shared("data/faces")
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    images = [np.asarray(Image.open(folder / row["file_name"]).convert("RGB")) for row in rows]
    found = identity_encoder(name, shared).encode(images)
    subjects = [
        Subject((a["file_name"], b["file_name"]), (a, b), ({"faces": faces_a}, {"faces": faces_b}))
        for (a, faces_a), (b, faces_b) in itertools.combinations(zip(rows, found, strict=True), 2)
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
