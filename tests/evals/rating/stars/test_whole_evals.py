"""How often anything is named where nothing differs, and what is found where something does: figures of the README."""

import numpy as np
import pytest

from evals.rating.stars import cells
from tests.evals.rating.stars.simulated_evals import named, simulated_rows

LEADS = {"imprecise": 0.125, "precise": 0.125, "editing": 0.125}
"""Half a star, less what the end of the scale takes of it."""


@pytest.fixture(autouse=True)
def without_prompts_needed(monkeypatch):
    """Leave out the costly search for a number that no verdict depends on."""
    monkeypatch.setattr(cells, "prompts_needed", lambda difference, sd: 1)


def named_in(n_evals, n_systems, leads=None, seed=0):
    rng = np.random.default_rng([seed, n_systems])
    return [named(*simulated_rows(n_systems, rng, leads)) for _ in range(n_evals)]


def assert_at_most_five_percent(names):
    share = np.mean([bool(one) for one in names])
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(names)), f"{share:.3f} of {len(names)} evals name somebody"


def test_some_evals_of_equal_systems_rarely_name_anybody():
    assert_at_most_five_percent(named_in(40, 2))


@pytest.mark.slow
@pytest.mark.parametrize("n_systems", [2, 3, 4])
def test_at_most_five_percent_of_evals_of_equal_systems_name_anybody(n_systems):
    names = named_in(600, n_systems)
    shares = [np.mean([bool(of(one)) for one in names]) for of in (bool, lambda one: one.rows, lambda one: one.totals,
                                                                  lambda one: one.use_cases)]  # fmt: skip
    print(f"| {n_systems} | " + " | ".join(f"{share:.3f}" for share in shares) + " |")
    assert_at_most_five_percent(names)


@pytest.mark.slow
@pytest.mark.parametrize("n_systems", [2, 3, 4])
def test_half_a_star_in_three_rows_is_found(n_systems):
    names = named_in(200, n_systems, LEADS)
    rows = {row: np.mean([row in one.rows for one in names]) for row in LEADS}
    total, cases = np.mean([one.totals > 0 for one in names]), np.mean([one.use_cases for one in names])
    print(f"| {n_systems} | " + " | ".join(f"{share:.2f}" for share in (*rows.values(), total, cases)) + " |")
    assert min(rows.values()) > 0.2
