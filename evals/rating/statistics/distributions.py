"""Quantiles and tails of the distributions that intervals and tests rest on, of numbers or arrays.

They are those of ``scipy.stats``, taken from where that has them too: importing all of it takes most of a second.
"""

from __future__ import annotations

from typing import Any

from scipy import special


def normal_quantile(p: Any) -> Any:
    """Return the value below which a standard normal variable lies with probability ``p``.

    Examples
    --------
    >>> round(float(normal_quantile(0.975)), 4)
    1.96
    """
    return special.ndtri(p)


def normal_tail(z: Any) -> Any:
    """Return the probability that a standard normal variable lies above ``z``.

    Examples
    --------
    >>> round(float(normal_tail(1.959964)), 4)
    0.025
    """
    return special.ndtr(-z)


def t_quantile(p: Any, freedom: Any) -> Any:
    """Return the value below which Student's t with so many degrees of freedom lies with probability ``p``.

    Examples
    --------
    >>> round(float(t_quantile(0.975, 4)), 4)
    2.7764
    """
    return special.stdtrit(freedom, p)


def t_tail(t: Any, freedom: Any) -> Any:
    """Return the probability that Student's t with so many degrees of freedom lies above ``t``.

    Examples
    --------
    >>> round(float(t_tail(2.7764, 4)), 4)
    0.025
    """
    return special.stdtr(freedom, -t)


def noncentral_t_tail(t: Any, freedom: Any, noncentrality: Any) -> Any:
    """Return the probability that a noncentral t lies above ``t``, NaN where it cannot be computed.

    Examples
    --------
    >>> round(float(noncentral_t_tail(2.0345, 33, 0.5 * 34**0.5)), 3)
    0.808
    """
    return 1 - special.nctdtr(freedom, noncentrality, t)
