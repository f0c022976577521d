"""Seed reproducibility: how close two images of the same system, prompt and seed come to being the same image."""

from __future__ import annotations

import math
from collections.abc import Callable

from metrics.encoders.pixels import Difference
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored

PSNR_CAP_DB = 100.0
"""Shown for identical images, whose ratio is infinite, and for the few pairs that are closer still: one level in one
pixel of 512 x 512 is 107 dB."""


def peak_signal_to_noise_ratio(mean_squared_error: float) -> float:
    """Return 10 log10(255^2 / MSE) in dB for 8-bit images, at most 100 dB.

    Identical images have an infinite ratio, which no mean survives; they and everything beyond the cap are shown as
    the cap. The share of identical pairs is a metric of its own.

    Examples
    --------
    >>> round(peak_signal_to_noise_ratio(33.648833), 4)
    32.8611
    >>> peak_signal_to_noise_ratio(0.0)
    100.0
    """
    if mean_squared_error <= 0:
        return PSNR_CAP_DB
    return min(PSNR_CAP_DB, 10 * math.log10(255**2 / mean_squared_error))


def hamming_distance(first: str, second: str) -> int:
    """Return how many bits of two hashes, given as hexadecimal digits, differ.

    Raises ValueError if the hashes differ in length.

    Examples
    --------
    >>> hamming_distance("c2924c5532bddfc8", "c2924c5532bddfc9")
    1
    """
    if len(first) != len(second):
        raise ValueError(f"hashes of {len(first)} and {len(second)} digits cannot be compared")
    return (int(first, 16) ^ int(second, 16)).bit_count()


@measured_one_by_one
def pixel_identical(subject: Subject) -> Measurement:
    """Return 1 for each pair whose decoded pixels are equal, else 0; its mean is the share of identical pairs.

    Equality is of decoded pixels, not of files: metadata, compression and signed manifests change a file and not the
    picture. A pair of different sizes is not identical, so it is a 0 and the details say so.
    """
    difference: Difference = subject.context["difference"]
    return scored(
        subject,
        float(difference["identical"]),
        same_size=difference["same_size"],
        max_difference=difference["max"],
        mean_difference=difference["mean"],
    )


@measured_one_by_one
def max_difference(subject: Subject) -> Measurement:
    """Return the largest absolute difference over pixels and channels of each pair, in levels of 255."""
    return _of_equal_sizes(subject, lambda difference: difference["max"])


@measured_one_by_one
def mean_difference(subject: Subject) -> Measurement:
    """Return the mean absolute difference over pixels and channels of each pair, in levels of 255."""
    return _of_equal_sizes(subject, lambda difference: difference["mean"])


@measured_one_by_one
def psnr(subject: Subject) -> Measurement:
    """Return the peak signal-to-noise ratio of each pair in dB (see `peak_signal_to_noise_ratio`).

    The mean of decibels is dominated by identical pairs at the cap; read it beside the share of identical pairs.
    """
    return _of_equal_sizes(
        subject, lambda difference: None if (mse := difference["mse"]) is None else peak_signal_to_noise_ratio(mse)
    )


@measured_one_by_one
def ssim(subject: Subject) -> Measurement:
    """Return the structural similarity of each pair, -1..1 (Wang et al. 2004, Gaussian window, mean over RGB)."""
    return _of_equal_sizes(subject, lambda difference: difference["ssim"])


def _of_equal_sizes(subject: Subject, statistic: Callable[[Difference], float | None]) -> Measurement:
    difference: Difference = subject.context["difference"]
    if not difference["same_size"]:
        return unscored(subject, "size_differs")
    value = statistic(difference)
    if value is None:
        return unscored(subject, "image_too_small")
    return scored(subject, value, identical=difference["identical"])


@measured_one_by_one
def phash_distance(subject: Subject) -> Measurement:
    """Return how many of the 64 bits of the two perceptual hashes differ, for each pair.

    The hash is of a 32 x 32 reduction, so it says whether the composition is the same and compares any two sizes;
    unrelated images differ in about 32 bits.
    """
    first, second = (image["phash"] for image in subject.images)
    return scored(subject, hamming_distance(first, second), hashes=[first, second])


@measured_one_by_one
def lpips(subject: Subject) -> Measurement:
    """Return the learned perceptual distance of each pair, 0 for equal images (Zhang et al. 2018)."""
    distance: float | None = subject.context["lpips"]
    return unscored(subject, "size_differs") if distance is None else scored(subject, distance)
