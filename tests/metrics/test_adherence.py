"""Prompt adherence: cosines with known answers, the margin over decoys, VQAScore, and the order of a story's steps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.adherence import (
    clip_similarity,
    decoy_margin,
    prompt_adherence,
    question_text,
    similarity_matrix,
    step_order,
    target_step_wins,
    vqa_score,
)
from metrics.catalogue import METRICS, metric
from metrics.measurement import Subject
from tests.metrics.contract import assert_contract, embedded, measure, unit

AXES = np.eye(8, dtype=np.float32)


def prompt(*cosines: float) -> dict[str, Any]:
    """Clauses whose cosines with (1, 0) are the given ones."""
    return embedded(*(np.array([cosine, np.sqrt(1 - cosine**2)], np.float32) for cosine in cosines))


def subject(*cosines: float) -> Subject:
    given_prompt = {"prompt": prompt(*cosines)}
    return Subject(("a",), ({"prompt": "unused"},), ({"clip_image": unit(1, 0)},), given_prompt, {"kind": "x"})


@pytest.mark.parametrize(
    ("cosines", "value", "details"),
    [
        # torchmetrics clips the mean of .3 and -.1 to 10, Hessel's formula each of them to .375 on average
        ([0.3], 30, {"n_chunks": 1, "n_tokens": 70}),
        ([-0.1], -10, {"n_chunks": 1, "n_tokens": 70}),
        ([0.4, 0.1, 0.25], 25, {"n_chunks": 3, "n_tokens": 210, "lowest_clause": "clause 1"}),
    ],
)
def test_an_image_has_the_unclipped_mean_of_its_prompts_clauses(cosines, value, details):
    measured = measure(clip_similarity, subject(*cosines))
    assert measured.value == pytest.approx(value, abs=1e-4)
    lowest = pytest.approx(100 * min(cosines), abs=1e-4)
    assert measured.details == {**details, "min_chunk": lowest, "kind": "x"}


def test_an_image_that_is_its_prompt_scores_a_hundred():
    vector = unit(*range(1, 513))
    assert prompt_adherence(vector, vector[None]) == pytest.approx(100, abs=1e-3)


def test_the_matrix_holds_every_image_against_every_prompt():
    vectors, prompts = [unit(1, 0), unit(0, 1), unit(-1, 0)], [prompt(0.3), prompt(0.6, 0.0)]
    matrix = similarity_matrix(vectors, prompts)
    np.testing.assert_allclose(matrix, [[prompt_adherence(v, one["chunks"]) for one in prompts] for v in vectors])
    np.testing.assert_allclose(matrix[0], [30, 30], atol=1e-4)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5))
def test_the_value_lies_between_the_lowest_and_the_highest_clause(cosines):
    measured = measure(clip_similarity, subject(*cosines))
    assert measured.details["min_chunk"] - 1e-6 <= measured.value <= 100 * max(cosines) + 1e-4


def suite_of(count: int) -> dict[str, Any]:
    return {f"prompt {n}": embedded(AXES[n]) for n in range(count)}


def in_suite(similarities: list[float], target: int, decoys: dict[str, Any]) -> Subject:
    vector = np.zeros(8, np.float32)
    vector[: len(similarities)] = similarities
    text = f"prompt {target}"
    held_against = {"prompt": decoys[text], "prompt_text": text, "decoys": decoys}
    return Subject(("a",), ({},), ({"clip_image": vector},), held_against)


def test_margin_is_the_target_prompt_less_the_mean_of_the_others():
    measured = measure(decoy_margin, in_suite([0.1, 0.4, 0.3], 1, suite_of(3)))
    assert measured.value == pytest.approx(40 - (10 + 30) / 2, abs=1e-4)
    values = {"adherence": pytest.approx(40, abs=1e-4), "decoy_mean": pytest.approx(20, abs=1e-4)}
    assert measured.details == {**values, "rank": 1, "n_prompts": 3}
    assert measure(decoy_margin, in_suite([0.5], 0, suite_of(1))).reason == "no_decoys"


def test_a_control_leaves_the_prompt_that_the_picture_was_made_from_out_of_its_decoys():
    """Own prompt 0, held against prompt 1: with the own one among the decoys its margin would be 20 lower."""
    held = replace(in_suite([0.7, 0.2, 0.1, 0.1], 1, suite_of(4)), rows=({"prompt": "prompt 0"},))
    measured = measure(decoy_margin, held)
    assert measured.value == pytest.approx(20 - 10, abs=1e-4)
    assert (measured.details["rank"], measured.details["n_prompts"]) == (1, 3)
    two = replace(in_suite([0.7, 0.2], 1, suite_of(2)), rows=({"prompt": "prompt 0"},))
    assert measure(decoy_margin, two).reason == "no_decoys"


def test_rank_counts_the_prompts_that_are_at_least_as_close():
    decoys = suite_of(4)
    measured = decoy_margin([in_suite([0.1, 0.4, 0.4, 0.2], target, decoys) for target in range(4)])
    assert [one.details["rank"] for one in measured] == [4, 2, 2, 3]


def test_bias_towards_every_prompt_gains_nothing():
    plain, biased = (
        measure(decoy_margin, in_suite([bias + 0.1, bias + 0.3, bias + 0.2, bias], 1, suite_of(4))) for bias in (0, 0.3)
    )
    assert biased.value == pytest.approx(plain.value, abs=1e-4)


def answered(yes: float, no: float) -> Subject:
    return Subject(("a",), ({"prompt": "a fox"},), ({"vqa_answer": {"yes": yes, "no": no}},))


@pytest.mark.parametrize(
    ("yes", "no", "value", "yes_or_no"), [(0.3, 0.1, 0.3, 0.4), (1 + 1e-12, 1e-12, 1, 1), (0.1, 0.8, 0.1, 0.9)]
)
def test_the_vqa_score_is_the_probability_of_yes_alone_and_never_above_one(yes, no, value, yes_or_no):
    measured = measure(vqa_score, answered(yes, no))
    assert measured.value == value
    assert measured.details == {"no": no, "yes_or_no": pytest.approx(yes_or_no)}
    assert measured.details["yes_or_no"] <= 1


@pytest.mark.parametrize(
    ("caption", "text"),
    [({"caption": "a fox"}, "a fox"), *((row, "Paint a fox.") for row in ({"caption": "  "}, {"caption": None}, {}))],
)
def test_the_caption_is_asked_about_where_there_is_one(caption, text):
    assert question_text({"prompt": "Paint a fox.", **caption}) == text


STEPS = ["an egg", "a chick", "a hen", "a nest"]


def story(pictures, prompts, texts=None, shots=None):
    """A story whose steps lie along the axes of a space, unless ``texts`` says where."""
    texts = texts or {prompt: embedded(AXES[n]) for n, prompt in enumerate(dict.fromkeys(prompts))}
    shots = shots or range(1, len(prompts) + 1)
    return Subject(
        tuple(f"s{n}" for n in range(len(prompts))),
        tuple({"prompt": prompt, "shot": shot} for prompt, shot in zip(prompts, shots, strict=True)),
        tuple({"clip_image": unit(*picture)} for picture in pictures),
        {"texts": texts},
    )


@pytest.mark.parametrize(
    ("shown", "value", "rank_correlation", "accuracy"),
    [
        ([0, 1, 2, 3], 1, 1, 1),
        # each picture loses to the step that it shows and ties with the other two
        ([3, 2, 1, 0], (0 + 0.5 + 0.5) / 3, -1, 0),
        # the swapped ones win 0, a half and a half of three, the others all three; one inversion of six pairs
        ([1, 0, 2, 3], (1 + 1 + 3 + 3) / 12, 4 / 6, 0.5),
        ([0, 2, 1, 3], (3 + 1 + 1 + 3) / 12, 4 / 6, 0.5),
    ],
)
def test_orders_of_four_steps_have_known_answers(shown, value, rank_correlation, accuracy):
    measured = measure(step_order, story(AXES[shown], STEPS))
    assert measured.value == pytest.approx(value)
    assert measured.details["winners"] == [step + 1 for step in shown]
    assert measured.details["rank_correlation"] == pytest.approx(rank_correlation)
    assert measured.details["accuracy"] == accuracy


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_pictures_in_the_place_of_their_neighbours_are_below_chance_by_a_known_amount(n):
    steps = [f"step {k}" for k in range(n)]
    right, rotated = step_order([story(AXES[:n], steps), story(np.roll(AXES[:n], -1, axis=0), steps)])
    assert right.value == 1
    assert rotated.value == pytest.approx((n - 2) / (2 * n - 2))


@pytest.mark.parametrize("picture", [np.array([5.0, 4, 3, 2, 0, 0, 0, 0]), np.ones(8)])
def test_four_times_the_same_picture_is_at_chance(picture):
    measured = measure(step_order, story([picture] * 4, STEPS))
    assert measured.value == pytest.approx(0.5)
    assert measured.details["rank_correlation"] is None
    assert measured.details["winners"] == [1, 1, 1, 1]


def test_similarities_to_a_step_are_the_mean_over_its_clauses():
    texts = {"long": embedded(*AXES[:2]), "short": embedded(AXES[2])}
    measured = measure(step_order, story(AXES[[0, 2]], ["long", "short"], texts))
    assert (measured.value, measured.details["similarities"]) == (1, [[50, 0], [0, 100]])


def test_steps_with_the_same_prompt_are_not_held_against_each_other():
    measured = measure(step_order, story(AXES[[0, 1, 0]], ["a door", "a hall", "a door"]))
    assert (measured.value, measured.details["accuracy"]) == (1, 1)


@pytest.mark.parametrize("prompts", [["a door"], ["a door", "a door"]])
def test_a_story_with_nothing_to_tell_apart_has_the_reason_for_no_value(prompts):
    measured = measure(step_order, story(AXES[: len(prompts)], prompts))
    assert (measured.value, measured.reason) == (None, "too_few_shots")


def test_shots_keep_their_own_numbers_when_one_is_missing():
    measured = measure(step_order, story(AXES[:3], STEPS[:3], shots=[1, 3, 4]))
    assert measured.details["winners"] == [1, 3, 4]


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 6).flatmap(lambda n: arrays(np.int64, (n, n), elements=st.integers(0, 9))), st.integers(0, 5))
def test_it_is_the_mean_area_under_the_roc_curve_and_rises_with_the_target(similarities, which):
    from scipy.stats import mannwhitneyu

    n = len(similarities)
    areas = [
        mannwhitneyu(similarities[i, [i]], np.delete(similarities[i], i), method="asymptotic").statistic / (n - 1)
        for i in range(n)
    ]
    value = target_step_wins(similarities.astype(float), ~np.eye(n, dtype=bool))
    assert value == pytest.approx(np.mean(areas))
    closer = similarities.astype(float)
    closer[which % n, which % n] += 10
    assert value <= target_step_wins(closer, ~np.eye(n, dtype=bool)) <= 1


def test_the_metrics_of_the_catalogue_depend_on_neither_batch_nor_order():
    rng, suites = np.random.default_rng(0), (suite_of(3), suite_of(3))
    subjects = {
        "adherence.clip": [subject(*rng.uniform(-1, 1, 1 + n % 4)) for n in range(8)],
        "adherence.margin": [in_suite(rng.uniform(-1, 1, 3).tolist(), n % 3, suites[n % 2]) for n in range(8)],
        "adherence.vqa": [answered(n / 10, 0.05) for n in range(8)],
        "adherence.step_order": [story(rng.normal(size=(4, 8)), [f"{k} of {n}" for k in range(4)]) for n in range(8)],
    }
    assert subjects.keys() == {row.id for row in METRICS if row.dimension == "adherence"}
    for name, measured in subjects.items():
        assert_contract(metric(name).load(), measured, metric(name).range)
