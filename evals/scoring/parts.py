"""Splits what is needed into parts that processes without a common memory can compute, each of them by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from evals.scoring.needs import FeatureKey, Needs, compared
from evals.scoring.plans import ImageKey
from metrics.encoders.catalogue import Encoder

FEWEST, MOST = 8, 32
"""So many pictures a part has: enough for whole batches, few enough to be done again."""

PART_TEXTS = 1024


def part_size(n_pictures: int, n_workers: int) -> int:
    """Return how many pictures a part has, so that each of a few workers gets several parts and none waits long.

    Examples
    --------
    >>> part_size(100, 2), part_size(1_000_000, 64), part_size(10, 4)
    (12, 32, 8)
    """
    return min(MOST, max(FEWEST, n_pictures // (4 * n_workers)))


def parts(needs: Needs, size: int) -> Iterator[Needs]:
    """Yield parts of what is needed: each feature in one of them, with all its pictures.

    Pictures that are compared with one another stay together, so that each is decoded once; where they are more than
    the ``size`` of a part, their comparisons are dealt out and a picture is decoded in each part that has one of it. A
    rendering goes with the picture whose letters say how large it is drawn, and with what is read there.
    """
    texts = [key for key in needs.features if not key.pictures]
    for start in range(0, len(texts), PART_TEXTS):
        yield Needs({}, {key: needs.features[key] for key in texts[start : start + PART_TEXTS]})
    features = dict(needs.features)
    links: dict[FeatureKey, Encoder] = {}
    for key, encoder in needs.features.items():
        for reading in key.readings:
            features[reading] = encoder
            links[key._replace(inputs=(*reading.pictures, *key.pictures))] = encoder
    left: dict[ImageKey, list[FeatureKey]] = {}
    for key in (*features, *links):
        if key.pictures:
            left.setdefault(key.pictures[0], []).append(key)
    # One picture is needed for its hash alone; of another one the hash is known, and a feature is needed.
    pictures = dict.fromkeys(
        (*needs.pictures, *(each for keys in left.values() for key in keys for each in key.pictures))
    )
    together: dict[ImageKey, None] = {}
    for group in compared(Needs(pictures, {**features, **links})):
        for unit in _units(group, left, size):
            if together and len({*together, *unit}) > size:
                yield _part(together, features, left)
                together = {}
            together.update(dict.fromkeys(unit))
    if together:
        yield _part(together, features, left)


def _units(group: list[ImageKey], keys: Mapping[ImageKey, list[FeatureKey]], size: int) -> Iterable[Iterable[ImageKey]]:
    """Return a group of pictures as it is, or where it is too large for one part, its comparisons."""
    if len(group) <= size:
        return [group]
    several = dict.fromkeys(key.pictures for picture in group for key in keys.get(picture, ()) if len(key.pictures) > 1)
    among_several = {picture for pictures in several for picture in pictures}
    return [*several, *([picture] for picture in group if picture not in among_several)]


def _part(
    pictures: Mapping[ImageKey, None], features: Mapping[FeatureKey, Encoder], left: dict[ImageKey, list[FeatureKey]]
) -> Needs:
    """Take what is left to be computed of pictures that are all in one part."""
    taken: dict[FeatureKey, Encoder] = {}
    for picture in pictures:
        keys = left.pop(picture, [])
        if others := [key for key in keys if not pictures.keys() >= set(key.pictures)]:
            left[picture] = others
        taken.update((key, features[key]) for key in keys if key in features and key not in others)
    return Needs(dict(pictures), taken)
