"""Cutting long prompts: known answers first, then that nothing is lost and everything fits."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.encoders.dual import split_to_fit


def at_most_words(limit):
    return lambda piece: len(piece.split()) <= limit


def at_most_characters(limit):
    return lambda piece: len(piece) <= limit


@pytest.mark.parametrize(
    ("text", "fits", "pieces"),
    [
        # what fits stays untouched
        ("  two\nwords ", at_most_words(2), "  two\nwords "),
        ("", at_most_words(2), ""),
        # whole sentences, then clauses, then words
        ("One fox. Two dogs! Three cats? Four owls.", at_most_words(4), "One fox. Two dogs!|Three cats? Four owls."),
        (
            "A red fox leaps, the moon is out; nobody sees.",
            at_most_words(5),
            "A red fox leaps,|the moon is out;|nobody sees.",
        ),
        ("one two three four five", at_most_words(2), "one two|three four|five"),
        # a line break ends a sentence; numbers and apertures stay whole
        ("Style: noir\nLight: low\nLens: 35 mm f/2.8", at_most_words(4), "Style: noir Light: low|Lens: 35 mm f/2.8"),
        ("Shot at f/2.8 for $1,000 at 5:30 today", at_most_words(4), "Shot at f/2.8 for|$1,000 at 5:30 today"),
        # Chinese at its own punctuation
        (
            "一只红狐狸跃过围墙，月亮出来了。没有人看见。",
            at_most_characters(13),
            "一只红狐狸跃过围墙，|月亮出来了。没有人看见。",
        ),
        # a word too long by itself; blank text too long
        ("ab abcdefgh", at_most_characters(4), "ab a|bcde|fgh"),
        (" " * 9, at_most_characters(4), ""),
    ],
)
def test_known_cuts(text, fits, pieces):
    assert split_to_fit(text, fits) == pieces.split("|")


def test_a_limit_that_nothing_meets_is_an_error():
    with pytest.raises(ValueError, match="not even 'a' fits"):
        split_to_fit("ab", lambda piece: False)


prose = st.text(st.sampled_from("abc ,.;:!?\n。，é😀\t"), max_size=200)


@given(prose | st.text(max_size=200), st.integers(1, 30))
def test_every_piece_fits_and_no_character_is_lost(text, limit):
    pieces = split_to_fit(text, at_most_characters(limit))
    assert all(len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(prose | st.text(max_size=200), st.integers(1, 30))
def test_no_word_is_cut_that_fits_by_itself(text, limit):
    # Scripts without spaces end their sentences inside what white space would call a word.
    text = text.translate(dict.fromkeys(map(ord, "。！？，、；：")))
    assert " ".join(split_to_fit(text, at_most_words(limit))).split() == text.split()


@given(prose, st.integers(1, 30))
def test_no_two_neighbours_would_fit_together(text, limit):
    fits = at_most_words(limit)
    pieces = split_to_fit(text, fits)
    assert all(not fits(f"{one} {other}") for one, other in pairwise(pieces))
