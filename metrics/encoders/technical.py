"""Technical measures of one image: sharpness, exposure, contrast, colour, noise, JPEG blocks, bars; no weights."""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import Image
from metrics.encoders.extractor import Extractor

SHARPNESS_LONG_SIDE = 1024
"""Pixels to which the longer side is brought before sharpness, so that it is of the picture and not of its size."""

CLIPPING_MARGIN = 0.01 * 255
"""A pixel is clipped within 1 % of the range's ends: lossy compression moves a blown highlight by a level or two."""

BLOCK = 8
"""Side of JPEG's blocks in pixels."""

BLOCKINESS_FLOOR = 0.1
"""Levels added to both sides of the blockiness ratio: of two differences far below one level none stands out."""

BLACK = 16
"""The luma up to which a bar is black: reference black of 8-bit video (ITU-R BT.601)."""

_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_BESIDE = 3  # lines on either side that are as far from the next grid line as from this one, or nearer
_MEDIAN_OF_HALF_NORMAL = 0.6744897501960817

Luma = npt.NDArray[np.float32]


class TechnicalMeasures(TypedDict):
    """The feature ``technical``: what the functions of this module say of one image.

    ``sharpness``, ``noise`` and ``blockiness`` are None for an image that is too small to have one.
    """

    sharpness: float | None
    mean_luma: float
    shadows_clipped: float
    highlights_clipped: float
    contrast: float
    colourfulness: float
    noise: float | None
    blockiness: float | None
    bars: float


def luma(image: Image) -> Luma:
    """Return 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, the Y of JPEG), float32 in 0..255 of shape (height, width).

    Examples
    --------
    >>> round(float(luma(np.array([[[0, 255, 0]]], np.uint8))[0, 0]), 3)
    149.685
    """
    brightness: Luma = np.zeros(image.shape[:2], np.float32)
    for channel, weight in enumerate(_LUMA_WEIGHTS):
        brightness += weight * image[..., channel]
    return brightness


def sharpness(brightness: Luma) -> float | None:
    r"""Return the variance of the Laplacian of luma at a long side of 1024 pixels (Pech-Pacheco et al. 2000).

    .. math:: \mathrm{Var}(y_{i-1,j} + y_{i+1,j} + y_{i,j-1} + y_{i,j+1} - 4 y_{i,j})

    over the pixels that have four neighbours. Larger pictures are reduced by area averaging and smaller ones enlarged
    bicubically: of two pictures shown equally large, the larger file is the sharper one. ``brightness`` is luma of
    shape (height, width), 0..255. The result is in squared levels, 0 for a flat image, at most 1020^2; None if a side
    is under three pixels at that size.

    Examples
    --------
    >>> sharpness(np.full((256, 1024), 128, np.float32))
    0.0
    """
    import cv2

    height, width = brightness.shape
    scale = SHARPNESS_LONG_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size != (width, height):
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        # a bicubic curve overshoots beside an edge, and no display shows more than white
        brightness = np.clip(np.asarray(cv2.resize(brightness, size, interpolation=interpolation)), 0, 255)
    if min(size) < 3:
        return None
    rows, columns = brightness[:, 1:-1], brightness[1:-1]
    laplacian = np.diff(rows, 2, axis=0) + np.diff(columns, 2, axis=1)
    return _mean_and_deviation(laplacian)[1] ** 2


def clipped_shares(brightness: Luma) -> tuple[float, float]:
    """Return the shares of pixels whose luma is black and white to within 1 % of the range (2.55 levels).

    Examples
    --------
    >>> clipped_shares(np.array([[0.0, 2.0, 128.0, 255.0]], np.float32))
    (0.5, 0.25)
    """
    shadows = np.count_nonzero(brightness <= CLIPPING_MARGIN)
    highlights = np.count_nonzero(brightness >= 255 - CLIPPING_MARGIN)
    return int(shadows) / brightness.size, int(highlights) / brightness.size


def rms_contrast(brightness: Luma) -> float:
    """Return the standard deviation of luma as a share of the range, 0 to 0.5 (Peli 1990).

    Examples
    --------
    >>> rms_contrast(np.array([[0.0, 255.0]], np.float32))
    0.5
    """
    return min(0.5, _mean_and_deviation(brightness)[1] / 255)


def _mean_and_deviation(values: npt.NDArray[np.integer | np.floating]) -> tuple[float, float]:
    import cv2

    mean, deviation = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(deviation[0, 0])


def colourfulness(image: Image) -> float:
    r"""Return the colourfulness M of Hasler and Süsstrunk (2003, "Measuring colourfulness in natural images").

    .. math:: \sqrt{\sigma_{rg}^2 + \sigma_{yb}^2} + 0.3 \sqrt{\mu_{rg}^2 + \mu_{yb}^2}

    with :math:`rg = R - G` and :math:`yb = (R + G)/2 - B` in levels of 255. 0 for greys.

    Examples
    --------
    >>> round(colourfulness(np.array([[[255, 0, 0]]], np.uint8)), 4)
    85.5296
    """
    red, green, blue = (image[..., channel].astype(np.int16) for channel in range(3))
    mean_rg, deviation_rg = _mean_and_deviation(red - green)
    mean_2yb, deviation_2yb = _mean_and_deviation(red + green - 2 * blue)
    return math.hypot(deviation_rg, deviation_2yb / 2) + 0.3 * math.hypot(mean_rg, mean_2yb / 2)


def noise_sigma(brightness: Luma) -> float | None:
    r"""Return the estimated standard deviation of additive Gaussian noise, in levels, at the image's own size.

    .. math:: \frac{\mathrm{median} |y * N|}{6 \cdot 0.6745}, \quad
        N = \begin{pmatrix} 1 & -2 & 1 \\ -2 & 4 & -2 \\ 1 & -2 & 1 \end{pmatrix}

    The mask N is Immerkær's (1996, "Fast Noise Variance Estimation"): it answers neither to planes nor to straight
    edges along the axes, and noise of deviation sigma comes out of it with 6 sigma. His mean over all pixels counts
    every remaining edge and texture as noise; the median (Donoho and Johnstone 1994) leaves out what covers less
    than half of the picture. Where texture covers more, texture is what it measures.

    It is of luma: independent noise of deviation sigma in R, G and B is noise of 0.668 sigma in luma. The result is 0
    and more; None if a side is under three pixels.

    Examples
    --------
    >>> noise_sigma(np.full((8, 8), 77, np.float32))
    0.0
    """
    if min(brightness.shape) < 3:
        return None
    response = np.diff(np.diff(brightness, 2, axis=0), 2, axis=1)
    np.abs(response, out=response)
    return float(np.median(response, overwrite_input=True)) / (6 * _MEDIAN_OF_HALF_NORMAL)


def jpeg_blockiness(brightness: Luma) -> float | None:
    r"""Return how much larger steps of luma are across the 8 x 8 grid than inside its blocks; 1 is no larger.

    .. math:: \mathrm{median}_k \; \frac{d_k + 0.1}{\frac{1}{6} \sum_{i=1}^{3} (d_{k-i} + d_{k+i}) + 0.1}

    over all lines k of the grid, across and down, with :math:`d_k` the mean absolute difference of the pixels that line
    k parts and :math:`d_{k \pm i}` that of the lines beside it, which lie inside blocks. It is the blocking over the
    activity of Wang, Sheikh and Bovik (2002, "No-reference perceptual quality assessment of JPEG compressed images"),
    but line by line: a few strong edges of the picture that fall onto the grid do not move a median. The grid starts at
    the upper left corner at the image's own size, as in a decoded JPEG that was not scaled or cropped. The result is
    above 0 and about 1 without a grid; None if both sides are too short to hold a line and three beside it.

    Examples
    --------
    >>> flat_blocks = np.kron([[0.0, 10.0], [10.0, 0.0]], np.ones((8, 8))).astype(np.float32)
    >>> round(jpeg_blockiness(flat_blocks), 9)
    101.0
    """
    ratios: list[float] = []
    for axis in (0, 1):
        steps = np.diff(brightness, axis=axis)
        means = np.atleast_1d(np.mean(np.abs(steps, out=steps), axis=1 - axis, dtype=np.float64))
        for line in range(BLOCK - 1, len(means) - _BESIDE, BLOCK):
            around = means[line - _BESIDE : line + _BESIDE + 1].sum() - means[line]
            ratios.append((means[line] + BLOCKINESS_FLOOR) / (around / (2 * _BESIDE) + BLOCKINESS_FLOOR))
    return float(np.median(ratios)) if ratios else None


def bars_share(brightness: Luma) -> float:
    """Return the share of the area that black bars take at two opposite edges, 0 to 1.

    A bar is a run of rows or columns from the edge without a luma above 16. Of an opposite pair the narrower counts
    twice, because a letterbox is symmetric and a black night sky is not. An all-black image is all bar.

    Examples
    --------
    >>> frame = np.full((10, 10), 200, np.float32)
    >>> frame[:2] = frame[-3:] = 0
    >>> bars_share(frame)
    0.4
    """
    shown = 1.0
    for axis in (0, 1):
        lit = np.flatnonzero(brightness.max(axis=1 - axis) > BLACK)
        if lit.size == 0:
            return 1.0
        length = brightness.shape[axis]
        shown *= (length - 2 * int(min(lit[0], length - 1 - lit[-1]))) / length
    return 1 - shown


def technical_measures(image: Image) -> TechnicalMeasures:
    """Return all technical measures of an image of shape (height, width, 3), uint8 RGB.

    Examples
    --------
    >>> measures = technical_measures(np.full((32, 32, 3), 128, np.uint8))
    >>> measures["noise"], measures["blockiness"], measures["colourfulness"]
    (0.0, 1.0, 0.0)
    """
    brightness = luma(image)
    shadows, highlights = clipped_shares(brightness)
    return TechnicalMeasures(
        sharpness=sharpness(brightness),
        mean_luma=min(1.0, _mean_and_deviation(brightness)[0] / 255),
        shadows_clipped=shadows,
        highlights_clipped=highlights,
        contrast=rms_contrast(brightness),
        colourfulness=colourfulness(image),
        noise=noise_sigma(brightness),
        blockiness=jpeg_blockiness(brightness),
        bars=bars_share(brightness),
    )


TECHNICAL = Extractor("technical:rec601", version="1", extract=technical_measures)


def load_technical(model: str, device: str) -> Extractor:
    """Return the extractor of `technical_measures`; ``rec601`` is its only model."""
    return TECHNICAL.of_model(model)
