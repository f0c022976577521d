"""How often anything is named where nothing differs, and what is found where something does: figures of the README."""

from itertools import combinations

import numpy as np
import pytest

from evals.rating.stars.recommendations import recommend, weigh
from evals.rating.stars.totals import totals
from evals.rating.stars.verdicts import settle
from evals.rating.statistics.families import holm
from tests.evals.rating.stars.simulated_evals import (
    ROWS,
    p_values,
    rated_eval,
    simulated_places,
    use_cases,
    weight_profiles,
)

LEADS = {"imprecise": 0.125, "precise": 0.125, "editing": 0.125}
"""Half a star, less what the end of the scale takes of it."""


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
    places = simulated_places(3, 2, np.random.default_rng(0), LEADS)
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
@pytest.mark.parametrize("n_systems", [2, 3, 4])
def test_half_a_star_in_three_rows_is_found(n_systems):
    for label, rows, total, cases in named(n_systems, 1_000, LEADS):
        found = [rows[:, list(ROWS).index(row)].mean() for row in LEADS]
        each = (*found, total.mean(), cases.mean())
        print(f"| {n_systems} | {label} | " + " | ".join(f"{share:.2f}" for share in each) + " |")
        assert min(found) > 0.1
