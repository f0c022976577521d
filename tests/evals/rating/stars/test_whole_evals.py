"""How often anything is named where nothing differs, and what is found where something does: figures of the README."""

from itertools import combinations

import numpy as np
import pytest
from scipy import special

from evals.rating.stars.recommendations import recommend, weigh
from evals.rating.stars.totals import totals
from evals.rating.stars.verdicts import settle
from evals.rating.statistics.estimates import score_differences
from evals.rating.statistics.families import holm
from evals.rating.statistics.proportions import smallest_p_value
from tests.evals.rating.stars.simulated_evals import (
    ROWS,
    SUITES,
    p_values,
    rated_eval,
    simulated_places,
    use_cases,
    weight_profiles,
)

BETTER_IN = ("imprecise", "precise", "editing")


def lead(stars):
    """Return what the first system leads by in three rows, less what the end of the scale takes of it."""
    return dict.fromkeys(BETTER_IN, stars / 4)


def settled(systems, rated):
    """Return the total and the use cases of an eval, all of it settled together as `award_stars` does."""
    total, weighed = totals(rated, systems), [weigh(case, rated, systems) for case in use_cases()]
    settle(rated, [total, *(one.totals for one in weighed)])
    return total, weighed


def test_some_evals_of_equal_systems_rarely_name_anybody():
    places, n_named, n_named_alone = simulated_places(2, 40, np.random.default_rng(1)), 0, 0
    for number in range(40):
        systems, rated = rated_eval(places, number)
        total, weighed = settled(systems, rated)
        differences = [row for one in rated for row in one.row["differences"]] + total["differences"]
        n_named += any(row["better_system"] for row in differences) or any(recommend(one)["system"] for one in weighed)
        n_named_alone += any(row["p_value"] < 0.05 for one in [total, *(w.totals for w in weighed)]
                             for row in one["differences"])  # fmt: skip
    assert n_named <= 40 * most(40) < n_named_alone


def most(n_evals):
    return 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_evals)


def test_many_evals_at_once_have_the_p_values_of_each():
    places = simulated_places(3, 2, np.random.default_rng(0), lead(0.5))
    systems, rated = rated_eval(places, 1)
    total, weighed = settled(systems, rated)
    for pair, (a, b) in enumerate(combinations(range(3), 2)):
        of_rows, of_profiles = p_values(places, a, b)
        assert of_rows[:, 1] == pytest.approx([one.row["differences"][pair]["p_value"] for one in rated])
        each = [one["differences"][pair]["p_value"] for one in [total, *(one.totals for one in weighed)]]
        assert of_profiles[:, 1] == pytest.approx(each)


def named(n_systems, n_evals, leads=None):
    """Return by eval which rows name somebody, whether the total does and how many use cases; together, and one by one.

    One by one: rows by Holm's correction over rows alone, totals and use cases by their own intervals.
    """
    places = simulated_places(n_systems, n_evals, np.random.default_rng(n_systems), leads)
    pairs = list(combinations(range(n_systems), 2))
    of_rows, of_profiles = map(np.array, zip(*(p_values(places, *pair) for pair in pairs), strict=True))
    family = np.concatenate([of_rows, of_profiles], axis=1)
    together, rows_alone = (
        np.array([holm(of_eval.ravel()) for of_eval in np.moveaxis(p, -1, 0)]).reshape(n_evals, len(pairs), -1)
        for p in (family, of_rows)
    )
    means = np.array([of_row.mean(axis=1) for of_row in places.values()])
    stars = [np.einsum("r,rse->es", [of.get(row, 0.0) for row in ROWS], means) for of in weight_profiles()[1:]]
    leaders = [of.argmax(axis=1) for of in stars]
    for label, rows, profiles in (
        ("together", together[:, :, : len(ROWS)], together[:, :, len(ROWS) :]),
        ("one by one", rows_alone, np.moveaxis(of_profiles, -1, 0)),
    ):
        cases = np.zeros(n_evals, int)
        for case, leader in enumerate(leaders, start=1):
            is_leaders = np.array([[leader_of in pair for pair in pairs] for leader_of in leader])
            cases += np.where(is_leaders, profiles[:, :, case], 0).max(axis=1) < 0.05
        yield label, (rows < 0.05).any(axis=1), (profiles[:, :, 0] < 0.05).any(axis=1), cases


@pytest.mark.slow
@pytest.mark.parametrize("n_systems", [2, 3, 4])
def test_at_most_five_percent_of_evals_of_equal_systems_name_anybody(n_systems):
    shares = {}
    for label, rows, total, cases in named(n_systems, n_evals := 2_000):
        shares[label] = (rows.any(axis=1) | total | (cases > 0)).mean()
        each = (rows.any(axis=1).mean(), total.mean(), (cases > 0).mean(), shares[label])
        print(f"| {n_systems} | {label} | " + " | ".join(f"{share:.1%}" for share in each) + " |")
    assert shares["together"] <= most(n_evals) < shares["one by one"]


@pytest.mark.slow
@pytest.mark.parametrize("stars", [0.5, 1.0])
@pytest.mark.parametrize("n_systems", [2, 3, 4])
def test_a_lead_in_three_rows_is_found_there_nearly_as_often_as_among_rows_alone(n_systems, stars):
    in_rows = {}
    for label, rows, total, cases in named(n_systems, 600, lead(stars)):
        in_rows[label] = np.array([rows[:, list(ROWS).index(row)].mean() for row in BETTER_IN])
        each = (*in_rows[label], total.mean(), cases.mean())
        print(f"| {n_systems} | {stars:g} | {label} | " + " | ".join(f"{share:.2f}" for share in each) + " |")
    assert (in_rows["together"] > in_rows["one by one"] - 0.1).all()


LEVELS = np.array([0.05, 0.05 / 25, 0.05 / 150])
"""Of one test, and of the first of the two families that an eval of two and of four systems has."""


@pytest.mark.slow
def test_p_values_of_equal_systems_are_as_rare_as_they_say_down_to_five_prompts():
    n_evals, rng = 10_000, np.random.default_rng(0)
    for row_id, row in ROWS.items():
        for n_prompts in (5, SUITES[row.suite]):
            levels = special.ndtr(np.sqrt(0.4) * rng.standard_normal((n_prompts, n_evals))
                                  + np.sqrt(0.6) * rng.standard_normal((2, n_prompts, n_evals)))  # fmt: skip
            of_row = np.array([one.p_value for one in score_differences(*row.quantile(levels), (0, 1), row.rates)])
            of_row = np.maximum(of_row, smallest_p_value(n_prompts))
            share = (of_row[:, None] < LEVELS).mean(axis=0)
            print(f"| {row_id} | {n_prompts} | " + " | ".join(f"{of:.4f}" for of in share) + " |")
            assert (share <= LEVELS + 4 * np.sqrt(LEVELS / n_evals)).all()
