"""The dominant colours of a picture, in CIELAB with their shares of its area; arithmetic on pixels, no weights."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import Image
from metrics.encoders.extractor import Extractor

MAX_COLOURS = 8

SMALL_SHARE = 0.02
"""A dominant colour of a smaller share of the picture is not counted by any rule."""

MERGED_WITHIN = 10.0
"""A colour of a smaller share than that joins its nearest neighbour in CIELAB within this distance: eight colours
that all fell into the shading of one small logo are one logo colour, and the edges of letters stay apart from both."""

_BITS = 5
_MAX_ROUNDS = 100

Floats = npt.NDArray[np.float64]


class DominantColour(TypedDict):
    """One colour of a palette.

    ``lab`` is CIELAB (D65, 2 degree observer), ``hex`` the same colour in sRGB for the eye, ``share`` how much of the
    picture's area it stands for, 0..1.
    """

    lab: list[float]
    hex: str
    share: float


def dominant_colours(image: Image) -> list[DominantColour]:
    r"""Return at most eight dominant colours of an image, the largest share first; the shares sum to 1.

    Weighted k-means (Lloyd 1982) in CIELAB over the cells of a 32 x 32 x 32 histogram of sRGB, each cell at the mean of
    its pixels. All pixels count: a reduced copy would mix thin letters with their ground into colours that nobody
    chose. Nothing is random: the first centre is the fullest cell and every further one the cell with the largest
    :math:`w d^2`, pixels times squared distance to the nearest centre so far (k-means++ of Arthur and Vassilvitskii
    2007 without the dice), until none is left or there are eight. Small neighbours are then merged (see
    ``MERGED_WITHIN``). ``image`` is sRGB, uint8, of shape (height, width, 3).

    Examples
    --------
    >>> flag = np.zeros((30, 20, 3), np.uint8)
    >>> flag[10:20] = (221, 0, 0)
    >>> [(colour["hex"], round(colour["share"], 2)) for colour in dominant_colours(flag)]
    [('#000000', 0.67), ('#dd0000', 0.33)]
    """
    from skimage.color import lab2rgb, rgb2lab

    colours, weights = _histogram(image)
    lab: Floats = rgb2lab(colours[None] / 255)[0]
    centres, shares = _merge_small(*_k_means(lab, weights / weights.sum()))
    order = np.lexsort((*centres.T, -shares))
    levels = (lab2rgb(centres[None])[0] * 255).round().clip(0, 255).astype(np.uint8)
    return [
        {
            "lab": [round(float(value), 4) for value in centres[n]],
            "hex": f"#{levels[n].tobytes().hex()}",
            "share": round(float(shares[n]), 6),
        }
        for n in order
    ]


def _histogram(image: Image) -> tuple[Floats, Floats]:
    pixels = image.reshape(-1, 3)
    red, green, blue = (pixels[:, channel].astype(np.int32) >> (8 - _BITS) for channel in range(3))
    cell = (red << 2 * _BITS) | (green << _BITS) | blue
    count = np.bincount(cell)
    filled = np.flatnonzero(count)
    # sums of whole numbers are exact in float64, so the order of the pixels changes nothing
    sums = np.stack([np.bincount(cell, weights=pixels[:, channel])[filled] for channel in range(3)], axis=1)
    weights = count[filled].astype(np.float64)
    return sums / weights[:, None], weights


def _k_means(points: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the centres of at most ``MAX_COLOURS`` clusters, shape (k, 3), and the weight of each."""
    nearest = np.full(len(points), np.inf)
    chosen = [int(weights.argmax())]
    while len(chosen) < min(MAX_COLOURS, len(points)):
        nearest = np.minimum(nearest, _squared_distances(points, points[chosen[-1:]])[:, 0])
        chosen.append(int((weights * nearest).argmax()))
    centres = points[chosen]
    members = np.full(len(points), -1)
    for _ in range(_MAX_ROUNDS):
        before, members = members, _squared_distances(points, centres).argmin(axis=1)
        if np.array_equal(before, members):
            break
        centres, _ = _means(points, weights, members)
        members = np.unique(members, return_inverse=True)[1]
    return _means(points, weights, members)


def _means(points: Floats, weights: Floats, members: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return the weighted mean and the weight of every cluster that has a member."""
    clusters = [members == cluster for cluster in np.unique(members)]
    totals = np.array([weights[inside].sum() for inside in clusters])
    means = np.stack([weights[inside] @ points[inside] for inside in clusters]) / totals[:, None]
    return means, totals


def _squared_distances(points: Floats, centres: Floats) -> Floats:
    distances: Floats = ((points[:, None] - centres[None]) ** 2).sum(axis=-1)
    return distances


def _merge_small(centres: Floats, shares: Floats) -> tuple[Floats, Floats]:
    while len(centres) > 1:
        squared = _squared_distances(centres, centres)
        np.fill_diagonal(squared, np.inf)
        small = (shares < SMALL_SHARE) & (squared.min(axis=1) <= MERGED_WITHIN**2)
        if not small.any():
            break
        first = int(np.where(small, shares, np.inf).argmin())
        second = int(squared[first].argmin())
        total = shares[first] + shares[second]
        centres[second] = (shares[first] * centres[first] + shares[second] * centres[second]) / total
        shares[second] = total
        centres, shares = np.delete(centres, first, axis=0), np.delete(shares, first)
    return centres, shares


PALETTE = Extractor("palette:cielab", version="1", extract=dominant_colours)


def load_palette(model: str, device: str) -> Extractor:
    """Return the extractor of `dominant_colours`; ``cielab`` is its only model."""
    return PALETTE.of_model(model)
