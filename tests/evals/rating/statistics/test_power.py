"""Power of a paired t-test: the textbook's and statsmodels' numbers, a simulation, and that more prompts show more."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from evals.rating.statistics.power import (
    paired_power,
    prompts_needed,
    smallest_detectable_difference,
    smallest_detectable_effect,
)  # fmt: skip


@pytest.mark.parametrize(
    ("n", "effect"),
    [
        # statsmodels 0.15, TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
        (3, 3.264044), (5, 1.681997), (10, 0.996002), (20, 0.660442),
        (34, 0.495029), (50, 0.404183), (100, 0.282912), (500, 0.125532),
    ],
)  # fmt: skip
def test_the_smallest_effect_is_statsmodels(n, effect):
    assert smallest_detectable_effect(n) == pytest.approx(effect, abs=2e-6)
    assert smallest_detectable_effect(20, power=0.9, alpha=0.01) == pytest.approx(0.947237, abs=2e-6)


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_textbook_sizes_are_the_first_that_reach_80_percent(effect, n):
    # Cohen's small, medium and large effect with the sizes that G*Power 3.1 gives for two dependent means
    assert paired_power(effect, n) >= 0.8 > paired_power(effect, n - 1)
    assert smallest_detectable_effect(n) <= effect < smallest_detectable_effect(n - 1)
    assert prompts_needed(effect, 1.0) == prompts_needed(-3 * effect, 3.0) == n


def test_without_any_difference_the_power_is_the_error_rate():
    for alpha in (0.01, 0.05, 0.2):
        assert paired_power(0.0, 12, alpha) == pytest.approx(alpha)
    assert paired_power(-0.7, 12) == paired_power(0.7, 12)


def test_simulated_pairs_are_told_apart_as_often_as_promised():
    n, runs = 12, 20_000
    effect = smallest_detectable_effect(n)
    differences = np.random.default_rng(0).normal(effect, 1.0, (runs, n))
    found = np.mean(stats.ttest_1samp(differences, 0.0, axis=1).pvalue < 0.05)
    assert found == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / runs))


@given(st.integers(2, 3_000), st.integers(1, 3_000))
def test_more_prompts_show_smaller_differences(n, more):
    assert smallest_detectable_effect(n + more) < smallest_detectable_effect(n)


@given(st.integers(2, 100_000), st.floats(0.2, 0.99), st.floats(0.001, 0.1))
@example(15_684, 0.2, 0.001)
def test_the_effect_that_is_named_has_the_power_that_was_asked_for(n, power, alpha):
    effect = smallest_detectable_effect(n, power, alpha)
    assert paired_power(effect, n, alpha) == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        *((smallest_detectable_effect, (n,), "at least 2 pairs") for n in (-1, 0, 1)),
        *((paired_power, (0.5, n), "at least 2 pairs") for n in (-1, 0, 1)),
        *(
            (smallest_detectable_effect, (10, power, alpha), "0 < alpha < power < 1")
            for power, alpha in [(1.0, 0.05), (0.05, 0.05), (0.8, 0.0), (0.8, 0.9)]
        ),
        *((prompts_needed, pair, "are needed") for pair in [(0.0, 1.0), (0.1, 0.0), (0.1, -1.0), (np.nan, 1.0)]),
        (prompts_needed, (0.1, 1.0, 1.0), "power lies between"),
    ],
)
def test_what_makes_no_sense_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_a_detectable_difference_has_the_unit_of_the_metric():
    differences = np.random.default_rng(0).normal(0.1, 0.05, 200)
    approximate = 2.802 * differences.std(ddof=1) / np.sqrt(200)
    assert smallest_detectable_difference(differences) == pytest.approx(approximate, rel=0.01)
    assert smallest_detectable_difference(1000 * differences) == pytest.approx(1000 * approximate, rel=0.01)


def test_prompts_without_a_pair_are_passed_over():
    differences = np.array([0.1, 0.3, np.nan, -0.2, 0.4, 0.0, np.nan])
    known = differences[np.isfinite(differences)]
    assert smallest_detectable_difference(differences) == smallest_detectable_difference(known)


@pytest.mark.parametrize("differences", [[], [1.0, 2, 3, 4], [0.0] * 20, [0.1] * 20, [np.nan] * 20])
def test_too_few_prompts_and_differences_without_spread_show_nothing(differences):
    assert np.isnan(smallest_detectable_difference(np.array(differences)))


@given(st.floats(0.05, 20), st.floats(0.2, 0.95))
def test_one_prompt_fewer_would_not_do(effect, power):
    n = prompts_needed(effect, 1.0, power)
    assert paired_power(effect, n) >= power
    assert n == 2 or paired_power(effect, n - 1) < power
