"""Boxes of detections: duplicates, mirror images, and how one lies to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metrics.encoders.detector import Detection

NMS_OVERLAP = 0.5
"""Of two boxes of one phrase with a larger intersection over union, the lower-scoring is a duplicate."""

MARGIN = 0.1
"""GenEval's: this share of the sum of the two extents is taken off an offset before it counts as one."""

SECTOR = 0.5
"""GenEval's: a relation holds from this component of the normalised offset on, so neighbouring ones overlap."""

RELATIONS = ("left of", "right of", "above", "below")
"""What can be decided from boxes; in front of, behind, inside and on cannot."""


def mirrored(detections: Sequence[Detection]) -> list[Detection]:
    """Return what would be found in the picture's mirror image: every box with its x turned into 1 - x.

    The control of relations and positions: what holds to the left or right fails in the mirror, and
    what holds above or below stays. It needs no second look of the detector.
    """
    return [{**one, "box": [1 - one["box"][2], one["box"][1], 1 - one["box"][0], one["box"][3]]} for one in detections]


def relations_between(first: Sequence[float], second: Sequence[float]) -> set[str]:
    r"""Return how the first box lies to the second, by the rule of GenEval (Ghosh et al. 2023).

    .. math:: d = c_1 - c_2, \quad r = \operatorname{sign}(d) \max(|d| - 0.1\,(s_1 + s_2), 0) / \lVert d \rVert

    with the centres c and extents s of the boxes. A component of r beyond 0.5 is a relation: up to two of them, on a
    diagonal, or none for boxes that share a place. The unit of the boxes does not matter; in fractions of a wide
    picture, horizontal offsets count for less than they do in pixels.

    Parameters
    ----------
    first, second
        ``[x0, y0, x1, y1]``, y downwards.

    Examples
    --------
    >>> relations_between([0, 0, 100, 100], [200, 0, 300, 100])
    {'left of'}
    """
    one, other = np.reshape(first, (2, 2)).astype(np.float64), np.reshape(second, (2, 2)).astype(np.float64)
    offset = one.mean(axis=0) - other.mean(axis=0)
    distance = float(np.linalg.norm(offset))
    if distance == 0:
        return set()
    margin = MARGIN * (np.ptp(one, axis=0) + np.ptp(other, axis=0))
    x, y = np.sign(offset) * np.maximum(np.abs(offset) - margin, 0) / distance
    holds = (x < -SECTOR, x > SECTOR, y < -SECTOR, y > SECTOR)
    return {relation for relation, is_so in zip(RELATIONS, holds, strict=True) if is_so}


def without_duplicates(detections: Sequence[Detection]) -> list[Detection]:
    """Return the detections, highest score first, without those that repeat a better one of the same phrase.

    Greedy non-maximum suppression at an intersection over union above ``NMS_OVERLAP``. Of equal scores the earlier
    detection wins.
    """
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda detection: -detection["score"]):
        same = [other["box"] for other in kept if other["phrase"] == one["phrase"]]
        if not same or _overlaps(one["box"], same).max() <= NMS_OVERLAP:
            kept.append(one)
    return kept


def _overlaps(box: Sequence[float], others: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """Return the intersection over union of one box with each of others."""
    a, b = np.asarray(box, np.float64), np.asarray(others, np.float64)
    sides = np.clip(np.minimum(a[2:], b[:, 2:]) - np.maximum(a[:2], b[:, :2]), 0, None)
    shared = sides.prod(axis=1)
    union = (a[2:] - a[:2]).prod() + (b[:, 2:] - b[:, :2]).prod(axis=1) - shared
    overlaps: npt.NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps
