"""Cautions about intervals: given for the scores that the simulation study finds badly covered, and for no others."""

import numpy as np
import pytest

from evals.rating.statistics import coverage

LONG_TAIL = np.exp(np.linspace(-2, 2.5, 40))
ANY = (None, None)


def coverage_caution(scores, value_range=ANY):
    return coverage.coverage_caution(scores, value_range, rates=True)


def difference_caution(differences, value_range=ANY):
    return coverage.difference_caution(differences, np.zeros_like(differences), value_range)


@pytest.mark.parametrize("caution", [coverage_caution, difference_caution])
@pytest.mark.parametrize("n", [5, 20, 60])
def test_scores_of_an_ordinary_shape_need_no_caution(caution, n):
    assert caution(np.linspace(0.2, 0.8, n)) is None
    assert caution(np.sqrt(np.linspace(0, 1, n))) is None


@pytest.mark.parametrize(
    ("caution", "what", "n", "shares"),
    [
        (coverage_caution, "scores", 40, "with 40 such prompts the 95 % interval held the truth in 93 %"),
        (coverage_caution, "scores", 20, "with 20 such prompts the 95 % interval held the truth in 92 %"),
        (coverage_caution, "scores", 12, "with 20 such prompts the 95 % interval held the truth in 92 %"),
        (difference_caution, "differences", 40, "with 40 such prompts the 95 % interval held the truth in 91 %"),
        (difference_caution, "differences", 150, "with 100 such prompts the 95 % interval held the truth in 93 %"),
    ],
)
def test_a_long_tail_is_named_with_what_it_does_to_the_interval(caution, what, n, shares):
    values = np.exp(np.linspace(-3, 4.5, n))
    found = caution(values)
    assert found.startswith(f"the {what} have a long tail (skewness ")
    assert shares in found
    assert caution(-values) == found.replace("(skewness ", "(skewness -")


def test_many_prompts_make_up_for_a_long_tail():
    assert coverage_caution(np.tile(LONG_TAIL**2, 3)) is None
    assert difference_caution(np.tile(LONG_TAIL**2, 3)) is not None
    assert difference_caution(np.tile(LONG_TAIL**2, 30)) is None


def test_a_mean_that_few_prompts_decide_is_named():
    values = np.array([1.0] * 17 + [0.9, 0.5, 0.2])
    assert coverage_caution(values).startswith("only 3 of 20 prompts differ from the rest")
    assert "78 %" in coverage_caution(values)
    assert "68 %" in difference_caution(values - 1)
    assert coverage_caution(np.append(np.full(15, 1.0), np.linspace(0.1, 0.9, 5))) is None


def test_equal_values_have_an_interval_without_width():
    assert coverage_caution(np.full(9, 0.5)).startswith("all 9 scores are the same: the interval has no width")
    assert difference_caution(np.full(9, 0.1)).startswith("all 9 differences are the same")


def test_rates_have_intervals_that_know_their_ends():
    nearly_always, always = np.array([1.0] * 19 + [0.0]), np.ones(20)
    for values in (nearly_always, always):
        assert coverage_caution(values, (0, 1)) is None
        assert coverage_caution(values, (0, None)) is not None
        assert coverage.difference_caution(values, always, (0, 1), rates=True) is None
        assert coverage.difference_caution(values / 2, always / 2, (0, 1), rates=True) is not None
    assert coverage.coverage_caution(nearly_always, (0, 1)) is not None


def test_missing_prompts_do_not_count_and_few_have_no_interval_to_warn_of():
    values = np.array([0.5, 0.5, np.nan, 0.5, 0.5])
    assert coverage_caution(values) is None
    assert coverage_caution(np.append(values, 0.5)).startswith("all 5 scores")
    assert coverage_caution(np.array([])) is None
