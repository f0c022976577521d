"""Differences are those of the stars shown: chance is the least that anybody has, in rows and in totals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.rating.stars.totals import CONTRADICTED, totals
from evals.rating.stars.verdicts import settle
from evals.rating.statistics.proportions import newcombe_interval
from tests.evals.rating.stars.rated_rows import rated_row as row

CHANCE = 0.4
SYSTEMS = ["left", "right", "third"]
WAVES = np.linspace(-0.05, 0.05, 12)


def of(rated):
    (difference,) = rated.row["differences"]
    return difference


def shown(rated):
    return {cell["system"]: cell["stars"] for cell in rated.row["cells"]}


@pytest.mark.parametrize(
    ("left", "right", "stars"),
    [(0.7, 0.55, 1.0), (0.7, 0.1, 2.0), (0.1, 0.7, -2.0), (0.3, 0.1, 0.0), (0.4, 0.1, 0.0), (1.0, 0.0, 4.0)],
)
def test_a_system_below_chance_is_compared_as_one_at_chance(left, right, stars):
    sides = {"left": np.clip(left + WAVES, 0, 1) if left < 1 else np.ones(12), "right": np.abs(right + WAVES[::-1])}
    sides["right"] += right - sides["right"].mean()
    found = of(row("a", **sides, chance=CHANCE))
    assert found["stars"] == pytest.approx(stars)
    assert -4 <= found["low"] <= found["stars"] <= found["high"] <= 4
    assert found["better_system"] == {0: None, 1: "left", -1: "right"}[np.sign(stars)]
    if stars == 0:
        assert found["p_value"] == 1
    # Whoever is better on a prompt stays so, and the differences vary as they do without chance.
    plain = of(row("a", **sides))
    assert [found[name] for name in ("wins", "ties", "losses")] == [plain[n] for n in ("wins", "ties", "losses")]
    if 0 < abs(stars) < 4:
        assert found["high"] - found["low"] == pytest.approx((plain["high"] - plain["low"]) / (1 - CHANCE))


def test_rates_below_chance_keep_newcombes_width():
    first, second = np.repeat([1.0, 0.0], [9, 3]), np.repeat([1.0, 0.0], [1, 11])
    found = of(row("a", left=first, right=second, rates=True, chance=CHANCE))
    low, high = newcombe_interval(first, second)
    lift = second.mean() - CHANCE
    assert found["stars"] == pytest.approx(4 * (0.75 - CHANCE) / 0.6)
    assert (found["low"], found["high"]) == pytest.approx((4 * (low + lift) / 0.6, 4 * (high + lift) / 0.6))
    assert (found["p_value"] < 0.05) == (found["low"] > 0)
    none = of(row("a", left=np.zeros(12), right=second, rates=True, chance=CHANCE))
    assert (none["stars"], none["p_value"], none["better_system"]) == (0, 1, None)


places = st.lists(st.floats(0, 1), min_size=6, max_size=6)


@settings(max_examples=60, derandomize=True)
@given(st.lists(st.tuples(st.lists(places, min_size=3, max_size=3), st.floats(0, 0.75), st.integers(1, 5)), min_size=1,
                max_size=4))  # fmt: skip
def test_on_the_same_prompts_every_difference_is_that_of_the_stars_shown(drawn):
    rows = [row(f"r{n}", suite=f"s{n}", weight=weight, chance=chance, **dict(zip(SYSTEMS, of_row, strict=True)))
            for n, (of_row, chance, weight) in enumerate(drawn)]  # fmt: skip
    found = totals(rows, SYSTEMS)
    settle(rows, [found])
    total = {one["system"]: one["stars"] for one in found["systems"]}
    cases = [(shown(one), one.row["differences"]) for one in rows] + [(total, found["differences"])]
    for stars, differences in cases:
        for pair in differences:
            assert pair["stars"] == pytest.approx(stars[pair["system_a"]] - stars[pair["system_b"]], abs=1e-9)
            assert -4 <= pair["low"] <= pair["stars"] + 1e-9
            assert pair["stars"] - 1e-9 <= pair["high"] <= 4
            if better := pair["better_system"]:
                assert stars[better] == max(stars[pair["system_a"]], stars[pair["system_b"]])


def test_a_total_names_nobody_whose_lead_is_in_prompts_of_its_own():
    left, right = [*(0.9 + WAVES), *(0.3 + WAVES)], [*[np.nan] * 12, *(0.5 - WAVES)]
    one = row("a", left=left, right=right)
    found = totals([one], SYSTEMS[:2])
    settle([one], [found])
    (total,) = found["differences"]
    assert (total["stars"], total["p_value"] < 0.05) == (pytest.approx(-0.8), True)
    assert (total["better_system"], total["problem"]) == (None, CONTRADICTED)


def test_nobody_leads_in_a_total_by_what_lies_below_chance():
    """Left has no text at all, right another prompt's; left is better where the row tells them apart."""
    rows = [row("one", left=0.62 + WAVES, right=0.42 + WAVES[::-1]),
            row("two", suite="t", left=np.zeros(12), right=0.4 + WAVES, chance=CHANCE)]  # fmt: skip
    found = totals(rows, SYSTEMS[:2])
    settle(rows, [found])
    (total,) = found["differences"]
    assert (total["stars"], total["better_system"]) == (pytest.approx(0.4), "left")
    assert total["stars"] == pytest.approx(found["systems"][0]["stars"] - found["systems"][1]["stars"])
