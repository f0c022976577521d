"""API keys: where they come from, and how they are kept out of everything that is written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from evals.facts.models import HostFacts

REMOVED = "•••"
"""What stands where a key or a signature was. No key contains it, as keys are ASCII."""

SHORTEST_KEY = 6
"""Anything shorter is no key, and removing it would spoil other text."""

SECRET_PARAMETERS = (
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "awsaccesskeyid",
    "client_secret",
    "googleaccessid",
    "key",
    "key-pair-id",
    "ossaccesskeyid",
    "password",
    "policy",
    "q-ak",
    "q-signature",
    "refresh_token",
    "security-token",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
    "x-oss-credential",
    "x-oss-security-token",
    "x-oss-signature",
)
"""Query parameters that make an address a secret: whoever has it can use it."""


class UnusableKey(ValueError):
    """An environment variable holds something that cannot be a key; the message says what to do, not what it holds."""


def find_key(facts: HostFacts, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return a host's key: the first of its variables that is set, without white space around it; None if none is.

    Raises
    ------
    UnusableKey
        If it holds control characters or is not ASCII, so that no header can carry it.
    """
    for variable in facts.key_variables:
        key = environ.get(variable, "").strip()
        if not key:
            continue
        if not re.fullmatch(r"[ -~]+", key):
            raise UnusableKey(f"{variable} holds line breaks or other characters that no key has; copy the key again")
        return key
    return None


def redact(text: str, keys: Iterable[str]) -> str:
    """Return a text without keys and without the queries of signed addresses, plain, URL-encoded or escaped in JSON.

    JSON stays JSON. Redacting twice changes nothing.

    Parameters
    ----------
    text
        A message, an address, or a line of JSON.
    keys
        The keys, of printable ASCII; shorter ones than `SHORTEST_KEY` are left alone.

    Examples
    --------
    >>> redact("no access for sk-12345678", ["sk-12345678"])
    'no access for •••'
    >>> redact("GET https://d.example/a.png?se=2026&sp=r&sig=c2VjcmV0 failed", [])
    'GET https://d.example/a.png?••• failed'
    >>> redact("https://api.eu2.bfl.ai/v1/get_result?id=38b4e501", [])
    'https://api.eu2.bfl.ai/v1/get_result?id=38b4e501'
    """
    spelled = _spellings(frozenset(key for key in keys if len(key) >= SHORTEST_KEY))
    if spelled is not None:
        text = spelled.sub(REMOVED, text)
    return _QUERY.sub(_without_secrets, text)


_QUERY = re.compile(
    r"""(?P<mark>\?|&|\#|%(?:25)*3F|\\u003f)
        (?P<query>(?:[^\s"'<>\\`]|\\+(?:u[0-9a-f]{4}|/))+)""",
    re.IGNORECASE | re.VERBOSE,
)
"""What may be a query: from a question mark, or an ``&`` or ``#``, to where an address ends in text or in JSON."""

_SECRET = re.compile(rf"(?:^|[?&;#])(?:amp;)?(?:{'|'.join(map(re.escape, SECRET_PARAMETERS))})=", re.IGNORECASE)


def _without_secrets(match: re.Match[str]) -> str:
    query = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), match["query"])
    for _ in range(4):  # an address may stand, encoded, in the query of another one
        if _SECRET.search(query):
            return match["mark"] + REMOVED
        query = unquote(query)
    return match[0]


@lru_cache(maxsize=32)
def _spellings(keys: frozenset[str]) -> re.Pattern[str] | None:
    """Return a pattern for all keys, the longest first, in every spelling of each of their characters."""
    if not keys:
        return None
    ordered = sorted(keys, key=lambda key: (-len(key), key))
    either = "|".join(f"{''.join(map(_in_json, key))}|{''.join(map(_in_address, key))}" for key in ordered)
    # Half an escape that is cut off before the key would spoil the JSON around it.
    return re.compile(rf"(?:\\+(?:u[0-9a-fA-F]{{0,3}})?)?(?:{either})")


def _in_json(character: str) -> str:
    literal = {'"': r'\\"', "\\": r"\\\\", "/": r"\\?/"}.get(character, re.escape(character))
    return rf"(?:{literal}|\\u{_any_case(ord(character), 4)}|{_percent(character)})"


def _in_address(character: str) -> str:
    space = r"|\+" if character == " " else ""
    return rf"(?:{re.escape(character)}|{_percent(character)}{space})"


def _percent(character: str) -> str:
    return rf"%(?:25)*{_any_case(ord(character), 2)}"


def _any_case(number: int, digits: int) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{number:0{digits}x}")
