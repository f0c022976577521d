"""Prompt adherence: the formula, what it keeps of a long prompt, and that nothing is clipped."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.adherence import clip_similarity, prompt_adherence, similarity_matrix
from metrics.catalogue import metric
from metrics.measurement import Subject


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def at_cosine(cosine: float) -> np.ndarray:
    """Return the unit vector whose cosine with (1, 0) is the given one."""
    return np.array([cosine, np.sqrt(1 - cosine**2)], np.float32)


def prompt(*cosines: float) -> dict[str, Any]:
    return {
        "chunks": np.stack([at_cosine(cosine) for cosine in cosines]),
        "clauses": [f"clause {number}" for number in range(len(cosines))],
        "n_tokens": 70 * len(cosines),
    }


def subject(name: str, *cosines: float, vector: np.ndarray | None = None) -> Subject:
    features = {"clip_image": unit(1, 0) if vector is None else vector}
    return Subject((name,), ({"prompt": "unused"},), (features,), {"prompt": prompt(*cosines)})


def test_a_cosine_of_three_tenths_is_thirty():
    (measured,) = clip_similarity([subject("a", 0.3)])
    assert measured.value == pytest.approx(30, abs=1e-4)
    assert measured.sample_ids == ("a",)


def test_a_negative_cosine_is_not_clipped():
    (measured,) = clip_similarity([subject("a", -0.1)])
    assert measured.value == pytest.approx(-10, abs=1e-4)


def test_each_image_keeps_its_own_value():
    # torchmetrics clips the mean of .3 and -.1 to 10, Hessel's formula each of them to .375 on average
    values = [measured.value for measured in clip_similarity([subject("a", 0.3), subject("b", -0.1)])]
    assert values == pytest.approx([30, -10], abs=1e-4)


def test_a_long_prompt_is_the_mean_over_its_clauses():
    (measured,) = clip_similarity([subject("a", 0.4, 0.1, 0.25)])
    assert measured.value == pytest.approx(25, abs=1e-4)
    assert measured.details["n_chunks"] == 3
    assert measured.details["n_tokens"] == 210
    assert measured.details["min_chunk"] == pytest.approx(10, abs=1e-4)
    assert measured.details["lowest_clause"] == "clause 1"


def test_a_short_prompt_names_no_lowest_clause():
    (measured,) = clip_similarity([subject("a", 0.4)])
    assert measured.details == {"n_chunks": 1, "n_tokens": 70, "min_chunk": pytest.approx(40, abs=1e-4)}


def test_the_details_of_the_subject_are_kept():
    given_details = Subject(("a",), ({},), ({"clip_image": unit(1, 0)},), {"prompt": prompt(0.5)}, {"kind": "x"})
    assert clip_similarity([given_details])[0].details["kind"] == "x"


def test_an_image_that_is_its_prompt_scores_a_hundred():
    vector = unit(*range(1, 513))
    assert prompt_adherence(vector, vector[None]) == pytest.approx(100, abs=1e-3)


def test_the_matrix_holds_every_image_against_every_prompt():
    vectors = [unit(1, 0), unit(0, 1), unit(-1, 0)]
    prompts = [prompt(0.3), prompt(0.6, 0.0)]
    matrix = similarity_matrix(vectors, prompts)
    assert matrix.shape == (3, 2)
    by_hand = [[prompt_adherence(vector, one["chunks"]) for one in prompts] for vector in vectors]
    np.testing.assert_allclose(matrix, by_hand)
    np.testing.assert_allclose(matrix[0], [30, 30], atol=1e-4)


def test_the_row_of_the_catalogue_leads_here():
    row = metric("adherence.clip")
    assert row.load() is clip_similarity
    assert (row.unit, row.range, row.features) == ("100 x cosine", (-100, 100), ("clip_image", "prompt"))
    assert pickle.loads(pickle.dumps(row.load())) is clip_similarity


@given(st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=4), max_size=8), st.randoms())
def test_values_do_not_depend_on_the_other_subjects_or_their_order(cosines, random):
    subjects = [subject(str(number), *row) for number, row in enumerate(cosines)]
    alone = {one.sample_ids: clip_similarity([one])[0] for one in subjects}
    random.shuffle(subjects)
    together = clip_similarity(subjects)
    assert [one.sample_ids for one in together] == [one.sample_ids for one in subjects]
    assert all(one == alone[one.sample_ids] for one in together)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5))
def test_the_value_lies_between_the_lowest_and_the_highest_clause(cosines):
    (measured,) = clip_similarity([subject("a", *cosines)])
    assert measured.details["min_chunk"] - 1e-6 <= measured.value <= 100 * max(cosines) + 1e-4
