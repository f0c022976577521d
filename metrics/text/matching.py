"""Line matching: which of the texts read in an image belong to which expected line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rapidfuzz.distance import Levenshtein

from metrics.encoders.ocr import TextLine
from metrics.text.normalisation import cuts, joined, words_of

UNEXPECTED = -1
"""Stands for the line of a text that belongs to no expected line."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Expected lines and what was read of each.

    ``read`` is what was read of each of the ``expected`` lines, in the same order; empty where nothing was.
    ``unexpected`` are texts that belong to no expected line. ``lines_of_box`` holds, for each text that was read, the
    indices of the expected lines that it was given to; none if unexpected.
    """

    expected: tuple[str, ...]
    read: tuple[str, ...]
    unexpected: tuple[str, ...]
    lines_of_box: tuple[tuple[int, ...], ...]

    @property
    def character_edits(self) -> int:
        """Substituted, dropped and inserted characters; those of unexpected texts are inserted."""
        pairs = zip(self.expected, self.read, strict=True)
        return sum(Levenshtein.distance(*pair) for pair in pairs) + sum(map(len, self.unexpected))

    @property
    def word_edits(self) -> int:
        """Substituted, dropped and inserted words; those of unexpected texts are inserted."""
        pairs = zip(self.expected, self.read, strict=True)
        edits = sum(Levenshtein.distance(words_of(expected), words_of(read)) for expected, read in pairs)
        return edits + sum(len(words_of(text)) for text in self.unexpected)

    @property
    def inserted_characters(self) -> int:
        """Characters that were read and not expected."""
        pairs = zip(self.expected, self.read, strict=True)
        edits = [edit for expected, read in pairs for edit in Levenshtein.editops(expected, read)]
        return sum(edit.tag == "insert" for edit in edits) + sum(map(len, self.unexpected))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A whole box, or a part of one that was cut between words."""

    box: int
    text: str
    line: int = UNEXPECTED
    is_part: bool = False


def reading_order(boxes: Sequence[TextLine]) -> list[int]:
    """Return the indices of boxes in reading order: rows from top to bottom, each from left to right.

    A box joins a row if it overlaps the row's first box by more than half of the smaller height.

    Examples
    --------
    >>> def box(x, y):
    ...     return TextLine(text="", score=1.0, box=[[x, y], [x + 9, y], [x + 9, y + 10], [x, y + 10]])
    >>> reading_order([box(50, 3), box(0, 30), box(0, 0)])
    [2, 0, 1]
    """
    spans = []
    for i, box in enumerate(boxes):
        corners = np.asarray(box["box"], dtype=float)
        (left, top), (_, bottom) = corners.min(axis=0), corners.max(axis=0)
        spans.append((float(top), float(bottom), float(left), i))
    rows: list[list[tuple[float, float, float, int]]] = []
    for span in sorted(spans, key=lambda span: (span[0] + span[1], span[2], span[3])):
        row = next((row for row in reversed(rows) if _same_row(row[0], span)), None)
        if row is None:
            rows.append([span])
        else:
            row.append(span)
    return [i for row in rows for *_, i in sorted(row, key=lambda span: (span[2], span[3]))]


def _same_row(a: tuple[float, float, float, int], b: tuple[float, float, float, int]) -> bool:
    overlap = min(a[1], b[1]) - max(a[0], b[0])
    return overlap > 0.5 * min(a[1] - a[0], b[1] - b[0])


def match_lines(expected: Sequence[str], boxes: Sequence[str]) -> Matching:
    """Give each text that was read to an expected line, or to none, so that the fewest characters are wrong.

    Lines may come in any order; the texts of one line are joined in reading order, so its words may not. The sum of the
    lines' Levenshtein distances and of the lengths of the unexpected texts is minimised: greedy starts, then moves of
    one text and swaps of two until none helps. A text that runs over several expected lines is cut between words if
    that helps, but a part must then make up its line alone: else words exchanged between two lines could be put
    together again from parts. Both ``expected`` and ``boxes`` are normalised texts, the latter in reading order.

    Examples
    --------
    >>> match_lines(["GRAND OPENING", "June 14"], ["June 14", "GRAND", "OPENING", "xx"])
    ... # doctest: +NORMALIZE_WHITESPACE
    Matching(expected=('GRAND OPENING', 'June 14'), read=('GRAND OPENING', 'June 14'), unexpected=('xx',),
             lines_of_box=((1,), (0,), (0,), ()))
    """
    # The search runs on sorted lines, so that the order in which they are expected can never matter.
    order = sorted(range(len(expected)), key=lambda i: (-len(expected[i]), expected[i], i))
    search = _Search([expected[i] for i in order], boxes)
    search.run()
    pieces = [replace(piece, line=order[piece.line]) if piece.line >= 0 else piece for piece in search.pieces]
    return Matching(
        expected=tuple(expected),
        read=tuple(joined(p.text for p in pieces if p.line == i) for i in range(len(expected))),
        unexpected=tuple(p.text for p in pieces if p.line == UNEXPECTED and p.text),
        lines_of_box=tuple(
            tuple(p.line for p in pieces if p.box == i and p.line != UNEXPECTED) for i in range(len(boxes))
        ),
    )


class _Search:
    """The state of one matching: pieces in reading order, each with the line that it is given to."""

    def __init__(self, expected: Sequence[str], boxes: Sequence[str]) -> None:
        self.expected = expected
        self.pieces = [_Piece(box, text) for box, text in enumerate(boxes)]
        self._costs: dict[tuple[int, tuple[str, ...]], int] = {}

    def run(self) -> None:
        """Search from three greedy starts, since one alone may end short of the best, and keep the best end."""
        whole = list(range(len(self.pieces)))
        boxes, best, lowest = self.pieces, self.pieces, self._total_cost()
        # Long texts are the surest to place, and neighbours mostly share a line, whichever end one starts from.
        longest_first = sorted(whole, key=lambda i: (-len(boxes[i].text), boxes[i].text, i))
        for order in (longest_first, whole, whole[::-1]):
            self.pieces = boxes
            self._descend(order)
            if self._total_cost() < lowest:
                best, lowest = self.pieces, self._total_cost()
            if lowest == 0:
                break
        self.pieces = best

    def _descend(self, order: Sequence[int]) -> None:
        """Place the boxes in turn, then move, swap and cut; the cost falls each time, so this ends."""
        for i in order:
            self._move_to_best_line(i)
        while self._move_once() or self._swap_once() or self._cut_once():
            pass

    def _total_cost(self) -> int:
        return self._cost_of({UNEXPECTED, *range(len(self.expected))}, self.pieces)

    def _members(self, line: int, pieces: Sequence[_Piece]) -> tuple[str, ...]:
        return tuple(piece.text for piece in pieces if piece.line == line)

    def _cost(self, line: int, members: tuple[str, ...]) -> int:
        if line == UNEXPECTED:
            return sum(map(len, members))
        key = (line, members)
        if key not in self._costs:
            self._costs[key] = Levenshtein.distance(self.expected[line], joined(members))
        return self._costs[key]

    def _cost_of(self, lines: set[int], pieces: Sequence[_Piece]) -> int:
        return sum(self._cost(line, self._members(line, pieces)) for line in lines)

    def _with_lines(self, lines: Mapping[int, int]) -> list[_Piece]:
        changed = list(self.pieces)
        for i, line in lines.items():
            changed[i] = replace(changed[i], line=line)
        return changed

    def _gain(self, lines: Mapping[int, int]) -> int:
        """Return by how much the cost falls if the pieces at the keys go to the lines."""
        touched = {self.pieces[i].line for i in lines} | set(lines.values())
        return self._cost_of(touched, self.pieces) - self._cost_of(touched, self._with_lines(lines))

    def _open_lines(self) -> list[int]:
        closed = {piece.line for piece in self.pieces if piece.is_part}
        return [line for line in range(len(self.expected)) if line not in closed]

    def _is_settled(self, line: int) -> bool:
        """Tell whether a line is read without error; whatever is taken from it costs more than it gains elsewhere."""
        return line != UNEXPECTED and self._cost(line, self._members(line, self.pieces)) == 0

    def _move_to_best_line(self, i: int) -> bool:
        gains = [(self._gain({i: line}), -line) for line in [UNEXPECTED, *self._open_lines()]]
        gain, negative = max(gains)
        if gain > 0:
            self.pieces = self._with_lines({i: -negative})
        return gain > 0

    def _movable(self) -> list[int]:
        return [i for i, p in enumerate(self.pieces) if not p.is_part and not self._is_settled(p.line)]

    def _move_once(self) -> bool:
        return sum(map(self._move_to_best_line, self._movable())) > 0

    def _swap_once(self) -> bool:
        movable = self._movable()
        for a in movable:
            for b in movable:
                swap = {a: self.pieces[b].line, b: self.pieces[a].line}
                if a < b and self.pieces[a].line != self.pieces[b].line and self._gain(swap) > 0:
                    self.pieces = self._with_lines(swap)
                    return True
        return False

    def _cut_once(self) -> bool:
        """Make the cut that helps most, if any does."""
        best, best_gain = self.pieces, 0
        for i, piece in enumerate(self.pieces):
            if piece.line == UNEXPECTED or self._is_settled(piece.line):
                continue
            for line in range(len(self.expected)):
                if line == piece.line or self._is_settled(line):
                    continue
                for first, second in cuts(piece.text):
                    for lines in ((piece.line, line), (line, piece.line)):
                        cut = self._cut(i, (first, second), lines)
                        touched = {piece.line, line, UNEXPECTED}
                        gain = self._cost_of(touched, self.pieces) - self._cost_of(touched, cut)
                        if gain > best_gain:
                            best, best_gain = cut, gain
        self.pieces = best
        return best_gain > 0

    def _cut(self, i: int, texts: tuple[str, str], lines: tuple[int, int]) -> list[_Piece]:
        """Return the pieces with piece ``i`` cut in two; whatever else is on the two lines becomes unexpected."""
        pieces = [replace(p, line=UNEXPECTED) if p.line in lines else p for p in self.pieces]
        parts = [_Piece(self.pieces[i].box, text, line, True) for text, line in zip(texts, lines, strict=True)]
        return [*pieces[:i], *parts, *pieces[i + 1 :]]
