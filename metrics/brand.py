"""Brand colours: does a picture hold the colours that its brand declares, and do the brand's pieces share a palette?

Every distance is CIEDE2000 (Sharma et al. 2005; k_L = k_C = k_H = 1): about 1 is the smallest difference that is seen
side by side, 2 to 5 is seen at a glance, above 10 people name another shade.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.encoders.palette import SMALL_SHARE, DominantColour
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored

Floats = npt.NDArray[np.float64]

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def colour_differences(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Return the CIEDE2000 difference of every colour of one list to every colour of another.

    Both are CIELAB, of shapes (m, 3) and (n, 3); the result has shape (m, n), 0 and more.

    Examples
    --------
    >>> colour_differences([[50, 2.6772, -79.7751]], [[50, 0, -82.7485], [50, 2.6772, -79.7751]]).round(4)
    array([[2.0425, 0.    ]])
    """
    from skimage.color import deltaE_ciede2000

    one, other = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    differences: Floats = deltaE_ciede2000(*np.broadcast_arrays(one, other))  # type: ignore[no-untyped-call]
    return differences


def lab_of(colour: str) -> list[float]:
    """Return the CIELAB values (D65, 2 degree observer) of an sRGB colour that is written ``#rrggbb``.

    Raises ValueError if the colour is not written so.

    Examples
    --------
    >>> [round(value, 2) for value in lab_of("#ff0000")]
    [53.24, 80.09, 67.2]
    """
    from skimage.color import rgb2lab

    if not _HEX.fullmatch(colour):
        raise ValueError(f"{colour!r} is no colour; write six hexadecimal digits, as in '#c8102e'")
    levels = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)
    return [float(value) for value in rgb2lab(levels)]


def palette_distance(first: Sequence[DominantColour], second: Sequence[DominantColour]) -> float:
    r"""Return how far two palettes are from each other: share-weighted nearest CIEDE2000, the mean of both directions.

    .. math:: \frac{1}{2} \left( \sum_i p_i \min_j \Delta E(a_i, b_j) + \sum_j q_j \min_i \Delta E(a_i, b_j) \right)

    with :math:`p`, :math:`q` the shares, over the colours of at least 2 % and scaled to sum to 1. 0 for palettes of
    the same colours, whatever their shares: a business card and a poster use a brand's colours in different amounts.
    Symmetric, and no metric in the mathematical sense (the triangle inequality does not hold).

    Examples
    --------
    >>> blue = {"lab": [50, 2.6772, -79.7751], "hex": "#0e54fe", "share": 1.0}
    >>> other = {"lab": [50, 0, -82.7485], "hex": "#0053ff", "share": 1.0}
    >>> round(palette_distance([blue], [other]), 4)
    2.0425
    """
    one, other = _dominant(first), _dominant(second)
    differences = colour_differences([colour["lab"] for colour in one], [colour["lab"] for colour in other])
    forward = np.average(differences.min(axis=1), weights=[colour["share"] for colour in one])
    backward = np.average(differences.min(axis=0), weights=[colour["share"] for colour in other])
    return float((forward + backward) / 2)


@measured_one_by_one
def palette_adherence(subject: Subject) -> Measurement:
    r"""Measure ``brand.palette``: how far the colours that a brand declares are from those of its picture.

    .. math:: \frac{1}{n} \sum_i \min_j \Delta E(c_i, p_j)

    over the n colours that the row's ``palette`` declares (a list of ``#rrggbb``) and the dominant colours :math:`p_j`
    of the picture (its feature ``palette``) with a share of at least 2 %. Lower is better; 0 is every declared colour
    found as declared. Colours that are in the picture and not declared cost nothing: a product shot has a table and a
    sky. ``details["colours"]`` holds, for each declared colour, ``colour``, ``nearest`` (the dominant colour that comes
    closest), its ``share`` and the ``difference``; ``details["palette"]`` the picture's own. Raises ValueError if a
    declared colour is not written ``#rrggbb``.
    """
    declared: Sequence[str] = subject.rows[0]["palette"]
    dominant = _dominant(subject.images[0]["palette"])
    differences = colour_differences([lab_of(colour) for colour in declared], [colour["lab"] for colour in dominant])
    details = [
        {
            "colour": colour,
            "nearest": dominant[nearest]["hex"],
            "share": dominant[nearest]["share"],
            "difference": float(differences[n, nearest]),
        }
        for n, (colour, nearest) in enumerate(zip(declared, differences.argmin(axis=1), strict=True))
    ]
    return scored(subject, float(differences.min(axis=1).mean()), colours=details, palette=_shown(dominant))


@measured_one_by_one
def palette_consistency(subject: Subject) -> Measurement:
    """Measure ``brand.consistency``: the mean :func:`palette_distance` over all pairs of a brand's pieces.

    The subject's pictures are the pieces, each with the feature ``palette``. Lower is better. ``details`` carries
    ``n_pairs``, ``furthest`` (the sample ids of the pair that differs most, and its ``distance``) and ``palettes`` (by
    sample). Reason: ``too_few_shots`` where there is only one piece.
    """
    palettes = [image["palette"] for image in subject.images]
    if len(palettes) < 2:
        return unscored(subject, "too_few_shots")
    pairs = list(itertools.combinations(range(len(palettes)), 2))
    distances = [palette_distance(palettes[a], palettes[b]) for a, b in pairs]
    furthest = int(np.argmax(distances))
    return scored(
        subject,
        float(np.mean(distances)),
        n_pairs=len(pairs),
        furthest={"samples": [subject.sample_ids[n] for n in pairs[furthest]], "distance": distances[furthest]},
        palettes={
            sample_id: _shown(_dominant(palette))
            for sample_id, palette in zip(subject.sample_ids, palettes, strict=True)
        },
    )


def _dominant(palette: Sequence[DominantColour]) -> list[DominantColour]:
    return [colour for colour in palette if colour["share"] >= SMALL_SHARE]


def _shown(palette: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"hex": colour["hex"], "share": colour["share"]} for colour in palette]
