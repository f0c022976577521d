"""Splits what is needed into parts that processes without a common memory can compute, each of them by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from evals.scoring.needs import FeatureKey, Needs, compared
from evals.scoring.plans import ImageKey
from metrics.encoders.catalogue import Encoder

PART_PICTURES = 32
"""So many pictures a part has, or those of one comparison: enough for whole batches, few enough to be done again."""

PART_TEXTS = 1024


def parts(needs: Needs) -> Iterator[Needs]:
    """Yield parts of what is needed: each feature in one of them, with all its pictures.

    Pictures that are compared with one another stay together, so that each is decoded once; where they are more than
    `PART_PICTURES`, their comparisons are dealt out and a picture is decoded in each part that has one of it. A
    rendering goes with the picture whose letters say how large it is drawn, and with what is read there.
    """
    texts = [key for key in needs.features if not key.pictures]
    for start in range(0, len(texts), PART_TEXTS):
        yield Needs({}, {key: needs.features[key] for key in texts[start : start + PART_TEXTS]})
    features = dict(needs.features)
    links: dict[FeatureKey, Encoder] = {}
    for key, encoder in needs.features.items():
        for picture in key.pictures:
            if picture.kind == "rendering":
                model = ImageKey("file", picture.like)
                features[key._replace(inputs=(model,))] = encoder
                links[key._replace(inputs=(model, picture))] = encoder
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
        for unit in _units(group, left):
            if together and len({*together, *unit}) > PART_PICTURES:
                yield _part(together, features, left)
                together = {}
            together.update(dict.fromkeys(unit))
    if together:
        yield _part(together, features, left)


def _units(group: list[ImageKey], keys: Mapping[ImageKey, list[FeatureKey]]) -> Iterable[Iterable[ImageKey]]:
    """Return a group of pictures as it is, or where it is too large for one part, its comparisons."""
    if len(group) <= PART_PICTURES:
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
