"""How fast a run is beside what concurrency allows, and how many pictures it decodes at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from evals.generation import pictures
from tests.benchmarks.generation import COMPARED_SIZES, FORMATS, SIZED_FORMATS, measure, measure_sizes

SLOWER_AT_MOST = 1.3


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_thousand_pictures_take_little_longer_than_concurrency_sets(name):
    found = measure(FORMATS[name])
    if found.ratio > SLOWER_AT_MOST:  # something else may have had the processors
        found = measure(FORMATS[name])
    print(f"{name}: {found.ratio:.2f} times the limit, {found.overhead_ms:.1f} ms an image")
    assert 1.0 <= found.ratio <= SLOWER_AT_MOST


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZED_FORMATS)
def test_throughput_falls_less_than_pictures_grow(name):
    rows = measure_sizes(SIZED_FORMATS[name])
    assert tuple(row.size for row in rows) == COMPARED_SIZES
    of_1k = [row.pictures_per_minute / rows[0].pictures_per_minute for row in rows]
    print(
        f"{name}: of the throughput at 1K, " + ", ".join(f"{r.size} {s:.2f}" for r, s in zip(rows, of_1k, strict=True))
    )
    assert all(row.pictures_per_minute <= 1.05 * row.limit_per_minute for row in rows)
    assert of_1k[1] > 1 / 4
    assert of_1k[2] > 1 / 16


def test_no_more_than_two_pictures_are_decoded_at_once(tmp_path, monkeypatch, scripted):
    counting, at_once, peaks = threading.Lock(), [0], []
    decoded = pictures._decoded

    def slowly(content):
        with counting:
            at_once[0] += 1
            peaks.append(at_once[0])
        time.sleep(0.01)
        with counting:
            at_once[0] -= 1
        return decoded(content)

    monkeypatch.setattr(pictures, "_decoded", slowly)
    folder = pictures.Pictures(tmp_path, {})
    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(lambda n: folder.store(f"s{n}", scripted.png((n, 0, 0))), range(16)))
    assert len({picture.file_name for picture in stored}) == 16
    assert max(peaks) == 2
