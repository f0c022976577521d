"""Filled masks: the control of edits that keeps every pixel that must stay and shows nothing of what was asked."""

import numpy as np
import PIL.Image
import pytest

from evals.scoring.decoders import Decoders, Request, Unreadable
from metrics.encoders.edits import edit_difference


@pytest.fixture
def files(tmp_path):
    """Return source, mask and filling, of three sizes; the left half may change."""
    random = np.random.default_rng(0)
    PIL.Image.fromarray(random.integers(0, 256, (48, 64, 3), np.uint8)).save(tmp_path / "source.png")
    mask = np.zeros((24, 32), np.uint8)
    mask[:, :16] = 255
    PIL.Image.fromarray(mask).save(tmp_path / "mask.png")
    PIL.Image.new("RGB", (20, 20), (200, 10, 10)).save(tmp_path / "filling.png")
    return [tmp_path / f"{name}.png" for name in ("source", "mask", "filling")]


@pytest.mark.parametrize(("n_files", "inside"), [(3, [200, 10, 10]), (2, [128, 128, 128])])
def test_only_the_inside_of_the_mask_is_another_picture_or_grey(files, n_files, inside):
    with Decoders(workers=1) as decoders:
        source, mask, filled = decoders.decode(
            [files[0], Request("mask", (files[1],)), Request("filled", tuple(files[:n_files]))]
        )
    assert (filled.pixels[:, :32] == inside).all()
    assert (filled.pixels[:, 32:] == source.pixels[:, 32:]).all()
    assert filled.file_sha256 == ""
    outside = edit_difference(source.pixels, filled.pixels, mask.pixels)["outside"]
    assert (outside["mae"], outside["ssim"]) == (0, pytest.approx(1))


def test_a_mask_that_nobody_can_read_is_the_reason(files):
    PIL.Image.fromarray(np.arange(64 * 48, dtype=np.uint8).reshape(48, 64) // 64 * 64).save(files[1])
    with Decoders(workers=1) as decoders:
        (filled,) = decoders.decode([Request("filled", tuple(files))])
    assert isinstance(filled, Unreadable)
    assert filled.reason == "unclear_mask"
