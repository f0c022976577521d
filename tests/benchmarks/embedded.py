"""How fast is the embedded encoder, decoding included? Run as: python -m tests.benchmarks.embedded [ENCODER]"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from evals.imageset.decoding import DecodedImage
from evals.scoring.decoders import Decoders
from metrics.encoders.catalogue import load_encoder
from tests.benchmarks.scoring import pictures

BATCH = 16
PROMPT = "a lighthouse on a cliff at dusk, its beam over a rough sea"


def images_a_second(encoder: object, folder: Path, kind: str, rounds: int = 4) -> float:
    """Return how many 1024 px files of a kind are decoded and encoded in a second, the slowest start left out."""
    paths = []
    for number, content in enumerate(pictures(kind)):
        paths.append(folder / f"{number}.{kind.lower()}")
        paths[-1].write_bytes(content)
    with Decoders() as decoders:
        list(decoders.decode(paths[:4]))
        start, waiting = time.perf_counter(), []
        for image in decoders.decode(paths * rounds):
            assert isinstance(image, DecodedImage)
            waiting.append(image.pixels)
            if len(waiting) == BATCH:
                encoder.encode(waiting)  # type: ignore[attr-defined]
                waiting = []
        if waiting:
            encoder.encode(waiting)  # type: ignore[attr-defined]
        return len(paths) * rounds / (time.perf_counter() - start)


def main() -> None:
    """Print images a second from JPEG and PNG, from memory, and prompts a second."""
    name = sys.argv[1] if len(sys.argv) > 1 else "embedded:lite"
    start = time.perf_counter()
    encoder = load_encoder(name)
    print(f"{name} loaded in {time.perf_counter() - start:.1f} s")
    noise = np.random.default_rng(0).integers(0, 256, (BATCH, 1024, 1024, 3), dtype=np.uint8)
    encoder.encode(list(noise))
    for kind in ("JPEG", "PNG"):
        with tempfile.TemporaryDirectory() as folder:
            print(f"1024 px {kind} files: {images_a_second(encoder, Path(folder), kind):.0f} images/s, decode included")
    start = time.perf_counter()
    for _ in range(4):
        encoder.encode(list(noise))
    print(f"from memory: {4 * BATCH / (time.perf_counter() - start):.0f} images/s")
    for words, label in ((1, "short"), (12, "long")):
        texts = [f"{number} " + ", ".join([PROMPT] * words) for number in range(64)]
        start = time.perf_counter()
        encoder.encode(texts)
        print(f"{label} prompts: {len(texts) / (time.perf_counter() - start):.0f} a second")


if __name__ == "__main__":
    main()
