"""Stars and their differences by hand: halves, clipping, intervals, and what too few prompts do not show."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.rating.stars.cells import in_halves, in_stars, star_cells, star_differences
from evals.rating.stars.pairs import paired_estimate
from evals.rating.stars.prompt_scores import PromptScores
from evals.rating.statistics.estimates import score_differences, score_means
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


@pytest.mark.parametrize(
    ("places", "reason"),
    [([0.5, 0.7, 0.9, 0.3], "4 prompts, and there are no stars below 5"),
     ([0.5, None, None, None, None, None], "1 prompt, and there are no stars below 5")],
)  # fmt: skip
def test_below_five_prompts_there_are_no_stars_but_the_reason(places, reason):
    (cell,) = cells(left=places)
    assert [cell[name] for name in ("stars", "shown", "low", "high", "without_failures")] == [None] * 5
    assert cell["reason"] == reason
    # Bounds over all that was asked are there where enough was asked.
    assert (cell["lowest"] is None) == (len(places) < 5)


def test_below_five_common_prompts_nothing_is_compared():
    found = difference(left=[0.5, 0.7, 0.9, 0.3], right=[0.1, 0.1, 0.1, 0.1])
    assert (found["n_prompts"], found["wins"]) == (4, 4)
    for name in ("stars", "low", "high", "p_value", "p_holm", "better_system"):
        assert found[name] is None


@pytest.mark.parametrize("n", [5, 6, 12, 40])
def test_what_is_measured_is_never_surer_than_rates_that_differ_on_every_prompt(n):
    surest = score_differences(np.ones((n, 1)), np.zeros((n, 1)), (0, 1))[0].p_value
    for first in (np.full(n, 0.5), 0.5 + 1e-9 * np.arange(n)):
        assert paired_estimate(first, np.full(n, 0.3), are_prices=False).p_value == pytest.approx(surest, rel=1e-6)
    assert paired_estimate(np.full(n, 0.5), np.full(n, 0.3), are_prices=True).p_value == 0
    # Repeats averaged in another order differ by a rounding, not in price.
    nearly = np.resize([0.1 + 0.2, 0.3], n)
    assert paired_estimate(nearly, np.full(n, 0.25), are_prices=True).p_value == 0
    assert paired_estimate(nearly, nearly, are_prices=True).p_value == 1
    # A price that a refusal made a zero of is one that varies.
    assert paired_estimate(np.r_[np.full(n - 1, 0.5), 0.0], np.full(n, 0.3), are_prices=True).p_value > surest


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
        "system": "left", "prompt": list("abcdefg"), "value": [0.8] * 5 + [None] * 2, "share": [0.8] * 5 + [0.0, None],
        "failed": [False] * 5 + [True, False], "left_out": [False] * 6 + [True],
        "reason": [None] * 5 + ["no_face", "encoder_failed"],
    })  # fmt: skip
    (cell,) = star_cells(PromptScores.of(rows), ["left"], seed=0)
    assert cell["stars"] == pytest.approx(1 + 4 * 4 / 6)
    assert cell["without_failures"] == pytest.approx(1 + 4 * 0.8)
    assert (cell["lowest"], cell["highest"]) == pytest.approx((1 + 4 * 4 / 7, 1 + 4 * 5 / 7))
    assert (cell["n_scored"], cell["n_failed"], cell["n_left_out"]) == (5, 1, 1)
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
    assert found["p_value"] == pytest.approx(estimate.p_value)
    assert found["detectable"] == pytest.approx(4 * smallest_detectable_difference(np.subtract(first, second)))
    assert (found["wins"], found["ties"], found["losses"]) == (6, len(first) - 6, 0)


def test_the_other_way_round_everything_changes_its_sign():
    one, other = difference(left=FIRST, right=SECOND), difference(right=SECOND, left=FIRST)
    assert (other["stars"], other["low"], other["high"]) == pytest.approx((-one["stars"], -one["high"], -one["low"]))
    assert (other["wins"], other["losses"]) == (0, 6)


def test_only_prompts_that_both_were_rated_on_are_compared():
    found = difference(left=[*FIRST, 1.0, None], right=[*SECOND, None, 1.0])
    assert (found["n_prompts"], found["stars"]) == (6, pytest.approx(4 * (FIRST - SECOND).mean()))
    found = difference(left=[0.5, None], right=[None, 0.5])
    assert (found["n_prompts"], found["stars"]) == (0, None)


def test_three_systems_make_three_pairs_in_the_order_of_the_table():
    found = star_differences(outcomes(a=FIRST, b=SECOND, c=SECOND), ["c", "a", "missing", "b"])
    assert [(row["system_a"], row["system_b"]) for row in found] == [("c", "a"), ("c", "b"), ("a", "b")]
