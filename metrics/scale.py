"""The star scale of a metric: where one star lies (the floor) and where five (the ceiling), and what sets them."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.controls import Control

SCALES_VERSION = 2
"""Of the declared anchors in our catalogue and of how stars are made of places; it changes with any of them."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One end of a scale: the mean of a control, a number, or so many deviations of a control above the floor.

    A control alone is measured in the run, over all systems together. ``deviations`` is for scales whose best value
    nobody knows, higher being better: the spread of known-wrong arrangements says how much a difference means with
    this encoder. ``of_encoder`` is for the best value that the encoder of the run can be expected to give, as its row
    in `metrics.encoders.catalogue` says.
    """

    control: Control | None = None
    declared: float | None = None
    deviations: float | None = None
    of_encoder: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """The two anchors of one metric, and the version of what is declared about them."""

    floor: Anchor
    ceiling: Anchor
    version: int = SCALES_VERSION

    @classmethod
    def declared(cls, floor: float, ceiling: float) -> Scale:
        """Return the scale between two declared numbers."""
        return cls(Anchor(declared=floor), Anchor(declared=ceiling))
