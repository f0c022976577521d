"""Shows what others named: a character that would steer a terminal or turn a line round is spelled out instead."""

from __future__ import annotations

import re

_STEERING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)"
)
"""Controls (Unicode's category Cc) but tab and line ends, bidirectional ones (Bidi_Control), and half characters."""


def visible(text: str) -> str:
    r"""Return a text in which such characters stand as their escapes, which nothing obeys; all else is as it was.

    Escapes are those of JSON, so that a JSON document says the same afterwards. Right-to-left letters stay letters:
    they need none of these characters.

    Examples
    --------
    >>> print(visible("a\x1b[2Jb\u202e"))
    a\u001b[2Jb\u202e
    >>> import json
    >>> json.loads(visible(json.dumps("\u202e", ensure_ascii=False))) == "\u202e"
    True
    """
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
