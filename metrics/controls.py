"""The controls: arrangements of the pictures of a run with a known answer."""

from __future__ import annotations

from typing import Literal

Control = Literal[
    "shuffled_prompt",
    "impostor",
    "rendered_text",
    "different_seed",
    "identical_image",
    "unedited_source",  # the source picture in place of the edited one
    "unrelated_picture",  # another item's picture in place of the edited one
    "mirror_image",  # what was detected, left and right exchanged
    "shuffled_steps",  # every picture of a sequence in the place of the next one
]
