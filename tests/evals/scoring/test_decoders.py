"""Decoder processes: order kept, damage told, a dying or hanging process is one file's reason and no more."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from evals.imageset.decoding import DecodedImage, decode_file
from evals.scoring.decoders import Decoders, Unreadable


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = []
    for n in range(9):
        pixels = np.random.default_rng(n).integers(0, 255, (20 + n, 30, 3), dtype=np.uint8)
        paths.append(tmp_path / f"{n}.png")
        PIL.Image.fromarray(pixels).save(paths[-1])
    return paths


def test_images_come_in_order_and_equal_direct_decoding(pictures):
    with Decoders(workers=3) as decoders:
        decoded = list(decoders.decode(pictures))
    for image, path in zip(decoded, pictures, strict=True):
        direct = decode_file(path)
        assert isinstance(image, DecodedImage)
        assert np.array_equal(image.pixels, direct.pixels)
        assert (image.pixel_sha256, image.file_sha256) == (direct.pixel_sha256, direct.file_sha256)


def test_damaged_file_is_its_own_reason_only(pictures):
    pictures[4].write_bytes(b"damaged")
    with Decoders(workers=2) as decoders:
        decoded = list(decoders.decode(pictures))
    assert isinstance(decoded[4], Unreadable)
    assert decoded[4].reason == "unreadable_image"
    assert sum(isinstance(image, DecodedImage) for image in decoded) == 8


def test_file_that_takes_too_long_is_given_up_and_the_rest_goes_on(pictures, watchdogs, monkeypatch):
    def start(watchdog):
        if len(watchdogs) == 3:
            watchdog.go_off()

    monkeypatch.setattr("evals.scoring.decoders.threading.Timer.start", start)
    with Decoders(workers=1) as decoders:
        decoded = list(decoders.decode(pictures))
    assert isinstance(decoded[2], Unreadable)
    assert decoded[2].reason == "decode_timeout"
    assert sum(isinstance(image, DecodedImage) for image in decoded) == 8


def test_process_that_dies_costs_one_file(pictures, monkeypatch):
    with Decoders(workers=1) as decoders:
        stream = decoders.decode(pictures)
        first = next(stream)
        child = decoders._all[0]._child
        assert child is not None
        child.kill()
        rest = list(stream)
    assert isinstance(first, DecodedImage)
    assert [r.reason for r in rest if isinstance(r, Unreadable)] in ([], ["decode_crashed"])
    assert sum(isinstance(image, DecodedImage) for image in rest) >= 7


def test_no_process_is_started_for_nothing():
    with Decoders() as decoders:
        assert list(decoders.decode([])) == []
        assert all(process._child is None for process in decoders._all)
