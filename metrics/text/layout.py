"""Reading order: in which order the texts of an image may follow one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metrics.encoders.ocr import TextLine

Spans = list[tuple[float, float, float, int]]


def reading_orders(boxes: Sequence[TextLine]) -> list[list[int]]:
    """Return the orders in which the texts may be meant: by rows, by columns, and from neighbour to neighbour.

    Each is a list of the indices of all boxes. Orders that are the same stand there once.
    """
    orders = (reading_order(boxes), _by_columns(boxes), _by_neighbours(boxes))
    return [list(order) for order in dict.fromkeys(map(tuple, orders))]


def reading_order(boxes: Sequence[TextLine]) -> list[int]:
    """Return the indices of boxes by rows from top to bottom, each from left to right.

    A box joins a row if it overlaps the row's first box by more than half of the smaller height.

    Examples
    --------
    >>> def box(x, y):
    ...     return TextLine(text="", score=1.0, box=[[x, y], [x + 9, y], [x + 9, y + 10], [x, y + 10]])
    >>> reading_order([box(50, 3), box(0, 30), box(0, 0)])
    [2, 0, 1]
    """
    corners = _corners(boxes)
    return _by_bands([(top, bottom, left, i) for i, (left, top, _, bottom) in enumerate(corners)])


def _by_columns(boxes: Sequence[TextLine]) -> list[int]:
    """Return the indices by columns from left to right, each from top to bottom."""
    corners = _corners(boxes)
    return _by_bands([(left, right, top, i) for i, (left, top, right, _) in enumerate(corners)])


def _by_bands(spans: Spans) -> list[int]:
    """Order boxes by bands: those that overlap a band's first box along one axis, sorted along the other."""
    bands: list[Spans] = []
    for span in sorted(spans, key=lambda span: (span[0] + span[1], span[2], span[3])):
        band = next((band for band in reversed(bands) if _overlap(band[0], span)), None)
        if band is None:
            bands.append([span])
        else:
            band.append(span)
    return [i for band in bands for *_, i in sorted(band, key=lambda span: (span[2], span[3]))]


def _overlap(a: tuple[float, float, float, int], b: tuple[float, float, float, int]) -> bool:
    return min(a[1], b[1]) - max(a[0], b[0]) > 0.5 * min(a[1] - a[0], b[1] - b[0])


def _by_neighbours(boxes: Sequence[TextLine]) -> list[int]:
    """Return the indices from the leftmost box on, each followed by the nearest one left: along a curve, say."""
    if not boxes:
        return []
    centres = np.array([np.mean(box["box"], axis=0) for box in boxes])
    remaining = list(np.lexsort((centres[:, 1], centres[:, 0])))
    chain = [remaining.pop(0)]
    while remaining:
        distances = np.linalg.norm(centres[remaining] - centres[chain[-1]], axis=1)
        chain.append(remaining.pop(int(distances.argmin())))
    return [int(i) for i in chain]


def _corners(boxes: Sequence[TextLine]) -> npt.NDArray[np.float64]:
    """Return left, top, right and bottom of each box."""
    corners = np.array([box["box"] for box in boxes], dtype=float).reshape(-1, 4, 2)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
