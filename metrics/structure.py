"""Scene structure: does a picture hold the things that were asked for, as many, so coloured and so arranged?

The rules are those of GenEval (Ghosh et al. 2023) over the boxes of an open-vocabulary detector. All of them read the
row's ``objects`` (``name``, and optionally ``count``, ``colour``, ``position``), ``absent`` (names) and ``relations``
(``first``, ``relation``, ``second``), and the feature ``detections`` of the image, which answers :func:`phrases_of`.
Materials are not checked: no box shows them.

Every measurement's ``details`` carries ``reasons`` (a sentence for each expectation that does not hold), ``notes``
(what could not be decided, and why), ``n_expected`` (how many could), ``detections`` (what was counted as detected),
``threshold``, and ``sensitivity``: the value at each of ``THRESHOLDS``, because counts depend on it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrics.encoders.colour_names import ANCHORS
from metrics.encoders.detector import Detection, box_in_pixels, without_duplicates
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored

THRESHOLD = 0.3
"""What scores at least this is seen. GenEval's for presence; its 0.9 for counting is of a closed-vocabulary network
whose scores crowd near 1, which those of open-vocabulary ones (VISOR takes OWL-ViT at 0.1) seldom do."""

THRESHOLDS = (0.2, 0.3, 0.4, 0.5)

MARGIN = 0.1
"""GenEval's: this share of the sum of the two extents is taken off an offset before it counts as one."""

SECTOR = 0.5
"""GenEval's: a relation holds from this component of the normalised offset on, so neighbouring ones overlap."""

RELATIONS = ("left of", "right of", "above", "below")
"""What can be decided from boxes; in front of, behind, inside and on cannot."""

POSITIONS = ("left", "right", "top", "bottom", "centre")

Row = Mapping[str, Any]
Detected = Mapping[str, Sequence[Detection]]
"""What was detected, by phrase, the highest score first."""


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
    return "\n".join(sorted({_normalised(name) for name in [*objects, *(row.get("absent") or ()), *related]}))


def changes_in_mirror(row: Row, columns: Collection[str]) -> bool:
    """Tell whether a row asks for a side: a relation to the left or right, or (without ``relations``) such a position.

    Only then is the mirror image (:func:`metrics.encoders.detector.mirrored`) a control: there, what holds fails.

    Examples
    --------
    >>> changes_in_mirror({"relations": [{"first": "cup", "relation": "left of", "second": "plate"}]}, ["relations"])
    True
    """
    of_relations = ("relations", "relation", RELATIONS[:2])
    column, key, sides = of_relations if "relations" in columns else ("objects", "position", POSITIONS[:2])
    return any(each.get(key) and _normalised(each[key]) in sides for each in row.get(column) or ())


@dataclass(frozen=True, slots=True)
class _Check:
    """One expectation: whether it holds (None: nobody can tell), in words, and by how many things it is off."""

    holds: bool | None
    sentence: str
    off_by: int = 0
    forbids: bool = False


Checks = Callable[[Row, Detected], list[_Check]]


@measured_one_by_one
def objects(subject: Subject) -> Measurement:
    """Measure the share of the expected objects that are seen at all, less one object for each absent thing seen.

    ``max(0, present - intruders) / objects``: an absent thing that stays away earns nothing, so a blank picture is 0.
    """

    def share(checks: Sequence[_Check]) -> float:
        present = [bool(check.holds) for check in checks if not check.forbids]
        intruders = sum(not check.holds for check in checks if check.forbids)
        return max(0, sum(present) - intruders) / len(present)

    return _measure(subject, _presence, share, "no_checkable_object")


@measured_one_by_one
def counts(subject: Subject) -> Measurement:
    """Measure the share of the expected objects that are seen exactly as often as asked for.

    An object without a count is asked for once; one that is listed twice, in two colours, is asked for with the sum.
    Stricter than GenEval with single things, of which it takes any number. ``details["mean_absolute_error"]`` is the
    mean difference between seen and expected, in things.
    """

    def error(checks: Sequence[_Check]) -> dict[str, float]:
        return {"mean_absolute_error": float(np.mean([check.off_by for check in checks]))}

    return _measure(subject, _counts, _share, "no_checkable_object", error)


@measured_one_by_one
def colours(subject: Subject) -> Measurement:
    """Measure the share of the expected colours that are seen on their objects.

    The colour of an object is the basic colour term of the middle of its box (see ``metrics.encoders.colour_names``).
    That is ours: GenEval asks CLIP about the crop, which needs a second model and is as fond of a typical colour (a
    yellow banana) as of the one in the picture. Of an object that is asked for n times, n things of that colour must
    be seen, or all of them where fewer are seen: too few is a wrong count, not a wrong colour. None seen is a miss.

    Reason: ``no_checkable_colour`` where no object is asked for in one of the eleven basic colours.
    """
    return _measure(subject, _colours, _share, "no_checkable_colour")


@measured_one_by_one
def relations(subject: Subject) -> Measurement:
    """Measure the share of the expected relations that hold, as :func:`relations_between`.

    As in GenEval a relation holds if it does for every pair of the best-scoring things, as many of each as were asked
    for; a thing that is missing is a miss. What boxes cannot tell (``in front of``, ``behind``, ``inside``, ``on``, and
    relations between things of one name) is left out with a note. Reason: ``no_checkable_relation`` where nothing is
    left.
    """
    return _measure(subject, _relations, _share, "no_checkable_relation")


@measured_one_by_one
def positions(subject: Subject) -> Measurement:
    """Measure the share of the expected positions in the picture that are kept.

    The centre of the box lies in the left, right, upper or lower half, or, for ``centre``, in the middle third of width
    and height; for every one of the best-scoring things, as many as were asked for. Ours: GenEval has no such task.
    Reason: ``no_checkable_position`` where none is asked for.
    """
    return _measure(subject, _positions, _share, "no_checkable_position")


@measured_one_by_one
def everything(subject: Subject) -> Measurement:
    """Measure whether all that is expected holds, 1 or 0: GenEval's correctness of a picture.

    Objects, absent things, counts, colours, relations and positions together. As in GenEval an object that is asked
    for once may be there more often; a larger count is exact.
    """

    def every_check(row: Row, detected: Detected) -> list[_Check]:
        several = {name for name, count in _expected_counts(row).items() if count > 1}
        exact = [check for name, check in _count_checks(row, detected).items() if name in several]
        others = (rule(row, detected) for rule in (_colours, _relations, _positions))
        return [*_presence(row, detected), *exact, *itertools.chain(*others)]

    def all_hold(checks: Sequence[_Check]) -> float:
        return float(_share(checks) == 1)

    return _measure(subject, every_check, all_hold, "no_checkable_object")


def _measure(
    subject: Subject,
    checks_of: Checks,
    value_of: Callable[[Sequence[_Check]], float],
    reason: str,
    further_details: Callable[[Sequence[_Check]], Mapping[str, Any]] = lambda checks: {},
) -> Measurement:
    # what suppresses a detection scores more, so leaving out low scores after it is the same as before it, and once
    detections = without_duplicates(
        [each for each in subject.images[0]["detections"] if each["score"] >= min(THRESHOLDS)]
    )

    def checks_at(threshold: float) -> list[_Check]:
        detected: dict[str, list[Detection]] = {}
        for detection in detections:
            if detection["score"] >= threshold:
                detected.setdefault(detection["phrase"], []).append(detection)
        return checks_of(subject.rows[0], detected)

    def decidable(checks: Sequence[_Check]) -> list[_Check]:
        return [check for check in checks if check.holds is not None]

    notes = [check.sentence for check in checks_at(THRESHOLD) if check.holds is None]
    checks = decidable(checks_at(THRESHOLD))
    if all(check.forbids for check in checks):
        return unscored(subject, reason, notes=notes)
    return scored(
        subject,
        value_of(checks),
        reasons=list(dict.fromkeys(check.sentence for check in checks if not check.holds)),
        notes=notes,
        n_expected=len(checks),
        threshold=THRESHOLD,
        sensitivity={str(threshold): value_of(decidable(checks_at(threshold))) for threshold in THRESHOLDS},
        detections=[
            {key: detection[key] for key in ("phrase", "score", "box")}
            for detection in detections
            if detection["score"] >= THRESHOLD
        ],
        **further_details(checks),
    )


def _share(checks: Sequence[_Check]) -> float:
    return float(np.mean([bool(check.holds) for check in checks]))


def _presence(row: Row, detected: Detected) -> list[_Check]:
    present = [
        _Check(bool(detected.get(name)), f"expected {_pluralised(1, name)}, found none")
        for name in _expected_counts(row)
    ]
    absent = [
        _Check(not detected.get(name), f"expected no {name}, found {len(detected.get(name, ()))}", forbids=True)
        for name in dict.fromkeys(map(_normalised, row.get("absent") or ()))
    ]
    return [*present, *absent]


def _counts(row: Row, detected: Detected) -> list[_Check]:
    return list(_count_checks(row, detected).values())


def _count_checks(row: Row, detected: Detected) -> dict[str, _Check]:
    checks = {}
    for name, count in _expected_counts(row).items():
        number = len(detected.get(name, ()))
        sentence = f"expected {_pluralised(count, name)}, found {number or 'none'}"
        checks[name] = _Check(number == count, sentence, abs(number - count))
    return checks


def _colours(row: Row, detected: Detected) -> list[_Check]:
    checks = []
    for thing in row.get("objects") or ():
        name, count, colour = _normalised(thing["name"]), _count(thing), _colour(thing)
        if colour is None:
            continue
        if colour not in ANCHORS:
            checks.append(_Check(None, f"{colour} is none of the eleven basic colours"))
            continue
        shown = Counter(detection["colour"]["name"] for detection in detected.get(name, ()))
        holds = shown[colour] >= min(count, shown.total()) > 0
        what = ", ".join(f"{number} {other}" for other, number in shown.most_common()) or "none"
        checks.append(_Check(holds, f"expected {_pluralised(count, f'{colour} {name}')}, found {what}"))
    return checks


def _relations(row: Row, detected: Detected) -> list[_Check]:
    return [_relation(row, detected, expected) for expected in row.get("relations") or ()]


def _relation(row: Row, detected: Detected, expected: Mapping[str, str]) -> _Check:
    first, relation, second = (_normalised(expected[key]) for key in ("first", "relation", "second"))
    sentence = f"{first} {relation} {second}"
    if relation not in RELATIONS:
        return _Check(None, f"{sentence}: cannot be decided from boxes")
    if first == second:
        return _Check(None, f"{sentence}: the two share a name, so nobody can tell which is which")
    firsts, seconds = _best_named(row, detected, first), _best_named(row, detected, second)
    if not firsts or not seconds:
        missing = " and ".join(f"no {name}" for name, things in ((first, firsts), (second, seconds)) if not things)
        return _Check(False, f"expected {sentence}, found {missing}")
    ways = [relations_between(box_in_pixels(a), box_in_pixels(b)) for a in firsts for b in seconds]
    wrong = next((way for way in ways if relation not in way), set())
    sides = " and ".join(sorted(wrong)) or "neither side clearly"
    return _Check(all(relation in way for way in ways), f"expected {sentence}, found {sides}")


def relations_between(first: Sequence[float], second: Sequence[float]) -> set[str]:
    r"""Return how the first box lies to the second, by the rule of GenEval (Ghosh et al. 2023).

    .. math:: d = c_1 - c_2, \quad r = \operatorname{sign}(d) \max(|d| - 0.1\,(s_1 + s_2), 0) / \lVert d \rVert

    with the centres c and extents s of the boxes. A component of r beyond 0.5 is a relation: up to two of them, on a
    diagonal, or none for boxes that share a place. Boxes are ``[x0, y0, x1, y1]``, y downwards, in pixels or any other
    unit that both axes share; fractions of width and height are none, unless the picture is square.

    Examples
    --------
    >>> relations_between([0, 0, 100, 100], [200, 0, 300, 100])
    {'left of'}
    """
    a, b = np.reshape(first, (2, 2)).astype(np.float64), np.reshape(second, (2, 2)).astype(np.float64)
    offset = a.mean(axis=0) - b.mean(axis=0)
    distance = float(np.linalg.norm(offset))
    if distance == 0:
        return set()
    margin = MARGIN * (np.ptp(a, axis=0) + np.ptp(b, axis=0))
    x, y = np.sign(offset) * np.maximum(np.abs(offset) - margin, 0) / distance
    holds = (x < -SECTOR, x > SECTOR, y < -SECTOR, y > SECTOR)
    return {relation for relation, is_so in zip(RELATIONS, holds, strict=True) if is_so}


def _positions(row: Row, detected: Detected) -> list[_Check]:
    checks = []
    for thing in row.get("objects") or ():
        if not thing.get("position"):
            continue
        name, position = _normalised(thing["name"]), _normalised(thing["position"])
        if position not in POSITIONS:
            checks.append(_Check(None, f"{position} is none of {', '.join(POSITIONS)}"))
            continue
        boxes = [detection["box"] for detection in _best_of_object(row, detected, thing)]
        centres = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]
        astray = [centre for centre in centres if not _lies(position, *centre)]
        x, y = (astray or [(0.0, 0.0)])[0]
        there = f"it at {x:.0%} of the width, {y:.0%} of the height" if centres else "none"
        where = "in the centre" if position == "centre" else f"at the {position}"
        checks.append(_Check(bool(centres) and not astray, f"expected {name} {where}, found {there}"))
    return checks


def _lies(position: str, x: float, y: float) -> bool:
    sides = {"left": x < 0.5, "right": x > 0.5, "top": y < 0.5, "bottom": y > 0.5}
    return sides.get(position, max(abs(x - 0.5), abs(y - 0.5)) <= 1 / 6)


def _expected_counts(row: Row) -> dict[str, int]:
    expected: dict[str, int] = {}
    for thing in row.get("objects") or ():
        name = _normalised(thing["name"])
        expected[name] = expected.get(name, 0) + _count(thing)
    return expected


def _best_named(row: Row, detected: Detected, name: str) -> Sequence[Detection]:
    return detected.get(name, ())[: _expected_counts(row).get(name, 1)]


def _best_of_object(row: Row, detected: Detected, thing: Mapping[str, Any]) -> Sequence[Detection]:
    """Return the best-scoring things that an object stands for: by its colour too, where others share its name."""
    name, colour = _normalised(thing["name"]), _colour(thing)
    detections = detected.get(name, ())
    if colour and sum(_normalised(other["name"]) == name for other in row["objects"]) > 1:
        detections = [detection for detection in detections if detection["colour"]["name"] == colour]
    return detections[: _count(thing)]


def _colour(thing: Mapping[str, Any]) -> str | None:
    return _normalised(thing["colour"]).replace("gray", "grey") if thing.get("colour") else None


def _count(thing: Mapping[str, Any]) -> int:
    # a table of rows has every column in every object, null where the suite says nothing
    return int(thing.get("count") or 1)


def _normalised(words: str) -> str:
    return " ".join(words.lower().split())


def _pluralised(count: int, name: str) -> str:
    """Return so many things in words, with the plural of most English nouns."""
    if count == 1 or (name.endswith("s") and not name.endswith(("ss", "us"))):
        return f"{count} {name}"
    if name.endswith(("ss", "us", "x", "ch", "sh")):
        return f"{count} {name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{count} {name[:-1]}ies"
    return f"{count} {name}s"
