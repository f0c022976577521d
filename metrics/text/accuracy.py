"""Text accuracy: does the text in an image say what it should?

Expected text is a string with one line of writing per line, or a list of such lines. The words that an OCR engine reads
are given to the expected lines by :func:`metrics.text.matching.match_lines`. What is compared is letters without case
and spaces, in one form of each dash and quote: an engine loses spaces, and capitals are a matter of style.
``details`` holds the same figure ``with_case``, what was ``read`` of each expected line, what was ``unexpected``, and
the ``boxes`` to draw, keyed by sample.

Other text than the expected is no error of it, for a prompt may ask for more than it quotes: it shows in
``text.hallucinated`` alone. Where the column ``text_is_complete`` says that the expected text is all that may stand
there, it counts as insertions in every error rate, as in jiwer.

What an engine finds and cannot make out is the system's failure, ``illegible_text``: garbled letters look the same to
it as letters that are beyond it, so the other rule would pay for garbling. Two limits of the engine can be told from
what is seen and are left out: characters that it does not know, ``language_unsupported``, and ``letters_stand_apart``,
where the right letters stand one by one, along a curve or in a column, in an order that it cannot follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from metrics.encoders.ocr import TextLine
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored
from metrics.text.layout import reading_order, reading_orders
from metrics.text.matching import Matching, match_lines
from metrics.text.normalisation import letters_of, normalise, without_look_alikes
from metrics.text.word_errors import word_edits

MIN_SCORE = 0.7
"""Readings below this are left out: true lines score 0.97 and more, what is read into textures about 0.5."""

Text = str | Sequence[str]
"""One line a line of the string, or one an item."""

Rate = Callable[[Matching, bool, bool], float]
"""A figure of a matching: whether case counts, and whether unexpected text does."""


def cer(expected: Text, read: Text, *, with_case: bool = False, is_complete: bool = False) -> float:
    """Return the character error rate (S + D + I) / N, as in jiwer without spaces and free in the order of lines.

    Substituted, dropped and inserted characters over expected ones (Levenshtein 1966), summed over all lines; 0 is
    perfect and 1 as bad as no text. If the text ``is_complete`` unexpected words are insertions, and more than 1 is
    possible. Without expected text it is the number of inserted characters.

    Examples
    --------
    >>> round(cer("OPEN 24 HOURS", "Opne 24 Huors"), 6)
    0.363636
    >>> cer("GRAND OPENING\\nJune 14", "June 14\\nGRAND OPENING\\nFree entry")
    0.0
    """
    return _character_error_rate(_matched(expected, read), with_case, is_complete)


def wer(expected: Text, read: Text, *, with_case: bool = False, is_complete: bool = False) -> float:
    """Return the word error rate; as :func:`cer`, with words for characters. A Chinese character is a word.

    Words that are read as one, or in parts, are not errors (see :func:`metrics.text.word_errors.word_edits`).

    Examples
    --------
    >>> round(wer("OPEN 24 HOURS", "OPNE 24 HUORS"), 6)
    0.666667
    """
    return _word_error_rate(_matched(expected, read), with_case, is_complete)


def similarity(expected: Text, read: Text, *, with_case: bool = False, is_complete: bool = False) -> float:
    """Return 1 - normalised edit distance, between 0 and 1 (1-NED of ICDAR 2019 for a single line).

    The edits of all lines over the sum of ``max(expected, read)`` lengths; unexpected words count in both if the text
    ``is_complete``.

    Examples
    --------
    >>> round(similarity("kitten", "sitting"), 6)
    0.571429
    """
    return _edit_similarity(_matched(expected, read), with_case, is_complete)


def exact_lines(expected: Text, read: Text, *, with_case: bool = False) -> float:
    """Return the share of expected lines that are read without any error.

    Examples
    --------
    >>> exact_lines("GRAND OPENING\\nJune 14", "GRAND OPENIG\\nJune 14")
    0.5
    """
    return _exact_line_rate(_matched(expected, read), with_case, False)


def hallucinated(expected: Text, read: Text) -> float:
    """Return the share of the characters read that are insertions: nothing expected stands in their place.

    Examples
    --------
    >>> hallucinated("SALE", "SALE\\nxx")
    0.3333333333333333
    """
    return _hallucinated_character_rate(_matched(expected, read), False, True)


@measured_one_by_one
def character_error_rate(subject: Subject) -> Measurement:
    """Measure :func:`cer` of each image."""
    return _measured(subject, _character_error_rate)


@measured_one_by_one
def word_error_rate(subject: Subject) -> Measurement:
    """Measure :func:`wer` of each image."""
    return _measured(subject, _word_error_rate)


@measured_one_by_one
def edit_similarity(subject: Subject) -> Measurement:
    """Measure :func:`similarity` of each image."""
    return _measured(subject, _edit_similarity)


@measured_one_by_one
def exact_line_rate(subject: Subject) -> Measurement:
    """Measure :func:`exact_lines` of each image."""
    return _measured(subject, _exact_line_rate)


@measured_one_by_one
def hallucinated_character_rate(subject: Subject) -> Measurement:
    """Measure :func:`hallucinated` of each image; weigh it where a prompt asks for no other text."""
    return _measured(subject, _hallucinated_character_rate)


@measured_one_by_one
def reading_confidence(subject: Subject) -> Measurement:
    """Measure the engine's own mean score over all characters that it reads, whatever was expected.

    Readings below ``MIN_SCORE`` count here, since malformed letters show in nothing else; but where there are no
    others the image has no legible text, which is the reason that it gets.
    """
    boxes: Sequence[TextLine] = subject.images[0]["ocr"]
    if not _legible(boxes):
        return unscored(subject, _why_none(boxes))
    lengths = [len(letters_of(box["text"])) for box in boxes]
    score = sum(box["score"] * length for box, length in zip(boxes, lengths, strict=True)) / sum(lengths)
    read = [boxes[i]["text"] for i in reading_order(boxes)]
    return scored(subject, score, read=read, boxes={subject.sample_ids[0]: [dict(box) for box in boxes]})


def expected_lines(text: Text) -> tuple[str, ...]:
    """Return the lines of an expected text that are not blank, unchanged.

    Examples
    --------
    >>> expected_lines("OPEN\\n\\n24 HOURS"), expected_lines(["OPEN", "24 HOURS"])
    (('OPEN', '24 HOURS'), ('OPEN', '24 HOURS'))
    """
    items = [text] if isinstance(text, str) else text
    return tuple(line for item in items for line in item.splitlines() if normalise(line))


def _matched(expected: Text, read: Text) -> Matching:
    lines, texts = ([normalise(line) for line in expected_lines(text)] for text in (expected, read))
    return match_lines(lines, texts)


@lru_cache(maxsize=1 << 14)
def _matched_boxes(expected: tuple[str, ...], texts: tuple[str, ...], corners: tuple[float, ...]) -> Matching:
    """Match what was read in one image, once for all metrics; ``corners`` are eight numbers a text."""
    boxes = [
        TextLine(text=text, score=1.0, box=[[*corners[8 * n + k : 8 * n + k + 2]] for k in (0, 2, 4, 6)])
        for n, text in enumerate(texts)
    ]
    lines = [normalise(line) for line in expected]
    return match_lines(lines, [normalise(without_look_alikes(t, lines)) for t in texts], reading_orders(boxes))


def _measured(subject: Subject, rate: Rate) -> Measurement:
    row = subject.rows[0]
    expected = expected_lines(row["expected_text"])
    read: Sequence[TextLine] = subject.images[0]["ocr"]
    boxes = _legible(read)
    if not boxes:
        return unscored(subject, _why_none(read), expected=list(expected))
    corners = tuple(float(number) for box in boxes for corner in box["box"] for number in corner)
    matching = _matched_boxes(expected, tuple(box["text"] for box in boxes), corners)
    drawn = [{**box, "lines": list(lines)} for box, lines in zip(boxes, matching.lines_of_box, strict=True)]
    details = {
        "expected": list(expected),
        "read": list(matching.read),
        "unexpected": list(matching.unexpected),
        "boxes": {subject.sample_ids[0]: drawn},
    }
    if _letters_stand_apart(matching, boxes):
        return unscored(subject, "letters_stand_apart", **details)
    is_complete = bool(row.get("text_is_complete"))
    with_case = rate(matching, True, is_complete)
    return scored(subject, rate(matching, False, is_complete), with_case=with_case, **details)


def _legible(boxes: Sequence[TextLine]) -> list[TextLine]:
    kept = [box for box in boxes if box["score"] >= MIN_SCORE and letters_of(box["text"])]
    return [kept[i] for i in reading_order(kept)]


def _why_none(boxes: Sequence[TextLine]) -> str:
    return "illegible_text" if any(letters_of(box["text"]) for box in boxes) else "no_text"


def _letters_stand_apart(matching: Matching, boxes: Sequence[TextLine]) -> bool:
    """Tell whether order alone makes most of the errors of letters that were each read in a box of their own.

    A misspelling has a wrong letter or two in the wrong order; that stays an error.
    """
    read = [letters_of(box["text"]) for box in boxes]
    if 2 * sum(len(text) == 1 for text in read) <= len(read):
        return False
    pairs = matching.pairs()
    missing = sum((Counter("".join(line for line, _ in pairs)) - Counter("".join(read))).values())
    return sum(Levenshtein.distance(*pair) for pair in pairs) > 2 * missing + 2


def _character_error_rate(matching: Matching, with_case: bool, is_complete: bool) -> float:
    pairs = matching.pairs(with_case=with_case)
    edits = sum(Levenshtein.distance(*pair) for pair in pairs) + _insertions(matching, is_complete)
    return edits / max(1, sum(len(line) for line, _ in pairs))


def _word_error_rate(matching: Matching, with_case: bool, is_complete: bool) -> float:
    pairs = matching.pairs_of_words(with_case=with_case)
    edits = sum(word_edits(*pair) for pair in pairs)
    if is_complete or not matching.expected:
        edits += matching.unexpected_words
    return edits / max(1, sum(len(words) for words, _ in pairs))


def _edit_similarity(matching: Matching, with_case: bool, is_complete: bool) -> float:
    pairs = matching.pairs(with_case=with_case)
    insertions = _insertions(matching, is_complete)
    edits = sum(Levenshtein.distance(*pair) for pair in pairs) + insertions
    longest = sum(max(map(len, pair)) for pair in pairs) + insertions
    return 1.0 - edits / longest if longest else 1.0


def _exact_line_rate(matching: Matching, with_case: bool, is_complete: bool) -> float:
    pairs = matching.pairs(with_case=with_case)
    return sum(line == read for line, read in pairs) / len(pairs) if pairs else float(not matching.unexpected)


def _hallucinated_character_rate(matching: Matching, with_case: bool, is_complete: bool) -> float:
    pairs = matching.pairs(with_case=with_case)
    inserted = sum(op.tag == "insert" for pair in pairs for op in Levenshtein.editops(*pair))
    characters = sum(len(read) for _, read in pairs) + matching.unexpected_letters
    return (inserted + matching.unexpected_letters) / characters if characters else 0.0


def _insertions(matching: Matching, is_complete: bool) -> int:
    """Return how many unexpected letters count: all where nothing else may stand, as where no text is expected."""
    return matching.unexpected_letters if is_complete or not matching.expected else 0
