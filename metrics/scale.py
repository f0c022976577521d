"""The star scale of a metric: where one star lies (the floor) and where five (the ceiling), and what sets them.

Adherence has no ceiling that anybody measured. Two were tried on the demo, whose flawed pictures are known, against
four deviations above the floor: the mean of each prompt's best picture, and the share of decoys that the own prompt
beats. Stars of good and of flawed pictures, how far they lie apart in standard deviations (d'), and the share of good
ones that are at five stars, where nothing can be told from perfect (``python -m tests.benchmarks.adherence_ceiling
DEMO_RUN``):

=========  ====================================  ======================  ======================
Suite      floor + 4 deviations                  prompts' best pictures  share of decoys beaten
=========  ====================================  ======================  ======================
scenes     2.5, 1.6: d' 0.9, 3 %                 3.8, 2.1: 0.9, 44 %     3.7, 2.2: 0.9, 24 %
imprecise  2.6, 0.7: d' 2.9, none                4.0, 0.5: 3.9, 32 %     4.2, 0.0: 4.5, 32 %
precise    2.4, 1.7: d' 0.9, none                3.9, 2.8: 0.7, 46 %     4.0, 3.5: 0.3, 46 %
cinematic  2.1, 1.0: d' 1.7, none                3.7, 1.0: 2.2, 39 %     4.2, 1.6: 1.8, 56 %
=========  ====================================  ======================  ======================

Neither tells them apart better throughout, both leave a quarter to a half of the good pictures no room, and a best
picture is a system's own, which would then set the scale. So the four deviations stay; they are the encoder's, and each
such scale says that stars of two encoders are not comparable.
"""

from __future__ import annotations

from dataclasses import dataclass

from metrics.controls import Control

SCALES_VERSION = 2
"""Of the declared anchors in our catalogue and of how stars are made of places; it changes with any of them."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One end of a scale: the mean of a control, a number, or so many deviations of a control above the floor.

    A control alone is measured in the run; of several systems, the middle one's level is for all. ``deviations`` is for
    scales whose best value nobody knows, higher being better: the spread of known-wrong arrangements says how much a
    difference means with this encoder. ``of_encoder`` is for the best value that the encoder of the run can be expected
    to give, as its row in `metrics.encoders.catalogue` says.
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
