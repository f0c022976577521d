"""How well pictures and prompts are told apart: AUC against shuffled prompts, and against one swapped word."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.embedded.colours import COLOURS

Matrix = npt.NDArray[np.floating]

_OBJECTS = """
dog cat horse bird fish car bicycle motorcycle train boat ship airplane robot house castle bridge tower tree
flower mountain lake ocean beach forest desert city street river garden kitchen table chair sofa bed lamp window
door book cup bottle glass plate cake bread fruit apple guitar piano violin camera phone computer helmet hat
jacket dress suit shirt shoes boots sunglasses necklace umbrella backpack sword crown dragon astronaut knight
girl boy woman man baby child soldier dancer chef skateboard ball snow fire cloud moon star sun rainbow butterfly
rabbit fox wolf bear lion tiger elephant sheep cow pig duck owl mushroom leaf rock statue clock candle balloon
flag ladder fence
"""
SWAPPED = {"objects": _OBJECTS.split(), "colours": list(COLOURS)}
NEAR = 0.9
"""Prompts whose text embeddings have a cosine above this are too alike to be each other's decoys."""
DRAWS = 1000


class Estimate(TypedDict):
    """A statistic with its 95% bootstrap interval over items."""

    value: float
    interval: tuple[float, float]
    n: int


def alike(embeddings: Matrix) -> npt.NDArray[np.bool_]:
    """Return which texts are too alike to be each other's decoys, themselves among them, shape (n, n)."""
    result: npt.NDArray[np.bool_] = embeddings @ embeddings.T > NEAR
    return result | np.eye(len(embeddings), dtype=bool)


def margins(similarities: Matrix) -> Matrix:
    """Return every picture's (row's) similarity to each prompt, less the mean of those to the others."""
    others = len(similarities) - 1
    result: Matrix = similarities - (similarities.sum(1, keepdims=True) - similarities) / others
    return result


def auc(similarities: Matrix, excluded: npt.NDArray[np.bool_]) -> float:
    """Return the probability that a picture and its prompt are closer than a picture and another prompt.

    Parameters
    ----------
    similarities
        Shape (n, n), pictures by prompts, own ones on the diagonal.
    excluded
        Shape (n, n): what is no pair of a picture with another prompt; the diagonal at least.

    Examples
    --------
    >>> auc(np.array([[0.9, 0.2], [0.5, 0.4]]), np.eye(2, dtype=bool))
    0.75
    """
    others = np.sort(similarities[~excluded])
    own = np.diag(similarities)
    below = np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")
    return float(below.mean() / 2 / len(others))


def auc_estimate(similarities: Matrix, excluded: npt.NDArray[np.bool_], seed: int = 0) -> Estimate:
    """Return :func:`auc` with its interval; an item is a picture with its prompt."""

    def of_items(items: npt.NDArray[np.integer]) -> float:
        square = np.ix_(items, items)
        # an item that is drawn twice is no decoy of itself
        return auc(similarities[square], excluded[square])

    return _bootstrapped(of_items, len(similarities), seed)


def _bootstrapped(statistic: Callable[[npt.NDArray[np.integer]], float], n: int, seed: int) -> Estimate:
    random = np.random.default_rng(seed)
    draws = [statistic(random.integers(0, n, n)) for _ in range(DRAWS)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"value": statistic(np.arange(n)), "interval": (float(low), float(high)), "n": n}


@dataclass(frozen=True, slots=True)
class Swap:
    """A text and the same with one word swapped."""

    item: int
    """Which picture it belongs to."""
    true: str
    altered: str


def swaps(prompts: Sequence[str], kind: str, sentences: bool, seed: int = 0) -> list[Swap]:
    """Return swaps of each word of a kind, for another of the kind that the text does not hold.

    Parameters
    ----------
    prompts
        One a picture.
    kind
        ``objects`` or ``colours``.
    sentences
        Swap within the sentence that holds the word, taken as a prompt by itself; else within the whole prompt.
    seed
        Of the choice of the other word.
    """
    random = np.random.default_rng(seed)
    found = []
    for item, prompt in enumerate(prompts):
        for text in re.split(r"(?<=[.!?;])\s+|\n+", prompt) if sentences else [prompt]:
            present = [word for word in SWAPPED[kind] if re.search(rf"\b{word}\b", text, re.IGNORECASE)]
            absent = [word for word in SWAPPED[kind] if word not in present]
            for word in present:
                other = str(random.choice(absent))
                altered = re.sub(rf"\b{word}\b", other, text, flags=re.IGNORECASE)
                found.append(Swap(item, text, altered))
    return found


def swap_estimate(items: Sequence[int], true: Matrix, altered: Matrix, seed: int = 0) -> Estimate:
    """Return the share of swaps whose true text is closer to the picture, ties counted half.

    The bootstrap draws pictures, as swaps of one prompt are no independent observations; ``n`` counts swaps.
    """
    wins = (true > altered) + 0.5 * (true == altered)
    by_item = [wins[np.asarray(items) == item] for item in sorted(set(items))]
    sums, counts = np.array([w.sum() for w in by_item]), np.array([len(w) for w in by_item])

    def share(drawn: npt.NDArray[np.integer]) -> float:
        return float(sums[drawn].sum() / counts[drawn].sum())

    return {**_bootstrapped(share, len(by_item), seed), "n": len(wins)}
