"""How far two images are from each other: plain pixel arithmetic, perceptual hashes and the learned LPIPS distance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import EncoderUnavailable, Image
from metrics.encoders.weights import find_weights, sha256_of

SSIM_WINDOW = 11
"""Side in pixels of the Gaussian window of Wang et al. 2004; smaller images have no SSIM."""

_SSIM_STRIP_ROWS = 64

LPIPS_MAX_PIXELS = 1_500_000
"""Larger pictures are reduced to this many pixels, so that a 4K pair needs no gigabytes; no 1K format is touched."""

LPIPS_MIN_SIDE = 64
"""Shorter sides are enlarged to this, the patch size that LPIPS was fitted on; the network divides by zero below 31."""


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

    Gaussian window of 11 pixels, sigma 1.5, population covariance, data range 255, K1 = 0.01, K2 = 0.03, windows
    that lie wholly inside the image. Equals scikit-image's ``structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, channel_axis=2, data_range=255)`` to 1e-9, at an eighth of its time.

    Returns
    -------
    float or None
        In -1..1; None if a side is shorter than the window.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli 2004, Image quality assessment: from error visibility to structural similarity.

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


class PixelEncoder:
    """Perceptual hashes of images and pixel differences of pairs; exact, without weights."""

    name = "pixels:rgb8"
    licence = "Apache-2.0"
    weights_sha256: str | None = None
    version = "1"

    def encode_images(self, images: Sequence[Image]) -> list[str]:
        """Return the perceptual hash of each image (see `perceptual_hash`)."""
        return [perceptual_hash(image) for image in images]

    def encode_pairs(self, pairs: Sequence[tuple[Image, Image]]) -> list[Difference]:
        """Return how the two images of each pair differ (see `pixel_difference`)."""
        return [pixel_difference(first, second) for first, second in pairs]


def load_pixels(model: str, device: str) -> PixelEncoder:
    """Return the pixel encoder; ``rgb8`` is its only model and it runs on the CPU whatever the device.

    Raises
    ------
    EncoderUnavailable
        If another model is asked for.
    """
    if model != "rgb8":
        raise EncoderUnavailable(f"unknown encoder pixels:{model}: the only one is pixels:rgb8")
    return PixelEncoder()


class LpipsEncoder:
    """The learned perceptual distance of pairs of images, from an ONNX file that holds backbone and heads."""

    licence = "BSD-2-Clause"
    version = "1: bicubic up to a 64 px side, area down to 1.5 megapixels"

    def __init__(self, name: str, weights_sha256: str, session: Any) -> None:
        self.name = name
        self.weights_sha256 = weights_sha256
        self._session = session

    def encode_pairs(self, pairs: Sequence[tuple[Image, Image]]) -> list[float | None]:
        """Return the LPIPS distance of each pair, 0 for equal images; None where the two sizes differ."""
        # One pair at a time: pairs differ in size, and a value must not depend on its batch.
        return [self._distance(first, second) if first.shape == second.shape else None for first, second in pairs]

    def _distance(self, first: Image, second: Image) -> float:
        (distance,) = self._session.run(["distance"], {"img0": lpips_input(first), "img1": lpips_input(second)})
        return float(np.ravel(distance)[0])


def lpips_input(image: Image) -> npt.NDArray[np.float32]:
    """Return the image as LPIPS takes it: float32 RGB in -1..1 of shape (1, 3, height, width).

    Pictures of more than 1.5 megapixels are reduced to that (area averaging) and sides under 64 pixels are enlarged
    (bicubic); LPIPS depends on the scale, so values of larger pictures are those of their reduction.

    Examples
    --------
    >>> white = lpips_input(np.full((64, 96, 3), 255, np.uint8))
    >>> white.shape, float(white.min())
    ((1, 3, 64, 96), 1.0)
    >>> lpips_input(np.zeros((3000, 4000, 3), np.uint8)).shape
    (1, 3, 1061, 1414)
    """
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, (LPIPS_MAX_PIXELS / (height * width)) ** 0.5)
    size = max(LPIPS_MIN_SIDE, round(width * scale)), max(LPIPS_MIN_SIDE, round(height * scale))
    if size != (width, height):
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        image = np.asarray(resized, np.uint8)
    return np.ascontiguousarray((image.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None])


def load_lpips(model: str, device: str) -> LpipsEncoder:
    """Load LPIPS from an ONNX file.

    Parameters
    ----------
    model
        ``alex`` for the file ``lpips_alex.onnx`` of the weights folder (any other plain name likewise), or the path
        of an ONNX file with inputs ``img0``, ``img1`` (float32 [b, 3, height, width] in -1..1) and output ``distance``.
    device
        ``cpu``, or ``auto`` and ``cuda`` for the GPU where onnxruntime has one.

    Raises
    ------
    EncoderUnavailable
        If there is no such file, or it is not such a network.
    """
    path = _lpips_file(model)
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
    except ImportError:
        raise EncoderUnavailable("LPIPS needs onnxruntime: pip install onnxruntime") from None
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(path, providers=[name for name in wanted if name in available])
    except (failures.InvalidProtobuf, failures.InvalidGraph, failures.Fail, failures.NotImplemented) as failure:
        raise EncoderUnavailable(f"{path} is not an ONNX network that onnxruntime can load: {failure}") from failure
    inputs = {node.name for node in session.get_inputs()}
    outputs = {node.name for node in session.get_outputs()}
    if inputs != {"img0", "img1"} or "distance" not in outputs:
        raise EncoderUnavailable(
            f"{path} is no LPIPS network: it must take img0 and img1 and give distance, "
            f"but takes {', '.join(sorted(inputs))} and gives {', '.join(sorted(outputs))}"
        )
    # A score table travels; the folders of this machine do not.
    return LpipsEncoder(f"lpips:{path.name if model.endswith('.onnx') else model}", sha256_of(path), session)


def _lpips_file(model: str) -> Path:
    if model.endswith(".onnx"):
        path = Path(model).expanduser()
        if not path.is_file():
            raise EncoderUnavailable(f"there is no LPIPS file at {path}: give the path of an ONNX file")
        return path
    found = find_weights(f"lpips_{model}.onnx")
    if found is None:
        raise EncoderUnavailable(
            f"LPIPS weights are not on this machine: put lpips_{model}.onnx into the folder that TWINLENS_WEIGHTS "
            "names (default ~/.cache/twinlens/weights), or give the path of an ONNX file as lpips:FILE.onnx"
        )
    return found
