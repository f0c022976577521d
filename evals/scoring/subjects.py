"""Which subjects a metric measures in an image set, and how controls re-arrange them. Pure: rows in, plans out."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from metrics.controls import Control
from metrics.specification import MetricSpec

Row = Mapping[str, Any]

DECOYS = 5
"""How many other prompts, or impostor sequences, each subject is held against at most."""

MAX_FACES_PAIRED = 2000
"""Above this many images with a face, `identity.pairs` measures the pairs of a seeded sample of so many."""


@dataclass(frozen=True, slots=True, order=True)
class ImageKey:
    """One picture: a file of the set, or a clean rendering of a text that serves as a control."""

    kind: Literal["file", "rendering"]
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One subject to be measured: its rows (by index), its pictures, and what they are held against.

    ``decoys`` are all prompts of the suite, the own one among them, as one tuple that the suite's plans share;
    ``texts`` are embedded beside the prompt, ``question`` is asked about each picture, ``mask`` says what an edit may
    change.
    """

    rows: tuple[int, ...]
    images: tuple[ImageKey, ...]
    control: Control | None = None
    references: tuple[ImageKey, ...] = ()
    prompt: str | None = None
    decoys: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    question: str | None = None
    mask: ImageKey | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def text_of(row: Row) -> str:
    """Return the expected text of a row as one string, lines separated by newlines."""
    text = row["expected_text"]
    return text if isinstance(text, str) else "\n".join(text)


def is_given(value: Any) -> bool:
    """Tell whether a column says something: null, nothing and blank text do not."""
    if isinstance(value, str):
        return bool(value.strip())
    return any(is_given(item) for item in value) if isinstance(value, list) else value is not None


def plan_subjects(spec: MetricSpec, rows: Sequence[Row], with_face: Sequence[int] = ()) -> Iterator[Plan]:
    """Yield the plans of a metric over an image set, its own subjects first, then those of its controls.

    Parameters
    ----------
    spec
        The metric.
    rows
        The rows of the image set.
    with_face
        The indices of the rows in whose image the feature was found; only for metrics over every pair.
    """
    usable = [i for i, row in enumerate(rows) if _fits(spec, row)]
    yield from _OWN[spec.subject](spec, rows, usable, with_face)
    # What a control puts in a picture's place follows names alone, so that the order of the rows changes no value.
    by_name = sorted(usable, key=lambda i: str(rows[i]["file_name"]))
    for control in spec.controls:
        yield from _CONTROLS[control](spec, rows, by_name)


def _fits(spec: MetricSpec, row: Row) -> bool:
    given = all(is_given(row.get(column)) for column in spec.columns)
    return given and not any(is_given(row.get(column)) for column in spec.excludes)


def _file(row: Row) -> ImageKey:
    return ImageKey("file", row["file_name"])


def _plan(spec: MetricSpec, rows: Sequence[Row], members: Sequence[int], **given: Any) -> Plan:
    first = rows[members[0]]
    if (spec.references or spec.compares_edits) and "references" not in given:
        given["references"] = _references(first)
    if spec.compares_edits and first.get("mask"):
        given["mask"] = ImageKey("file", first["mask"])
    if spec.texts:
        texts_of = spec.load_texts()
        given["texts"] = tuple(dict.fromkeys(text for i in members for text in texts_of(rows[i])))
    if spec.question and given.get("question") is None:
        given["question"] = spec.load_question()(first)
    if "prompt" in spec.features and "prompt" not in given:
        given["prompt"] = first["prompt"]
    given.setdefault("images", tuple(_file(rows[i]) for i in members))
    return Plan(tuple(members), **given)


def _references(row: Row) -> tuple[ImageKey, ...]:
    return tuple(ImageKey("file", name) for name in row["reference_images"])


def _groups(rows: Sequence[Row], usable: Iterable[int], *columns: str) -> dict[tuple[Hashable, ...], list[int]]:
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for i in usable:
        groups.setdefault(tuple(rows[i].get(column) for column in columns), []).append(i)
    return groups


def _samples(spec: MetricSpec, rows: Sequence[Row], usable: list[int], _: Sequence[int]) -> Iterator[Plan]:
    prompts = _prompts(rows, usable) if spec.decoys else {}
    return (_plan(spec, rows, [i], decoys=prompts.get(rows[i]["suite"], ())) for i in usable)


def _prompts(rows: Sequence[Row], usable: Iterable[int]) -> dict[str, tuple[str, ...]]:
    """Return the different prompts of each suite, ordered by hash."""
    found: dict[str, set[str]] = {}
    for i in usable:
        found.setdefault(rows[i]["suite"], set()).add(rows[i]["prompt"])
    return {
        suite: tuple(sorted(prompts, key=lambda prompt: _by_hash((suite, prompt)))) for suite, prompts in found.items()
    }


def _all_pairs(spec: MetricSpec, rows: Sequence[Row], usable: list[int], with_face: Sequence[int]) -> Iterator[Plan]:
    found = set(with_face)
    # An image without a face is one row with its reason, not a row for every pair that it would have made.
    yield from (_plan(spec, rows, [i]) for i in usable if i not in found)
    chosen = sorted(found, key=lambda i: str(rows[i]["file_name"]))
    if len(chosen) > MAX_FACES_PAIRED:
        chosen = random.Random(0).sample(chosen, MAX_FACES_PAIRED)
    for a, b in itertools.combinations(chosen, 2):
        known = rows[a].get("sequence_id") is not None and rows[b].get("sequence_id") is not None
        same = rows[a].get("sequence_id") == rows[b].get("sequence_id") if known else None
        yield _plan(spec, rows, [a, b], details={"same_sequence": same})


def _sequences(rows: Sequence[Row], usable: Iterable[int]) -> dict[tuple[Hashable, ...], list[int]]:
    """Return the shots of each sequence in order; a repeat or another seed of it is a sequence of its own."""
    groups = _groups(rows, usable, "system", "suite", "sequence_id", "seed", "repeat")
    return {key: sorted(members, key=lambda i: rows[i]["shot"]) for key, members in groups.items()}


def _shots(spec: MetricSpec, rows: Sequence[Row], usable: list[int], _: Sequence[int]) -> Iterator[Plan]:
    for members in _sequences(rows, usable).values():
        yield from (_plan(spec, rows, pair) for pair in itertools.combinations(members, 2))


def _consecutive(spec: MetricSpec, rows: Sequence[Row], usable: list[int], _: Sequence[int]) -> Iterator[Plan]:
    for members in _sequences(rows, usable).values():
        yield from (_plan(spec, rows, pair) for pair in itertools.pairwise(members))


def _whole_sequences(spec: MetricSpec, rows: Sequence[Row], usable: list[int], _: Sequence[int]) -> Iterator[Plan]:
    return (_plan(spec, rows, members) for members in _sequences(rows, usable).values())


_SEED_GROUP = ("system", "suite", "prompt_id", "sequence_id", "shot")


def _repeats(spec: MetricSpec, rows: Sequence[Row], usable: list[int], _: Sequence[int]) -> Iterator[Plan]:
    for members in _groups(rows, usable, *_SEED_GROUP, "seed").values():
        ordered = sorted(members, key=lambda i: rows[i]["repeat"])
        yield from (_plan(spec, rows, pair) for pair in itertools.combinations(ordered, 2))


def _different_seeds(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Pair images of two seeds that share system, prompt and repeat number."""
    for members in _groups(rows, usable, *_SEED_GROUP, "repeat").values():
        ordered = sorted(members, key=lambda i: rows[i]["seed"])
        yield from (_plan(spec, rows, pair, control="different_seed") for pair in itertools.combinations(ordered, 2))


def _identical_images(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Hold an image of every prompt that was repeated against itself."""
    repeated = [m[0] for m in _groups(rows, usable, *_SEED_GROUP, "seed").values() if len(m) > 1]
    for members in _groups(rows, repeated, *_SEED_GROUP).values():
        yield _plan(spec, rows, [members[0], members[0]], control="identical_image")


def _by_hash(key: Hashable) -> str:
    """Order names without favour: by hash, so that the alphabet decides nothing."""
    return hashlib.sha256(repr(key).encode()).hexdigest()


def _shuffled_prompts(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Hold every image against prompts of its suite that were not its own, as if they were."""
    for suite, prompts in _prompts(rows, usable).items():
        place = {prompt: n for n, prompt in enumerate(prompts)}
        of_suite = [i for i in usable if rows[i]["suite"] == suite]
        given: dict[str, Any] = {"control": "shuffled_prompt", "decoys": prompts if spec.decoys else ()}
        asked = {rows[i]["prompt"]: spec.load_question()(rows[i]) for i in of_suite} if spec.question else {}
        # An answer costs seconds, a similarity nothing.
        most = 1 if spec.question else DECOYS
        for i in of_suite:
            for step in range(1, min(most, len(prompts) - 1) + 1):
                other = prompts[(place[rows[i]["prompt"]] + step) % len(prompts)]
                yield _plan(spec, rows, [i], prompt=other, question=asked.get(other), **given)


def _impostors(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    if spec.references:
        return _impostor_references(spec, rows, usable)
    if "palette" in spec.columns:
        return _other_brands(spec, rows, usable)
    return _impostor_shots(spec, rows, usable)


def _other_brands(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Put pieces of other brands of the same system in the place of a brand's own, one by one or all together."""
    for (system, suite), members in _groups(rows, usable, "system", "suite").items():
        brands = _groups(rows, members, "sequence_id")
        names = sorted(brands, key=lambda name: _by_hash((system, suite, name)))
        for n, name in enumerate(names):
            others = [brands[names[(n + step) % len(names)]] for step in range(1, len(names))]
            if spec.subject == "sequence" and others:
                pieces = [_file(rows[others[k % len(others)][0]]) for k in range(len(brands[name]))]
                yield _plan(spec, rows, brands[name], images=tuple(pieces), control="impostor")
            elif spec.subject == "sample":
                for i, k in itertools.product(brands[name], range(min(DECOYS, len(others)))):
                    yield _plan(spec, rows, [i], images=(_file(rows[others[k][0]]),), control="impostor")


def _impostor_references(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Hold every image against the references of other characters of its suite.

    Rows that share a sequence, or any reference picture, show the same character.
    """
    for (suite,), members in _groups(rows, usable, "suite").items():
        characters: dict[tuple[ImageKey, ...], set[Hashable]] = {}
        for i in members:
            characters.setdefault(_references(rows[i]), set()).add(rows[i].get("sequence_id"))
        sets = sorted(characters, key=lambda keys: _by_hash((suite, keys)))
        place = {keys: n for n, keys in enumerate(sets)}
        for i in members:
            own = _references(rows[i])
            others = (sets[(place[own] + step) % len(sets)] for step in range(1, len(sets)))
            strangers = (
                keys
                for keys in others
                if not set(own) & set(keys) and not (characters[own] & characters[keys]) - {None}
            )
            for other in itertools.islice(strangers, DECOYS):
                yield _plan(spec, rows, [i], control="impostor", references=other)


def _impostor_shots(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Pair each shot with shots of other sequences of the same system and suite."""
    by_system: dict[tuple[Hashable, ...], dict[Hashable, list[int]]] = {}
    for (system, suite, sequence, _, _), members in _sequences(rows, usable).items():
        by_system.setdefault((system, suite), {}).setdefault(sequence, []).extend(members)
    for sequences in by_system.values():
        names = sorted(sequences, key=_by_hash)
        for n, name in enumerate(names):
            for step in range(1, min(DECOYS, len(names) - 1) + 1):
                other = sequences[names[(n + step) % len(names)]]
                for k, shot in enumerate(sequences[name]):
                    yield _plan(spec, rows, [shot, other[(k + step) % len(other)]], control="impostor")


def _rendered_texts(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Put a clean rendering of the same words in the place of every image."""
    for i in usable:
        yield Plan((i,), (ImageKey("rendering", text_of(rows[i])),), control="rendered_text")


def _unedited_sources(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Put the source in the place of every edited picture: it keeps everything and follows nothing."""
    for i in usable:
        yield _plan(spec, rows, [i], images=_references(rows[i])[:1], control="unedited_source")


def _unrelated_pictures(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Put another item's picture of the same system in the place of every edited one."""
    # Comparing pixels costs half a second a pair, comparing vectors nothing.
    most = 1 if spec.compares_edits else DECOYS
    for (system, suite), members in _groups(rows, usable, "system", "suite").items():
        ordered = sorted(members, key=lambda i: _by_hash((system, suite, rows[i]["file_name"])))
        for n, i in enumerate(ordered):
            own = set(_references(rows[i]))
            others = (ordered[(n + step) % len(ordered)] for step in range(1, len(ordered)))
            strangers = (
                other
                for other in others
                if rows[other]["prompt_id"] != rows[i]["prompt_id"] and not own & set(_references(rows[other]))
            )
            for other in itertools.islice(strangers, most):
                yield _plan(spec, rows, [i], images=(_file(rows[other]),), control="unrelated_picture")


def _mirror_images(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Exchange left and right in what was detected, where that must make a difference; nothing is detected anew."""
    from metrics.structure import changes_in_mirror

    for i in usable:
        if changes_in_mirror(rows[i], "relations" if "relations" in spec.columns else "objects"):
            yield _plan(spec, rows, [i], control="mirror_image")


def _shuffled_steps(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Plan]:
    """Put every picture of a sequence in the place of the next one."""
    for members in _sequences(rows, usable).values():
        if len(members) > 1:
            files = [_file(rows[i]) for i in members]
            yield _plan(spec, rows, members, images=(*files[1:], files[0]), control="shuffled_steps")


_OWN: Mapping[str, Callable[[MetricSpec, Sequence[Row], list[int], Sequence[int]], Iterator[Plan]]] = {
    "sample": _samples,
    "pair": _all_pairs,
    "shots": _shots,
    "consecutive": _consecutive,
    "sequence": _whole_sequences,
    "repeats": _repeats,
}

_CONTROLS: Mapping[Control, Callable[[MetricSpec, Sequence[Row], list[int]], Iterator[Plan]]] = {
    "shuffled_prompt": _shuffled_prompts,
    "impostor": _impostors,
    "rendered_text": _rendered_texts,
    "different_seed": _different_seeds,
    "identical_image": _identical_images,
    "unedited_source": _unedited_sources,
    "unrelated_picture": _unrelated_pictures,
    "mirror_image": _mirror_images,
    "shuffled_steps": _shuffled_steps,
}
