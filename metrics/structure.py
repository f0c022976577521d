"""Scene structure: does a picture hold the things that were asked for, as many, so coloured and so arranged?

The rules are those of GenEval (Ghosh et al. 2023) over the boxes of an open-vocabulary detector. All of them read the
row's ``objects`` (``name``, and optionally ``count``, ``colour``, ``position``), ``absent`` (names) and ``relations``
(``first``, ``relation``, ``second``), and the feature ``detections`` of the image, which answers :func:`phrases_of`.
Materials are not checked: no box shows them.

Every measurement's ``details`` carries ``reasons`` (a sentence for each expectation that does not hold), ``notes``
(what could not be decided, and why), ``n_expected`` (how many could), ``detections`` (what was counted as seen),
``threshold``, and ``sensitivity``: the value at each of ``THRESHOLDS``, because counts depend on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from metrics.boxes import RELATIONS, relations_between, without_duplicates
from metrics.encoders.colour_names import ANCHORS
from metrics.encoders.detector import Detection
from metrics.measurement import Measurement, Subject, scored, unscored

THRESHOLD = 0.3
"""What scores at least this is seen. GenEval's for presence; its 0.9 for counting is of a closed-vocabulary network
whose scores crowd near 1, which those of open-vocabulary ones (VISOR takes OWL-ViT at 0.1) seldom do."""

THRESHOLDS = (0.2, 0.3, 0.4, 0.5)

POSITIONS = ("left", "right", "top", "bottom", "centre")

Row = Mapping[str, Any]
Seen = Mapping[str, Sequence[Detection]]
"""What was seen, by phrase, the highest score first."""


def phrases_of(row: Row) -> str:
    """Return what a detector is asked for: every thing that a row names, lower-case and sorted, one a line.

    Colours are not part of it: a detector that is asked for a blue book finds the red one too, or neither.

    Examples
    --------
    >>> phrases_of({"objects": [{"name": "Plate"}, {"name": "cup", "count": 2}], "absent": ["fork"]})
    'cup\\nfork\\nplate'
    """
    objects = [thing["name"] for thing in row.get("objects") or ()]
    related = [each[end] for each in row.get("relations") or () for end in ("first", "second")]
    return "\n".join(sorted({_plain(name) for name in [*objects, *(row.get("absent") or ()), *related]}))


def changes_in_mirror(row: Row, column: Literal["relations", "objects"]) -> bool:
    """Tell whether a row asks for a side: a relation to the left or right, or (``objects``) such a position.

    Only then is the mirror image (:func:`metrics.boxes.mirrored`) a control: there, what holds fails.

    Examples
    --------
    >>> changes_in_mirror({"relations": [{"first": "cup", "relation": "left of", "second": "plate"}]}, "relations")
    True
    """
    key, sides = ("relation", RELATIONS[:2]) if column == "relations" else ("position", POSITIONS[:2])
    return any(each.get(key) and _plain(each[key]) in sides for each in row.get(column) or ())


@dataclass(frozen=True, slots=True)
class _Check:
    """One expectation: whether it holds (None: nobody can tell), in words, and by how many things it is off."""

    holds: bool | None
    words: str
    off_by: int = 0
    forbids: bool = False


Checks = Callable[[Row, Seen], list[_Check]]


def objects(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure the share of the expected objects that are seen at all, less one object for each absent thing seen.

    ``max(0, present - intruders) / objects``: an absent thing that stays away earns nothing, so a blank picture is 0.
    """

    def share(checks: Sequence[_Check]) -> float:
        asked = [check for check in checks if not check.forbids]
        intruders = sum(not check.holds for check in checks if check.forbids)
        return max(0, sum(bool(check.holds) for check in asked) - intruders) / len(asked)

    return [_measure(subject, _presence, share, "no_checkable_object") for subject in subjects]


def counts(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure the share of the expected objects that are seen exactly as often as asked for.

    An object without a count is asked for once; one that is listed twice, in two colours, is asked for with the sum.
    Stricter than GenEval with single things, of which it takes any number. ``details["mean_absolute_error"]`` is the
    mean difference between seen and expected, in things.
    """

    def error(checks: Sequence[_Check]) -> dict[str, float]:
        return {"mean_absolute_error": float(np.mean([check.off_by for check in checks]))}

    return [_measure(subject, _counts, _share, "no_checkable_object", error) for subject in subjects]


def colours(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure the share of the expected colours that are seen on their objects.

    The colour of an object is the basic colour term of the middle of its box (see ``metrics.encoders.colour_names``).
    That is ours: GenEval asks CLIP about the crop, which needs a second model and is as fond of a typical colour (a
    yellow banana) as of the one in the picture. Of an object that is asked for n times, n things of that colour must
    be seen, or all of them where fewer are seen: too few is a wrong count, not a wrong colour. None seen is a miss.

    Reason: ``no_checkable_colour`` where no object is asked for in one of the eleven basic colours.
    """
    return [_measure(subject, _colours, _share, "no_checkable_colour") for subject in subjects]


def relations(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure the share of the expected relations that hold, as :func:`metrics.boxes.relations_between`.

    As in GenEval a relation holds if it does for every pair of the best-scoring things, as many of each as were asked
    for; a thing that is missing is a miss. What boxes cannot tell (``in front of``, ``behind``, ``inside``, ``on``, and
    relations between things of one name) is left out with a note. Reason: ``no_checkable_relation`` where nothing is
    left.
    """
    return [_measure(subject, _relations, _share, "no_checkable_relation") for subject in subjects]


def positions(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure the share of the expected positions in the picture that are kept.

    The centre of the box lies in the left, right, upper or lower half, or, for ``centre``, in the middle third of width
    and height; for every one of the best-scoring things, as many as were asked for. Ours: GenEval has no such task.
    Reason: ``no_checkable_position`` where none is asked for.
    """
    return [_measure(subject, _positions, _share, "no_checkable_position") for subject in subjects]


def everything(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure whether all that is expected holds, 1 or 0: GenEval's correctness of a picture.

    Objects, absent things, counts, colours, relations and positions together. As in GenEval an object that is asked
    for once may be there more often; a larger count is exact.
    """

    def checks(row: Row, seen: Seen) -> list[_Check]:
        several = {name for name, count in _expected_counts(row).items() if count > 1}
        exact = [check for name, check in _count_checks(row, seen).items() if name in several]
        return [*_presence(row, seen), *exact, *_colours(row, seen), *_relations(row, seen), *_positions(row, seen)]

    return [
        _measure(subject, checks, lambda found: float(_share(found) == 1), "no_checkable_object")
        for subject in subjects
    ]


def _measure(
    subject: Subject,
    checks_of: Checks,
    value_of: Callable[[Sequence[_Check]], float],
    reason: str,
    more: Callable[[Sequence[_Check]], Mapping[str, Any]] = lambda checks: {},
) -> Measurement:
    # what suppresses a detection scores more, so leaving out low scores after it is the same as before it, and once
    found = without_duplicates([one for one in subject.images[0]["detections"] if one["score"] >= min(THRESHOLDS)])

    def at(threshold: float) -> list[_Check]:
        return checks_of(subject.rows[0], _by_phrase(found, threshold))

    def decided(threshold: float) -> list[_Check]:
        return [check for check in at(threshold) if check.holds is not None]

    notes = [check.words for check in at(THRESHOLD) if check.holds is None]
    checks = decided(THRESHOLD)
    if not any(not check.forbids for check in checks):
        return unscored(subject, reason, notes=notes)
    return scored(
        subject,
        value_of(checks),
        reasons=list(dict.fromkeys(check.words for check in checks if not check.holds)),
        notes=notes,
        n_expected=len(checks),
        threshold=THRESHOLD,
        sensitivity={str(threshold): value_of(decided(threshold)) for threshold in THRESHOLDS},
        detections=[
            {"phrase": one["phrase"], "score": one["score"], "box": one["box"]}
            for one in found
            if one["score"] >= THRESHOLD
        ],
        **more(checks),
    )


def _share(checks: Sequence[_Check]) -> float:
    return float(np.mean([bool(check.holds) for check in checks]))


def _by_phrase(detections: Sequence[Detection], threshold: float) -> dict[str, list[Detection]]:
    seen: dict[str, list[Detection]] = {}
    for one in detections:
        if one["score"] >= threshold:
            seen.setdefault(one["phrase"], []).append(one)
    return seen


def _presence(row: Row, seen: Seen) -> list[_Check]:
    asked = [
        _Check(bool(seen.get(name)), f"expected {_several(1, name)}, found none") for name in _expected_counts(row)
    ]
    unwanted = [
        _Check(not seen.get(name), f"expected no {name}, found {len(seen.get(name, ()))}", forbids=True)
        for name in dict.fromkeys(map(_plain, row.get("absent") or ()))
    ]
    return [*asked, *unwanted]


def _counts(row: Row, seen: Seen) -> list[_Check]:
    return list(_count_checks(row, seen).values())


def _count_checks(row: Row, seen: Seen) -> dict[str, _Check]:
    checks = {}
    for name, count in _expected_counts(row).items():
        found = len(seen.get(name, ()))
        words = f"expected {_several(count, name)}, found {found or 'none'}"
        checks[name] = _Check(found == count, words, abs(found - count))
    return checks


def _colours(row: Row, seen: Seen) -> list[_Check]:
    checks = []
    for thing in row.get("objects") or ():
        name, count, colour = _plain(thing["name"]), _count(thing), _colour(thing)
        if colour is None:
            continue
        if colour not in ANCHORS:
            checks.append(_Check(None, f"{colour} is none of the eleven basic colours"))
            continue
        found = Counter(one["colour"]["name"] for one in seen.get(name, ()))
        holds = found[colour] >= min(count, found.total()) > 0
        what = ", ".join(f"{number} {other}" for other, number in found.most_common()) or "none"
        checks.append(_Check(holds, f"expected {_several(count, f'{colour} {name}')}, found {what}"))
    return checks


def _relations(row: Row, seen: Seen) -> list[_Check]:
    return [_relation(row, seen, each) for each in row.get("relations") or ()]


def _relation(row: Row, seen: Seen, asked: Mapping[str, str]) -> _Check:
    first, relation, second = (_plain(asked[key]) for key in ("first", "relation", "second"))
    words = f"{first} {relation} {second}"
    if relation not in RELATIONS:
        return _Check(None, f"{words}: cannot be decided from boxes")
    if first == second:
        return _Check(None, f"{words}: the two share a name, so nobody can tell which is which")
    ones, others = _foremost(row, seen, first), _foremost(row, seen, second)
    if not ones or not others:
        missing = " and ".join(f"no {name}" for name, things in ((first, ones), (second, others)) if not things)
        return _Check(False, f"expected {words}, found {missing}")
    ways = [relations_between(one["box"], other["box"]) for one in ones for other in others]
    wrong = next((way for way in ways if relation not in way), set())
    found = " and ".join(sorted(wrong)) or "neither side clearly"
    return _Check(all(relation in way for way in ways), f"expected {words}, found {found}")


def _positions(row: Row, seen: Seen) -> list[_Check]:
    checks = []
    for thing in row.get("objects") or ():
        if not thing.get("position"):
            continue
        name, position = _plain(thing["name"]), _plain(thing["position"])
        if position not in POSITIONS:
            checks.append(_Check(None, f"{position} is none of {', '.join(POSITIONS)}"))
            continue
        boxes = [one["box"] for one in _meant(row, seen, thing)]
        centres = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]
        astray = [centre for centre in centres if not _lies(position, *centre)]
        x, y = (astray or [(0.0, 0.0)])[0]
        found = f"it at {x:.0%} of the width, {y:.0%} of the height" if centres else "none"
        where = "in the centre" if position == "centre" else f"at the {position}"
        checks.append(_Check(bool(centres) and not astray, f"expected {name} {where}, found {found}"))
    return checks


def _lies(position: str, x: float, y: float) -> bool:
    sides = {"left": x < 0.5, "right": x > 0.5, "top": y < 0.5, "bottom": y > 0.5}
    return sides.get(position, max(abs(x - 0.5), abs(y - 0.5)) <= 1 / 6)


def _expected_counts(row: Row) -> dict[str, int]:
    expected: dict[str, int] = {}
    for thing in row.get("objects") or ():
        name = _plain(thing["name"])
        expected[name] = expected.get(name, 0) + _count(thing)
    return expected


def _foremost(row: Row, seen: Seen, name: str) -> Sequence[Detection]:
    """Return the best-scoring things of a name, as many as are asked for."""
    return seen.get(name, ())[: _expected_counts(row).get(name, 1)]


def _meant(row: Row, seen: Seen, thing: Mapping[str, Any]) -> Sequence[Detection]:
    """Return the best-scoring things that an object stands for: by its colour too, where others share its name."""
    name, colour = _plain(thing["name"]), _colour(thing)
    found = seen.get(name, ())
    if colour and sum(_plain(other["name"]) == name for other in row["objects"]) > 1:
        found = [one for one in found if one["colour"]["name"] == colour]
    return found[: _count(thing)]


def _colour(thing: Mapping[str, Any]) -> str | None:
    return _plain(thing["colour"]).replace("gray", "grey") if thing.get("colour") else None


def _count(thing: Mapping[str, Any]) -> int:
    # a table of rows has every column in every object, null where the suite says nothing
    return int(thing.get("count") or 1)


def _plain(words: str) -> str:
    return " ".join(words.lower().split())


def _several(count: int, name: str) -> str:
    """Return so many things in words, with the plural of most English nouns."""
    if count == 1 or (name.endswith("s") and not name.endswith(("ss", "us"))):
        return f"{count} {name}"
    if name.endswith(("ss", "us", "x", "ch", "sh")):
        return f"{count} {name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{count} {name[:-1]}ies"
    return f"{count} {name}s"
