"""A small image set and small real encoders, so that the scoring stage is exercised whole in a second."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from evals.imageset.imageset import write_image_set
from metrics.encoders import catalogue


class CountingEncoder:
    """A content encoder without weights: mean colours as 'faces'; counts how often and on how much it is called."""

    name = "dlib:resnet_v1"
    licence = "test"
    weights_sha256 = "0" * 64
    version = "1"
    batch_size = 32

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.names: list[str] = []
        """Of all encoders that were loaded."""

    def encode(self, images: Sequence[Any]) -> list[list[dict[str, Any]]]:
        self.batches.append(len(images))
        return [self._faces(image) for image in images]

    def _faces(self, image: Any) -> list[dict[str, Any]]:
        if image.mean() > 250:
            return []
        vector = image.reshape(-1, 3).mean(0).astype(np.float32) / 255
        height, width = image.shape[:2]
        digest = hashlib.sha256(image.tobytes()).hexdigest()[:16]
        box = [0.0, 0.0, float(width), float(height)]
        return [{"box": box, "score": 1.0, "embedding": vector, "distance": "euclidean", "crop_phash": digest}]


class HeldTimer:
    """A watchdog that goes off when the test says so, and not by the clock."""

    made: ClassVar[list[HeldTimer]] = []

    def __init__(self, seconds: float, function: Callable[[], None]) -> None:
        self.go_off = function
        self.made.append(self)

    def start(self) -> None: ...

    def cancel(self) -> None: ...


@pytest.fixture
def watchdogs(monkeypatch: pytest.MonkeyPatch) -> list[HeldTimer]:
    """Hold the watchdogs of decoders, and return them in the order in which files were handed out."""
    monkeypatch.setattr(HeldTimer, "made", [])
    monkeypatch.setattr("evals.scoring.decoders.threading.Timer", HeldTimer)
    return HeldTimer.made


@pytest.fixture
def face_encoder(monkeypatch: pytest.MonkeyPatch) -> CountingEncoder:
    """Put the counting encoder in the place of dlib's for one test."""
    encoder = CountingEncoder()
    real = catalogue.load_encoder

    def load(name: str, device: str = "auto") -> Any:
        encoder.names.append(name)
        return encoder if name.startswith("dlib") else real(name, device)

    monkeypatch.setattr("evals.scoring.encoders.load_encoder", load)
    return encoder


def coloured(red: int, green: int, blue: int, size: tuple[int, int] = (24, 16)) -> PIL.Image.Image:
    return PIL.Image.new("RGB", size, (red, green, blue))


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    """Two systems, three characters of three shots; system b shows no face in one shot."""
    samples = []
    for system, shift in (("a", 0), ("b", 9)):
        for number, name in enumerate(("ada", "bob", "cyd")):
            for shot in range(3):
                colour = (60 + 60 * number + shift, 10 + 5 * shot, 90 - 20 * number)
                if system == "b" and name == "cyd" and shot == 2:
                    colour = (255, 255, 255)
                facts = {"system": system, "suite": "identity", "prompt": f"{name}, shot {shot}"}
                facts |= {"prompt_id": f"{name}-{shot}", "sequence_id": name, "shot": shot}
                samples.append((coloured(*colour), facts))
    return write_image_set(tmp_path / "sequences", samples)


@pytest.fixture
def repeats(tmp_path: Path) -> Path:
    """Two systems, six prompts, two seeds, two repeats: system a repeats exactly, system b ignores the seed."""
    random = np.random.default_rng(0)
    samples = []
    for system in ("a", "b"):
        for prompt in range(6):
            for seed in (1, 2):
                exact = random.integers(0, 255, (32, 40, 3), dtype=np.uint8)
                for repeat in (0, 1):
                    pixels = exact if system == "a" else random.integers(0, 255, (32, 40, 3), dtype=np.uint8)
                    facts = {"system": system, "suite": "repeats", "prompt": f"prompt {prompt}"}
                    facts |= {"prompt_id": f"p{prompt}", "seed": seed, "repeat": repeat}
                    samples.append((PIL.Image.fromarray(pixels), facts))
    return write_image_set(tmp_path / "repeats", samples)


def write_signs(folder: Path, number: int) -> Path:
    """Write an image set of signs with a number, of two systems in turn, that text engines read."""
    samples = []
    for n in range(number):
        picture = PIL.Image.new("RGB", (480, 160), "white")
        PIL.ImageDraw.Draw(picture).text((20, 40), f"SIGN {n:02d}", "black", PIL.ImageFont.load_default(64))
        facts = {"system": "ab"[n % 2], "suite": "signs", "prompt": f"a sign {n // 2}", "prompt_id": f"p{n // 2}"}
        samples.append((picture, facts | {"expected_text": [f"SIGN {n:02d}"]}))
    return write_image_set(folder, samples)
