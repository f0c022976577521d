"""What a text engine read against what was asked for, line by line, with the differing characters marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any, Literal

from metrics.text.accuracy import MIN_SCORE
from metrics.text.normalisation import normalise

Mark = Literal["same", "missing", "extra"]


@dataclass(frozen=True, slots=True)
class Line:
    """One expected line with what was read of it, as marked pieces; or a read line that nothing asked for."""

    pieces: tuple[tuple[Mark, str], ...]
    expected: bool

    @property
    def exact(self) -> bool:
        """Whether the line was read as it was asked for."""
        return self.expected and all(mark == "same" for mark, _ in self.pieces)


def legible_boxes(details: Mapping[str, Any], sample_id: str) -> list[Mapping[str, Any]]:
    """Return the read boxes of a text measurement that are sure enough to count."""
    boxes = (details.get("boxes") or {}).get(sample_id) or []
    return [box for box in boxes if box["score"] >= MIN_SCORE]


def overlay_lines(details: Mapping[str, Any], sample_id: str) -> tuple[Line, ...]:
    """Return the marked lines of a text measurement from its ``details``.

    ``expected`` and ``read`` go together line by line, ``unexpected`` is the rest; without ``expected`` the image
    was asked for no text, and what was read in it is shown unmarked.

    Examples
    --------
    >>> overlay_lines({"expected": ["OPEN"], "read": ["OPN"], "unexpected": ["x"]}, "s1")[0].pieces
    (('same', 'OP'), ('missing', 'E'), ('same', 'N'))
    """
    if "expected" not in details:
        return tuple(Line((("same", box["text"]),), expected=False) for box in legible_boxes(details, sample_id))
    expected = [normalise(line) for line in details["expected"]]
    read = [*details.get("read", ()), *[""] * len(expected)]
    lines = [Line(marked(line, other), expected=True) for line, other in zip(expected, read, strict=False)]
    return (*lines, *(Line((("extra", line),), expected=False) for line in details.get("unexpected", ())))


def marked(expected: str, read: str) -> tuple[tuple[Mark, str], ...]:
    """Return the pieces of both texts in reading order: the same in both, missing from the read one, or extra in it.

    Case and spaces make no difference, as they make none in the figures; what is the same is shown as it was read.

    Examples
    --------
    >>> marked("Year 1989", "YEAR1988")
    (('same', 'YEAR198'), ('missing', '9'), ('extra', '8'))
    """
    pieces: list[tuple[Mark, str]] = []
    a, b = ([character.casefold() for character in text] for text in (expected, read))
    for operation, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if operation == "equal" or not (expected[i:j] + read[k:m]).strip():
            pieces.append(("same", read[k:m]))
            continue
        if j > i:
            pieces.append(("missing", expected[i:j]))
        if m > k:
            pieces.append(("extra", read[k:m]))
    return tuple(_joined(pieces))


def _joined(pieces: Iterable[tuple[Mark, str]]) -> Iterator[tuple[Mark, str]]:
    for mark, together in groupby((piece for piece in pieces if piece[1]), key=lambda piece: piece[0]):
        yield mark, "".join(text for _, text in together)
