"""Line matching: which text belongs to which expected line."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from metrics.encoders.ocr import TextLine
from metrics.text.matching import match_lines, reading_order
from metrics.text.normalisation import joined

WORDS = ["open", "hours", "sale", "fresh", "bread", "coffee", "exit", "june", "grand", "day", "a", "to", "24", "12"]

lines = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join), min_size=1, max_size=6)


def box(x, y, width=100, height=20):
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return TextLine(text="", score=1.0, box=[[float(a), float(b)] for a, b in corners])


def test_reading_order_goes_by_rows_and_forgives_a_slant():
    assert reading_order([box(50, 40), box(200, 4), box(0, 0)]) == [2, 1, 0]
    # boxes that overlap by less than half are two rows
    assert reading_order([box(200, 0), box(0, 11)]) == [0, 1]
    assert reading_order([box(200, 0), box(0, 9)]) == [1, 0]


@given(lines, st.randoms(use_true_random=False))
def test_lines_may_come_in_any_order(expected, rng):
    shuffled = rng.sample(expected, len(expected))
    matching = match_lines(expected, shuffled)
    assert matching.character_edits == 0
    assert matching.read == tuple(expected)


GRAND = ["GRAND OPENING TODAY", "June 14"]


@pytest.mark.parametrize(
    ("expected", "boxes", "read", "unexpected", "lines_of_box"),
    [
        # one line over two rows
        (GRAND, ["GRAND OPENING", "TODAY", "June 14"], tuple(GRAND), (), ((0,), (0,), (1,))),
        # several lines in one row are cut apart, between Chinese characters too
        (["SALE", "TODAY", "ONLY HERE"], ["SALE TODAY ONLY HERE"], ("SALE", "TODAY", "ONLY HERE"), (), ((0, 1, 2),)),
        (["欢迎光临", "营业时间"], ["营业时间欢迎光临"], ("欢迎光临", "营业时间"), (), ((1, 0),)),
        # a cut pushes out what does not belong
        (["SALE", "TODAY"], ["SALE TODAY", "xxxx"], ("SALE", "TODAY"), ("xxxx",), ((0, 1), ())),
        # the same line twice needs two readings; one that is part of another finds its own place
        (["SALE", "SALE"], ["SALE", "SALE"], ("SALE", "SALE"), (), ((0,), (1,))),
        (["SALE"], ["SALE", "SALE"], ("SALE",), ("SALE",), ((0,), ())),
        (["SALE ENDS SOON", "SALE"], ["SALE", "SALE ENDS SOON"], ("SALE ENDS SOON", "SALE"), (), ((1,), (0,))),
    ],
)
def test_known_matchings(expected, boxes, read, unexpected, lines_of_box):
    matching = match_lines(expected, boxes)
    assert (matching.read, matching.unexpected, matching.lines_of_box) == (read, unexpected, lines_of_box)


@pytest.mark.parametrize(
    ("expected", "boxes", "edits"),
    [
        # words inside a line keep their order
        (["hello world"], ["world hello"], (8, 2, None)),
        (["hello world"], ["world", "hello"], (8, 2, None)),
        (["SALE", "SALE"], ["SALE"], (4, 1, 0)),
        # nothing read drops every character, nothing expected makes everything an insertion
        (["abc", "de"], [], (5, 2, 0)),
        ([], ["abc de"], (6, 2, 6)),
    ],
)
def test_known_edits(expected, boxes, edits):
    matching = match_lines(expected, boxes)
    characters, words, inserted = edits
    assert (matching.character_edits, matching.word_edits) == (characters, words)
    assert inserted is None or matching.inserted_characters == inserted


@pytest.mark.parametrize("boxes", [["GRAND JUNE", "OPENING SALE"], ["GRAND SALE", "JUNE OPENING"]])
def test_words_exchanged_between_lines_are_errors(boxes):
    assert match_lines(["GRAND OPENING", "JUNE SALE"], boxes).word_edits >= 2


@given(lines, lines, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_in_which_lines_are_expected_never_matters(expected, read, rng):
    shuffled = rng.sample(expected, len(expected))
    assert match_lines(expected, read).character_edits == match_lines(shuffled, read).character_edits


@given(lines, lines)
@settings(max_examples=50)
def test_each_text_is_used_exactly_once(expected, read):
    matching = match_lines(expected, read)
    used = " ".join([*matching.read, *matching.unexpected]).split()
    assert sorted(used) == sorted(" ".join(read).split())


def test_misread_lines_are_matched_as_an_exhaustive_search_would():
    rng = random.Random(0)
    excess = []
    for _ in range(150):
        expected = [" ".join(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 3))]
        boxes = [text for line in expected for text in _misread(line, rng)][:5]
        excess.append(match_lines(expected, boxes).character_edits - _fewest_edits(expected, boxes))
    assert max(excess) <= 1
    assert sum(extra > 0 for extra in excess) <= 2


def _misread(line, rng):
    words = line.split()
    at = rng.randint(0, len(words))
    halves = (" ".join(words[:at]), " ".join(words[at:]))
    altered = ("".join(rng.choice("abc") if rng.random() < 0.15 else c for c in half) for half in halves)
    return [half for half in altered if half]


def _fewest_edits(expected, boxes):
    """Try every way to give whole boxes to lines or to none."""

    def edits(lines_of_boxes):
        given_to = list(zip(boxes, lines_of_boxes, strict=True))
        reads = [joined(text for text, line in given_to if line == i) for i in range(len(expected))]
        return sum(map(Levenshtein.distance, expected, reads)) + sum(len(text) for text, line in given_to if line < 0)

    return min(map(edits, itertools.product(range(-1, len(expected)), repeat=len(boxes))))
