"""When two prompts are one: the same words in another white space or Unicode form."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_UNSEEN = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))
"""White space without width: zero-width space, word joiner, and the byte order mark that editors leave."""


def words_of_prompt(prompt: str) -> str:
    """Return the words of a prompt as prompts are compared: Unicode NFC, single spaces, nothing around them.

    White space of any kind counts as one space, also no-break spaces and line breaks. NFC and not NFKC: NFC joins what
    looks the same and is stored differently (``é`` as one code point or two), NFKC also what looks different, and
    ``x²``, ``①`` or full-width letters ask for other pictures than ``x2``, ``1`` or plain letters.

    Examples
    --------
    >>> words_of_prompt(" two  green\\u00a0apples\\n")
    'two green apples'
    >>> words_of_prompt("cafe\\u0301") == "caf\\u00e9", words_of_prompt("x\\u00b2") == "x2"
    (True, False)
    """
    return " ".join(unicodedata.normalize("NFC", prompt.translate(_UNSEEN)).split())


def id_of_prompt(prompt: str) -> str:
    """Return the ``prompt_id`` of a prompt that was given none, the same for the same words.

    Examples
    --------
    >>> id_of_prompt("a black cat") == id_of_prompt("a  black cat\\n")
    True
    """
    return "p" + hashlib.sha256(words_of_prompt(prompt).encode()).hexdigest()[:12]


def with_one_text_a_prompt(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the rows of an image set in which the prompts of a suite that have the same words also have one text.

    A picture is then held against the same text for every system, and no prompt is a decoy of itself. The text is the
    words as they are compared if a row has them so, else the first in the alphabet. Rows that need no other text are
    returned as they are.
    """
    texts: dict[tuple[Any, str], set[str]] = {}
    words = {prompt: words_of_prompt(prompt) for prompt in {row["prompt"] for row in rows}}
    for row in rows:
        texts.setdefault((row["suite"], words[row["prompt"]]), set()).add(row["prompt"])
    chosen = {key: key[1] if key[1] in of_words else min(of_words) for key, of_words in texts.items()}
    return [
        row if (text := chosen[row["suite"], words[row["prompt"]]]) == row["prompt"] else {**row, "prompt": text}
        for row in rows
    ]
