"""How often intervals hold the truth, and how often rows are called different that are not: the figures of the README.

The procedures are those of the ratings, `score_means`, `score_differences` and `holm`, with all their resamples.
"""

import numpy as np
import pytest
from scipy import stats

from evals.rating.statistics.coverage import SKEWED, SPARSE, coverage_caution
from evals.rating.statistics.estimates import score_differences, score_means
from evals.rating.statistics.families import holm
from evals.rating.statistics.intervals import bootstrap_estimate, estimate_differences, estimate_means
from tests.evals.rating.statistics import simulated_scores as shapes
from tests.evals.rating.statistics.simulated_scores import Shape, correlated_levels, prompt_means, rate

EVALS = 5_000
NOISE = 3 * np.sqrt(0.05 * 0.95 / EVALS)
SIZES = (20, 40, 100)

CONTINUOUS = (shapes.NORMAL, shapes.EXPONENTIAL, shapes.BOUNDED)
ZERO = Shape("zero", np.zeros_like, 0.0, (0, None))


def rates_between(low, high, evals):
    """Return rates that differ from one eval to the next, as those of real ones do."""
    return rate(np.random.default_rng(7).uniform(low, high, evals), f"rates {low} to {high}")


def held(estimates, truth):
    low, high = np.array([(estimate.low, estimate.high) for estimate in estimates]).T
    return (low <= truth + 1e-12) & (truth - 1e-12 <= high)


def coverages(first, second, n_prompts, repeats=1, missing=0.0, evals=EVALS):
    """Return how often the intervals of the first one's mean and of its difference from the second hold the truth."""
    rng = np.random.default_rng([n_prompts, repeats, int(100 * missing)])
    levels = correlated_levels(n_prompts, 2, repeats, evals, rng)
    one, other = (
        prompt_means(shape, level, missing, rng) for shape, level in zip((first, second), levels, strict=True)
    )
    of_mean = held(score_means(one, first.range, 0, rates=True), first.mean)
    both_range = first.range if first.range == second.range else (None, None)
    of_difference = held(score_differences(one, other, both_range, rates=True), first.mean - second.mean)
    return of_mean.mean(), of_difference.mean()


CASES = ((1, 0.0), (1, 0.1), (3, 0.0), (3, 0.1))


def table_rows(shape):
    """Return, for each size, the coverages of means in all cases, then of differences; print them for the README."""
    rows = {}
    for n in SIZES:
        found = np.array([coverages(shape, shape, n, *case) for case in CASES])
        rows[n] = found.T.ravel()
        print(f"| {shape.name} | {n} | " + " | ".join(f"{share:.3f}".lstrip("0") for share in rows[n]) + " |")
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("shape", CONTINUOUS, ids=lambda shape: shape.name)
def test_intervals_hold_the_truth_in_94_to_96_percent(shape):
    for found in table_rows(shape).values():
        assert (found >= 0.94 - NOISE).all()
        assert (found <= 0.96 + NOISE).all()


@pytest.mark.slow
def test_rates_are_covered_on_average_and_their_differences_always():
    """At one true rate the coverage of any interval jumps with n, as the shares that can happen are few."""
    for shape in (rates_between(0.6, 0.8, EVALS), rates_between(0.8, 1.0, EVALS), rate(0.7), rate(0.9)):
        for found in table_rows(shape).values():
            assert (found >= 0.94 - NOISE).all()


@pytest.mark.slow
def test_heavily_skewed_scores_are_covered_less_and_their_differences_are_not():
    for n, found in table_rows(shapes.LOGNORMAL).items():
        assert found[0] == pytest.approx(SKEWED["scores"][n], abs=0.005 + NOISE)
        assert (found[:4] >= 0.90).all()
        assert (found[4:] >= 0.94 - NOISE).all()


@pytest.mark.slow
def test_means_that_few_prompts_decide_are_covered_less():
    rows = table_rows(shapes.SPARSE)
    fewer, _ = coverages(shapes.sparse(0.02), shapes.sparse(0.02), 100)
    # The number of such prompts matters, not their share.
    assert [rows[20][0], fewer] == pytest.approx([SPARSE["scores"]] * 2, abs=0.03)


UNEQUAL = (
    (shapes.EXPONENTIAL, shapes.GAMMA, 0.92),
    (shapes.BOUNDED, Shape("uniform", lambda level: level, 0.5, (0, 1)), 0.94),
    (rate(0.9), rate(0.7), 0.94),
)


@pytest.mark.slow
def test_differences_of_unequal_shapes():
    for first, second, at_least in UNEQUAL:
        found = [coverages(first, second, n)[1] for n in SIZES]
        print(
            f"| {first.name} less {second.name} | " + " | ".join(f"{share:.3f}".lstrip("0") for share in found) + " |"
        )
        assert min(found) >= at_least - NOISE
    for first, second, expected in (
        (shapes.LOGNORMAL, shapes.NORMAL, SKEWED["differences"]),
        (shapes.SPARSE, ZERO, {20: SPARSE["differences"]}),
    ):
        found = {n: coverages(first, second, n, evals=EVALS if n < 1000 else 2000)[1] for n in (*SIZES, 200, 1000)}
        print(f"| {first.name} less {second.name} | " + " | ".join(f"{found[n]:.3f}".lstrip("0") for n in found) + " |")
        for n, share in expected.items():
            assert found[n] == pytest.approx(share, abs=0.015 + NOISE)


@pytest.mark.slow
def test_the_intervals_in_use_cover_best():
    """Means: the studentised bootstrap; paired differences: Student's t. The others are scipy's or our own."""
    evals = 2_000

    def general(values):
        n = len(values)
        return [bootstrap_estimate(lambda draws, x=column: draws @ x / n, n, seed=0) for column in values.T]

    def bca(values):
        interval = stats.bootstrap(
            (values,), np.mean, axis=0, n_resamples=1_999, batch=100, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        return interval.low, interval.high

    found = {}
    for n in (20, 40):
        for shape in (shapes.NORMAL, shapes.EXPONENTIAL, shapes.LOGNORMAL, shapes.BOUNDED):
            rng = np.random.default_rng(n)
            levels = correlated_levels(n, 2, 1, evals, rng)
            one, other = (prompt_means(shape, level, 0.0, rng) for level in levels)
            for what, values, truth in (("mean", one, shape.mean), ("difference", one - other, 0.0)):
                low, high = bca(values)
                shares = {
                    "student": held(estimate_differences(values), truth).mean(),
                    "percentile": held(general(values), truth).mean(),
                    "bca": ((low <= truth) & (truth <= high)).mean(),
                    "studentised": held(estimate_means(values, seed=0), truth).mean(),
                }
                found[what, shape.name, n] = shares
                print(f"| {what} | {shape.name} | {n} | " + " | ".join(f"{x:.3f}".lstrip("0") for x in shares.values()))
    in_use = {"mean": "studentised", "difference": "student"}
    misses = {
        method: {what: [abs(found[key][method] - 0.95) for key in found if key[0] == what] for what in in_use}
        for method in ("student", "percentile", "bca", "studentised")
    }
    for what, method in in_use.items():
        worst = {name: max(by_what[what]) for name, by_what in misses.items()}
        assert worst[method] == min(worst.values())


def falsely_separated(evals, seed=0):
    """Return the share of evals with any row separated after Holm, of 11 rows in which two systems do equally well.

    The rows of a suite are about the same prompts and hang together; the last row of two suites is unequal in shape.
    """
    suites = (
        (20, 1, 0.0, [(shape, shape) for shape in (shapes.NORMAL, shapes.EXPONENTIAL, shapes.BOUNDED, rate(0.8))]),
        (40, 3, 0.0, [(shape, shape) for shape in (shapes.NORMAL, shapes.LOGNORMAL, shapes.BOUNDED, rate(0.9))]),
        (100, 1, 0.1, [(rate(0.6), rate(0.6)), (shapes.NORMAL, shapes.NORMAL), (shapes.EXPONENTIAL, shapes.GAMMA)]),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    p_values = []
    for n_prompts, repeats, missing, rows in suites:
        difficulty = rng.standard_normal((n_prompts, evals))
        for pair in rows:
            levels = correlated_levels(n_prompts, 2, repeats, evals, rng, difficulty)
            one, other = (prompt_means(shape, level, missing, rng) for shape, level in zip(pair, levels, strict=True))
            p_values.append([row.p_value for row in score_differences(one, other, pair[0].range, rates=True)])
    assert len(p_values) == 11
    return np.mean([min(holm(of_eval)) < 0.05 for of_eval in zip(*p_values, strict=True)])


@pytest.mark.slow
def test_equal_systems_are_falsely_separated_in_5_percent_of_evals_at_most():
    evals = 10_000
    share = falsely_separated(evals)
    print(f"{share:.4f} of {evals} evals without a true difference have a separated row")
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / evals)


def test_some_hundred_evals_without_a_true_difference_rarely_separate_a_row():
    evals = 400
    assert falsely_separated(evals, seed=1) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / evals)


@pytest.mark.parametrize("shape", [shapes.NORMAL, shapes.EXPONENTIAL, shapes.BOUNDED], ids=lambda shape: shape.name)
def test_some_hundred_intervals_hold_the_truth_about_as_often_as_they_say(shape):
    found = np.array(coverages(shape, shape, 20, evals=500))
    assert (np.abs(found - 0.95) <= 3.5 * np.sqrt(0.05 * 0.95 / 500)).all()


@pytest.mark.slow
def test_cautions_are_given_where_they_are_due():
    """The share of evals with a caution: most where the interval falls short, few where it does not."""
    rng = np.random.default_rng(3)
    for shape, n, lowest, highest in (
        (shapes.NORMAL, 20, 0.0, 0.01),
        (shapes.BOUNDED, 20, 0.0, 0.1),
        (shapes.EXPONENTIAL, 20, 0.0, 0.2),
        (shapes.EXPONENTIAL, 100, 0.0, 0.0),
        (shapes.LOGNORMAL, 20, 0.3, 0.6),
        (shapes.LOGNORMAL, 40, 0.5, 0.8),
        (shapes.SPARSE, 20, 0.95, 1.0),
        (rate(0.9), 20, 0.0, 0.0),
    ):
        scores = prompt_means(shape, correlated_levels(n, 1, 1, 1_000, rng)[0], 0.0, rng)
        share = np.mean([coverage_caution(column, shape.range, rates=True) is not None for column in scores.T])
        print(f"| {shape.name} | {n} | {share:.2f} |")
        assert lowest <= share <= highest
