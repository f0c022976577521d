"""Fits the heads in closed form: one ridge regression over class names, prompts with pictures, and clip art."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import PIL.Image

from metrics.encoders.embedded.colours import colour_shares, colour_words
from metrics.encoders.embedded.heads import Doubles, Floats, Heads, unit
from metrics.encoders.embedded.towers import BATCH, ImageTower, TextTower, pixels_of
from metrics.encoders.runtime import import_torchvision

Values = TypeVar("Values", Floats, Doubles)

CLASS_TEXTS = ("a photo of a {}", "{}", "an illustration of a {}")


@dataclass(frozen=True, slots=True)
class Choices:
    """What cross-validation on the training templates chose."""

    ridge: float = 10.0
    template_weight: float = 2.0
    """Of a template beside a class row, in the squared error its square."""
    clip_art_weight: float = 0.5
    class_weight: float = 0.3
    colour_weight: float = 0.1


@dataclass(frozen=True, slots=True)
class TowerPairs:
    """Pairs as the towers see them; n rows each."""

    features: Floats
    class_shares: Floats
    colour_shares: Floats
    embeddings: Floats
    colour_words: Floats

    def __getitem__(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> TowerPairs:
        """Return some of the pairs."""
        return TowerPairs(
            self.features[rows],
            self.class_shares[rows],
            self.colour_shares[rows],
            self.embeddings[rows],
            self.colour_words[rows],
        )

    def similarities(self, heads: Heads) -> Floats:
        """Return the cosine of every picture (row) with every text (column)."""
        pictures = heads.image_vectors(self.features, self.class_shares, self.colour_shares)
        return pictures @ heads.text_vectors(self.embeddings, self.colour_words).T


def see(
    image_tower: ImageTower, text_tower: TextTower, pictures: Sequence[PIL.Image.Image], texts: Sequence[str]
) -> TowerPairs:
    """Return what the towers make of pictures and their texts."""
    starts = range(0, len(pictures), BATCH)
    features = np.concatenate([image_tower.features(pixels_of(pictures[i : i + BATCH])) for i in starts])
    return TowerPairs(
        features,
        image_tower.class_shares(features),
        colour_shares(pictures),
        text_tower.embed_all(texts),
        colour_words(texts),
    )


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of ImageNet: rows of the image tower's classifier, and the embeddings of their names."""

    rows: Floats
    """Shape (k, 1280), centred, unit length."""
    embeddings: Floats
    """Shape (templates, k, 384), one for each of CLASS_TEXTS."""


def classes_of(image_tower: ImageTower, text_tower: TextTower) -> Classes:
    """Return the thousand classes; their names are torchvision's (BSD-3-Clause)."""
    import_torchvision()
    from torchvision.models._meta import _IMAGENET_CATEGORIES as names

    embeddings = np.stack([text_tower.embed_all([text.format(name) for name in names]) for text in CLASS_TEXTS])
    return Classes(unit(image_tower.classifier.T - image_tower.classifier.mean(1)), embeddings)


def fit_heads(
    classes: Classes, templates: TowerPairs, clip_art: TowerPairs | None = None, choices: Choices | None = None
) -> Heads:
    r"""Return the heads that map pictures onto the embeddings of their texts.

    .. math:: A = \arg\min_A \sum_i w_i^2 \lVert x_i A - (t_i - \bar t) \rVert^2 + \lambda \lVert A \rVert^2

    over the classifier's rows (a row is the picture that its class answers to most, as far as a linear classifier
    knows) and over pictures with texts, each source centred by itself.

    Parameters
    ----------
    classes
        At least two; the heads then want the shares of these classes.
    templates
        Generated pictures with their prompts; with a ``template_weight`` of 0 they only give the means.
    clip_art
        Pictures with titles.
    choices
        Weights; the project's by default.

    Returns
    -------
    heads
        In half precision, as they are stored.
    """
    choices = choices or Choices()
    mean, text_mean = templates.features.mean(0), templates.embeddings.mean(0)
    class_mean = classes.embeddings.mean((0, 1))
    names = len(classes.embeddings)
    inputs = [*[classes.rows] * names, choices.template_weight * unit(templates.features - mean)]
    targets = [*(classes.embeddings - class_mean), choices.template_weight * (templates.embeddings - text_mean)]
    if clip_art is not None:
        inputs.append(choices.clip_art_weight * unit(clip_art.features - clip_art.features.mean(0)))
        targets.append(choices.clip_art_weight * (clip_art.embeddings - clip_art.embeddings.mean(0)))
    x, y = (np.concatenate(parts).astype(np.float64) for parts in (inputs, targets))
    image_map = np.linalg.solve(x.T @ x + choices.ridge * np.eye(x.shape[1]), x.T @ y)
    return _halved(
        Heads(
            image_mean=mean,
            image_map=image_map.astype(np.float64),
            class_map=(classes.embeddings.mean(0) - class_mean).astype(np.float64),
            class_weight=choices.class_weight,
            text_mean=text_mean,
            colour_mean=templates.colour_shares.mean(0),
            colour_spread=templates.colour_shares.std(0),
            colour_weight=choices.colour_weight,
        )
    )


def _halved(heads: Heads) -> Heads:
    def half(values: Values) -> Values:
        halves: Values = values.astype(np.float16).astype(values.dtype)
        return halves

    return replace(
        heads,
        image_mean=half(heads.image_mean),
        image_map=half(heads.image_map),
        class_map=half(heads.class_map),
        class_weight=float(np.float16(heads.class_weight)),
        text_mean=half(heads.text_mean),
        colour_mean=half(heads.colour_mean),
        colour_spread=half(heads.colour_spread),
        colour_weight=float(np.float16(heads.colour_weight)),
    )
