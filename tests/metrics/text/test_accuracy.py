"""Text accuracy: known values, parity with jiwer, and what must raise or lower a score."""

import random
import string

import jiwer
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from metrics.catalogue import METRICS
from metrics.encoders.ocr import TextLine
from metrics.measurement import Subject
from metrics.text import accuracy
from metrics.text.matching import Matching
from metrics.text.normalisation import letters_of
from tests.metrics.contract import assert_contract, measure

words = st.lists(st.text("abcdeÄéß", min_size=1, max_size=6), min_size=1, max_size=8).map(" ".join)


def line(content, y=0.0, x=0.0, score=0.99):
    width = 10.0 * len(content)
    return TextLine(text=content, score=score, box=[[x, y], [x + width, y], [x + width, y + 20], [x, y + 20]])


def subject(expected, boxes):
    return Subject(("s1",), ({"expected_text": expected},), ({"ocr": boxes},), details={"suite": "typography"})


def rows(*contents):
    return [line(content, y=40.0 * i) for i, content in enumerate(contents)]


@pytest.mark.parametrize(
    ("expected", "read", "similarity", "wer", "cer"),
    [
        ("OPEN 24 HOURS", "OPNE 24 HUORS", 0.636364, 0.666667, 0.363636),
        ("GRAND OPENING", "GRAND", 0.416667, 0.5, 0.583333),
        ("kitten", "sitting", 0.571429, 1.0, 0.5),
        ("ﬁne café", "fine café", 1.0, 0.0, 0.0),
        # case, lost spaces, and what stands beside the expected text are no errors of it
        ("Nano Banana 2 Lite", "NANO BANANA 2 LITE", 1.0, 0.0, 0.0),
        ("Straße 5", "STRASSE5", 1.0, 0.0, 0.0),
        ("GRAND OPENING", "GRAND OPENING TODAY ONLY", 1.0, 0.0, 0.0),
        ("SALE", "SALE\nprices without tax, while stocks last", 1.0, 0.0, 0.0),
        ("hello world", "world hello", 0.5, 0.5, 0.5),
        # what is farther than chance is no reading of it: as bad as no text, never worse
        ("a", "abcdef", 0.0, 1.0, 1.0),
        ("SALE", "no refund in our shops", 0.0, 1.0, 1.0),
    ],
)
def test_known_values(expected, read, similarity, wer, cer):
    assert accuracy.similarity(expected, read) == pytest.approx(similarity, abs=1e-6)
    assert accuracy.wer(expected, read) == pytest.approx(wer, abs=1e-6)
    assert accuracy.cer(expected, read) == pytest.approx(cer, abs=1e-6)


def test_a_flawless_sign_beside_small_print_is_flawless_and_tells_its_case_apart():
    boxes = rows("NANO BANANA 2 LITE", "All rights reserved by the makers of this bottle")
    for function, flawless in (
        (accuracy.character_error_rate, 0),
        (accuracy.word_error_rate, 0),
        (accuracy.edit_similarity, 1),
        (accuracy.exact_line_rate, 1),
    ):
        measured = measure(function, subject("Nano Banana 2 Lite", boxes))
        assert (measured.value, measured.details["with_case"] == flawless) == (flawless, False)
    assert measure(accuracy.hallucinated_character_rate, subject("Nano Banana 2 Lite", boxes)).value > 0.5


def test_other_text_counts_where_the_expected_text_is_complete():
    boxes = rows("SALE", "NOW")
    row = {"expected_text": "SALE", "text_is_complete": True}
    complete = Subject(("s1",), (row,), ({"ocr": boxes},))
    assert measure(accuracy.character_error_rate, complete).value == jiwer.cer(["sale", ""], ["sale", "now"]) == 3 / 4
    assert measure(accuracy.word_error_rate, complete).value == 1
    assert measure(accuracy.edit_similarity, complete).value == pytest.approx(4 / 7)
    assert measure(accuracy.character_error_rate, subject("SALE", boxes)).value == 0
    assert (accuracy.wer("", "ghost"), accuracy.cer("", "ghost")) == (1, 5)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4))
@settings(max_examples=200)
def test_figures_of_given_pairs_agree_with_jiwer_and_rapidfuzz(pairs):
    matching = Matching(*zip(*pairs, strict=True), (), ())
    expected, read = ([text.casefold() for text in texts] for texts in zip(*pairs, strict=True))
    without_spaces = [[text.replace(" ", "") for text in texts] for texts in (expected, read)]
    assert accuracy._character_error_rate(matching, False, False) == pytest.approx(jiwer.cer(*without_spaces))
    assert accuracy._word_error_rate(matching, False, False) <= jiwer.wer(expected, read) + 1e-12
    if len(pairs) == 1:
        normalised = Levenshtein.normalized_similarity(*(texts[0] for texts in without_spaces))
        assert accuracy._edit_similarity(matching, False, False) == pytest.approx(normalised)


vocabulary = st.lists(st.sampled_from(["open", "sale", "bread", "coffee", "24", "june"]), min_size=1, max_size=6)


@given(vocabulary, vocabulary)
def test_word_errors_agree_with_jiwer_where_no_words_run_together(expected, read):
    matching = Matching((" ".join(expected),), (" ".join(read),), (), ())
    error_rate = accuracy._word_error_rate(matching, False, False)
    assert error_rate == pytest.approx(jiwer.wer(" ".join(expected), " ".join(read)))


@given(st.lists(words, min_size=1, max_size=4, unique=True), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_lines_and_of_readings_does_not_matter(expected, rng):
    drawn = rows(*rng.sample(expected, len(expected)))
    for boxes in (drawn, drawn[::-1]):
        measured = measure(accuracy.character_error_rate, subject("\n".join(expected), boxes))
        assert measured.value == 0
        assert measured.details["read"] == expected


SIGN = "the quick brown fox jumps over one lazy dog"


@pytest.mark.parametrize(
    "damaged",
    [
        "the quick brown red fox jumps over one lazy dog",
        "the quick brown fox over one lazy dog",
        "the quick brwon fox jumps over one lazy dog",
        "the quick fox brown jumps over one lazy dog",
        "dog the lazy brown over jumps one fox quick",
    ],
    ids=["inserted word", "dropped word", "misspelt word", "two words swapped", "words shuffled"],
)
def test_damaged_text_loses_points(damaged):
    """Word recall alone would call the shuffled and the padded sign perfect."""
    assert accuracy.cer(SIGN, damaged) > 0
    assert accuracy.wer(SIGN, damaged) > 0
    assert accuracy.similarity(SIGN, damaged) < 1
    assert accuracy.exact_lines(SIGN, damaged) == 0


@given(st.lists(st.text("abcde", min_size=2, max_size=6), min_size=2, max_size=7, unique=True), st.data())
@settings(max_examples=100)
def test_every_further_dropped_word_costs_more(sentence, data):
    victim = data.draw(st.integers(0, len(sentence) - 1))
    once = sentence[:victim] + sentence[victim + 1 :]
    other = data.draw(st.integers(0, len(once) - 1))
    twice = once[:other] + once[other + 1 :]
    errors = [accuracy.cer(" ".join(sentence), " ".join(kept)) for kept in (sentence, once, twice)]
    # what lacks more than FARTHEST is as bad as no text
    assert errors[0] < errors[1] <= errors[2] <= 1
    assert errors[1] < errors[2] or errors[2] == 1


@given(st.lists(words, min_size=1, max_size=3), words, st.text("xyz ", min_size=1, max_size=90).filter(str.strip))
@example(["aa"], "a b", "x")
@example(["a aab aaaa a a a"], "aaaa ba aaaaa", "x")
@example(["a a a", "a a a a", "a a a a"], "a a bb a a a", "x")
def test_other_text_changes_no_error_rate_and_counts_as_hallucinated(expected, read, extra):
    alone, beside = (subject("\n".join(expected), rows(read, *more)) for more in ((), (extra,)))
    for function in (accuracy.character_error_rate, accuracy.word_error_rate, accuracy.edit_similarity):
        assert measure(function, alone).value == measure(function, beside).value
    share = measure(accuracy.hallucinated_character_rate, beside)
    assert share.value >= len(letters_of(extra)) / len(letters_of(read + extra)) - 1e-12
    assert " ".join(extra.split()) in share.details["unexpected"]


@given(st.lists(words, max_size=4), st.lists(words, max_size=4))
@settings(max_examples=50)
def test_values_keep_their_range(expected, read):
    for function in (accuracy.similarity, accuracy.exact_lines, accuracy.hallucinated):
        assert 0 <= function(expected, read) <= 1
    assert accuracy.cer(expected, read) >= 0
    assert accuracy.wer(expected, read) >= 0


def test_garbled_letters_are_charged_like_no_text():
    """Whatever a system draws in place of the text gets about what it gets for nothing."""
    rng = random.Random(0)
    errors = []
    for _ in range(100):
        garbled = " ".join("".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(6))
        errors.append(accuracy.cer("GRAND OPENING\nJune 14", garbled))
    assert min(errors) > 0.7
    assert sum(errors) / len(errors) > 0.97


def letters_along(places, text):
    return [line(letter, y=y, x=x) for letter, (x, y) in zip(text, places, strict=True)]


def test_letters_that_stand_one_by_one_are_read_along_their_column_or_curve_or_left_out():
    column = [(0, 30 * n) for n in range(6)]
    assert measure(accuracy.exact_line_rate, subject("BAKERY", letters_along(column, "BAKERY"))).value == 1
    assert measure(accuracy.character_error_rate, subject("BAKERY", letters_along(column, "BAEKRY"))).value > 0
    scattered = [(400 * (n % 3), 90 * (n * 5 % 12)) for n in range(12)]
    boxes = letters_along(scattered, "GRANDOPENING")
    measured = measure(accuracy.character_error_rate, subject("GRAND OPENING", boxes))
    assert (measured.value, measured.reason) == (None, "letters_stand_apart")
    garbled = measure(accuracy.character_error_rate, subject("GRAND OPENING", letters_along(scattered, "XQZWVKJXYQZW")))
    assert garbled.value == 1


@pytest.mark.parametrize("row", [row for row in METRICS if row.dimension == "text"], ids=lambda row: row.id)
def test_no_legible_text_is_a_reason_and_values_stay_with_their_subjects(row):
    for boxes, reason in (
        ([], "no_text"),
        (rows(" ", "\u200b"), "no_text"),
        ([line("blur", score=0.55)], "illegible_text"),
    ):
        measured = measure(row.load(), subject("OPEN", boxes))
        assert (measured.value, measured.reason) == (None, reason)
        assert reason in row.system_failures
    assert_contract(row.load(), [subject("OPEN", rows(*read)) for read in (["OPEN"], [], ["OPE", "xx"])], row.range)


def test_readings_in_textures_are_left_out():
    texture = line("zqx", y=90.0, score=0.546)
    assert measure(accuracy.character_error_rate, subject("OPEN", [line("OPEN"), texture])).value == 0


def test_details_hold_what_a_report_shows():
    boxes = [line("open", y=40.0, score=0.9), line("SALE"), line("xx", y=80.0)]
    measured = measure(accuracy.character_error_rate, subject(["OPEN", "SALE"], boxes))
    assert measured.value == 0
    assert measured.details["with_case"] == pytest.approx(4 / 8)
    assert measured.details["suite"] == "typography"
    assert measured.details["read"] == ["open", "SALE"]
    assert measured.details["unexpected"] == ["xx"]
    drawn = measured.details["boxes"]["s1"]
    assert [(box["text"], box["lines"]) for box in drawn] == [("SALE", [1]), ("open", [0]), ("xx", [])]


def test_expected_text_may_be_a_string_or_a_list_of_lines():
    assert accuracy.expected_lines("OPEN\n\n 24 HOURS ") == ("OPEN", " 24 HOURS ")
    assert accuracy.expected_lines(["OPEN", "24\nHOURS", " "]) == ("OPEN", "24", "HOURS")


def test_confidence_weighs_readings_by_their_characters():
    measured = measure(accuracy.reading_confidence, subject(None, [line("abcdefgh", score=1.0), line("xy", score=0.5)]))
    assert measured.value == pytest.approx((8 * 1.0 + 2 * 0.5) / 10)


def test_chinese_rows_are_joined_without_spaces_and_counted_by_character():
    cer = measure(accuracy.character_error_rate, subject("欢迎光临", rows("欢迎", "光临")))
    wer = measure(accuracy.word_error_rate, subject("欢迎光临", rows("欢迎", "光")))
    assert cer.value == 0
    assert wer.value == pytest.approx(1 / 4)
