"""What a simulated system makes of a prompt item: the scripted defects, applied before anything is drawn."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import replace

from evals.definition import Defect, SimulatedSystem
from evals.drawing.pictograms import PICTOGRAMS
from evals.drawing.randomness import generator
from evals.suites import PromptItem, SceneObject

# Pairs that a text engine may take for each other would make a misspelling invisible.
_UNLIKE: dict[str, str] = {
    **dict(zip(string.ascii_uppercase, "XKTXMXKMRMXTXXXKXKXXXXKHXK", strict=True)),
    **dict(zip(string.digits, "4857284359", strict=True)),
}


def defects_of(item: PromptItem, system: SimulatedSystem) -> tuple[Defect, ...]:
    """Return the defects that a system shows in an item."""
    return tuple(
        defect
        for defect in system.defects
        if defect.suite == item.suite and (not defect.items or item.id in defect.items)
    )


def has_defect(item: PromptItem, system: SimulatedSystem, does: str) -> bool:
    """Return whether the script lets a system do one thing wrong in an item."""
    return any(defect.does == does for defect in defects_of(item, system))


def as_understood(item: PromptItem, system: SimulatedSystem, characters: Sequence[str] = ()) -> PromptItem:
    """Return the item as the system will draw it: letters, things and the person changed where the script says so.

    ``characters`` are all sequence ids of the suite, in order; another face is that of the next one.
    """
    for defect in defects_of(item, system):
        if defect.does == "misspell":
            item = replace(item, expected_text=misspelt(item.expected_text, defect.characters, item.id))
        elif defect.does == "drop_object":
            # The last thing goes, or one of several of the same kind; a single one leaves the scene empty.
            item = replace(item, objects=item.objects[:-1])
        elif defect.does == "swap_object":
            item = replace(item, objects=(*item.objects[:-1], _another(item)))
        elif defect.does == "other_face" and item.sequence_id in characters:
            place = characters.index(item.sequence_id)
            item = replace(item, sequence_id=characters[(place + 1) % len(characters)])
    return item


def misspelt(lines: Sequence[str], characters: int, item_id: str) -> tuple[str, ...]:
    """Return the lines with that many letters wrong: the first exchanged, the next lost, and so on in turn.

    No letter is added and no two wrong letters stand side by side, so the character error rate is
    ``characters / letters`` and nothing counts as inserted.

    Examples
    --------
    >>> misspelt(["OPEN"], 1, "x")
    ('OKEN',)
    """
    places = [(i, j) for i, line in enumerate(lines) for j, letter in enumerate(line) if letter in _UNLIKE]
    random = generator("misspelt", item_id)
    wrong: list[tuple[int, int]] = []
    for index in random.permutation(len(places)):
        row, column = places[int(index)]
        if len(wrong) < characters and all(row != i or abs(column - j) > 1 for i, j in wrong):
            wrong.append((row, column))
    changed = [list(line) for line in lines]
    for number, (row, column) in enumerate(wrong):
        changed[row][column] = _UNLIKE[changed[row][column]] if number % 2 == 0 else ""
    return tuple("".join(line) for line in changed)


def _another(item: PromptItem) -> SceneObject:
    present = {scene_object.name for scene_object in item.objects}
    others = [name for name, pictogram in PICTOGRAMS.items() if name not in present and not pictogram.label]
    old = item.objects[-1]
    name = others[int(generator("another", item.id).integers(len(others)))]
    return SceneObject(name, old.count, None, old.position)
