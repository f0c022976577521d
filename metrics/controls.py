"""The table of controls: arrangements of a run's own pictures with a known answer, one literal row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Control = Literal[
    "shuffled_prompt",
    "shuffled_text",
    "impostor",
    "rendered_text",
    "different_seed",
    "identical_image",
    "unedited_source",
    "unrelated_picture",
    "exchanged_picture",
    "blank_picture",
    "unrelated_fill",
    "blank_fill",
    "mirror_image",
    "shuffled_steps",
]

Statistic = Literal["auc", "d_prime", "mean", "seed_ratio"]

Arrangement = Literal[
    "other_prompt",  # held against another prompt of its suite
    "other_subject",  # held against another subject's references or pictures: a character's, a brand's
    "other_text",  # held against another prompt's expected text
    "other_item",  # another item's picture in its place, or another story's pictures
    "blank",  # one grey rectangle in its place
    "filled",  # the source of an edit in its place, another item's picture where it may change
    "filled_with_grey",  # the same with plain grey there
    "other_seed",  # paired with a picture of another seed
    "itself",  # paired with itself
    "source",  # the source of an edit in its place
    "rendering",  # a clean rendering of the expected text in its place
    "next_step",  # the picture of the sequence's next step in its place
    "as_it_is",  # where it is; what is seen in it is changed by `transform`
]


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """One control: a frozen row of the table.

    ``statistics`` are what is computed from it, each with its meaning. ``proof`` is the one that shows whether a metric
    can tell right from wrong here: its interval must lie above 0.5 (an AUC) or below (a mean). ``summary`` is the one
    that a short table shows. ``of_system`` says that the answer is a property of the system (what its seed does), not
    of the metric. ``known_wrong`` says that a system that delivered this would have done nothing of what was asked: a
    metric's stars begin above what it gets. ``transform`` is ``module:function`` from a feature to the one that is
    measured in its place, ``applies`` that from a row and the metric's columns to whether this makes a difference
    there.
    """

    id: Control
    arrangement: Arrangement
    statistics: Mapping[Statistic, str]
    proof: Statistic | None = None
    summary: Statistic | None = None
    of_system: bool = False
    known_wrong: bool = False
    transform: str = ""
    applies: str = ""

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.id.replace("_", " ")


_TABLE = (
    ControlSpec(
        "shuffled_prompt", "other_prompt", proof="auc", summary="auc", known_wrong=True, statistics={
            "auc": "How often a picture fits its own prompt better than another prompt. 0.5: cannot tell; 1: always.",
        },
    ),
    ControlSpec(
        "shuffled_text", "other_text", proof="auc", known_wrong=True, statistics={
            "auc":
                "How often what is read fits the picture's own text better than another prompt's. "
                "0.5: cannot tell; 1: always.",
        },
    ),
    ControlSpec(
        "impostor", "other_subject", proof="auc", summary="auc", known_wrong=True, statistics={
            "auc": "How often a character looks more like itself than like another one. 0.5: cannot tell; 1: always.",
            "d_prime":
                "Distance between same and different characters, in standard deviations. "
                "0: none; above 3: hardly any overlap.",
        },
    ),
    ControlSpec(
        "rendered_text", "rendering", summary="mean", statistics={
            "mean": "The same words rendered cleanly, read by the same engine: the best value that can be expected.",
        },
    ),
    ControlSpec(
        "identical_image", "itself",
        {"mean": "A picture against itself: the best value that can be had."},
    ),
    ControlSpec(
        "different_seed", "other_seed", of_system=True, summary="seed_ratio", known_wrong=True, statistics={
            "auc":
                "How often two pictures of a prompt are more alike with one seed than with two. "
                "0.5: the seed does nothing; 1: always.",
            "seed_ratio":
                "Same-seed distance over different-seed distance. 0: the seed fixes the picture; 1: it does nothing.",
        },
    ),
    ControlSpec(
        "unedited_source", "source",
        {"mean": "The source in place of the edited picture: it keeps everything and follows nothing."},
        known_wrong=True,
    ),
    ControlSpec(
        "unrelated_picture", "other_item", proof="auc", known_wrong=True, statistics={
            "auc":
                "How often an edit does better than another item's picture in its place. 0.5: cannot tell; 1: always.",
        },
    ),
    ControlSpec(
        "exchanged_picture", "other_item",
        {"mean": "Another prompt's picture, or another story's pictures, in its place: what is right by chance."},
        known_wrong=True,
    ),
    ControlSpec(
        "blank_picture", "blank",
        {"mean": "One grey rectangle in place of every picture: it shows nothing of what was asked."},
        known_wrong=True,
    ),
    ControlSpec(
        "unrelated_fill", "filled",
        {"mean": "The source with another item's picture in its mask: it keeps what must stay and follows nothing."},
        known_wrong=True,
    ),
    ControlSpec(
        "blank_fill", "filled_with_grey",
        {"mean": "The source with plain grey in its mask: it keeps what must stay and shows nothing else."},
        known_wrong=True,
    ),
    ControlSpec(
        "mirror_image", "as_it_is",
        {"mean": "Left and right exchanged in what was detected: what holds sideways must fail."},
        known_wrong=True, transform="metrics.encoders.detector:mirrored", applies="metrics.structure:changes_in_mirror",
    ),
    ControlSpec(
        "shuffled_steps", "next_step",
        {"mean": "Every picture in the place of the next step's: below 0.5 if the order is seen."}, proof="mean",
        known_wrong=True,
    ),
)  # fmt: skip

CONTROLS: dict[Control, ControlSpec] = {row.id: row for row in _TABLE}
"""Every control, in the order of reports."""
