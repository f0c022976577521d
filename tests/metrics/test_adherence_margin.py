"""The margin over decoys: what a prompt has that the suite's other prompts have not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.adherence import decoy_margin
from metrics.measurement import Subject

DIRECTIONS = np.eye(8, dtype=np.float32)


def embedded(number: int) -> dict[str, Any]:
    return {"chunks": DIRECTIONS[number : number + 1], "clauses": [f"prompt {number}"], "n_tokens": 3}


def suite_of(count: int) -> dict[str, Any]:
    return {f"prompt {n}": embedded(n) for n in range(count)}


def subject(name: str, similarities: list[float], own: int, decoys: dict[str, Any]) -> Subject:
    vector = np.zeros(8, dtype=np.float32)
    vector[: len(similarities)] = similarities
    text = f"prompt {own}"
    given = {"prompt": decoys[text], "prompt_text": text, "decoys": decoys}
    return Subject((name,), ({},), ({"clip_image": vector},), given)


def test_margin_is_the_own_prompt_less_the_mean_of_the_others():
    (measured,) = decoy_margin([subject("a", [0.1, 0.4, 0.3], 1, suite_of(3))])
    assert measured.value == pytest.approx(40 - (10 + 30) / 2, abs=1e-4)
    assert measured.details["adherence"] == pytest.approx(40, abs=1e-4)
    assert measured.details["decoy_mean"] == pytest.approx(20, abs=1e-4)
    assert (measured.details["rank"], measured.details["n_prompts"]) == (1, 3)


def test_rank_counts_the_prompts_that_are_at_least_as_close():
    decoys = suite_of(4)
    ranks = [decoy_margin([subject("a", [0.1, 0.4, 0.4, 0.2], own, decoys)])[0].details["rank"] for own in range(4)]
    assert ranks == [4, 2, 2, 3]


def test_bias_towards_every_prompt_gains_nothing():
    decoys = suite_of(4)
    plain = decoy_margin([subject("a", [0.1, 0.3, 0.2, 0.0], 1, decoys)])[0].value
    biased = decoy_margin([subject("a", [0.4, 0.6, 0.5, 0.3], 1, decoys)])[0].value
    assert biased == pytest.approx(plain, abs=1e-4)


def test_suite_of_one_prompt_has_no_margin():
    (measured,) = decoy_margin([subject("a", [0.5], 0, suite_of(1))])
    assert measured.reason == "no_decoys"


@given(
    st.lists(st.tuples(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.integers(0, 2)), max_size=7), st.randoms()
)
def test_values_do_not_depend_on_the_other_subjects_or_their_order(rows, random):
    shared, other = suite_of(3), suite_of(3)
    subjects = [subject(str(n), row, own, (shared, other)[n % 2]) for n, (row, own) in enumerate(rows)]
    alone = {one.sample_ids: decoy_margin([one])[0].value for one in subjects}
    random.shuffle(subjects)
    together = decoy_margin(subjects)
    assert [one.sample_ids for one in together] == [one.sample_ids for one in subjects]
    assert [one.value for one in together] == pytest.approx([alone[one.sample_ids] for one in subjects], abs=1e-9)
