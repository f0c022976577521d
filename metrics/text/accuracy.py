"""Text accuracy: does the text in an image say what it should?

Expected text is a string with one line of writing per line, or a list of such lines. What an OCR engine reads is
given to the expected lines by :func:`metrics.text.matching.match_lines`. Every value is *strict*: Unicode NFKC,
straight quotes and white space are normalised and case counts; ``details`` holds its lenient twin, which folds case,
what was ``read`` of each expected line, what was ``unexpected``, and the ``boxes`` to draw, keyed by sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from metrics.encoders.ocr import TextLine
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored
from metrics.text.matching import Matching, match_lines, reading_order
from metrics.text.normalisation import normalise, words_of

MIN_SCORE = 0.7
"""Readings below this are left out: true lines score 0.97 and more, what is read into textures about 0.5."""

Text = str | Sequence[str]
"""One line a line of the string, or one an item."""


def cer(expected: Text, read: Text, *, lenient: bool = False) -> float:
    """Return the character error rate (S + D + I) / N, as in jiwer but free in the order of lines.

    Substituted, dropped and inserted characters over expected ones (Levenshtein 1966), summed over all lines and with
    unexpected lines as insertions; 0 is perfect and more than 1 possible. Without expected text it is the number of
    inserted characters. ``lenient`` ignores case.

    Examples
    --------
    >>> round(cer("OPEN 24 HOURS", "OPNE 24 HUORS"), 6)
    0.307692
    >>> cer("GRAND OPENING\\nJune 14", "June 14\\nGRAND OPENING")
    0.0
    """
    return _character_error_rate(_matched(expected, read, lenient))


def wer(expected: Text, read: Text, *, lenient: bool = False) -> float:
    """Return the word error rate; as :func:`cer`, with words for characters. A Chinese character is a word.

    Examples
    --------
    >>> round(wer("OPEN 24 HOURS", "OPNE 24 HUORS"), 6)
    0.666667
    """
    return _word_error_rate(_matched(expected, read, lenient))


def similarity(expected: Text, read: Text, *, lenient: bool = False) -> float:
    """Return 1 - normalised edit distance, between 0 and 1 (1-NED of ICDAR 2019 for a single line).

    The edits of all lines over the sum of ``max(expected, read)`` lengths, unexpected lines counting in both.

    Examples
    --------
    >>> round(similarity("kitten", "sitting"), 6)
    0.571429
    """
    return _edit_similarity(_matched(expected, read, lenient))


def exact_lines(expected: Text, read: Text, *, lenient: bool = False) -> float:
    """Return the share of expected lines that are read without any error.

    Examples
    --------
    >>> exact_lines("GRAND OPENING\\nJune 14", "GRAND OPENIG\\nJune 14")
    0.5
    """
    return _exact_line_rate(_matched(expected, read, lenient))


def hallucinated(expected: Text, read: Text, *, lenient: bool = False) -> float:
    """Return the share of the characters read that are insertions: nothing expected stands in their place.

    Examples
    --------
    >>> hallucinated("SALE", "SALE\\nxx")
    0.3333333333333333
    """
    return _hallucinated_character_rate(_matched(expected, read, lenient))


@measured_one_by_one
def character_error_rate(subject: Subject) -> Measurement:
    """Measure :func:`cer` of each image; ``no_text`` where nothing legible is found."""
    return _measured(subject, _character_error_rate)


@measured_one_by_one
def word_error_rate(subject: Subject) -> Measurement:
    """Measure :func:`wer` of each image; ``no_text`` where nothing legible is found."""
    return _measured(subject, _word_error_rate)


@measured_one_by_one
def edit_similarity(subject: Subject) -> Measurement:
    """Measure :func:`similarity` of each image; ``no_text`` where nothing legible is found."""
    return _measured(subject, _edit_similarity)


@measured_one_by_one
def exact_line_rate(subject: Subject) -> Measurement:
    """Measure :func:`exact_lines` of each image; ``no_text`` where nothing legible is found."""
    return _measured(subject, _exact_line_rate)


@measured_one_by_one
def hallucinated_character_rate(subject: Subject) -> Measurement:
    """Measure :func:`hallucinated` of each image; ``no_text`` where nothing legible is found."""
    return _measured(subject, _hallucinated_character_rate)


@measured_one_by_one
def reading_confidence(subject: Subject) -> Measurement:
    """Measure the engine's own mean score over all characters that it reads, whatever was expected.

    Readings below ``MIN_SCORE`` count here, since malformed letters show in nothing else; but where there are no
    others the image has no legible text, which is the reason ``no_text``.
    """
    boxes: Sequence[TextLine] = subject.images[0]["ocr"]
    if not _legible(boxes):
        return unscored(subject, "no_text")
    lengths = [len(normalise(box["text"])) for box in boxes]
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


def _matched(expected: Text, read: Text, lenient: bool) -> Matching:
    return match_lines(
        [normalise(line, lenient=lenient) for line in expected_lines(expected)],
        [normalise(line, lenient=lenient) for line in expected_lines(read)],
    )


def _measured(subject: Subject, rate: Callable[[Matching], float]) -> Measurement:
    expected = expected_lines(subject.rows[0]["expected_text"])
    boxes = _legible(subject.images[0]["ocr"])
    texts = [box["text"] for box in boxes]
    if not boxes:
        return unscored(subject, "no_text", expected=list(expected))
    strict, lenient = (
        match_lines([normalise(t, lenient=fold) for t in expected], [normalise(t, lenient=fold) for t in texts])
        for fold in (False, True)
    )
    drawn = [{**box, "lines": list(lines)} for box, lines in zip(boxes, strict.lines_of_box, strict=True)]
    return scored(
        subject,
        rate(strict),
        lenient=rate(lenient),
        expected=list(expected),
        read=list(strict.read),
        unexpected=list(strict.unexpected),
        boxes={subject.sample_ids[0]: drawn},
    )


def _legible(boxes: Sequence[TextLine]) -> list[TextLine]:
    kept = [box for box in boxes if box["score"] >= MIN_SCORE and normalise(box["text"])]
    return [kept[i] for i in reading_order(kept)]


def _character_error_rate(matching: Matching) -> float:
    return matching.character_edits / max(1, sum(map(len, matching.expected)))


def _word_error_rate(matching: Matching) -> float:
    return matching.word_edits / max(1, sum(len(words_of(line)) for line in matching.expected))


def _edit_similarity(matching: Matching) -> float:
    pairs = zip(matching.expected, matching.read, strict=True)
    longest = sum(max(len(expected), len(read)) for expected, read in pairs) + sum(map(len, matching.unexpected))
    return 1.0 - matching.character_edits / longest if longest else 1.0


def _exact_line_rate(matching: Matching) -> float:
    pairs = list(zip(matching.expected, matching.read, strict=True))
    return sum(expected == read for expected, read in pairs) / len(pairs) if pairs else float(not matching.unexpected)


def _hallucinated_character_rate(matching: Matching) -> float:
    characters = sum(map(len, matching.read)) + sum(map(len, matching.unexpected))
    return matching.inserted_characters / characters if characters else 0.0
