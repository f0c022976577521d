"""The settings that the demo's pictures play in, as the prompt names them: one literal table."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the words that ask for it, its colours, what stands in it, where the ground begins (0..1)."""

    words: tuple[str, ...]
    sky: tuple[str, str]
    ground: str
    scenery: str = ""
    scenery_colour: str = "#000000"
    horizon: float = 0.66


SETTINGS: tuple[Setting, ...] = (
    Setting(("night",), ("#0d1440", "#39457c"), "#3a3f4a", "houses", "#1c2236", 0.72),
    Setting(("room", "table", "desk", "wall"), ("#f0e4cf", "#e3d2b4"), "#b58a5c", "window", "#bcdcf0", 0.74),
    Setting(("city", "street", "ville", "stadt"), ("#a9cdec", "#dfeaf2"), "#84888f", "houses", "#a79c96", 0.72),
    Setting(("beach", "strand"), ("#7cc4f2", "#d3ecf9"), "#ecd69a", "sea", "#3d97cf", 0.7),
    Setting(("sea", "water", "ocean"), ("#9ad2f5", "#e2f2fb"), "#2f7fb8", "waves", "#5aa3d4", 0.6),
    Setting(("forest", "wood", "wald"), ("#bfe0c8", "#e4f2e2"), "#557a3c", "firs", "#3c6b45", 0.68),
    Setting(("snow",), ("#c6d8e8", "#eef4f9"), "#fafcff", "hills", "#dfe8f1", 0.64),
    Setting(("mountain", "mountains", "summit"), ("#8fc0ea", "#dcebf6"), "#7fa35b", "peaks", "#8d93a1", 0.7),
    Setting(("desert",), ("#f6c98d", "#fbe9c9"), "#dda45b", "hills", "#cf8f4a", 0.68),
    Setting(("meadow", "field", "garden", "pré", "wiese"), ("#8ecbf4", "#e0f1fb"), "#6fb350", "hills", "#8cc56b", 0.66),
)
"""All settings. The first one whose word stands in the prompt is taken; a prompt that names none plays in the last."""


def setting_of(prompt: str) -> Setting:
    """Return the setting that a prompt asks for.

    Examples
    --------
    >>> setting_of("A red apple on a table in a room").scenery
    'window'
    """
    words = set(re.findall(r"\w+", prompt.lower()))
    return next((setting for setting in SETTINGS if words.intersection(setting.words)), SETTINGS[-1])
