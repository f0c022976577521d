"""Who is named: rows, totals and use cases in one family, the words of a verdict, and nobody where nothing differs."""

import numpy as np
import pytest

from evals.facts.use_cases import UseCase
from evals.rating.stars.recommendations import recommend, weigh
from evals.rating.stars.totals import totals
from evals.rating.stars.verdicts import settle
from evals.rating.statistics.families import holm
from tests.evals.rating.stars.rated_rows import rated_row as row

SYSTEMS = ["left", "right"]
FIRST, SECOND = np.array([0.5, 0.62, 0.71, 0.4, 0.9, 0.66]), np.array([0.3, 0.5, 0.45, 0.35, 0.6, 0.51])
GAINS = np.linspace(-1, 1, 12) / np.linspace(-1, 1, 12).std(ddof=1) / 10
"""Twelve prompts about a lead; 0.3 has p < 1e-6, 0.07 has p = 0.034."""


def ahead(row_id, lead, **more):
    """Return a row of its own suite in which left leads by that much."""
    return row(row_id, left=0.5 + lead + GAINS, right=np.full(12, 0.5), **({"suite": row_id} | more))


def of(rated):
    (difference,) = rated.row["differences"]
    return difference


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        (FIRST, FIRST, "not separable"),
        ([0.5] * 6, [0.25] * 6, "left is ahead by 1.0 stars"),
        ([0.51] * 6, [0.5] * 6, "left is ahead by 0.04 stars"),
        ([0.1 + 0.2] * 6, [0.3] * 6, "not separable"),
        (
            [1.0, 0.0, 0.9, 0.1, 1.0],
            [0.0, 1.0, 0.2, 0.95, 0.3],
            "in a row alone no difference on the scale would have been seen",
        ),
        ([0.5] * 4, [0.1] * 4, "not comparable: 4 prompts in common, and nothing is compared below 5"),
        ([0.5, np.nan], [0.1, 0.5], "not comparable: 1 prompt in common, and nothing is compared below 5"),
        ([0.5, np.nan], [np.nan, 0.5], "not comparable: no prompt was rated for both"),
    ],
)
def test_the_verdict_says_who_is_ahead_or_why_nobody_is(left, right, verdict):
    for turned in (False, True):
        found = of(row("a", **({"right": right, "left": left} if turned else {"left": left, "right": right})))
        assert found["verdict"].split("; ")[-1] == verdict
        assert found["better_system"] == ("left" if "ahead" in verdict else None)
    if left is right:
        assert (found["stars"], found["low"], found["high"], found["p_value"], found["ties"]) == (0, 0, 0, 1, 6)


def test_not_separable_says_how_equal_they_are_and_what_would_have_been_seen():
    gains = np.array([0.02, 0.05, -0.01, -0.03, 0.04, 0, 0.01, -0.02, 0.03, -0.05])
    found = of(row("a", left=0.5 + gains, right=np.full(10, 0.5)))
    assert found["equal_within"] == pytest.approx(4 * (abs(gains.mean()) + 1.833113 * gains.std(ddof=1) / 10**0.5))
    assert found["verdict"] == "not separable, equal within 0.09 stars; in a row alone 0.1 stars would have been seen"


def test_rows_and_totals_are_corrected_together():
    rows = [ahead(f"r{n}", lead) for n, lead in enumerate((0.3, 0.07, 0.0))]
    rows.append(row("few", left=[0.5] * 3, right=[0.2] * 3))
    weighed = [totals(rows, SYSTEMS, weights) for weights in (None, {"r1": 3, "r2": 1}, {"r1": 1, "r2": 1})]
    settle(rows, weighed)
    *found, without_test = [*map(of, rows[:3]), *(total["differences"][0] for total in weighed), of(rows[3])]
    # A row of too few prompts for a test does not count as one.
    assert [one["p_holm"] for one in found] == pytest.approx(holm([one["p_value"] for one in found]))
    assert without_test["p_holm"] is None
    assert found[1]["p_value"] < 0.05 < found[1]["p_holm"]
    assert [one["better_system"] for one in found] == ["left", None, None, "left", None, None]
    assert found[1]["verdict"].startswith("not separable among so many comparisons (alone its interval excludes zero)")


def test_what_tests_the_same_counts_once():
    rows = [ahead("a", 0.07), ahead("b", 0.02), row("floor", problem="its control fails", indistinguishable=True)]
    same = [
        totals(rows, SYSTEMS),
        totals(rows, SYSTEMS, {"a": 5, "b": 5, "unheard": 1}),
        totals(rows, SYSTEMS, {"a": 1, "b": 1, "floor": 7}),
        totals(rows, ["right", "left"]),
    ]
    settle(rows, [*same, totals(rows, SYSTEMS, {"a": 2})])
    p_values = [of(rows[0])["p_value"], of(rows[1])["p_value"], same[0]["differences"][0]["p_value"]]
    assert [of(rows[0])["p_holm"], of(rows[1])["p_holm"]] == pytest.approx(holm(p_values)[:2])
    assert [total["differences"][0]["p_holm"] for total in same] == pytest.approx([holm(p_values)[2]] * 4)


def case(weights):
    return UseCase(id="budget", title="Small budget", why="money", weights=weights)


def test_a_use_case_that_may_name_nobody_is_no_test():
    rows = [ahead("precise", 0.1), ahead("cost", 0.1)]
    heard, unheard = (
        weigh(case(weights), rows, SYSTEMS) for weights in ({"precise": 2, "cost": 1}, {"cost": 1, "x": 2})
    )
    assert (heard.may_name, unheard.may_name) == (True, False)
    assert not weigh(case({"cost": 1}), rows, SYSTEMS[:1]).may_name
    settle(rows, [heard.totals])
    found = recommend(heard)
    difference = heard.totals["differences"][0]
    assert (found["system"], found["n_prompts"], found["p_holm"]) == ("left", 12, difference["p_holm"])
    assert (recommend(unheard)["system"], recommend(unheard)["p_holm"]) == (None, None)
