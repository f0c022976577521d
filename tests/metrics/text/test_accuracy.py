"""Text accuracy: known values, parity with jiwer, and what must raise or lower a score."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from metrics.catalogue import METRICS
from metrics.encoders.ocr import TextLine
from metrics.measurement import Subject
from metrics.text import accuracy
from metrics.text.normalisation import normalise
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
    ("expected", "read", "distance", "similarity", "wer", "cer"),
    [
        ("OPEN 24 HOURS", "OPNE 24 HUORS", 4, 0.692308, 0.666667, 0.307692),
        ("GRAND OPENING", "GRAND", 8, 0.384615, 0.5, 0.615385),
        ("GRAND OPENING", "GRAND OPENING TODAY ONLY", 11, 0.541667, 1.0, 0.846154),
        ("kitten", "sitting", 3, 0.571429, 1.0, 0.5),
        ("hello world", "world hello", 8, 0.272727, 1.0, 0.727273),
        ("a", "abcdef", 5, 0.166667, 1.0, 5.0),
        ("ﬁne café", "fine café", 0, 1.0, 0.0, 0.0),
    ],
)
def test_known_values(expected, read, distance, similarity, wer, cer):
    assert accuracy.similarity(expected, read) == pytest.approx(similarity, abs=1e-6)
    assert accuracy.wer(expected, read) == pytest.approx(wer, abs=1e-6)
    assert accuracy.cer(expected, read) == pytest.approx(cer, abs=1e-6)
    assert accuracy.cer(expected, read) * len(normalise(expected)) == pytest.approx(distance)


def test_case_is_an_error_unless_lenient():
    assert accuracy.cer("Straße", "STRASSE") == pytest.approx(6 / 6)
    assert accuracy.cer("Straße", "STRASSE", lenient=True) == 0


def test_insertions_and_pooled_lines_are_counted_as_in_jiwer():
    assert (accuracy.wer("", "ghost"), accuracy.cer("", "ghost")) == (1, 5)
    # of a corpus, not averaged
    assert accuracy.wer("a b c d\nxx", "a b c d\nyy") == jiwer.wer(["a b c d", "xx"], ["a b c d", "yy"]) == 0.2


@given(words, words)
@settings(max_examples=200)
def test_single_lines_agree_with_jiwer_and_rapidfuzz(expected, read):
    assert accuracy.cer(expected, read) == pytest.approx(jiwer.cer(expected, read), abs=1e-12)
    assert accuracy.wer(expected, read) == pytest.approx(jiwer.wer(expected, read), abs=1e-12)
    normalised = Levenshtein.normalized_similarity(expected, read)
    assert accuracy.similarity(expected, read) == pytest.approx(normalised, abs=1e-12)


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
    assert errors[0] < errors[1] < errors[2]


@given(words, st.text("xyz", min_size=1, max_size=8))
def test_unexpected_text_lowers_similarity_and_counts_as_hallucinated(expected, extra):
    similar = measure(accuracy.edit_similarity, subject(expected, rows(expected, extra)))
    share = measure(accuracy.hallucinated_character_rate, subject(expected, rows(expected, extra)))
    assert 0 < similar.value < 1
    assert share.value == pytest.approx(len(extra) / len(normalise(expected) + extra))
    assert similar.details["unexpected"] == [extra]


@given(st.lists(words, max_size=4), st.lists(words, max_size=4))
@settings(max_examples=50)
def test_values_keep_their_range(expected, read):
    for function in (accuracy.similarity, accuracy.exact_lines, accuracy.hallucinated):
        assert 0 <= function(expected, read) <= 1
    assert accuracy.cer(expected, read) >= 0
    assert accuracy.wer(expected, read) >= 0


@given(words)
def test_leniency_forgives_every_difference_of_case(expected):
    assert accuracy.cer(expected, expected.swapcase(), lenient=True) == 0


@pytest.mark.parametrize("row", [row for row in METRICS if row.dimension == "text"], ids=lambda row: row.id)
def test_no_legible_text_is_a_reason_and_values_stay_with_their_subjects(row):
    for boxes in ([], rows(" ", "\u200b"), [line("blur", score=0.55)]):
        measured = measure(row.load(), subject("OPEN", boxes))
        assert (measured.value, measured.reason) == (None, "no_text")
    assert_contract(row.load(), [subject("OPEN", rows(*read)) for read in (["OPEN"], [], ["OPE", "xx"])], row.range)


def test_readings_in_textures_are_left_out():
    texture = line("zqx", y=90.0, score=0.546)
    assert measure(accuracy.character_error_rate, subject("OPEN", [line("OPEN"), texture])).value == 0


def test_details_hold_what_a_report_shows():
    boxes = [line("open", y=40.0, score=0.9), line("SALE"), line("xx", y=80.0)]
    measured = measure(accuracy.character_error_rate, subject(["OPEN", "SALE"], boxes))
    assert measured.value == pytest.approx(6 / 8)
    assert measured.details["lenient"] == pytest.approx(2 / 8)
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
