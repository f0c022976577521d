"""How fast a scoring pass is, stage by stage, on 1024 px pictures; run with ``make benchmark``.

Every figure is images a second (pairs for the comparison of repeats), all of them measured side by side in one run,
so that ratios mean something on any machine.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import skimage.data

from evals.imageset.imageset import write_image_set
from evals.scoring.decoders import Decoders
from evals.scoring.stage import score
from metrics.encoders.catalogue import load_encoder

IMAGES = 24


def pictures(kind: str) -> list[bytes]:
    """Return photographs at 1024 px, each with noise of its own so that none is cached for another."""
    base = PIL.Image.fromarray(skimage.data.astronaut()).resize((1024, 1024), PIL.Image.Resampling.LANCZOS)
    pixels, random = np.asarray(base, dtype=np.int16), np.random.default_rng(0)
    encoded = []
    for _ in range(IMAGES):
        noisy = np.clip(pixels + random.integers(-4, 5, pixels.shape, dtype=np.int16), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        PIL.Image.fromarray(noisy).save(buffer, format=kind, **({"quality": 92} if kind == "JPEG" else {}))
        encoded.append(buffer.getvalue())
    return encoded


def rate(what: str, count: int, work: Callable[[], object]) -> None:
    """Print how many a second ``work`` does, best of two runs."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(f"{what:<58}{count / min(seconds):>10.1f} /s")


def main() -> None:
    print(f"{os.cpu_count()} cores, {IMAGES} pictures of 1024 x 1024")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("JPEG", "PNG"):
            facts = [
                {"system": "a", "suite": "s", "prompt": f"p{n // 2}", "seed": 1, "repeat": n % 2} for n in range(IMAGES)
            ]
            image_set = write_image_set(folder / kind, zip(pictures(kind), facts, strict=True))
            paths = sorted((image_set / "images").iterdir())
            with Decoders() as decoders:
                list(decoders.decode(paths[:4]))  # start the processes
                rate(f"read, hash, decode {kind}", IMAGES, lambda p=paths, d=decoders: list(d.decode(p)))
        with Decoders() as decoders:
            pixels = [image.pixels for image in decoders.decode(paths)]
        faces, text, plain = (load_encoder(n) for n in ("dlib:resnet_v1", "rapidocr:pp-ocrv6-small", "pixels:rgb8"))
        rate("faces (dlib)", IMAGES, lambda: faces.encode(pixels))
        rate("text (RapidOCR)", IMAGES, lambda: text.encode(pixels))
        rate("perceptual hash", IMAGES, lambda: plain.encode(pixels))
        pairs = list(zip(pixels[::2], pixels[1::2], strict=True))
        rate("difference, PSNR and SSIM of a pair", len(pairs), lambda: plain.encode(pairs))
        start = time.perf_counter()
        score(folder / "PNG", folder / "run")
        cold = time.perf_counter() - start
        start = time.perf_counter()
        score(folder / "PNG", folder / "run")
        warm = time.perf_counter() - start
        print(f"{'a whole scoring run of the PNG files, models loaded anew':<58}{IMAGES / cold:>10.1f} /s")
        print(f"{'the same again, everything cached':<58}{IMAGES / warm:>10.1f} /s   ({cold / warm:.1f} times faster)")


if __name__ == "__main__":
    main()
