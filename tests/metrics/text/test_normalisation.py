"""Normalisation: what counts as the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.text.normalisation import cuts, joined, letters_of, normalise, words_of


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("ﬁne café", "fine café"),
        ("cafe\u0301", "café"),
        ("Ｗｉｄｅ　１２", "Wide 12"),
        ("  two \t words\n", "two words"),
        ("no\u200bbreak\ufeff soft\u00adhyphen", "nobreak softhyphen"),
        ("开放时间：9:00", "开放时间:9:00"),
        ("서울 시청", "서울 시청"),
        ("9–75, −20 °C, e‑mail —", "9-75, -20 °C, e-mail -"),
        ("6′ 2″, 6' 2''", "6' 2\", 6' 2\""),
        ("Loading… ½, 3×4", "Loading... 1/2, 3x4"),
        ("¡Hola! ¿Qué?", "Hola! ¿Qué?"),
        ("„low“ ‹x› • y", '"low" <x> · y'),
    ],
)
def test_same_text_in_another_form(text, same):
    assert normalise(text) == same


def test_every_curly_quote_of_a_text_is_straightened_not_only_the_last_kind():
    """A loop that starts from the original text each time keeps only its last replacement."""
    assert normalise("“It’s” ‘fine’ „so“ ´x`") == "\"It's\" 'fine' \"so\" 'x'"


def test_case_and_spaces_are_no_letters():
    assert normalise("Straße") != normalise("STRASSE")
    assert letters_of("Straße 5") == letters_of("STRASSE5")


@given(st.text(), st.booleans())
def test_normalising_twice_changes_nothing_more(text, ignore_case):
    once = normalise(text, ignore_case=ignore_case)
    assert normalise(once, ignore_case=ignore_case) == once


def test_words_are_parted_by_spaces_and_chinese_characters_stand_alone():
    assert words_of("Open 24h, daily") == ["Open", "24h,", "daily"]
    assert words_of("欢迎to北京") == ["欢", "迎", "to", "北", "京"]


def test_texts_are_joined_as_their_script_asks():
    assert joined(["GRAND", "", "OPENING"]) == "GRAND OPENING"
    assert joined(["欢迎", "光临", "24", "小时"]) == "欢迎光临24小时"


def test_cuts_lie_between_words():
    assert cuts("one") == []
    assert cuts("出口B") == [("出", "口B"), ("出口", "B")]
