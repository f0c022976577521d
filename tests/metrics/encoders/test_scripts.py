"""Scripts: which ones a text needs, which ones a recogniser's characters suffice for."""

import string

import pytest

from metrics.encoders.scripts import readable, scripts_in, scripts_of


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("OPEN 24 HOURS", {"Latin"}),
        ("Größe ﬁne Ｗｉｄｅ", {"Latin"}),
        ("欢迎光临 開門 〆切 々", {"Han"}),
        ("ひらがな", {"Hiragana"}),
        ("ラーメン ﾗｰﾒﾝ", {"Katakana"}),
        ("Привет", {"Cyrillic"}),
        ("שלום", {"Hebrew"}),
        ("مرحبا", {"Arabic"}),
        ("한국어", {"Hangul"}),
        ("ประเทศไทย", {"Thai"}),
        ("Ωμέγα", {"Greek"}),
        ("phở bò", {"Latin", "Vietnamese"}),
        ("हिन्दी", {"Devanagari"}),
        ("5 \N{MICRO SIGN}m, 3 \N{OHM SIGN}, 20 €, ½, →", {"Latin"}),
        ("1234 !? ー", set()),
        ("", set()),
    ],
)
def test_scripts_of_a_text(text, scripts):
    assert scripts_of(text) == scripts


def test_a_text_is_readable_only_if_all_its_scripts_are():
    assert readable("Café 光", frozenset({"Latin", "Han"}))
    assert not readable("Café 光", frozenset({"Latin"}))
    assert readable("24/7", frozenset())


def test_a_script_counts_only_if_all_its_everyday_letters_are_known():
    latin = string.ascii_letters + "".join(map(chr, range(0xC0, 0x180)))
    assert scripts_in(latin) == {"Latin"}
    unaccented_greek = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρςστυφχψω"
    assert scripts_in(latin + unaccented_greek) == {"Latin"}
    assert scripts_in(latin + unaccented_greek + "άέήίόύώ") == {"Latin", "Greek"}
