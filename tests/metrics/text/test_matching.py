"""Line matching: which words belong to which expected line."""

import random
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from metrics.encoders.ocr import TextLine
from metrics.text.layout import reading_order, reading_orders
from metrics.text.matching import FARTHEST, match_lines
from metrics.text.word_errors import word_edits

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


def edits(matching):
    return sum(Levenshtein.distance(*pair) for pair in matching.pairs())


def words_wrong(matching):
    return sum(word_edits(*pair) for pair in matching.pairs_of_words())


def test_two_columns_and_a_curve_are_read_in_their_own_order():
    columns = [box(0, 0), box(300, 0), box(0, 40), box(300, 40)]
    assert reading_orders(columns)[:2] == [[0, 1, 2, 3], [0, 2, 1, 3]]
    arch = [box(200, 0, 20), box(120, 30, 20), box(280, 30, 20), box(60, 90, 20), box(340, 90, 20)]
    assert [3, 1, 0, 2, 4] in reading_orders(arch)


def test_one_text_over_two_columns_is_one_line():
    texts = ["the morning train", "tickets are sold", "leaves at nine", "at the counter"]
    orders = reading_orders([box(0, 0), box(300, 0), box(0, 40), box(300, 40)])
    line = "the morning train leaves at nine tickets are sold at the counter"
    assert match_lines([line], texts, orders).read == (line,)
    by_row = ["the morning train tickets are sold", "leaves at nine at the counter"]
    assert match_lines(by_row, texts, orders).read == tuple(by_row)


@given(lines, st.randoms(use_true_random=False))
def test_lines_may_come_in_any_order(expected, rng):
    matching = match_lines(expected, rng.sample(expected, len(expected)))
    assert edits(matching) == 0
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
        # what stands beside a line, in its box or another, is not its error; nothing matches by being longer
        (["SALE", "TODAY"], ["SALE TODAY", "xxxx"], ("SALE", "TODAY"), ("xxxx",), ((0, 1), ())),
        (["SALE"], ["BIG SALE TODAY"], ("SALE",), ("BIG", "TODAY"), ((0,),)),
        (
            ["Lite 2"],
            ["LITE 2", "a little light text about two"],
            ("LITE 2",),
            ("a little light text about two",),
            ((0,), ()),
        ),
        (["SALE"], ["NO REFUND IN OUR SHOPS"], ("",), ("NO REFUND IN OUR SHOPS",), ((),)),
        # a word broken at the end of a row, and one that has its hyphen there
        (["international fair"], ["inter-", "national fair"], ("international fair",), (), ((0,), (0,))),
        (["MON-FRI"], ["MON-", "FRI"], ("MON- FRI",), (), ((0,), (0,))),
        # the same line twice needs two readings; one that is part of another finds its own place
        (["SALE"], ["SALE", "SALE"], ("SALE",), ("SALE",), ((0,), ())),
        (["SALE ENDS SOON", "SALE"], ["SALE", "SALE ENDS SOON"], ("SALE ENDS SOON", "SALE"), (), ((1,), (0,))),
    ],
)
def test_known_matchings(expected, boxes, read, unexpected, lines_of_box):
    matching = match_lines(expected, boxes)
    assert (matching.read, matching.unexpected, matching.lines_of_box) == (read, unexpected, lines_of_box)


@pytest.mark.parametrize(
    ("expected", "boxes", "characters", "words"),
    [
        (["SALE", "SALE"], ["SALE", "SALE"], 0, 0),
        (["SALE", "SALE"], ["SALE"], 4, 1),
        # words inside a line keep their order
        (["24 open hours"], ["open 24 hours"], 4, 1),
        # nothing read drops every character, nothing expected makes everything unexpected
        (["abc", "de"], [], 5, 2),
        ([], ["abc de"], 0, 0),
    ],
)
def test_known_edits(expected, boxes, characters, words):
    matching = match_lines(expected, boxes)
    assert (edits(matching), words_wrong(matching)) == (characters, words)


@pytest.mark.parametrize("boxes", [["GRAND JUNE", "OPENING SALE"], ["GRAND SALE", "JUNE OPENING"]])
def test_words_exchanged_between_lines_are_errors(boxes):
    assert words_wrong(match_lines(["GRAND OPENING", "JUNE SALE"], boxes)) >= 2


@pytest.mark.parametrize(
    ("expected", "read", "wrong"),
    [
        ("fresh bread daily", "freshbread daily", 0),
        ("fresh bread daily", "freshbreaddaily", 0),
        ("fresh bread", "fre sh bread", 0),
        ("fresh bread daily", "freshbraed daily", 1),
        ("fresh bread", "fresh hot bread", 1),
        ("fresh bread", "freshxbread", 1),
        ("grand opening", "grand", 1),
    ],
)
def test_a_lost_space_is_no_word_error_and_a_lost_letter_is(expected, read, wrong):
    assert word_edits(expected.split(), read.split()) == wrong


@given(lines, lines, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_in_which_lines_are_expected_never_matters(expected, read, rng):
    shuffled = rng.sample(expected, len(expected))
    assert edits(match_lines(expected, read)) == edits(match_lines(shuffled, read))


@given(lines, lines)
@settings(max_examples=50)
def test_each_word_is_used_exactly_once(expected, read):
    matching = match_lines(expected, read)
    used = " ".join([*matching.read, *matching.unexpected]).split()
    assert sorted(used) == sorted(" ".join(read).split())


def test_misread_lines_are_matched_as_an_exhaustive_search_would():
    rng = random.Random(0)
    for _ in range(60):
        expected = [" ".join(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 3))]
        boxes = [text for line in expected for text in _misread(line, rng)][:4]
        matching = match_lines(expected, boxes)
        assert sum(map(_worth, *zip(*matching.pairs(), strict=True))) == pytest.approx(_largest_worth(expected, boxes))


def _misread(line, rng):
    words = line.split()
    at = rng.randint(0, len(words))
    halves = (" ".join(words[:at]), " ".join(words[at:]))
    altered = ("".join(rng.choice("abc") if rng.random() < 0.15 else c for c in half) for half in halves)
    return [half for half in altered if half]


def _worth(line, read):
    distance = Levenshtein.distance(line, read) / len(line)
    return len(line) * (1 - distance) ** 2 if distance <= FARTHEST else 0.0


def _largest_worth(expected, boxes):
    """Try every way to give each line a stretch of the words, or none."""
    words = " ".join(boxes).split()

    def best(lines, taken):
        if not lines:
            return 0.0
        line, *rest = lines
        worths = [best(rest, taken)]
        for i in range(len(words)):
            for j in range(i + 1, len(words) + 1):
                worth = _worth(line.replace(" ", ""), "".join(words[i:j]))
                if worth and not taken.intersection(range(i, j)):
                    worths.append(worth + best(rest, taken | set(range(i, j))))
        return max(worths)

    return best(expected, frozenset())


def test_forty_lines_with_one_letter_in_ten_wrong_are_matched_in_a_moment():
    rng = random.Random(0)
    letters = string.ascii_lowercase
    expected = [" ".join("".join(rng.choices(letters, k=6)) for _ in range(5)) for _ in range(40)]
    read = ["".join(rng.choice(letters) if c != " " and rng.random() < 0.1 else c for c in line) for line in expected]
    match_lines(["warm"], ["up"])
    start = time.process_time()
    matching = match_lines(expected, rng.sample(read, 40))
    assert time.process_time() - start < 1
    assert matching.read == tuple(read)
