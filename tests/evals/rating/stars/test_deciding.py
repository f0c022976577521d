"""The prompts to look at: the largest margins for the winner, and the largest against it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.rating.stars.deciding import DECIDING_PROMPTS, margin, name_deciding_prompts
from evals.rating.stars.table import RatedRow

A, B, C = "a", "b", "c"


def rated(places, *better, samples=None):
    """A settled row with these places by prompt and these verdicts: (better, other), or nobody."""
    pairs = [{"system_a": first, "system_b": second, "better_system": first} for first, second in better]
    pairs = pairs or [{"system_a": A, "system_b": B, "better_system": None}]
    row = {
        "differences": pairs,
        "places": {name: dict(zip((A, B, C), of, strict=False)) for name, of in places.items()},
    }
    return RatedRow(row, None, samples=samples or {})


def chosen(one):
    name_deciding_prompts([one])
    return [(found["prompt"], found["against"]) for found in one.row["deciding"]]


PLACES = {"p0": (0.9, 0.1), "p1": (0.5, 0.4), "p2": (0.2, 0.9), "p3": (0.6, 0.1), "p4": (0.5, 0.5), "p5": (1.0, 0.0)}


@pytest.mark.parametrize(
    ("places", "better", "expected"),
    [
        (PLACES, [(A, B)], [("p5", False), ("p0", False), ("p3", False), ("p2", True)]),
        (PLACES, [(B, A)], [("p2", False), ("p5", True)]),
        (PLACES, [], [("p5", False), ("p0", False), ("p2", False)]),
        ({"p": (0.9, None), "q": (0.4, 0.3)}, [(A, B)], [("q", False)]),
        ({"p": (0.9, 0.2, 0.8), "q": (0.9, 0.8, 0.1), "r": (0.1, 0.9, 0.0)}, [(A, B)],
         [("p", False), ("q", False), ("r", True)]),
        ({"p": (0.9, 0.2, 0.8), "q": (0.9, 0.8, 0.0)}, [(A, B), (A, C)], [("q", False), ("p", False)]),
        ({}, [(A, B)], []),
    ],
    ids=["winner", "other-winner", "nobody", "missing", "one-pair-of-three", "two-pairs", "nothing"],
)  # fmt: skip
def test_the_largest_margins_for_the_winner_come_first_and_then_the_largest_against_it(places, better, expected):
    assert chosen(rated(places, *better)) == expected


def test_a_chosen_prompt_has_its_places_and_the_samples_of_each_system():
    one = rated({"p": (0.9, 0.1)}, (A, B), samples={("p", A): ["s1", "s2"]})
    name_deciding_prompts([one])
    (found,) = one.row["deciding"]
    assert found["shares"] == {A: 0.9, B: 0.1}
    assert found["samples"] == {A: ["s1", "s2"], B: []}


@given(st.dictionaries(st.text(max_size=3), st.tuples(*[st.none() | st.floats(0, 1)] * 2)))
def test_whatever_the_places_no_prompt_is_named_twice_and_none_on_the_wrong_side(places):
    one = rated(places, (A, B))
    names = chosen(one)
    assert len({prompt for prompt, _ in names}) == len(names) <= DECIDING_PROMPTS + 1
    for prompt, against in names:
        assert (margin(one.row, prompt) < 0) == against
