"""Which rows of an image set belong together: prompts of a suite, repeats of a seed, shots of a sequence."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from evals.scoring.plans import Row
from metrics.specification import MetricSpec

T = TypeVar("T")

SEED_GROUP = ("system", "suite", "prompt_id", "sequence_id", "shot")


def grouped(rows: Sequence[Row], usable: Iterable[int], *columns: str) -> dict[tuple[Hashable, ...], list[int]]:
    """Return the rows by their values in some columns, in the order of first sight."""
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for i in usable:
        groups.setdefault(tuple(rows[i].get(column) for column in columns), []).append(i)
    return groups


def prompts_by_suite(rows: Sequence[Row], usable: Iterable[int]) -> dict[str, tuple[str, ...]]:
    """Return the different prompts of each suite, ordered by hash."""
    prompts: dict[str, set[str]] = {}
    for i in usable:
        prompts.setdefault(rows[i]["suite"], set()).add(rows[i]["prompt"])
    return {suite: tuple(sorted(each, key=lambda prompt: by_hash((suite, prompt)))) for suite, each in prompts.items()}


def by_hash(key: Hashable) -> str:
    """Order names without favour: by hash, so that the alphabet decides nothing."""
    return hashlib.sha256(repr(key).encode()).hexdigest()


def others_after(items: Sequence[T], place: int) -> Iterator[T]:
    """Yield all but the item at a place, beginning with the next one."""
    return (items[(place + step) % len(items)] for step in range(1, len(items)))


def members_of(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Sequence[int]]:
    """Yield the rows of each subject, in order, but for metrics over every pair of images."""
    if spec.subject == "sample":
        yield from ([i] for i in usable)
    elif spec.subject == "repeats":
        for repeats in grouped(rows, usable, *SEED_GROUP, "seed").values():
            yield from itertools.combinations(sorted(repeats, key=lambda i: rows[i]["repeat"]), 2)
    elif spec.subject == "sequence":
        yield from sequences(rows, usable)
    elif spec.subject != "pair":
        for shots in sequences(rows, usable):
            shots_in_order = by_shot(rows, shots)
            neighbours = itertools.pairwise if spec.subject == "consecutive" else partial(itertools.combinations, r=2)
            for first, second in neighbours(shots_in_order):
                yield from itertools.product(first, second)


def sequences(rows: Sequence[Row], usable: Iterable[int]) -> Iterator[list[int]]:
    """Yield the pictures of each sequence in the order of shots; a repeat of it is a sequence of its own.

    The seed has no say: every shot may have another one, or none. No repeat is the first. Of a shot that is there
    several times in one repeat every picture belongs to the sequence, since all of them must show the same characters.
    """
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for i in usable:
        row = rows[i]
        groups.setdefault((row["system"], row["suite"], row["sequence_id"], row.get("repeat") or 0), []).append(i)
    for members in groups.values():
        yield sorted(members, key=lambda i: (rows[i]["shot"], str(rows[i]["file_name"])))


def by_shot(rows: Sequence[Row], shots: Iterable[int]) -> list[list[int]]:
    """Return the pictures of a sequence shot by shot; of a shot that is there several times all are in one list."""
    return [list(same) for _, same in itertools.groupby(shots, key=lambda i: rows[i]["shot"])]
