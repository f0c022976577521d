"""Which subjects a metric measures in an image set, and how controls re-arrange them. Pure: rows in, plans out."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from metrics.catalogue import FEATURES
from metrics.controls import CONTROLS, Arrangement, Control
from metrics.specification import MetricSpec, load_function

Row = Mapping[str, Any]
T = TypeVar("T")

DECOYS = 5
"""How many other prompts, or impostor sequences, each subject is held against at most."""

MAX_IMAGES_PAIRED = 2000
"""Above this many images with the feature, metrics over every pair measure those of a seeded sample of so many."""


@dataclass(frozen=True, slots=True, order=True)
class ImageKey:
    """One picture: a file of the set, the mask of an edit, or one drawn for a control: clean words, plain grey.

    ``like`` is the file in whose place a rendering stands: it is drawn at the size of that picture and of the letters
    that were read in it.
    """

    kind: Literal["file", "mask", "rendering", "blank"]
    name: str
    like: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is read, and not drawn."""
        return self.kind in ("file", "mask")


Inputs = tuple[ImageKey | str | None, ...]
"""What a feature is computed from: pictures and texts, as encoders take them; None for an edit without a mask."""

Place = tuple[Literal["image", "reference", "context", "text"], int]
"""Where a metric finds a feature: at which of the images, references or texts, or what the images are held against."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One subject to be measured: its rows (by index), its pictures, and what they are held against.

    ``decoys`` are all prompts of the suite, the own one among them, as one tuple that the suite's plans share;
    ``texts`` are embedded beside the prompt, ``question`` is asked about each picture, ``mask`` says what an edit may
    change. ``described_by`` is the row that says what its picture should be, where that is not its own. With a
    ``reason`` it cannot be measured, whatever its pictures are like.
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
    described_by: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    def inputs(self, feature: str) -> dict[Place, Inputs]:
        """Return what a feature is computed from, by the place where the metric finds it. Decoys are not among it."""
        match FEATURES[feature].of:
            case "pair":
                return {("context", 0): self.images[:2]}
            case "edit":
                return {("context", 0): (self.references[0], self.images[0], self.mask)}
            case "question":
                return {("image", n): (key, self.question) for n, key in enumerate(self.images)}
            case "text":
                prompt: dict[Place, Inputs] = {} if self.prompt is None else {("context", 0): (self.prompt,)}
                return prompt | {("text", n): (text,) for n, text in enumerate(self.texts)}
        images: dict[Place, Inputs] = {("image", n): (key,) for n, key in enumerate(self.images)}
        return images | {("reference", n): (key,) for n, key in enumerate(self.references)}


Make = Callable[..., Plan]
"""Makes the plan of a subject from its rows and from what is not as usual in it."""


def text_of(row: Row) -> str:
    """Return the expected text of a row as one string, lines separated by newlines."""
    text = row["expected_text"]
    return text if isinstance(text, str) else "\n".join(text)


def is_given(value: Any) -> bool:
    """Tell whether a column says something: null, nothing and blank text do not."""
    if isinstance(value, str):
        return bool(value.strip())
    return any(is_given(item) for item in value) if isinstance(value, list) else value is not None


def plan_subjects(spec: MetricSpec, rows: Sequence[Row], with_feature: Collection[int] = ()) -> Iterator[Plan]:
    """Yield the plans of a metric over an image set, its own subjects first, then those of its controls.

    ``with_feature`` are the indices of the rows in whose image the feature was found; only for metrics over every pair.
    """
    usable = [
        i
        for i, row in enumerate(rows)
        if all(is_given(row.get(column)) for column in spec.columns)
        and not any(is_given(row.get(column)) for column in spec.excludes)
    ]
    make = partial(_plan, spec, rows)
    if spec.subject == "pair":
        # An image without the feature is one row with its reason, not a row for every pair that it would have made.
        yield from (make([i]) for i in usable if i not in with_feature)
        chosen = sorted(with_feature, key=lambda i: str(rows[i]["file_name"]))
        if len(chosen) > MAX_IMAGES_PAIRED:
            chosen = random.Random(0).sample(chosen, MAX_IMAGES_PAIRED)
        for pair in itertools.combinations(chosen, 2):
            first, second = (rows[i].get("sequence_id") for i in pair)
            yield make(pair, details={"same_sequence": None if None in (first, second) else first == second})
    decoys = _prompts(rows, usable) if spec.decoys else {}
    for members in _members(spec, rows, usable):
        yield make(members, decoys=decoys.get(rows[members[0]]["suite"], ()))
    if spec.subject in ("shots", "consecutive"):
        alone = (shots for shots in _sequences(rows, usable) if len(_by_shot(rows, shots)) == 1)
        yield from (make([i], reason="too_few_shots") for shots in alone for i in shots)
    # What a control puts in a picture's place follows names alone, so that the order of the rows changes no value.
    by_name = sorted(usable, key=lambda i: str(rows[i]["file_name"]))
    for control in (CONTROLS[name] for name in spec.controls):
        applies = load_function(control.applies) if control.applies else None
        fitting = [i for i in by_name if applies is None or applies(rows[i], spec.columns)]
        yield from _ARRANGED[control.arrangement](spec, rows, fitting, partial(make, control=control.id))


def _plan(spec: MetricSpec, rows: Sequence[Row], members: Sequence[int], **changes: Any) -> Plan:
    first = rows[members[0]]
    compares_edits = _uses(spec, "edit")
    if (spec.references or compares_edits) and "references" not in changes:
        changes["references"] = _references(first)
    if compares_edits and first.get("mask"):
        changes["mask"] = ImageKey("mask", first["mask"])
    if spec.texts:
        texts_of = load_function(spec.texts)
        changes["texts"] = tuple(dict.fromkeys(text for i in members for text in texts_of(rows[i])))
    if spec.question and changes.get("question") is None:
        changes["question"] = load_function(spec.question)(first)
    if _uses(spec, "text") and "prompt" not in changes:
        changes["prompt"] = first["prompt"]
    changes.setdefault("images", tuple(_file(rows[i]) for i in members))
    return Plan(tuple(members), **changes)


def _uses(spec: MetricSpec, kind: str) -> bool:
    return any(FEATURES[feature].of == kind for feature in spec.features)


def _file(row: Row) -> ImageKey:
    return ImageKey("file", row["file_name"])


def picture_keys(row: Row) -> list[ImageKey]:
    """Return every file that a row names: the image, its references, its mask."""
    references = [ImageKey("file", name) for name in row.get("reference_images") or ()]
    return [_file(row), *references, *([ImageKey("mask", row["mask"])] if row.get("mask") else ())]


def _references(row: Row) -> tuple[ImageKey, ...]:
    return tuple(ImageKey("file", name) for name in row.get("reference_images") or ())


def _groups(rows: Sequence[Row], usable: Iterable[int], *columns: str) -> dict[tuple[Hashable, ...], list[int]]:
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for i in usable:
        groups.setdefault(tuple(rows[i].get(column) for column in columns), []).append(i)
    return groups


def _prompts(rows: Sequence[Row], usable: Iterable[int]) -> dict[str, tuple[str, ...]]:
    """Return the different prompts of each suite, ordered by hash."""
    prompts: dict[str, set[str]] = {}
    for i in usable:
        prompts.setdefault(rows[i]["suite"], set()).add(rows[i]["prompt"])
    return {suite: tuple(sorted(each, key=lambda prompt: _by_hash((suite, prompt)))) for suite, each in prompts.items()}


def _by_hash(key: Hashable) -> str:
    """Order names without favour: by hash, so that the alphabet decides nothing."""
    return hashlib.sha256(repr(key).encode()).hexdigest()


def _others(items: Sequence[T], place: int) -> Iterator[T]:
    """Yield all but the item at a place, beginning with the next one."""
    return (items[(place + step) % len(items)] for step in range(1, len(items)))


_SEED_GROUP = ("system", "suite", "prompt_id", "sequence_id", "shot")


def _members(spec: MetricSpec, rows: Sequence[Row], usable: list[int]) -> Iterator[Sequence[int]]:
    """Yield the rows of each subject, in order, but for metrics over every pair of images."""
    if spec.subject == "sample":
        yield from ([i] for i in usable)
    elif spec.subject == "repeats":
        for repeats in _groups(rows, usable, *_SEED_GROUP, "seed").values():
            yield from itertools.combinations(sorted(repeats, key=lambda i: rows[i]["repeat"]), 2)
    elif spec.subject == "sequence":
        yield from _sequences(rows, usable)
    elif spec.subject != "pair":
        for shots in _sequences(rows, usable):
            by_shot = _by_shot(rows, shots)
            neighbours = itertools.pairwise if spec.subject == "consecutive" else partial(itertools.combinations, r=2)
            for first, second in neighbours(by_shot):
                yield from itertools.product(first, second)


def _sequences(rows: Sequence[Row], usable: Iterable[int]) -> Iterator[list[int]]:
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


def _by_shot(rows: Sequence[Row], shots: Iterable[int]) -> list[list[int]]:
    """Return the pictures of a sequence shot by shot; of a shot that is there several times all are in one list."""
    return [list(same) for _, same in itertools.groupby(shots, key=lambda i: rows[i]["shot"])]


def _other_prompts(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold every image against prompts of its suite that were not its own, as if they were."""
    for suite, prompts in _prompts(rows, usable).items():
        place = {prompt: n for n, prompt in enumerate(prompts)}
        of_suite = [i for i in usable if rows[i]["suite"] == suite]
        questions = (
            {rows[i]["prompt"]: load_function(spec.question)(rows[i]) for i in of_suite} if spec.question else {}
        )
        # An answer costs seconds, a similarity nothing.
        most = 1 if spec.question else DECOYS
        for i in of_suite:
            for other in itertools.islice(_others(prompts, place[rows[i]["prompt"]]), most):
                yield make([i], prompt=other, question=questions.get(other), decoys=prompts if spec.decoys else ())


def _other_subjects(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold what should be one character or brand against another one."""
    if spec.references:
        return _other_references(rows, usable, make)
    if spec.subject in ("sample", "sequence"):
        return _other_pieces(spec, rows, usable, make)
    return _other_shots(rows, usable, make)


def _other_pieces(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put pieces of other sequences of the same system in the place of a sequence's own, one by one or all together."""
    for (system, suite), members in _groups(rows, usable, "system", "suite").items():
        pieces = _groups(rows, members, "sequence_id")
        names = sorted(pieces, key=lambda name: _by_hash((system, suite, name)))
        for n, name in enumerate(names):
            others = [pieces[other] for other in _others(names, n)]
            if spec.subject == "sequence" and others:
                images = [_file(rows[others[k % len(others)][0]]) for k in range(len(pieces[name]))]
                yield make(pieces[name], images=tuple(images))
            elif spec.subject == "sample":
                for i, other in itertools.product(pieces[name], others[:DECOYS]):
                    yield make([i], images=(_file(rows[other[0]]),))


def _other_references(rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
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
            target = _references(rows[i])
            strangers = (
                keys
                for keys in _others(sets, place[target])
                if not set(target) & set(keys) and not (characters[target] & characters[keys]) - {None}
            )
            for other in itertools.islice(strangers, DECOYS):
                yield make([i], references=other)


def _other_shots(rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Pair each shot with shots of other sequences of the same system and suite."""
    by_system: dict[tuple[Hashable, ...], dict[Hashable, list[int]]] = {}
    for members in _sequences(rows, usable):
        first = rows[members[0]]
        by_system.setdefault((first["system"], first["suite"]), {}).setdefault(first["sequence_id"], []).extend(members)
    for sequences in by_system.values():
        names = sorted(sequences, key=_by_hash)
        for n, name in enumerate(names):
            for step, stranger in enumerate(itertools.islice(_others(names, n), DECOYS), start=1):
                other = sequences[stranger]
                for k, shot in enumerate(sequences[name]):
                    yield make([shot, other[(k + step) % len(other)]])


def _other_texts(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold what was read in every picture against another expected text of its suite; nothing is read anew."""
    for (suite,), members in _groups(rows, usable, "suite").items():
        described_by = {text_of(rows[i]): i for i in reversed(members)}
        texts = sorted(described_by, key=lambda text: _by_hash((suite, text)))
        place = {text: n for n, text in enumerate(texts)}
        for i in members:
            for other in itertools.islice(_others(texts, place[text_of(rows[i])]), 1):
                yield make([i], described_by=described_by[other])


def _blanks(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put one grey rectangle in the place of the picture of every prompt; it is the same for all systems."""
    decoys = _prompts(rows, usable) if spec.decoys else {}
    for (suite, _), members in _groups(rows, usable, "suite", "prompt_id").items():
        yield make(members[:1], images=(ImageKey("blank", ""),), decoys=decoys.get(str(suite), ()))


def _other_items(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put another item's picture, or another story's pictures, of the same system in the place of the own."""
    if spec.subject == "sequence":
        return _other_stories(rows, usable, make)
    # An answer costs seconds, so one picture of a prompt is asked.
    asked = [members[0] for members in _groups(rows, usable, "suite", "prompt_id").values()] if spec.question else None
    return _other_samples(spec, rows, usable, asked, make)


def _other_stories(rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    by_system: dict[tuple[Hashable, ...], dict[Hashable, list[list[int]]]] = {}
    for shots in _sequences(rows, usable):
        first = rows[shots[0]]
        stories = by_system.setdefault((first["system"], first["suite"]), {})
        stories.setdefault(first["sequence_id"], []).append(shots)
    for key, stories in by_system.items():
        names = sorted(stories, key=lambda name: _by_hash((*key, name)))
        for n, name in enumerate(names):
            for shots, other in itertools.product(stories[name], itertools.islice(_others(names, n), DECOYS)):
                files = [_file(rows[i]) for i in stories[other][0]]
                yield make(shots, images=tuple(files[k % len(files)] for k in range(len(shots))))


def _other_samples(
    spec: MetricSpec, rows: Sequence[Row], usable: list[int], asked: Collection[int] | None, make: Make
) -> Iterator[Plan]:
    # Comparing pixels costs half a second a pair, comparing vectors nothing.
    most = 1 if spec.question or _uses(spec, "edit") else DECOYS
    # A picture that does what the words ask is no known-wrong answer to them, whatever it was made from.
    looks_at_words = bool(spec.question) or _uses(spec, "text")
    for (system, suite), members in _groups(rows, usable, "system", "suite").items():
        ordered = sorted(members, key=lambda i: _by_hash((system, suite, rows[i]["file_name"])))
        for n, i in enumerate(ordered):
            if asked is not None and i not in asked:
                continue
            references = set(_references(rows[i]))
            strangers = (
                other
                for other in _others(ordered, n)
                if rows[other]["prompt_id"] != rows[i]["prompt_id"]
                and not references & set(_references(rows[other]))
                and not (looks_at_words and rows[other]["prompt"] == rows[i]["prompt"])
            )
            for other in itertools.islice(strangers, most):
                yield make([i], images=(_file(rows[other]),))


def _other_seeds(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Pair images of two seeds that share system, prompt and repeat number."""
    for members in _groups(rows, usable, *_SEED_GROUP, "repeat").values():
        ordered = sorted(members, key=lambda i: rows[i]["seed"])
        yield from map(make, itertools.combinations(ordered, 2))


def _themselves(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold an image of every prompt that was repeated against itself."""
    repeated = [m[0] for m in _groups(rows, usable, *_SEED_GROUP, "seed").values() if len(m) > 1]
    return (make([members[0]] * 2) for members in _groups(rows, repeated, *_SEED_GROUP).values())


def _sources(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put the source in the place of every edited picture: it keeps everything and follows nothing."""
    return (make([i], images=_references(rows[i])[:1]) for i in usable)


def _renderings(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put a clean rendering of the same words in the place of every image."""
    return (make([i], images=(ImageKey("rendering", text_of(rows[i]), rows[i]["file_name"]),)) for i in usable)


def _next_steps(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put every picture of a sequence in the place of the step before it; steps with the same words are one step."""
    for members in _sequences(rows, usable):
        steps: dict[str, list[int]] = {}
        for i in members:
            steps.setdefault(rows[i]["prompt"], []).append(i)
        if len(steps) > 1:
            words = list(steps)
            following = {step: steps[words[(n + 1) % len(words)]] for n, step in enumerate(words)}
            places = [(i, steps[rows[i]["prompt"]].index(i)) for i in members]
            files = [_file(rows[(others := following[rows[i]["prompt"]])[n % len(others)]]) for i, n in places]
            yield make(members, images=tuple(files))


def _as_they_are(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Leave every picture where it is, for the control changes what is seen in it; nothing is encoded anew."""
    return map(make, _members(spec, rows, usable))


_ARRANGED: Mapping[Arrangement, Callable[[MetricSpec, Sequence[Row], list[int], Make], Iterator[Plan]]] = {
    "other_prompt": _other_prompts,
    "other_subject": _other_subjects,
    "other_text": _other_texts,
    "other_item": _other_items,
    "blank": _blanks,
    "other_seed": _other_seeds,
    "itself": _themselves,
    "source": _sources,
    "rendering": _renderings,
    "next_step": _next_steps,
    "as_it_is": _as_they_are,
}
