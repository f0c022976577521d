"""How controls re-arrange an image set: what is known to be wrong, or right, from its own pictures and words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence

from evals.scoring.grouping import (
    SEED_GROUP,
    by_hash,
    grouped,
    members_of,
    others_after,
    prompts_by_suite,
    sequences,
)
from evals.scoring.plans import ImageKey, Make, Plan, Row, picture_of, references_of, text_of, uses
from metrics.controls import Arrangement
from metrics.specification import MetricSpec, load_function

DECOYS = 5
"""How many other prompts, or impostor sequences, each subject is held against at most."""

FILLINGS = 3
"""How many pictures fill the mask of each edit: what comes of it is a new picture, which must be encoded."""


def _other_prompts(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold every image against prompts of its suite that were not its own, as if they were."""
    for suite, prompts in prompts_by_suite(rows, usable).items():
        place = {prompt: n for n, prompt in enumerate(prompts)}
        of_suite = [i for i in usable if rows[i]["suite"] == suite]
        questions = (
            {rows[i]["prompt"]: load_function(spec.question)(rows[i]) for i in of_suite} if spec.question else {}
        )
        # An answer costs seconds, a similarity nothing.
        most = 1 if spec.question else DECOYS
        for i in of_suite:
            for other in itertools.islice(others_after(prompts, place[rows[i]["prompt"]]), most):
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
    for (system, suite), members in grouped(rows, usable, "system", "suite").items():
        pieces = grouped(rows, members, "sequence_id")
        names = sorted(pieces, key=lambda name: by_hash((system, suite, name)))
        for n, name in enumerate(names):
            others = [pieces[other] for other in others_after(names, n)]
            if spec.subject == "sequence" and others:
                images = [picture_of(rows[others[k % len(others)][0]]) for k in range(len(pieces[name]))]
                yield make(pieces[name], images=tuple(images))
            elif spec.subject == "sample":
                for i, other in itertools.product(pieces[name], others[:DECOYS]):
                    yield make([i], images=(picture_of(rows[other[0]]),))


def _other_references(rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold every image against the references of other characters of its suite.

    Rows that share a sequence, or any reference picture, show the same character.
    """
    for (suite,), members in grouped(rows, usable, "suite").items():
        characters: dict[tuple[ImageKey, ...], set[Hashable]] = {}
        for i in members:
            characters.setdefault(references_of(rows[i]), set()).add(rows[i].get("sequence_id"))
        sets = sorted(characters, key=lambda keys: by_hash((suite, keys)))
        place = {keys: n for n, keys in enumerate(sets)}
        for i in members:
            target = references_of(rows[i])
            strangers = (
                keys
                for keys in others_after(sets, place[target])
                if not set(target) & set(keys) and not (characters[target] & characters[keys]) - {None}
            )
            for other in itertools.islice(strangers, DECOYS):
                yield make([i], references=other)


def _other_shots(rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Pair each shot with shots of other sequences of the same system and suite."""
    by_system: dict[tuple[Hashable, ...], dict[Hashable, list[int]]] = {}
    for members in sequences(rows, usable):
        first = rows[members[0]]
        by_system.setdefault((first["system"], first["suite"]), {}).setdefault(first["sequence_id"], []).extend(members)
    for stories in by_system.values():
        names = sorted(stories, key=by_hash)
        for n, name in enumerate(names):
            for step, stranger in enumerate(itertools.islice(others_after(names, n), DECOYS), start=1):
                other = stories[stranger]
                for k, shot in enumerate(stories[name]):
                    yield make([shot, other[(k + step) % len(other)]])


def _other_texts(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold what was read in every picture against another expected text of its suite; nothing is read anew."""
    for (suite,), members in grouped(rows, usable, "suite").items():
        described_by = {text_of(rows[i]): i for i in reversed(members)}
        texts = sorted(described_by, key=lambda text: by_hash((suite, text)))
        place = {text: n for n, text in enumerate(texts)}
        for i in members:
            for other in itertools.islice(others_after(texts, place[text_of(rows[i])]), DECOYS):
                yield make([i], described_by=described_by[other])


def _blanks(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put one grey rectangle in the place of the picture of every prompt; it is the same for all systems."""
    decoys = prompts_by_suite(rows, usable) if spec.decoys else {}
    for (suite, _), members in grouped(rows, usable, "suite", "prompt_id").items():
        yield make(members[:1], images=(ImageKey("blank", ""),), decoys=decoys.get(str(suite), ()))


def _other_items(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put another item's picture, or another story's pictures, of the same system in the place of the own."""
    if spec.subject == "sequence":
        return _other_stories(rows, usable, make)
    # An answer costs seconds, so one picture of a prompt is asked.
    asked = [members[0] for members in grouped(rows, usable, "suite", "prompt_id").values()] if spec.question else None
    return _other_samples(spec, rows, usable, asked, make)


def _other_stories(rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    by_system: dict[tuple[Hashable, ...], dict[Hashable, list[list[int]]]] = {}
    for shots in sequences(rows, usable):
        first = rows[shots[0]]
        stories = by_system.setdefault((first["system"], first["suite"]), {})
        stories.setdefault(first["sequence_id"], []).append(shots)
    for key, stories in by_system.items():
        names = sorted(stories, key=lambda name: by_hash((*key, name)))
        for n, name in enumerate(names):
            for shots, other in itertools.product(stories[name], itertools.islice(others_after(names, n), DECOYS)):
                files = [picture_of(rows[i]) for i in stories[other][0]]
                yield make(shots, images=tuple(files[k % len(files)] for k in range(len(shots))))


def _other_samples(
    spec: MetricSpec, rows: Sequence[Row], usable: list[int], asked: Collection[int] | None, make: Make
) -> Iterator[Plan]:
    # Comparing pixels costs half a second a pair, comparing vectors nothing.
    most = 1 if spec.question or uses(spec, "edit") else DECOYS
    for i, other in _strangers(spec, rows, usable, most):
        if asked is None or i in asked:
            yield make([i], images=(picture_of(rows[other]),))


def _fillings(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Fill the mask of every source with another item's picture of the same system."""
    for i, other in _strangers(spec, rows, usable, FILLINGS):
        if rows[i].get("mask"):
            yield make([i], images=(_filled(rows[i], rows[other]["file_name"]),))


def _grey_fillings(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Fill the mask of the source of every prompt with grey; it is the same for all systems."""
    masked = [i for i in usable if rows[i].get("mask")]
    for members in grouped(rows, masked, "suite", "prompt_id").values():
        yield make(members[:1], images=(_filled(rows[members[0]]),))


def _filled(row: Row, filling: str = "") -> ImageKey:
    return ImageKey("filled", row["reference_images"][0], mask=row["mask"], filling=filling)


def _strangers(spec: MetricSpec, rows: Sequence[Row], usable: list[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield every picture with others of its system and suite that do nothing of what is asked of it."""
    # A picture that does what the words ask is no known-wrong answer to them, whatever it was made from.
    looks_at_words = bool(spec.question) or uses(spec, "text")
    for (system, suite), members in grouped(rows, usable, "system", "suite").items():
        ordered = sorted(members, key=lambda i: by_hash((system, suite, rows[i]["file_name"])))
        for n, i in enumerate(ordered):
            references = set(references_of(rows[i]))
            strangers = (
                other
                for other in others_after(ordered, n)
                if rows[other]["prompt_id"] != rows[i]["prompt_id"]
                and not references & set(references_of(rows[other]))
                and not (looks_at_words and rows[other]["prompt"] == rows[i]["prompt"])
            )
            yield from ((i, other) for other in itertools.islice(strangers, most))


def _other_seeds(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Pair images of two seeds that share system, prompt and repeat number."""
    for members in grouped(rows, usable, *SEED_GROUP, "repeat").values():
        ordered = sorted(members, key=lambda i: rows[i]["seed"])
        yield from map(make, itertools.combinations(ordered, 2))


def _themselves(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Hold an image of every prompt that was repeated against itself."""
    repeated = [m[0] for m in grouped(rows, usable, *SEED_GROUP, "seed").values() if len(m) > 1]
    return (make([members[0]] * 2) for members in grouped(rows, repeated, *SEED_GROUP).values())


def _sources(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put the source in the place of every edited picture: it keeps everything and follows nothing."""
    return (make([i], images=references_of(rows[i])[:1]) for i in usable)


def _renderings(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put a clean rendering of the same words in the place of every image."""
    return (make([i], images=(ImageKey("rendering", text_of(rows[i]), rows[i]["file_name"]),)) for i in usable)


def _next_steps(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Put every picture of a sequence in the place of the step before it; steps with the same words are one step."""
    for members in sequences(rows, usable):
        steps: dict[str, list[int]] = {}
        for i in members:
            steps.setdefault(rows[i]["prompt"], []).append(i)
        if len(steps) > 1:
            words = list(steps)
            following = {step: steps[words[(n + 1) % len(words)]] for n, step in enumerate(words)}
            places = [(i, steps[rows[i]["prompt"]].index(i)) for i in members]
            files = [picture_of(rows[(others := following[rows[i]["prompt"]])[n % len(others)]]) for i, n in places]
            yield make(members, images=tuple(files))


def _as_they_are(spec: MetricSpec, rows: Sequence[Row], usable: list[int], make: Make) -> Iterator[Plan]:
    """Leave every picture where it is, for the control changes what is seen in it; nothing is encoded anew."""
    return map(make, members_of(spec, rows, usable))


ARRANGED: Mapping[Arrangement, Callable[[MetricSpec, Sequence[Row], list[int], Make], Iterator[Plan]]] = {
    "other_prompt": _other_prompts,
    "other_subject": _other_subjects,
    "other_text": _other_texts,
    "other_item": _other_items,
    "blank": _blanks,
    "filled": _fillings,
    "filled_with_grey": _grey_fillings,
    "other_seed": _other_seeds,
    "itself": _themselves,
    "source": _sources,
    "rendering": _renderings,
    "next_step": _next_steps,
    "as_it_is": _as_they_are,
}
