"""Intervals of what was measured one after the other, on known answers and on simulated hosts of known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.rating.statistics.intervals import estimate_differences
from evals.rating.statistics.over_time import in_stretches, serial_quantile, serial_ratio

N_ANSWERS, N_PROMPTS = 100, 20


def drift(n, rng, correlation=0.84):
    """Return the load of a host: a first-order autoregression, which takes some six answers to be forgotten."""
    load = np.empty(n)
    load[0] = rng.standard_normal()
    for i, shock in enumerate(rng.standard_normal(n - 1), start=1):
        load[i] = correlation * load[i - 1] + np.sqrt(1 - correlation**2) * shock
    return load


def answers(case, rng, n=N_ANSWERS):
    """Return logarithms of latencies with median 0 and variance 1, and the prompt of each, in the order of asking."""
    prompts = np.repeat(np.arange(n // 5), 5) if "in turn" not in case else np.tile(np.arange(n // 5), 5)
    of_prompt, noise = rng.standard_normal(n // 5)[prompts], rng.standard_normal(n)
    if "drifting" in case:
        of_prompt *= "prompts" in case
        shares = (0.25, 0.4) if "prompts" in case else (0.0, 0.5)
        noise *= np.sqrt(1 - sum(shares))
        latencies = np.sqrt(shares[0]) * of_prompt + np.sqrt(shares[1]) * drift(n, rng) + noise
        return latencies, prompts if "prompts" in case else np.arange(n)
    if case == "independent":
        return noise, np.arange(n)
    return np.sqrt(0.37) * of_prompt + np.sqrt(0.63) * noise, prompts


def order_statistics(values, prompts, moments, share):
    """Return the interval that takes every answer for independent (Conover 1999, section 3.2)."""
    n = len(values)
    ranks = int(stats.binom.ppf(0.025, n, share)), int(stats.binom.ppf(0.975, n, share)) + 1
    return np.sort(values)[[ranks[0] - 1, ranks[1] - 1]]


def coverage(case, evals, n=N_ANSWERS, share=0.5):
    """Return how often the interval holds the true quantile, and how often that of order statistics does."""
    truth, held, naive, n_intervals = stats.norm.ppf(share), 0, 0, 0
    for number in range(evals):
        values, prompts = answers(case, np.random.default_rng([number, n]), n)
        moments = np.arange(n, dtype=np.float64)
        found = serial_quantile(values, prompts, moments, share)
        low, high = order_statistics(values, prompts, moments, share)
        naive += low <= truth <= high
        if found.low is not None:
            n_intervals += 1
            held += found.low <= truth <= found.high
    return held / max(n_intervals, 1), naive / evals, n_intervals / evals


CASES = {
    "independent": (0.93, 0.97),
    "5 repeats of 20 prompts": (0.93, 0.97),
    "5 repeats of 20 prompts, in turn": (0.93, 0.975),
    "5 repeats of 20 prompts, drifting": (0.93, 0.97),
    "5 repeats of 20 prompts, in turn, drifting": (0.93, 0.97),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_interval_of_a_median_holds_the_truth_in_93_to_97_percent(case):
    evals = 4_000
    held, naive, _ = coverage(case, evals)
    print(f"| {case} | {held:.3f} | {naive:.3f} |")
    noise = 3 * np.sqrt(0.05 * 0.95 / evals)
    lowest, highest = CASES[case]
    assert lowest - noise <= held <= highest + noise


@pytest.mark.slow
def test_faster_drift_more_answers_and_tails():
    """What is left: a load that barely changes within a run cannot be seen in it; a tail takes many answers."""
    for case, n, share, at_least in (
        ("drifting", 100, 0.5, 0.90),
        ("drifting", 400, 0.5, 0.93),
        ("independent", 300, 0.95, 0.93),
        ("5 repeats of 80 prompts", 400, 0.95, 0.93),
    ):
        held, naive, known = coverage(case, 2_000, n, share)
        print(f"| {case} | {n} | {share} | {held:.3f} | {naive:.3f} | {known:.2f} |")
        assert held >= at_least


@pytest.mark.slow
def test_equal_systems_under_drift_of_their_own_are_called_different_about_as_often_as_allowed():
    """Two systems asked in the same rounds; each host's load drifts by itself, and all of them over the day."""
    evals, naive, found = 4_000, 0, 0
    for number in range(evals):
        rng = np.random.default_rng(number)
        of_day, of_prompt = drift(40, rng), rng.standard_normal(40)
        a, b = (of_day + of_prompt + drift(40, rng, 0.6) + rng.standard_normal(40) for _ in range(2))
        (student,), (over_time,) = (estimate_differences(each[:, None]) for each in (a - b, in_stretches(a - b)))
        naive += student.p_value < 0.05
        found += over_time.p_value < 0.05
    print(f"| equal systems called different | {found / evals:.3f} | {naive / evals:.3f} |")
    assert found / evals <= 0.08 < naive / evals


@pytest.mark.parametrize("case", ["independent", "5 repeats of 20 prompts", "5 repeats of 20 prompts, drifting"])
def test_some_hundred_intervals_of_a_median_hold_the_truth_about_as_often_as_they_say(case):
    held, _, _ = coverage(case, 200)
    assert held >= 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / 200)


def test_five_values_have_students_interval_and_more_that_of_their_slowest_waves():
    five = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    assert in_stretches(five) is five
    # A wave slower than four half turns is drift, a faster one is noise that averages out.
    place = (np.arange(40) + 0.5) / 40
    slow, fast = (in_stretches(np.cos(np.pi * turns * place)) for turns in (2, 9))
    assert slow.std() > 0.5
    assert fast == pytest.approx(np.zeros(5), abs=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.floats(-1e3, 1e3))
def test_stretches_keep_the_mean_and_follow_a_shift(values, shift):
    series = np.array(values)
    assert in_stretches(series).mean() == pytest.approx(series.mean(), abs=1e-9)
    assert in_stretches(series + shift) == pytest.approx(in_stretches(series) + shift, abs=1e-9)


def test_a_constant_has_no_width_and_few_prompts_no_interval():
    moments = np.arange(12.0)
    same = serial_quantile(np.full(12, 3.0), np.arange(12), moments, 0.5)
    assert (same.low, same.value, same.high) == (3.0, 3.0, 3.0)
    assert serial_quantile(np.arange(12.0), np.arange(12) % 4, moments, 0.5).low is None
    rate = serial_ratio(np.full(12, 60.0), np.full(12, 2.0), np.arange(12), moments)
    assert (rate.low, rate.value, rate.high) == pytest.approx((30.0, 30.0, 30.0))
    assert serial_ratio(np.ones(4), np.ones(4), np.arange(4), np.arange(4.0)).low is None


@given(st.permutations(range(15)))
def test_the_names_of_prompts_and_the_order_of_rows_do_not_matter(order):
    values = np.array([(7 * n) % 15 for n in range(15)], np.float64)
    prompts, moments = np.repeat(np.arange(5) + 2, 3), np.arange(15.0)
    found = serial_quantile(values[list(order)], prompts[list(order)], moments[list(order)], 0.5)
    assert found == serial_quantile(values, prompts, moments, 0.5)
