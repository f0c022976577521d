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
_CJK_SPACE = re.compile(rf"(?<=[{_CJK}])\s+|\s+(?=[{_CJK}])")
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")

_STRAIGHT_QUOTES = str.maketrans({**dict.fromkeys("‘’‚‛`´", "'"), **dict.fromkeys("“”„‟", '"')})


def normalise(text: str, *, lenient: bool = False) -> str:
    """Return a text in the form in which it is compared.

    Unicode NFKC (ligatures, full-width forms), curly to straight quotes, white space collapsed and trimmed, invisible
    format characters removed. White space next to a Chinese or Japanese character is layout, not text, and goes too.
    ``lenient`` folds case as well, so that ``Straße`` equals ``STRASSE``.

    Examples
    --------
    >>> normalise("ﬁne  “café”")
    'fine "café"'
    >>> normalise("营业 24 小时")
    '营业24小时'
    >>> normalise("Straße", lenient=True)
    'strasse'
    """
    # Full-width punctuation shows that a space beside it is layout only as long as it is full-width.
    text = _CJK_SPACE.sub("", text)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    # Quotes go before NFKC, which takes a lone acute accent apart into a space and a combining mark.
    text = unicodedata.normalize("NFKC", text.translate(_STRAIGHT_QUOTES))
    if lenient:
        text = unicodedata.normalize("NFKC", text.casefold())
    return unicodedata.normalize("NFKC", _CJK_SPACE.sub("", " ".join(text.split())))


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
