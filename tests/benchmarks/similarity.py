"""(d) Structural similarity and PSNR against scikit-image and, where it is installed, torchmetrics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import skimage.metrics

from metrics.encoders.pixels import pixel_difference, structural_similarity
from metrics.encoders.runtime import import_torchvision
from tests.benchmarks.scoring import picture
from tests.benchmarks.table import Row, seconds


def rows() -> Iterator[Row]:
    """Yield a row for each library, of one pair of 1024 px."""
    first, second = np.asarray(picture(0)), np.asarray(picture(3))

    def theirs() -> float:
        found: float = skimage.metrics.structural_similarity(
            first, second, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2, data_range=255
        )
        return found

    mine = structural_similarity(first, second)
    assert mine is not None
    assert abs(mine - theirs()) < 1e-6
    ours, other = seconds(lambda: structural_similarity(first, second), 3), seconds(theirs, 2)
    yield Row("d", "SSIM of a pair", f"{ours * 1e3:.0f} ms", f"scikit-image {other * 1e3:.0f} ms", other / ours, "4")

    ours = seconds(lambda: pixel_difference(first, second), 3)
    other += seconds(lambda: skimage.metrics.peak_signal_noise_ratio(first, second, data_range=255), 2)
    yield Row("d", "SSIM and PSNR", f"{ours * 1e3:.0f} ms", f"scikit-image {other * 1e3:.0f} ms", other / ours)

    try:
        import_torchvision()  # before torchmetrics tries it
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError:
        return
    import torch

    tensors = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() for image in (first, second)]

    def of_torchmetrics() -> float:
        return float(structural_similarity_index_measure(*tensors, data_range=255.0))

    assert abs(mine - of_torchmetrics()) < 1e-3  # it pads the border
    ours, other = seconds(lambda: structural_similarity(first, second), 3), seconds(of_torchmetrics, 2)
    yield Row("d", "SSIM of a pair", f"{ours * 1e3:.0f} ms", f"torchmetrics {other * 1e3:.0f} ms", other / ours)
