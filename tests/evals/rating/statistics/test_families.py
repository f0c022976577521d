"""Holm's correction against the closed test that it stands for."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.rating.statistics.families import holm

probabilities = st.lists(st.floats(0, 1), max_size=7)


def closed_bonferroni(p_values):
    """Return for each hypothesis the largest Bonferroni p-value of all the sets of hypotheses that contain it."""
    places = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(places, size)]
    return [
        max(min(1.0, len(chosen) * min(p_values[other] for other in chosen)) for chosen in sets if place in chosen)
        for place in places
    ]


@given(probabilities)
def test_the_steps_are_the_closed_bonferroni_test(p_values):
    assert holm(p_values) == pytest.approx(closed_bonferroni(p_values))


@given(probabilities)
def test_a_test_that_could_not_be_made_is_passed_through_and_not_counted(p_values):
    with_gaps = [np.nan, *p_values, np.nan]
    adjusted = holm(with_gaps)
    assert np.isnan([adjusted[0], adjusted[-1]]).all()
    assert adjusted[1:-1] == holm(p_values)


@given(probabilities, st.randoms())
def test_the_order_of_the_rows_does_not_matter(p_values, random):
    order = list(range(len(p_values)))
    random.shuffle(order)
    adjusted = holm(p_values)
    assert holm([p_values[place] for place in order]) == [adjusted[place] for place in order]


@pytest.mark.parametrize("p", [-0.1, 1.01, np.inf])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, p])
