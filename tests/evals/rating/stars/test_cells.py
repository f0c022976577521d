"""Stars and their differences by hand: halves, clipping, intervals, one Holm family, and the words of a verdict."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.rating.stars.cells import in_halves, in_stars, settle, star_cells, star_differences
from evals.rating.stars.prompt_scores import PromptScores
from evals.rating.statistics.estimates import score_differences, score_means
from evals.rating.statistics.families import holm
from evals.rating.statistics.power import smallest_detectable_difference


def outcomes(**shares):
    """Return outcomes of systems by name, one share a prompt; None where nothing is known."""
    rows = [
        {"system": system, "prompt": f"p{n:03d}", "value": value, "reason": None, "share": value, "failed": False,
         "left_out": value is None}
        for system, values in shares.items() for n, value in enumerate(values)
    ]  # fmt: skip
    return PromptScores.of(pd.DataFrame(rows).astype({"share": float, "value": float}))


def cells(**shares):
    return star_cells(outcomes(**shares), list(shares), seed=0)


def difference(**shares):
    (found,) = star_differences(outcomes(**shares), list(shares))
    settle([found])
    return found


@pytest.mark.parametrize(
    ("place", "stars", "shown"),
    [(0, 1.0, 1.0), (0.06, 1.24, 1.0), (0.0625, 1.25, 1.5), (0.685, 3.74, 3.5), (0.6875, 3.75, 4.0), (0.94, 4.76, 5.0),
     (1, 5.0, 5.0), (-0.1, 1.0, 1.0), (1.3, 5.0, 5.0), (float("nan"), None, None)],
)  # fmt: skip
def test_stars_run_from_floor_to_ceiling_and_are_shown_in_halves_rounded_up_in_the_middle(place, stars, shown):
    assert in_stars(place) == (stars if stars is None else pytest.approx(stars))
    assert in_halves(stars) == shown


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_place_never_has_fewer_stars(a, b):
    low, high = sorted((a, b))
    assert in_stars(low) <= in_stars(high)
    assert in_halves(in_stars(low)) <= in_halves(in_stars(high))


@pytest.mark.parametrize("places", [np.linspace(0.2, 0.7, 12), [1.0, 1.0, 1.0, 0.9, 1.0, 0.2], [1.0] * 8])
def test_the_interval_of_stars_is_that_of_the_mean_place_stretched(places):
    (cell,) = cells(left=places)
    (estimate,) = score_means(np.array(places)[:, None], (0, 1), seed=0)
    expected = tuple(1 + 4 * end for end in (estimate.value, estimate.low, estimate.high))
    assert (cell["stars"], cell["low"], cell["high"]) == pytest.approx(expected)
    assert cell["low"] < cell["stars"] <= cell["high"] <= 5
    assert cell["shown"] == in_halves(cell["stars"])
    assert (cell["n_prompts"], cell["n_scored"]) == (len(places), len(places))


def test_below_five_prompts_there_are_stars_without_an_interval():
    (cell,) = cells(left=[0.5, 0.7, 0.9, 0.3])
    assert (cell["stars"], cell["low"], cell["high"]) == (pytest.approx(3.4), None, None)
    found = difference(left=[0.5, 0.7, 0.9, 0.3], right=[0.1, 0.1, 0.1, 0.1])
    assert found["stars"] == pytest.approx(2.0)
    assert (found["low"], found["p_value"], found["p_holm"], found["better_system"]) == (None, None, None, None)


def test_a_system_that_was_not_asked_has_a_reason_and_no_stars():
    left, right, third = star_cells(outcomes(left=[0.5] * 6, right=[None] * 6), ["left", "right", "third"], seed=0)
    assert left["reason"] is None
    for cell in (right, third):
        assert (cell["stars"], cell["shown"], cell["low"]) == (None, None, None)
        assert cell["reason"] == "nothing of it could be measured for this system"
    assert (right["n_left_out"], right["lowest"], right["highest"]) == (6, 1.0, 5.0)
    assert (third["n_left_out"], third["lowest"]) == (0, None)


def test_other_policies_for_what_failed_and_what_was_left_out_are_given_beside_the_stars():
    rows = pd.DataFrame({
        "system": "left", "prompt": list("abc"), "value": [0.8, None, None], "share": [0.8, 0.0, None],
        "failed": [False, True, False], "left_out": [False, False, True], "reason": [None, "no_face", "encoder_failed"],
    })  # fmt: skip
    (cell,) = star_cells(PromptScores.of(rows), ["left"], seed=0)
    assert cell["stars"] == pytest.approx(1 + 4 * 0.4)
    assert cell["without_failures"] == pytest.approx(1 + 4 * 0.8)
    assert (cell["lowest"], cell["highest"]) == pytest.approx((1 + 4 * 0.8 / 3, 1 + 4 * 1.8 / 3))
    assert (cell["n_scored"], cell["n_failed"], cell["n_left_out"]) == (1, 1, 1)
    assert cell["reasons"] == {"encoder_failed": 1, "no_face": 1}


FIRST, SECOND = np.array([0.5, 0.62, 0.71, 0.4, 0.9, 0.66]), np.array([0.3, 0.5, 0.45, 0.35, 0.6, 0.51])


@pytest.mark.parametrize(
    ("first", "second"),
    [(FIRST, SECOND), ([1.0] * 9 + [0.0], [1.0] * 3 + [0.0] * 7), ([1.0] * 5 + [0.99], [0.0] * 4 + [0.9, 0.0])],
    ids=["shares", "rates", "at the end of the scale"],
)
def test_a_difference_is_that_of_paired_places_stretched(first, second):
    found = difference(left=first, right=second)
    (estimate,) = score_differences(np.array(first)[:, None], np.array(second)[:, None], (0, 1))
    expected = tuple(4 * end for end in (estimate.value, estimate.low, estimate.high))
    assert (found["stars"], found["low"], found["high"]) == pytest.approx(expected)
    assert found["high"] <= 4
    assert found["p_value"] == found["p_holm"] == pytest.approx(estimate.p_value)
    assert found["detectable"] == pytest.approx(4 * smallest_detectable_difference(np.subtract(first, second)))
    assert (found["wins"], found["ties"], found["losses"]) == (6, len(first) - 6, 0)
    assert found["better_system"] == "left"


def test_the_other_way_round_everything_changes_its_sign():
    one, other = difference(left=FIRST, right=SECOND), difference(right=SECOND, left=FIRST)
    assert (other["stars"], other["low"], other["high"]) == pytest.approx((-one["stars"], -one["high"], -one["low"]))
    assert (other["better_system"], other["verdict"]) == (one["better_system"], one["verdict"])
    assert (other["wins"], other["losses"]) == (0, 6)


def test_only_prompts_that_both_were_rated_on_are_compared():
    found = difference(left=[*FIRST, 1.0, None], right=[*SECOND, None, 1.0])
    assert (found["n_prompts"], found["stars"]) == (6, pytest.approx(4 * (FIRST - SECOND).mean()))
    found = difference(left=[0.5, None], right=[None, 0.5])
    assert (found["n_prompts"], found["stars"]) == (0, None)


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        (FIRST, FIRST, "not separable"),
        # A difference that never varies is separated, and one of rounding is not.
        ([0.5] * 6, [0.25] * 6, "left is ahead by 1.0 stars"),
        ([0.51] * 6, [0.5] * 6, "left is ahead by 0.04 stars"),
        ([0.1 + 0.2] * 6, [0.3] * 6, "not separable"),
        ([1.0, 0.0, 0.9, 0.1, 1.0], [0.0, 1.0, 0.2, 0.95, 0.3], "no difference on the scale would have been seen"),
        ([0.5] * 4, [0.1] * 4, "not separable: 4 prompts in common, and there is no interval below 5"),
        ([0.5, None], [None, 0.5], "not comparable: no prompt was rated for both"),
    ],
)
def test_the_verdict_says_who_is_ahead_or_why_nobody_is(left, right, verdict):
    found = difference(left=left, right=right)
    assert found["verdict"].split("; ")[-1] == verdict
    assert found["better_system"] == ("left" if "ahead" in verdict else None)
    if left is right:
        assert (found["stars"], found["low"], found["high"], found["p_value"], found["ties"]) == (0, 0, 0, 1, 6)


def test_not_separable_says_how_equal_they_are_and_what_would_have_been_seen():
    gains = np.array([0.02, 0.05, -0.01, -0.03, 0.04, 0, 0.01, -0.02, 0.03, -0.05])
    found = difference(left=0.5 + gains, right=np.full(10, 0.5))
    assert found["equal_within"] == pytest.approx(4 * (abs(gains.mean()) + 1.833113 * gains.std(ddof=1) / 10**0.5))
    assert found["verdict"] == "not separable, equal within 0.09 stars; 0.1 stars would have been seen"


def test_verdicts_are_corrected_over_the_whole_table():
    # Twelve prompts that differ by 0.1 about leads of 0.3 (p < 1e-6), 0.07 (p = 0.034) and nothing.
    gains = np.linspace(-1, 1, 12) / np.linspace(-1, 1, 12).std(ddof=1) / 10
    rows = [(0.5 + lead + gains, np.full(12, 0.5)) for lead in (0.3, 0.07, 0.0, 0.0, 0.0)]
    rows.append(([0.5] * 3, [0.2] * 3))
    *found, without_test = [star_differences(outcomes(left=a, right=b), ["left", "right"])[0] for a, b in rows]
    settle([*found, without_test])
    p_values = [row["p_value"] for row in found]
    # A row of too few prompts for a test does not count as one.
    assert [row["p_holm"] for row in found] == pytest.approx(holm(p_values))
    assert without_test["p_holm"] is None
    assert p_values[1] < 0.05 < found[1]["p_holm"]
    assert (found[0]["better_system"], found[1]["better_system"]) == ("left", None)
    assert found[1]["verdict"].startswith("not separable among so many rows")


def test_three_systems_make_three_pairs_in_the_order_of_the_table():
    found = star_differences(outcomes(a=FIRST, b=SECOND, c=SECOND), ["c", "a", "missing", "b"])
    assert [(row["system_a"], row["system_b"]) for row in found] == [("c", "a"), ("c", "b"), ("a", "b")]
