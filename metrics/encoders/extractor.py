"""Extractors: features that are plain arithmetic on pixels, without weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.encoders.catalogue import EncoderUnavailable


@dataclass(frozen=True, slots=True)
class Extractor:
    """An encoder without weights. It runs on the CPU and looks at one input at a time."""

    name: str
    version: str
    extract: Callable[[Any], Any]
    licence: str = "Apache-2.0"
    weights_sha256: str | None = None

    def encode(self, batch: Sequence[Any]) -> list[Any]:
        """Return the feature of each input, in order."""
        return [self.extract(item) for item in batch]

    def of_model(self, model: str) -> Extractor:
        """Return itself, if ``model`` is what its name says after the colon.

        Raises EncoderUnavailable if another model is asked for.
        """
        library, _, only_model = self.name.partition(":")
        if model != only_model:
            raise EncoderUnavailable(f"unknown encoder {library}:{model}: the only one is {self.name}")
        return self
