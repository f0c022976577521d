"""Decoded pictures are bounded by their bytes, whatever their size and number, and no value depends on it."""

import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from evals.imageset.imageset import write_metadata
from evals.run import Run
from evals.scoring import decoders, needs
from evals.scoring.decoders import Decoders
from evals.scoring.stage import score


@pytest.fixture
def most_bytes(monkeypatch):
    """Return a list that is given the bytes of all decoded pictures that exist, each time one more is decoded."""
    alive, counts, lock = [], [], threading.Lock()
    decode = decoders._Process.decode

    def counted(process, file):
        image = decode(process, file)
        with lock:
            alive.append(weakref.ref(image.pixels))
            counts.append(sum(pixels.nbytes for each in alive if (pixels := each()) is not None))
        return image

    monkeypatch.setattr(decoders._Process, "decode", counted)
    return counts


@pytest.fixture
def of_growing_size(tmp_path):
    """Return the files of twelve pictures, the first of 3000 bytes when decoded, the last of 14 000."""
    paths = [tmp_path / f"{n}.png" for n in range(12)]
    for n, path in enumerate(paths):
        PIL.Image.new("RGB", (10 * (n + 3), 100 // 3), (n, 0, 0)).save(path)
    return paths


def width_of(image):
    return image.pixels.shape[1]


@pytest.mark.parametrize("limit", [15_000, 30_000, 1 << 20])
def test_what_is_decoded_ahead_is_bounded_by_its_bytes(of_growing_size, most_bytes, monkeypatch, limit):
    monkeypatch.setattr(decoders, "MAX_PIXEL_BYTES", limit)
    with Decoders(workers=4) as pool:
        # A loop over images would hold the last one while the next is decoded.
        widths = list(map(width_of, pool.decode(of_growing_size)))
    assert widths == [10 * (n + 3) for n in range(12)]
    assert max(most_bytes) <= limit


def test_what_the_caller_holds_counts_and_one_more_is_always_decoded(of_growing_size, most_bytes, monkeypatch):
    monkeypatch.setattr(decoders, "MAX_PIXEL_BYTES", 1000)
    with Decoders(workers=4) as pool:
        held = []
        for number, image in enumerate(pool.decode(of_growing_size), start=1):
            held.append(image)
            assert len(most_bytes) == number


def scored(image_set, run, monkeypatch, limit):
    monkeypatch.setattr(decoders, "MAX_PIXEL_BYTES", limit)
    monkeypatch.setattr(needs, "WINDOW_BYTES", limit // 2)
    return score(image_set, run, ["reproducibility.mean_difference"]).scores


@pytest.mark.parametrize("pictures_at_once", [0, 2, 5])
def test_values_do_not_depend_on_how_much_fits_into_memory(
    repeats, tmp_path, most_bytes, monkeypatch, pictures_at_once
):
    size = 32 * 40 * 3
    expected = scored(repeats, tmp_path / "ample", monkeypatch, 1 << 30)
    n_files = len(most_bytes)
    most_bytes.clear()
    found = scored(repeats, tmp_path / "scarce", monkeypatch, pictures_at_once * size)
    pd.testing.assert_frame_equal(found, expected)
    # What one comparison needs is there whatever the limit.
    assert max(most_bytes) <= max(pictures_at_once, 2) * size
    assert len(most_bytes) >= n_files


@pytest.mark.parametrize(("work_bytes", "reasons"), [(20_000, set()), (15_000, {"too_large"}), (9000, {"too_large"})])
def test_what_takes_more_memory_than_it_may_is_refused_for_that_and_not_decoded_for_nothing(
    repeats, tmp_path, most_bytes, monkeypatch, work_bytes, reasons
):
    monkeypatch.setattr(needs, "WORK_BYTES", work_bytes)
    scores = score(repeats, tmp_path / "run", ["reproducibility.mean_difference"]).scores
    pairs = scores[scores["control"] != "identical_image"]  # where one picture is all that is looked at
    assert set(pairs["reason"].dropna()) == reasons
    assert pairs["value"].isna().all() == bool(reasons)
    if work_bytes < 10 * 32 * 40:
        assert most_bytes == []


LARGE = textwrap.dedent(
    """
    import sys, threading, time
    import psutil
    from evals.scoring.stage import score

    own, most = psutil.Process(), [0]

    def watch():
        while True:
            together = 0
            for process in (own, *own.children(recursive=True)):
                try:
                    together += process.memory_full_info().pss
                except psutil.NoSuchProcess:
                    pass
            most[0] = max(most[0], together)
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()
    score(sys.argv[1], sys.argv[2], sys.argv[3:])
    print(most[0] / 1e9)
    """
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "most_gb", "reasons"),
    [
        (14_000, 2.0, {"adherence.clip": "too_large", "quality.sharpness": "too_large"}),
        (9_900, 2.0, {"adherence.clip": None, "quality.sharpness": "too_large"}),
        # All that the work on one feature may take is taken here, beside what the models take at rest.
        (7_000, 2.2, {"adherence.clip": None, "quality.sharpness": None}),
    ],
)
def test_twenty_large_pictures_are_scored_or_refused_in_bounded_memory(tmp_path, side, most_gb, reasons):
    """Score them in a process of its own; `-s` prints the peak of what it and its decoders take (PSS)."""
    pytest.importorskip("psutil")
    ground = np.add.outer(np.arange(side) // 64, np.arange(side) // 64).astype(np.uint8)
    (tmp_path / "set").mkdir()
    rows = []
    for n in range(20):
        picture = PIL.Image.fromarray(np.roll(ground, 64 * n, axis=0)).convert("RGB")
        picture.save(tmp_path / "set" / f"{n}.jpg", quality=50)
        facts = {"file_name": f"{n}.jpg", "system": "ab"[n % 2], "prompt": f"{n // 4}", "prompt_id": f"p{n // 4}"}
        rows.append({**facts, "sample_id": f"s{n}", "seed": 1, "repeat": n % 4 // 2})
    write_metadata(tmp_path / "set", rows)
    command = [sys.executable, "-c", LARGE, str(tmp_path / "set"), str(tmp_path / "run"), *reasons]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"\n{side**2 / 1e6:.0f} megapixels: peak {float(done.stdout):.2f} GB")
    scores = Run(tmp_path / "run").scores
    scores = scores[scores["control"].isna()]
    for metric, reason in reasons.items():
        of_metric = scores[scores["metric"] == metric]
        assert (len(of_metric), list(of_metric["reason"].fillna("").unique())) == (20, [reason or ""])
    assert float(done.stdout) < most_gb
