"""How fast is the embedded encoder, decoding included? Run as: python -m tests.benchmarks.embedded [ENCODER]"""

import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evals.scoring.decoders import Decoders
from metrics.encoders.catalogue import load_encoder
from tests.benchmarks.scoring import pictures, rate

BATCH = 16
PROMPT = "a lighthouse on a cliff at dusk, its beam over a rough sea"


def encode_files(encoder: Any, decoders: Decoders, paths: Sequence[Path]) -> None:
    images = decoders.decode(paths)
    while batch := [image.pixels for image in itertools.islice(images, BATCH)]:
        encoder.encode(batch)


def main() -> None:
    """Print images a second from JPEG and PNG, from memory, and prompts a second."""
    name = sys.argv[1] if len(sys.argv) > 1 else "embedded:lite"
    start = time.perf_counter()
    encoder = load_encoder(name)
    print(f"{name} loaded in {time.perf_counter() - start:.1f} s")
    for kind in ("JPEG", "PNG"):
        with tempfile.TemporaryDirectory() as folder, Decoders() as decoders:
            paths = []
            for number, content in enumerate(pictures(kind)):
                paths.append(Path(folder) / f"{number}.{kind.lower()}")
                paths[-1].write_bytes(content)
            work = partial(encode_files, encoder, decoders, paths)
            rate(f"1024 px {kind} files, decoded and encoded", len(paths), work)
    noise = list(np.random.default_rng(0).integers(0, 256, (BATCH, 1024, 1024, 3), dtype=np.uint8))
    rate("pictures in memory", BATCH, partial(encoder.encode, noise))
    for clauses, length in ((1, "short"), (12, "long")):
        texts = [f"{number} " + ", ".join([PROMPT] * clauses) for number in range(64)]
        rate(f"{length} prompts", len(texts), partial(encoder.encode, texts))


if __name__ == "__main__":
    main()
