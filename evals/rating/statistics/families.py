"""Many comparisons at once: p-values that hold for all that an eval may name, not for each row alone."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    r"""Return Holm's step-down adjusted p-values, in the order given.

    With the m p-values sorted upwards, :math:`\tilde p_{(i)} = \min(1, \max_{j \le i} (m - j + 1) p_{(j)})`. Calling
    every test with :math:`\tilde p < \alpha` separated makes one or more false calls in at most a share
    :math:`\alpha` of families, however the tests depend on each other.

    Parameters
    ----------
    p_values
        Of the family's tests, each between 0 and 1. NaN stands for a test that could not be made: it stays NaN and
        is not counted in m.

    Returns
    -------
    list of float
        Between 0 and 1, never below the p-value it came from.

    Raises
    ------
    ValueError
        If a p-value lies outside 0 to 1.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.001, 0.012, 0.03, 0.04, 0.2])]
    [0.005, 0.048, 0.09, 0.09, 0.2]
    >>> holm([0.25, float("nan")])
    [0.25, nan]
    """
    for p in p_values:
        if not (math.isnan(p) or 0 <= p <= 1):
            raise ValueError(f"a p-value lies between 0 and 1, not at {p}")
    made = sorted((place for place, p in enumerate(p_values) if not math.isnan(p)), key=lambda place: p_values[place])
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for n_before, place in enumerate(made):
        largest = min(1.0, max(largest, (len(made) - n_before) * p_values[place]))
        adjusted[place] = largest
    return adjusted
