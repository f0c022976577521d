"""How far two images are from each other: differences of pixels, structural similarity and perceptual hashes."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import Image
from metrics.encoders.extractor import Extractor

SSIM_WINDOW = 11
"""Side in pixels of the Gaussian window of Wang et al. 2004; smaller images have no SSIM."""

_SSIM_STRIP_ROWS = 64


Levels = npt.NDArray[np.float64]


class Difference(TypedDict):
    """How two images differ, pixel by pixel; levels are 0..255 and every number is None when the sizes differ.

    ``max`` and ``mean`` are of the absolute difference over pixels and channels, ``mse`` its mean square, ``ssim`` the
    structural similarity in -1..1, which is None too for images smaller than its window.
    """

    same_size: bool
    identical: bool
    max: int | None
    mean: float | None
    mse: float | None
    ssim: float | None


def perceptual_hash(image: Image) -> str:
    """Return the 64-bit DCT hash (ImageHash ``phash``) of an image as 16 hexadecimal digits.

    Examples
    --------
    >>> perceptual_hash(np.zeros((32, 32, 3), np.uint8))
    '0000000000000000'
    """
    import imagehash
    from PIL import Image as Picture

    return str(imagehash.phash(Picture.fromarray(image)))


def pixel_difference(first: Image, second: Image) -> Difference:
    """Compare the pixels of two images; images of different size are never resized, they simply differ.

    Examples
    --------
    >>> black = np.zeros((16, 16, 3), np.uint8)
    >>> pixel_difference(black, black + np.uint8(20))["mean"]
    20.0
    >>> pixel_difference(black, black[:8])
    {'same_size': False, 'identical': False, 'max': None, 'mean': None, 'mse': None, 'ssim': None}
    """
    import cv2

    if first.shape != second.shape:
        return Difference(same_size=False, identical=False, max=None, mean=None, mse=None, ssim=None)
    largest = round(cv2.norm(first, second, cv2.NORM_INF))
    return Difference(
        same_size=True,
        identical=largest == 0,
        max=largest,
        mean=cv2.norm(first, second, cv2.NORM_L1) / first.size,
        mse=round(cv2.norm(first, second, cv2.NORM_L2SQR)) / first.size,  # the integer sum, less a last-digit error
        ssim=structural_similarity(first, second),
    )


def structural_similarity(first: Image, second: Image) -> float | None:
    """Return the structural similarity of two images of one size, the mean over pixels and RGB channels.

    Gaussian window of 11 pixels, sigma 1.5, population covariance, data range 255, K1 = 0.01, K2 = 0.03, windows that
    lie wholly inside the image. Equals scikit-image's ``structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, channel_axis=2, data_range=255)`` to 1e-9, at an eighth of its time. The result is in
    -1..1; None if a side is shorter than the window. Source: Wang, Bovik, Sheikh and Simoncelli (2004, "Image quality
    assessment: from error visibility to structural similarity").

    Examples
    --------
    >>> grey = np.full((16, 16, 3), 128, np.uint8)
    >>> structural_similarity(grey, grey)
    1.0
    """
    height, width = first.shape[:2]
    margin = SSIM_WINDOW // 2
    if min(height, width) < SSIM_WINDOW:
        return None
    total = 0.0
    # Strips stay in the processor's cache, and a 200-megapixel picture needs no gigabytes.
    for top in range(margin, height - margin, _SSIM_STRIP_ROWS):
        bottom = min(top + _SSIM_STRIP_ROWS, height - margin)
        rows = slice(top - margin, bottom + margin)
        total += float(local_similarity(first[rows], second[rows])[margin:-margin, margin:-margin].sum())
    mean: float = total / ((height - 2 * margin) * (width - 2 * margin) * first.shape[2])
    return min(1.0, mean)  # equal images come out a rounding error above it


def local_similarity(first: Image, second: Image) -> Levels:
    """Return the structural similarity around every pixel and channel, with pictures mirrored at their border.

    Shape (height, width, 3). Parameters as in `structural_similarity`, which is the mean of this map less 5 pixels on
    each side.
    """
    import cv2

    def local_mean(values: Levels) -> Levels:
        window = (SSIM_WINDOW, SSIM_WINDOW)
        return np.asarray(cv2.GaussianBlur(values, window, 1.5, borderType=cv2.BORDER_REFLECT), np.float64)

    # float32 is twice as fast and wrong by 2e-5 on bright, nearly flat pictures, where the variances cancel.
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = local_mean(x), local_mean(y)
    variances = local_mean(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    similarity: Levels = luminance * (2 * covariance + c2) / (variances + c2)
    return similarity


def _hash_or_difference(images: Image | tuple[Image, Image]) -> str | Difference:
    return pixel_difference(*images) if isinstance(images, tuple) else perceptual_hash(images)


PIXELS = Extractor("pixels:rgb8", version="1", extract=_hash_or_difference)


def load_pixels(model: str, device: str) -> Extractor:
    """Return the extractor of `perceptual_hash` and `pixel_difference`; ``rgb8`` is its only model."""
    return PIXELS.of_model(model)
