"""(f) Faces and text against a plain call of their libraries, decoded pictures in, loading on neither side."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from metrics.encoders.catalogue import Encoder, Image, load_encoder
from metrics.encoders.runtime import workers
from tests.benchmarks import naive
from tests.benchmarks.scoring import picture
from tests.benchmarks.table import Row, seconds

PICTURES = 24


def rows() -> Iterator[Row]:
    """Yield a row for faces and one for text."""
    images = [np.asarray(picture(n)) for n in range(PICTURES)]
    for what, name, plain in (
        ("faces (dlib)", "dlib:resnet_v1", naive.faces()),
        ("text (RapidOCR)", "rapidocr:pp-ocrv6-small", naive.text()),
    ):
        ours, other = _seconds_at_once(load_encoder(name, "cpu"), images), _seconds_one_by_one(plain, images)
        yield Row("f", what, f"{PICTURES / ours:.2f} /s", f"plain call {PICTURES / other:.2f} /s", other / ours)


def _seconds_at_once(encoder: Encoder, images: Sequence[Image]) -> float:
    def encode(image: Image) -> None:
        encoder.encode([image])

    with concurrent.futures.ThreadPoolExecutor(workers()) as pool:
        list(pool.map(encode, images[: workers()]))  # loads it
        return seconds(lambda: list(pool.map(encode, images)))


def _seconds_one_by_one(plain: Callable[[Image], object], images: Sequence[Image]) -> float:
    plain(images[0])
    return seconds(lambda: [plain(image) for image in images])
