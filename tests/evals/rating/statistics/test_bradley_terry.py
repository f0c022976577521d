"""Strengths against reference values, closed forms and scipy's optimiser; intervals; what has no answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from evals.rating.statistics.bradley_terry import bradley_terry, fit_davidson

WINS = np.array([[0, 12, 15], [5, 0, 10], [3, 6, 0]])
TIES = np.array([[0, 3, 2], [3, 0, 4], [2, 4, 0]])
WITHOUT_PRIOR = 1e6


def negative_log_likelihood(log_strengths, tie_parameter, wins, ties):
    total = 0.0
    for i in range(len(wins)):
        for j in range(i):
            first, second = np.exp(log_strengths[[i, j]])
            tie = tie_parameter * np.sqrt(first * second)
            chances = np.array([first, second, tie]) / (first + second + tie)
            total -= np.array([wins[i, j], wins[j, i], ties[i, j]]) @ np.log(chances)
    return total


def scores_of(wins, ties):
    """Return scores by which, on one prompt for each meeting, the systems beat each other as often as given."""
    rows = []
    for i in range(len(wins)):
        for j in range(len(wins)):
            row = np.full(len(wins), np.nan)
            row[[i, j]] = 1.0, 0.0
            rows += [row] * wins[i, j]
            if i < j:
                rows += [np.where(np.isnan(row), np.nan, 0.5)] * ties[i, j]
    return np.array(rows)


def test_the_reference_counts_have_the_reference_strengths():
    fit = fit_davidson(WINS, TIES, WITHOUT_PRIOR)
    assert fit.log_strengths == pytest.approx([0.84633, -0.13466, -0.71167], abs=5e-6)
    assert fit.tie_parameter == pytest.approx(0.40647, abs=5e-6)
    found = negative_log_likelihood(fit.log_strengths, fit.tie_parameter, WINS, TIES)
    assert found == pytest.approx(54.18788, abs=5e-6)


def test_ties_as_half_wins_have_the_reference_strengths():
    fit = fit_davidson(WINS + TIES / 2, np.zeros((3, 3)), prior_sd=1e4)
    assert fit.log_strengths == pytest.approx([0.69766, -0.11085, -0.58680], abs=1e-5)
    assert fit.tie_parameter < 1e-4


def test_two_systems_have_the_log_odds_of_winning():
    fit = fit_davidson(np.array([[0, 30], [10, 0]]), np.array([[0, 8], [8, 0]]), WITHOUT_PRIOR)
    assert np.diff(fit.log_strengths)[0] == pytest.approx(-np.log(3))
    assert fit.tie_parameter == pytest.approx(8 / np.sqrt(30 * 10))


def test_the_usual_prior_moves_the_reference_by_far_less_than_its_uncertainty():
    free, usual = fit_davidson(WINS, TIES, WITHOUT_PRIOR), fit_davidson(WINS, TIES)
    assert np.abs(free.log_strengths - usual.log_strengths).max() < 0.001


counts = st.integers(1, 9)


@settings(max_examples=30)
@given(st.lists(counts, min_size=18, max_size=18))
def test_no_other_strengths_make_the_counts_more_probable(flat):
    wins = np.zeros((4, 4), int)
    ties = np.zeros((4, 4), int)
    wins[~np.eye(4, dtype=bool)] = flat[:12]
    ties[np.triu_indices(4, 1)] = flat[12:]
    ties += ties.T
    fit = fit_davidson(wins, ties, WITHOUT_PRIOR)
    start = np.append(fit.log_strengths, np.log(fit.tie_parameter))
    best = optimize.minimize(lambda x: negative_log_likelihood(x[:-1], np.exp(x[-1]), wins, ties), start + 0.3)
    assert negative_log_likelihood(fit.log_strengths, fit.tie_parameter, wins, ties) <= best.fun + 1e-6
    assert fit.log_strengths == pytest.approx(best.x[:-1] - best.x[:-1].mean(), abs=1e-3)
    assert fit.log_strengths.sum() == pytest.approx(0, abs=1e-9)


def test_many_tables_are_fitted_as_each_alone():
    tables = np.stack([WINS, WINS.T, WINS * 3])
    together = fit_davidson(tables, np.stack([TIES] * 3))
    for place, wins in enumerate(tables):
        alone = fit_davidson(wins, TIES)
        assert together.log_strengths[place] == pytest.approx(alone.log_strengths)
        assert together.tie_parameter[place] == pytest.approx(float(alone.tie_parameter))


def test_scores_on_prompts_become_wins_and_ties():
    found = bradley_terry(scores_of(WINS, TIES), ["red", "green", "blue"], seed=0)
    fit = fit_davidson(WINS, TIES)
    assert [estimate.value for estimate in found.log_strengths] == pytest.approx(fit.log_strengths.tolist())
    assert (found.systems, found.unbounded) == (("red", "green", "blue"), None)
    assert found.log_strengths[0].n_prompts == WINS.sum() + TIES.sum() // 2
    for estimate in found.log_strengths:
        assert estimate.low < estimate.value < estimate.high
    red, green, blue = found.log_strengths
    assert red.low > 0 > blue.high, "the reference counts are many enough to tell"
    assert green.low < 0 < green.high
    assert red.p_value < 0.05 < green.p_value


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    strengths, n, runs = np.array([0.5, 0.0, -0.5]), 40, 200
    rng = np.random.default_rng(0)
    # Gumbel noise makes Bradley-Terry's winners; one noise a system and prompt makes the three meetings dependent.
    held = [
        [estimate.low <= truth <= estimate.high for estimate, truth in zip(found.log_strengths, strengths, strict=True)]
        for found in (bradley_terry(strengths + rng.gumbel(size=(n, 3)), ["a", "b", "c"], seed) for seed in range(runs))
    ]
    assert 0.93 <= np.mean(held) <= 0.98


def test_a_system_that_never_loses_is_named_and_its_strength_stays_finite():
    scores = np.random.default_rng(0).normal(size=(12, 3)) + np.array([0, 0, 50])
    found = bradley_terry(scores, ["a", "b", "c"], seed=0)
    assert found.unbounded == ("c never lost to the others here, so that these prompts set no bound to its strength")
    assert np.isfinite([estimate.high for estimate in found.log_strengths]).all()
    assert found.log_strengths[2].low > max(estimate.high for estimate in found.log_strengths[:2])


def test_systems_that_always_tie_are_equally_strong():
    found = bradley_terry(np.ones((6, 3)), ["a", "b", "c"], seed=0)
    assert [estimate.value for estimate in found.log_strengths] == pytest.approx([0, 0, 0])
    assert (found.unbounded, found.tie_parameter > 10) == (None, True)


def test_systems_that_never_met_have_no_common_scale():
    scores = np.array([[1.0, 2.0, np.nan, np.nan], [np.nan, np.nan, 1.0, 2.0]] * 5)
    for n_joining in (0, 4, 5):
        chained = np.vstack([scores, np.tile([np.nan, 1.0, 2.0, np.nan], (n_joining, 1))])
        if n_joining == 5:
            assert len(bradley_terry(chained, ["a", "b", "c", "d"], seed=0).log_strengths) == 4
        else:
            with pytest.raises(ValueError, match="a, b and c, d have no scale in common"):
                bradley_terry(chained, ["a", "b", "c", "d"], seed=0)
    with pytest.raises(ValueError, match="two systems or more"):
        bradley_terry(scores[:, :1], ["a"], seed=0)


def test_the_names_and_places_of_systems_do_not_matter():
    scores = np.random.default_rng(1).normal(size=(15, 3)).round(1)
    found = bradley_terry(scores, ["a", "b", "c"], seed=0)
    turned = bradley_terry(scores[:, [2, 0, 1]], ["c", "a", "b"], seed=0)
    for place, other in enumerate((1, 2, 0)):
        first, second = found.log_strengths[place], turned.log_strengths[other]
        assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high), abs=1e-7)


def test_below_five_prompts_there_are_no_strengths():
    with pytest.raises(ValueError, match="no scale in common"):
        bradley_terry(np.array([[1.0, 2, 3], [2, 1, 3], [3, 2, 1], [3, 3, 1]]), ["a", "b", "c"], seed=0)
