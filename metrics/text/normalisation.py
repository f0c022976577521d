"""Text in comparable form: what counts as the same characters, the words of a text, and texts joined to one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_CJK = (
    "\u3001-\u30ff\u31f0-\u31ff"  # punctuation, hiragana, katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"  # full-width punctuation, half-width katakana
)
_CJK_CHARACTER = re.compile(rf"[{_CJK}]")
_CJK_SPACE = re.compile(rf"(?<=[{_CJK}])\s+|\s+(?=[{_CJK}])")
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")

_SAME_SIGN = {
    "'": "‘’‚‛`´ʹʼʻˈ′‵",
    '"': "“”„‟ʺ˝″〃",
    "-": "‐‑‒–—―⁃−﹘﹣",
    "~": "∼〜",
    "/": "⁄∕",
    "·": "•∙⋅",
    "x": "×",
    "<": "‹",
    ">": "›",
    "": "¡",
}
"""Signs that a person calls the same, or that engines cannot tell apart or do not know, by the one they become.

The inverted exclamation mark is no character of common recognisers, whose readings lack it: it is not compared.
"""
_SIGNS = str.maketrans({sign: same for same, signs in _SAME_SIGN.items() for sign in signs})

_LOOK_ALIKES = str.maketrans({"一": "-", "ー": "-", "丨": "|", "。": ".", "，": ",", "：": ":"})
"""Chinese and Japanese characters that a line or dot between Latin words is taken for."""


def normalise(text: str, *, ignore_case: bool = False) -> str:
    """Return a text in the form in which it is compared.

    Unicode NFKC (ligatures, full-width forms, fractions), one form of each quote, prime, dash and bullet, white space
    collapsed and trimmed, invisible format characters removed. White space next to a Chinese or Japanese character is
    layout, not text, and goes too. ``ignore_case`` folds case as well, so that ``Straße`` equals ``STRASSE``.

    Examples
    --------
    >>> normalise("ﬁne  “café” – 6′ 2″")
    'fine "café" - 6\\' 2"'
    >>> normalise("营业 24 小时")
    '营业24小时'
    >>> normalise("Straße", ignore_case=True)
    'strasse'
    """
    # Full-width punctuation shows that a space beside it is layout only as long as it is full-width.
    text = _CJK_SPACE.sub("", text)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    # Signs go before NFKC, which takes a lone acute accent apart, and after it for what it makes.
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS))
    if ignore_case:
        text = unicodedata.normalize("NFKC", text.casefold())
    text = text.translate(_SIGNS).replace("''", '"').replace(",,", '"')
    return unicodedata.normalize("NFKC", _CJK_SPACE.sub("", " ".join(text.split())))


def letters_of(text: str) -> str:
    """Return the characters of a text that are compared: without case and spaces, which engines often lose.

    Examples
    --------
    >>> letters_of("Nano Banana 2")
    'nanobanana2'
    """
    return normalise(text, ignore_case=True).replace(" ", "")


def without_look_alikes(read: str, expected: Iterable[str]) -> str:
    """Return a reading without Chinese characters that were taken for dashes, if no Chinese or Japanese is expected.

    Examples
    --------
    >>> without_look_alikes("一", ["Berlin - Paris"]), without_look_alikes("一", ["一路平安"])
    ('-', '一')
    """
    return read if any(_CJK_CHARACTER.search(line) for line in expected) else read.translate(_LOOK_ALIKES)


def words_of(text: str) -> list[str]:
    """Return the words of a normalised text; each Chinese or Japanese character is a word of its own.

    Examples
    --------
    >>> words_of("OPEN 24 HOURS")
    ['OPEN', '24', 'HOURS']
    >>> words_of("营业24小时")
    ['营', '业', '24', '小', '时']
    """
    return _WORD.findall(text)


def joined(parts: Iterable[str]) -> str:
    """Join normalised texts with spaces, or without where a neighbour is Chinese or Japanese.

    Examples
    --------
    >>> joined(["GRAND", "OPENING"]), joined(["欢迎", "光临"])
    ('GRAND OPENING', '欢迎光临')
    """
    return _CJK_SPACE.sub("", " ".join(part for part in parts if part))


def cuts(text: str) -> list[tuple[str, str]]:
    """Return every way to cut a normalised text in two between words.

    Examples
    --------
    >>> cuts("OPEN 24 HOURS")
    [('OPEN', '24 HOURS'), ('OPEN 24', 'HOURS')]
    """
    starts = [word.start() for word in _WORD.finditer(text)][1:]
    return [(text[:start].rstrip(), text[start:]) for start in starts]
