"""How a report words things: numbers with units, intervals, verdicts, and what each dimension means."""

from __future__ import annotations

import math
import re
from typing import Any

from metrics.measurement import REASONS

MINUS = "\N{MINUS SIGN}"

DIMENSIONS: dict[str, tuple[str, str]] = {
    "adherence": ("Prompt adherence", "Does the picture show what the prompt asks for?"),
    "identity": ("Identity consistency", "Is it the same person from picture to picture?"),
    "text": ("Text accuracy", "Can the words that were asked for be read in the picture?"),
    "reproducibility": ("Seed reproducibility", "Does the same seed give the same picture again?"),
    "editing": ("Precision editing", "Is the instruction followed, and everything else left alone?"),
    "structure": ("Scene structure", "Are the things there that were asked for, so many, so coloured, so placed?"),
    "brand": ("Brand consistency", "Are the brand's colours there, and the same from piece to piece?"),
    "quality": ("Quality", "What the pictures are like technically, and what learned proxies make of them."),
}
"""Title and question of each dimension, in the order of the report."""

NOTHING_TO_MEASURE: dict[str, str] = {
    "identity": "the image set has no sequences (sequence_id, shot) and no reference images",
    "text": "no sample says which text it should show (expected_text)",
    "reproducibility": "no prompt was asked again with the same seed (seed, repeat)",
    "editing": "no sample names a picture that it was made from (reference_images)",
    "brand": "no sample says which colours it should show (palette)",
    "structure": "no sample says which things it should show (objects)",
}
"""Why a dimension has no measurement at all, when every encoder was at hand."""

STATISTICS = {"auc": "AUC", "d_prime": "d\N{PRIME}", "mean": "mean", "seed_ratio": "seed ratio"}

_COUNTS = (["faces"], ["levels"], ["bits"])

_FOLDERS = re.compile(r"""(?:(?<=[\s:'"(=,])|^)(?:~|\.{1,2}|[A-Za-z]:)?[\\/](?:[^\s\\/:'"<>|]+[\\/])+(?=[^\s\\/])""")


def without_folders(value: Any) -> Any:
    """Return ``value`` with every machine path in its strings cut to the last part, and NaN as None, at any depth.

    Examples
    --------
    >>> without_folders("insightface:/home/me/models/buffalo_l")
    'insightface:buffalo_l'
    >>> without_folders("open_clip:ViT-B-32/laion2b_s34b_b79k")
    'open_clip:ViT-B-32/laion2b_s34b_b79k'
    """
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def is_share(unit: str) -> bool:
    """Return whether values of ``unit`` are shares, which a report writes as percentages."""
    return unit.startswith("share of ")


def unit_label(unit: str) -> str:
    """Return the unit as written beside numbers.

    Examples
    --------
    >>> unit_label("share of pairs")
    '% of pairs'
    """
    return f"% of {unit.removeprefix('share of ')}" if is_share(unit) else unit


def direction(better: str) -> str:
    """Return which way is better, in words; nothing where neither is."""
    return {"higher": "higher is better", "lower": "lower is better"}.get(better, "")


def numbers(values: list[float], unit: str = "", *, signed: bool = False) -> list[str]:
    """Write values that stand together with one number of decimals: three significant digits of the largest.

    Examples
    --------
    >>> numbers([31.234, 30.1, 32.0])
    ['31.2', '30.1', '32.0']
    >>> numbers([0.5, -0.03125], "share of pairs", signed=True)
    ['+50.0', '−3.1']
    """
    scaled = [100 * value if is_share(unit) else value for value in values]
    largest = max((abs(value) for value in scaled), default=0.0)
    decimals = min(6, max(0, 2 - math.floor(math.log10(largest)))) if largest else 0
    if (is_share(unit) or unit.split()[0:1] in _COUNTS) and all(value == int(value) for value in scaled):
        decimals = 0
    texts = [f"{value:{'+' if signed else ''},.{decimals}f}" for value in scaled]
    return [text.replace("-", MINUS) if text.strip("+-0.,") else text.lstrip("+-") for text in texts]


def quantity(value: float, unit: str = "") -> str:
    """Write one value, a share as a percentage.

    Examples
    --------
    >>> quantity(0.25, "share of pairs"), quantity(-0.6, "face similarity")
    ('25%', '−0.600')
    """
    return numbers([value], unit)[0] + ("%" if is_share(unit) else "")


def estimate(mean: float | None, low: float | None, high: float | None, unit: str = "") -> tuple[str, str]:
    """Write a mean and its interval; each is empty where there is none.

    Examples
    --------
    >>> estimate(31.234, 30.1, 32.0)
    ('31.2', '30.1 to 32.0')
    """
    percent = "%" if is_share(unit) else ""
    if mean is None:
        return "", ""
    if low is None or high is None:
        return quantity(mean, unit), ""
    middle, lower, upper = numbers([mean, low, high], unit)
    return middle + percent, f"{lower} to {upper}{percent}"


def difference(mean: float, low: float | None, high: float | None, unit: str = "") -> tuple[str, str]:
    """Write a difference and its interval with signs; differences of shares are in percentage points.

    Examples
    --------
    >>> difference(0.125, 0.05, 0.2, "share of pairs")
    ('+12.5 points', '+5.0 to +20.0')
    """
    points = " points" if is_share(unit) else ""
    if low is None or high is None:
        return numbers([mean], unit, signed=True)[0] + points, ""
    middle, lower, upper = numbers([mean, low, high], unit, signed=True)
    return middle + points, f"{lower} to {upper}"


def reason(code: str) -> str:
    """Return the sentence of a reason code."""
    return REASONS.get(code, code.replace("_", " "))


def percent(share: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a share as per cent, with its interval where it has one.

    Examples
    --------
    >>> percent(0.714, 0.6, 0.8), percent(0.714), percent(None)
    ('71% (60–80)', '71%', '–')
    """
    if share is None:
        return "–"
    return f"{100 * share:.0f}%" + ("" if low is None or high is None else f" ({100 * low:.0f}–{100 * high:.0f})")


def pluralize(n: int, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> pluralize(1, "prompt"), pluralize(1200, "image")
    ('1 prompt', '1,200 images')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def join_names(names: list[str]) -> str:
    """Join names as a sentence does.

    Examples
    --------
    >>> join_names(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def suite_name(suite: Any) -> str:
    """Return the suite's name, or what stands for a set without suites."""
    return str(suite) if suite else "all images"
