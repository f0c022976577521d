"""What has to be known before anything can be measured, and which pictures are decoded together for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evals.scoring.decoders import MAX_PIXEL_BYTES, Unreadable
from evals.scoring.plans import ImageKey, Inputs, Plan
from metrics.encoders.catalogue import Encoder
from metrics.features import FEATURES

WINDOW_IMAGES = 32
WINDOW_BYTES = MAX_PIXEL_BYTES // 2
"""Of the decoded pictures that are encoded together, so that others are decoded meanwhile; one alone may have more."""

WORK_BYTES = 1_200_000_000
"""What the pictures of one feature may take together while they are decoded and while it is computed."""

_DECODING_BYTES_A_PIXEL = 10
"""Pillow's four, the decoder's three, and three of those who receive them."""


class FeatureKey(NamedTuple):
    """One feature: what is computed, by which encoder (its name), from which pictures and texts."""

    feature: str
    encoder: str
    inputs: Inputs

    @property
    def pictures(self) -> tuple[ImageKey, ...]:
        """The pictures among its inputs."""
        return tuple(each for each in self.inputs if isinstance(each, ImageKey))

    @property
    def readings(self) -> tuple[FeatureKey, ...]:
        """What was read in the pictures in whose place renderings stand: it says how large these are drawn."""
        models = (ImageKey("file", each.like) for each in self.pictures if each.kind == "rendering")
        return tuple(self._replace(inputs=(model,)) for model in models)


@dataclass(frozen=True)
class Needs:
    """What has to be known before anything can be measured, in the order of first need."""

    pictures: dict[ImageKey, None] = field(default_factory=dict)
    features: dict[FeatureKey, Encoder] = field(default_factory=dict)

    def add(self, plan: Plan, encoders: Mapping[str, Encoder], with_decoys: bool = False) -> None:
        """Note what one subject needs: each feature from the encoder chosen for it.

        Decoys need no mention where all subjects are noted: each of them is the own prompt of another one.
        """
        self.pictures.update(dict.fromkeys((*plan.images, *plan.references, *((plan.mask,) if plan.mask else ()))))
        for feature, encoder in encoders.items():
            for inputs in plan.inputs(feature).values():
                key = FeatureKey(feature, encoder.name, inputs)
                for each in (*key.readings, key):
                    self.pictures.update(dict.fromkeys(each.pictures))
                    self.features[each] = encoder
            for text in plan.decoys if with_decoys and FEATURES[feature].of == "text" else ():
                self.features[FeatureKey(feature, encoder.name, (text,))] = encoder


@dataclass(frozen=True)
class Findings:
    """What a table knows of pictures beside the features in its cache; what one process found serves another.

    Of ``pictures`` that were decoded these are the hashes of pixels and file, and why a colour profile was not applied;
    ``failed`` names a feature by its kind, encoder and content.
    """

    pictures: Mapping[ImageKey, tuple[str, str, str | None]]
    unreadable: Mapping[ImageKey, Unreadable]
    too_large: Collection[FeatureKey]
    failed: Mapping[tuple[str, str, str], Unreadable]


def windows(
    needs: Needs, sizes: Mapping[ImageKey, int], wanted: Callable[[FeatureKey], bool]
) -> Iterator[tuple[ImageKey, ...]]:
    """Yield the pictures of ``sizes`` (their bytes once decoded) that must be decoded, a window at a time.

    Pictures that are compared share a window. Where they are too large for that, those of each comparison do, and a
    picture is decoded once more for the next one. ``wanted`` tells whether a feature is to be computed. What is read in
    a file says how its rendering is drawn, so renderings come last.
    """
    of_picture = keys_of_pictures(needs)
    groups = [[picture for picture in group if picture in sizes] for group in compared(needs)]
    for is_drawn in (False, True):
        window: dict[ImageKey, int] = {}
        for group in groups:
            if not group or (group[0].kind == "rendering") is not is_drawn:
                continue
            keys = (key for picture in group for key in of_picture.get(picture, ()) if wanted(key))
            for together in _fitting(group, sizes, keys):
                more = {picture: sizes[picture] for picture in together}
                if window and sum((window | more).values()) > WINDOW_BYTES:
                    yield tuple(window)
                    window = {}
                window |= more
                if len(window) >= WINDOW_IMAGES:
                    yield tuple(window)
                    window = {}
        if window:
            yield tuple(window)


def fit_beside(window: Sequence[ImageKey], other: Sequence[ImageKey], sizes: Mapping[ImageKey, int]) -> bool:
    """Tell whether the pictures of two windows may be in memory at once."""
    return sum(sizes[picture] for picture in {*window, *other}) <= 2 * WINDOW_BYTES


def keys_of_pictures(needs: Needs) -> dict[ImageKey, list[FeatureKey]]:
    """Return the features that need pictures, by the first of these."""
    keys: dict[ImageKey, list[FeatureKey]] = {}
    for key in needs.features:
        if key.pictures:
            keys.setdefault(key.pictures[0], []).append(key)
    return keys


def _fitting(
    group: Sequence[ImageKey], sizes: Mapping[ImageKey, int], keys: Iterable[FeatureKey]
) -> Iterable[Iterable[ImageKey]]:
    """Return a group of pictures that are compared as it is, or where it is too large, in comparisons."""
    if sum(sizes[picture] for picture in group) <= WINDOW_BYTES:
        return [group]
    comparisons = dict.fromkeys(tuple(dict.fromkeys(key.pictures)) for key in keys)
    several = [pictures for pictures in comparisons if len(pictures) > 1 and sizes.keys() >= set(pictures)]
    compared_ones = {picture for pictures in several for picture in pictures}
    return [*several, *([picture] for picture in group if picture not in compared_ones)]


def compared(needs: Needs) -> Iterable[list[ImageKey]]:
    """Group pictures that are compared with one another, in the order of first need."""
    leader: dict[ImageKey, ImageKey] = {key: key for key in needs.pictures}

    def root(key: ImageKey) -> ImageKey:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for key in needs.features:
        for other in key.pictures[1:]:
            leader[root(other)] = root(key.pictures[0])
    groups: dict[ImageKey, list[ImageKey]] = {}
    for picture in needs.pictures:
        groups.setdefault(root(picture), []).append(picture)
    return groups.values()


def is_too_large(key: FeatureKey, sizes: Mapping[ImageKey, int]) -> bool:
    """Tell whether a feature would take more than `WORK_BYTES`, its pictures included."""
    pictures = [sizes[picture] for picture in dict.fromkeys(key.pictures)]
    return bool(pictures) and _memory(pictures, FEATURES[key.feature].bytes_a_pixel) > WORK_BYTES


def cannot_be_decoded(n_bytes: int) -> bool:
    """Tell whether a picture of so many bytes would take more than `WORK_BYTES` by itself."""
    return _memory([n_bytes], 0) > WORK_BYTES


def _memory(pictures: Sequence[int], bytes_a_pixel: int) -> int:
    """Return what it takes to decode pictures of so many bytes, the last beside the others, and to work on them."""
    largest = max(pictures)
    return sum(pictures) - largest + largest // 3 * max(_DECODING_BYTES_A_PIXEL, 3 + bytes_a_pixel)
