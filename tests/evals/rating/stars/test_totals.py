"""Totals against hand calculation, a bootstrap, and linear programming."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from evals.rating.stars.totals import deciding_factors, totals, weight_to_move
from evals.rating.statistics.intervals import estimate_differences
from evals.rating.statistics.proportions import newcombe_interval
from tests.evals.rating.stars.rated_rows import rated_row as row

SYSTEMS = ["left", "right"]


def only(rows, weights=None, systems=SYSTEMS):
    (difference,) = totals(rows, systems, weights)["differences"]
    return difference


def ends(difference):
    return difference["low"], difference["high"]


def spread(n, mean, sd):
    """Return n numbers with that mean and standard deviation."""
    steps = np.linspace(-1, 1, n) ** 3
    return mean + sd * steps / steps.std(ddof=1)


GAINS = spread(20, 0.03, 0.1)


def ahead(row_id, gains, base=0.5, **more):
    """Return a row in which left is ahead by these gains, one a prompt."""
    return row(row_id, left=base + gains, right=np.full(len(gains), 0.5), **more)


def test_a_total_is_the_weighted_mean_of_stars():
    rows = [
        row("a", weight=3, left=[1.0, 0.5] * 3, right=[0.0, 0.5] * 3),
        row("b", left=[0.25, 0.25] * 3, right=[1.0, 1.0] * 3),
    ]
    found = totals(rows, SYSTEMS)
    # Left has 4 and 2 stars, right 2 and 5.
    assert [total["stars"] for total in found["systems"]] == pytest.approx([(3 * 4 + 2) / 4, (3 * 2 + 5) / 4])
    assert found["weights"] == {"a": 0.75, "b": 0.25}
    assert (found["most"], found["problem"], found["left_out"]) == (5.0, None, {})
    assert found["indistinguishable_rows"] == {}
    # Weights by row take the place of the rows' own.
    found = totals(rows, SYSTEMS, {"b": 2.0, "unheard": 1.0})
    assert (found["weights"], [total["stars"] for total in found["systems"]]) == ({"b": 1.0}, [2.0, 5.0])


@pytest.mark.parametrize(
    ("left", "right"),
    [(0.5 + GAINS, np.full(20, 0.5)), ([1.0] * 9 + [0.0], [1.0] * 3 + [0.0] * 7), ([0.5] * 6, [0.25] * 6)],
)
def test_the_total_of_one_row_is_that_row_rates_and_steady_leads_too(left, right):
    one = row("a", left=left, right=right)
    (of_row,) = one.row["differences"]
    found, halved = only([one]), only([one, row("b", problem="no", indistinguishable=True)])
    for name, share in (("stars", 0.5), ("low", 0.5), ("high", 0.5), ("p_value", 1.0)):
        assert found[name] == pytest.approx(of_row[name])
        assert halved[name] == pytest.approx(share * of_row[name])


def test_the_total_of_one_row_has_students_interval():
    found, (estimate,) = only([ahead("a", GAINS)]), estimate_differences(GAINS[:, None])
    assert (found["stars"], *ends(found)) == pytest.approx((4 * estimate.value, 4 * estimate.low, 4 * estimate.high))
    assert found["p_value"] == pytest.approx(estimate.p_value)


def test_variances_of_two_suites_add_and_degrees_are_satterthwaites():
    a, b = (2 / 3) ** 2 * 0.1**2 / 20, (1 / 3) ** 2 * 0.2**2 / 8
    mean, degrees = 2 / 3 * 0.05 - 1 / 3 * 0.02, (a + b) ** 2 / (a**2 / 19 + b**2 / 7)
    margin = stats.t.ppf(0.975, degrees) * np.sqrt(a + b)
    found = only([ahead("a", spread(20, 0.05, 0.1), weight=2.0), ahead("b", spread(8, -0.02, 0.2), suite="t")])
    assert found["stars"] == pytest.approx(4 * mean)
    assert ends(found) == pytest.approx((4 * (mean - margin), 4 * (mean + margin)))
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(mean / np.sqrt(a + b), degrees))


def test_the_error_of_rows_that_share_some_prompts_is_that_of_a_bootstrap_over_prompts():
    rng = np.random.default_rng(1)
    base = rng.normal(0.05, 0.1, 60)
    first, second = base, base[:30] + rng.normal(0, 0.03, 30)

    def draw(rng):
        prompts = rng.integers(0, 60, 60)
        asked = prompts[prompts < 30]
        return (first[prompts].mean() + second[asked].mean()) / 2

    resamples = np.random.default_rng(0)
    error = np.std([draw(resamples) for _ in range(8_000)])
    found = only([ahead("a", first), ahead("b", second)])
    assert (found["high"] - found["low"]) / 8 / 2 == pytest.approx(error, rel=0.05)


def test_the_same_measurement_twice_is_no_surer_than_once():
    once, twice = only([ahead("a", GAINS)]), only([ahead("a", GAINS), ahead("b", GAINS)])
    assert ends(twice) == pytest.approx(ends(once))
    low, high = ends(only([ahead("a", GAINS), ahead("b", GAINS, suite="t")]))
    assert high - low < 0.75 * (once["high"] - once["low"])


def test_rows_that_pull_apart_on_the_same_prompts_leave_no_error():
    assert ends(only([ahead("a", GAINS), ahead("b", -GAINS, base=0.6)])) == pytest.approx((0.2, 0.2))


@pytest.mark.parametrize("suite", ["s", "s@4K"])
def test_cost_and_latency_share_their_prompts_with_what_is_measured_on_them(suite):
    prompts = [f"{suite}/{n}" for n in range(20)]
    computed = [ahead(name, GAINS, kind="computed", suite=of, prompts=prompts)
                for name, of in (("cost", None), ("latency", suite))]  # fmt: skip
    assert ends(only([ahead("a", GAINS), *computed])) == pytest.approx(ends(only([ahead("a", GAINS)])))


def test_a_computed_row_over_suites_of_one_prompt_has_an_interval():
    found = only([ahead("cost", GAINS, kind="computed", suite=None, prompts=[f"s{n}/p" for n in range(20)])])
    assert found["low"] < found["stars"] < found["high"]


def test_rates_on_which_all_prompts_agree_are_no_certainty_and_no_interval_leaves_the_scale():
    first, second = np.ones(6), np.zeros(6)
    low, _ = newcombe_interval(first, second)
    assert ends(only([row("a", left=first, right=second)])) == pytest.approx((4 * low, 4.0))
    found = only([row("a", left=[1.0, 1.0, 1.0, 0.9, 1.0], right=[0.0, 0.0, 0.9, 0.0, 0.0])])
    assert (found["low"] > -4, found["high"]) == (True, 4.0)


def test_leads_that_cancel_leave_a_draw_and_not_the_rounding_of_floats():
    for n in range(5, 15):
        lead, none = [0.1 + 0.2] * n, [0.0] * n
        found = only([row("a", left=lead, right=none), row("b", suite="t", left=none, right=[0.3] * n)])
        assert found["p_value"] == pytest.approx(1.0)


def test_steady_leads_of_few_prompts_are_no_certainty_and_steady_prices_are():
    def rows(n, **more):
        return [row(name, suite=name, left=[0.5] * n, right=[0.3] * n, **more) for name in "ab"]

    few, many = only(rows(5)), only(rows(40))
    assert few["low"] < few["stars"] - 0.2
    assert few["p_value"] > 1e-4 > many["p_value"] > 0
    assert only(rows(5, are_prices=True))["p_value"] == 0


def test_nobody_is_named_before_all_is_compared():
    found = only([ahead("a", spread(20, 0.3, 0.05))])
    assert (found["p_holm"], found["better_system"]) == (None, None)


def apart(n_left, n_common, n_right, row_id="b"):
    """Return a row in which either was asked prompts of its own besides the common ones."""
    nothing = [np.nan]
    return row(
        row_id,
        left=[0.8] * n_left + [0.8] * n_common + nothing * n_right,
        right=nothing * n_left + [0.4] * n_common + [0.4] * n_right,
    )


def test_rows_without_pairs_count_in_no_total():
    good = row("a", left=[0.5] * 6, right=[0.25] * 6)
    found = totals([good, apart(10, 4, 10)], SYSTEMS)
    assert (found["weights"], found["problem"], found["differences"][0]["n_prompts"]) == ({"a": 1.0}, None, 6)
    few = "left and right have 4 prompts in common there, and nothing is compared below 5"
    assert found["left_out"] == {"b": few}
    assert set(totals([good, apart(10, 5, 10)], SYSTEMS)["weights"]) == {"a", "b"}


@pytest.mark.parametrize("pictures", [(27, 0, 6), (27, 4, 6)])
def test_systems_without_pairs_have_no_total_but_the_reason(pictures):
    found = totals([apart(*pictures)], SYSTEMS)
    assert [total["stars"] for total in found["systems"]] == [None, None]
    assert (found["weights"], found["most"], found["differences"]) == ({}, None, [])
    in_common = f"{pictures[1] or 'no'} prompts in common"
    assert found["problem"].startswith(f"no row counts; b: left and right have {in_common}")


def test_the_common_prompts_of_a_total_are_those_of_the_row_with_the_fewest():
    rows = [
        row("a", left=[0.5] * 9, right=[0.25] * 9),
        row("b", left=[0.5] * 6, right=[0.25, np.nan] * 3, third=[0.1] * 6),
    ]
    assert only([rows[0], apart(3, 7, 0)])["n_prompts"] == 7
    assert totals(rows, SYSTEMS)["weights"] == {"a": 1.0}


def test_declared_rows_and_rows_without_stars_never_count():
    rows = [
        row("a", left=[0.5] * 5, right=[0.25] * 5),
        row("lora", kind="declared", suite=None, weight=100),
        row("b", problem="not measured: encoder_unavailable (6 times)"),
        row("c", left=[0.5] * 5, right=[np.nan] * 5),
        row("d", left=[0.5] * 5, right=[0.5] * 4 + [np.nan]),
    ]
    found = totals(rows, SYSTEMS)
    assert found["weights"] == {"a": 1.0}
    assert found["left_out"] == {
        "lora": "declared, and declared rows are never mixed with measured ones",
        "b": "not measured: encoder_unavailable (6 times)",
        "c": "it has no stars for right",
        "d": "it has no stars for right",
    }
    assert [total["stars"] for total in found["systems"]] == [3.0, 2.0]
    # Only what the systems that are weighed lack keeps a row out.
    rows = [row("a", left=[0.5] * 5, right=[0.25] * 5, third=[np.nan] * 5)]
    assert totals(rows, SYSTEMS)["weights"] == {"a": 1.0}
    assert totals(rows, [*SYSTEMS, "third"])["left_out"] == {"a": "it has no stars for third"}


def test_a_row_in_which_nobody_is_told_from_the_floor_counts_as_one_star_for_all():
    rows = [row("a", left=[0.5] * 6, right=[0.25] * 6), row("b", problem="no", indistinguishable=True)]
    found = totals(rows, SYSTEMS)
    assert found["weights"] == {"a": 0.5, "b": 0.5}
    assert (found["indistinguishable_rows"], found["left_out"]) == ({"b": "no"}, {})
    assert [total["stars"] for total in found["systems"]] == [2.0, 1.5]
    assert found["most"] == 3.0
    assert found["differences"][0]["stars"] == pytest.approx(0.5)
    assert found["differences"][0]["weight_to_move"] is None


def test_where_no_row_has_stars_there_is_no_total():
    rows = [row("a", problem="its control fails", indistinguishable=True), row("lora", kind="declared", suite=None)]
    found = totals(rows, SYSTEMS)
    assert [total["stars"] for total in found["systems"]] == [None, None]
    assert (found["weights"], found["most"], found["differences"]) == ({}, None, [])
    assert found["indistinguishable_rows"] == {}
    assert set(found["left_out"]) == {"a", "lora"}


def test_systems_are_compared_two_by_two_and_one_alone_with_nobody():
    rows = [row("a", left=[0.5] * 6, right=[0.25] * 6, third=[0.75] * 6)]
    differences = totals(rows, ["third", "left", "right"])["differences"]
    pairs = {(found["system_a"], found["system_b"]): found["stars"] for found in differences}
    assert pairs == pytest.approx({("third", "left"): 1.0, ("third", "right"): 2.0, ("left", "right"): 1.0})
    alone = totals(rows, ["left"])
    assert (alone["systems"], alone["differences"]) == ([{"system": "left", "stars": None}], [])
    assert alone["problem"] == "a total is held against another system's, and there is none"


@st.composite
def weighed(draw, most=5):
    n = draw(st.integers(1, most))
    differences = draw(st.lists(st.integers(-10, 10).map(lambda k: k / 10), min_size=n, max_size=n))
    weights = np.array(draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)), float)
    names = [f"r{k}" for k in range(n)]
    return dict(zip(names, differences, strict=True)), dict(zip(names, (weights / weights.sum()).tolist(), strict=True))


def turned(differences):
    return {name: -difference for name, difference in differences.items()}


def least_weight_by_programming(differences, weights):
    """Return the least half sum of changes of weights that makes the total zero, None where none does."""
    d, w = np.array(list(differences.values())), np.array(list(weights.values()))
    n = len(d)
    # Unknowns: what each weight gains and what it loses.
    found = optimize.linprog(
        np.full(2 * n, 0.5),
        A_eq=[np.concatenate([d, -d]), np.concatenate([np.ones(n), -np.ones(n)])],
        b_eq=[-(w @ d), 0.0],
        bounds=[(0, None)] * n + [(0, weight) for weight in w],
    )
    return found.fun if found.status == 0 else None


@settings(max_examples=60)
@given(weighed())
def test_the_weight_to_move_is_the_least_that_makes_a_draw(case):
    differences, weights = case
    lead = sum(weights[name] * differences[name] for name in differences)
    assume(abs(lead) > 1e-6)
    sign = np.sign(lead)
    found, least = weight_to_move(differences, weights), least_weight_by_programming(differences, weights)
    assert weight_to_move(turned(differences), weights) == pytest.approx(found)
    # All weight on a row without a difference is a draw too, but the other system never leads.
    if least is None or min(sign * difference for difference in differences.values()) == 0:
        assert found is None
    else:
        assert found == pytest.approx(least, abs=1e-9)


@given(weighed())
def test_a_deciding_factor_makes_a_draw_and_rows_without_one_never_do(case):
    differences, weights = case
    factors = deciding_factors(differences, weights)
    # It does not depend on which system is named first.
    assert deciding_factors(turned(differences), weights) == pytest.approx(factors)

    def lead(name, factor):
        return sum(weights[r] * differences[r] * (factor if r == name else 1.0) for r in differences)

    for name in differences:
        if name in factors:
            assert factors[name] > 0
            assert lead(name, factors[name]) == pytest.approx(0, abs=1e-9)
        else:
            sides = {np.sign(round(lead(name, factor), 9)) for factor in (1e-6, 0.01, 0.3, 1, 3, 100, 1e6)}
            assert not {-1.0, 1.0} <= sides
