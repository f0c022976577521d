"""Which writing scripts a text uses, and which an OCR engine can read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_SCRIPT_OF_NAME = {"CJK": "Han", "IDEOGRAPHIC": "Han", "CANADIAN": "Canadian-Aboriginal"}
"""Scripts whose letters' Unicode names do not start with the script's own name."""

_SHARED_LETTERS = frozenset({"MODIFIER", "KATAKANA-HIRAGANA"})
"""First words of the names of letters that belong to no single script."""

_SYMBOLS = "\N{MICRO SIGN}\N{OHM SIGN}"
"""Units that are letters by category and turn into Greek ones under NFKC."""

_ALPHABETS = {
    "Latin": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûü",
    "Vietnamese": "ẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỶỸạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỷỹ",
    "Greek": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρςστυφχψωάέήίόύώ",
    "Cyrillic": "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщыьэюя",
    "Armenian": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    "Georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "Hebrew": "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "Devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
    "Bengali": "অআইঈউঊএঐওঔকখগঘচছজঝটঠডঢণতথদধনপফবভমযরলশষসহ",
    "Tamil": "அஆஇஈஉஊஎஏஐஒஓகஙசஞடணதநபமயரலவழளறன",
    "Thai": "กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวศษสหอฮ",
    "Hangul": "가나다라마바사아자차카타파하한국어서울",
    "Hiragana": "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん",
    "Katakana": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
    "Han": "的一是不了人我在有他这中大来上国门书馆开东欢迎光临营业时间入口出禁止門書館開東歡營業時間駅円",
}
"""Everyday letters of a script: an engine that lacks one of them cannot be said to read the script."""


def scripts_of(text: str) -> frozenset[str]:
    """Return the scripts that the letters of a text are written in; digits, punctuation and symbols have none.

    The names are those of the Unicode character names (``Latin``, ``Cyrillic``, ``Han`` ...). Vietnamese stands
    apart from ``Latin``: its stacked accents are a block of their own, which many recognisers of Latin text lack.

    Examples
    --------
    >>> sorted(scripts_of("Café 24 - 欢迎光临"))
    ['Han', 'Latin']
    >>> sorted(scripts_of("ラーメン、うどん"))
    ['Hiragana', 'Katakana']
    >>> scripts_of("24/7 - 12,50 €")
    frozenset()
    """
    letters = unicodedata.normalize("NFKC", "".join(c for c in text if c not in _SYMBOLS))
    return frozenset(script for letter in set(letters) if (script := _script_of(letter)))


def readable(text: str, encoder_scripts: frozenset[str]) -> bool:
    """Tell whether an engine that reads ``encoder_scripts`` can read the whole text.

    Examples
    --------
    >>> readable("Straße 5", frozenset({"Latin"}))
    True
    >>> readable("Hello, мир", frozenset({"Latin"}))
    False
    """
    return scripts_of(text) <= encoder_scripts


def scripts_in(characters: Iterable[str]) -> frozenset[str]:
    """Return the scripts whose everyday letters are all among the characters that a recogniser knows.

    Examples
    --------
    >>> import string
    >>> scripts_in(string.ascii_letters)
    frozenset()
    >>> scripts_in(string.ascii_letters + "".join(map(chr, range(0xC0, 0x100))))
    frozenset({'Latin'})
    """
    readable_characters = set(characters)
    return frozenset(script for script, alphabet in _ALPHABETS.items() if readable_characters.issuperset(alphabet))


def _script_of(character: str) -> str | None:
    if not unicodedata.category(character).startswith("L"):
        return None
    if "\u1ea0" <= character <= "\u1ef9":
        return "Vietnamese"
    first_word = unicodedata.name(character, "MODIFIER").split(" ")[0]
    if first_word in _SHARED_LETTERS:
        return None
    return _SCRIPT_OF_NAME.get(first_word, first_word.title())
