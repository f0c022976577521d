"""The order of a story's steps: given similarities with known answers, and pictures that are vectors."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.measurement import Subject
from metrics.sequence_order import own_step_wins, step_order


def off_diagonal(n):
    return ~np.eye(n, dtype=bool)


def embedded(vector):
    row = np.asarray(vector, np.float32)
    return {"chunks": row[None] / np.linalg.norm(row), "clauses": ["x"], "n_tokens": 3}


def story(pictures, prompts, texts=None):
    """A story whose steps lie along the axes of a space, unless ``texts`` says where."""
    axes = np.eye(8)
    texts = texts or {prompt: embedded(axes[n]) for n, prompt in enumerate(dict.fromkeys(prompts))}
    return Subject(
        tuple(f"s{n}" for n in range(len(prompts))),
        tuple({"prompt": prompt, "shot": n + 1} for n, prompt in enumerate(prompts)),
        tuple({"clip_image": np.asarray(picture, np.float32) / np.linalg.norm(picture)} for picture in pictures),
        {"texts": texts},
    )


STEPS = ["an egg", "a chick", "a hen", "a nest"]


def rotated(subject):
    images = (*subject.images[1:], subject.images[0])
    return Subject(subject.sample_ids, subject.rows, images, subject.given)


def test_the_right_order_wins():
    (found,) = step_order([story(np.eye(8)[:4], STEPS)])
    assert found.value == 1
    assert found.details["winners"] == [1, 2, 3, 4]
    assert found.details["rank_correlation"] == pytest.approx(1)
    assert found.details["accuracy"] == 1


def test_the_reverse_order_loses():
    (found,) = step_order([story(np.eye(8)[3::-1], STEPS)])
    # each picture loses to the step that it shows and ties with the other two
    assert found.value == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert found.details["winners"] == [4, 3, 2, 1]
    assert found.details["rank_correlation"] == pytest.approx(-1)


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_pictures_in_the_place_of_their_neighbours_are_below_chance_by_a_known_amount(n):
    told = story(np.eye(8)[:n], [f"step {k}" for k in range(n)])
    (own,), (control,) = step_order([told]), step_order([rotated(told)])
    assert own.value == 1
    assert control.value == pytest.approx((n - 2) / (2 * n - 2))
    assert control.value < 0.5


def test_two_of_four_pictures_swapped():
    (found,) = step_order([story(np.eye(8)[[1, 0, 2, 3]], STEPS)])
    # the swapped ones win 0, a half and a half of three; the others all three
    assert found.value == pytest.approx((1 + 1 + 3 + 3) / 12)
    assert found.details["rank_correlation"] == pytest.approx(4 / 6)
    assert found.details["accuracy"] == 0.5


def test_four_times_the_same_picture_is_at_chance():
    picture = np.array([5.0, 4, 3, 2, 0, 0, 0, 0])
    (found,) = step_order([story([picture] * 4, STEPS)])
    assert found.value == pytest.approx(0.5)
    assert found.details["rank_correlation"] is None
    assert found.details["winners"] == [1, 1, 1, 1]


def test_a_picture_as_close_to_every_step_counts_half():
    (found,) = step_order([story(np.ones((4, 8)), STEPS)])
    assert found.value == 0.5


def test_kendall_tau_is_that_of_the_textbook():
    # one inversion among the six pairs of four steps: (5 - 1) / 6
    (found,) = step_order([story(np.eye(8)[[0, 2, 1, 3]], STEPS)])
    assert found.details["rank_correlation"] == pytest.approx(2 / 3)


def test_similarities_are_the_mean_over_clauses():
    two = {"chunks": np.eye(8, dtype=np.float32)[:2], "clauses": ["a", "b"], "n_tokens": 90}
    texts = {"long": two, "short": embedded(np.eye(8)[2])}
    (found,) = step_order([story(np.eye(8)[[0, 2]], ["long", "short"], texts)])
    assert found.details["similarities"] == [[50, 0], [0, 100]]
    assert found.value == 1


def test_steps_with_the_same_prompt_are_not_held_against_each_other():
    prompts = ["a door", "a hall", "a door"]
    (found,) = step_order([story(np.eye(8)[[0, 1, 0]], prompts)])
    assert found.value == 1
    assert found.details["accuracy"] == 1


@pytest.mark.parametrize("prompts", [["a door"], ["a door", "a door"]])
def test_a_story_with_nothing_to_tell_apart_has_the_reason_for_no_value(prompts):
    (found,) = step_order([story(np.eye(8)[: len(prompts)], prompts)])
    assert (found.value, found.reason) == (None, "too_few_shots")


def test_shots_keep_their_own_numbers_when_one_is_missing():
    told = story(np.eye(8)[:3], STEPS[:3])
    rows = tuple({**row, "shot": shot} for row, shot in zip(told.rows, (1, 3, 4), strict=True))
    (found,) = step_order([Subject(told.sample_ids, rows, told.images, told.given)])
    assert found.details["winners"] == [1, 3, 4]


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 6).flatmap(lambda n: arrays(np.int64, (n, n), elements=st.integers(0, 9))))
def test_it_is_the_area_under_the_roc_curve_of_every_picture(similarities):
    from scipy.stats import mannwhitneyu

    n = len(similarities)
    areas = [
        mannwhitneyu(similarities[i, [i]], np.delete(similarities[i], i), method="asymptotic").statistic / (n - 1)
        for i in range(n)
    ]
    value = own_step_wins(similarities.astype(float), off_diagonal(n))
    assert value == pytest.approx(np.mean(areas))
    assert 0 <= value <= 1


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 6).flatmap(lambda n: arrays(float, (n, n), elements=st.floats(0, 100))), st.integers(0, 5))
def test_a_picture_closer_to_its_own_step_never_lowers_the_value(similarities, which):
    n = len(similarities)
    closer = similarities.copy()
    closer[which % n, which % n] += 10
    assert own_step_wins(closer, off_diagonal(n)) >= own_step_wins(similarities, off_diagonal(n))


def test_values_depend_on_neither_batch_nor_order():
    rng = np.random.default_rng(0)
    told = [story(rng.normal(size=(4, 8)), [f"{k} of {n}" for k in range(4)]) for n in range(7)]
    together = step_order(told[::-1])[::-1]
    assert together == [step_order([one])[0] for one in told]
    assert all(math.isfinite(one.value) for one in together)
    assert step_order([]) == []
