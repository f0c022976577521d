"""Equal within a margin: more than "not separable", which may only mean that there were too few prompts."""

from __future__ import annotations

import numpy as np

from evals.rating.statistics.distributions import t_quantile
from evals.rating.statistics.intervals import MIN_PROMPTS, Numbers
from evals.rating.statistics.power import ALPHA
from evals.rating.statistics.proportions import newcombe_interval


def smallest_equivalence_margin(differences: Numbers) -> float:
    r"""Return the margin d within which two systems would just be called equal, by two one-sided t-tests.

    The two are equal within d, with an error of 5 %, where the 90 % interval of their mean difference lies between
    -d and d: :math:`d = |\bar d| + t_{.95, n-1} s / \sqrt n`.

    Parameters
    ----------
    differences
        One paired difference a prompt; NaN where one of the two systems has no value.

    Returns
    -------
    float
        In the unit of the differences. NaN below 5 prompts, and where all differences are the same: they tell
        nothing of how far other prompts would differ.

    References
    ----------
    Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach for assessing the
    equivalence of average bioavailability, Journal of Pharmacokinetics and Biopharmaceutics 15.

    Examples
    --------
    >>> round(smallest_equivalence_margin(np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0, 0.06, -0.02, 0.03, 0.05])), 4)
    0.0408
    """
    known = differences[np.isfinite(differences)]
    n = len(known)
    # Equal values have no spread, although their mean may miss them by a rounding.
    if n < MIN_PROMPTS or (known == known[0]).all():
        return np.nan
    return float(abs(known.mean()) + t_quantile(1 - ALPHA, n - 1) * (known.std(ddof=1) / np.sqrt(n)))


def smallest_equivalence_margin_of_rates(first: Numbers, second: Numbers, lift: float = 0.0) -> float:
    """Return the margin within which two rates over the same prompts would just be called equal.

    As `smallest_equivalence_margin`, the 90 % interval being Newcombe's: it keeps its width where all prompts agree.

    Parameters
    ----------
    first, second
        One value a prompt, each 0 or 1, in the same order.
    lift
        What is added to their difference.

    Examples
    --------
    >>> round(smallest_equivalence_margin_of_rates(np.ones(20), np.ones(20)), 3)
    0.119
    """
    if len(first) < MIN_PROMPTS:
        return np.nan
    return max(abs(end + lift) for end in newcombe_interval(first, second, confidence=1 - 2 * ALPHA))
