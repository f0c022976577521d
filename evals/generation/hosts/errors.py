"""What an HTTP error means: its words, how long to wait, whether the system stops, whether a picture was withheld."""

from __future__ import annotations

import email.utils
import json
import re
import time
from typing import Any, Literal

from evals.generation.answers import Ended, MalformedResponse, Rejected
from evals.generation.hosts.transport import HttpAnswer

_LONG_TEXT = 2_000
_STOPS = {
    401: "check the key and what it may be used for",
    402: "the account has no credit left; top it up",
    403: "check the key and what it may be used for",
    404: "the host does not know this model (any more); see: twinlens systems",
}
_WITHHELD = re.compile(
    r"nsfw|sensitive|moderat|flagged|inappropriate|prohibited|content[ _](polic|filter|check)"
    r"|safety (filter|polic|system|guideline|reason)|\bE005\b",
    re.IGNORECASE,
)
_PROMPT = re.compile(r"\b(prompt|input|request)s?\b", re.IGNORECASE)
_PICTURE = re.compile(r"\b(output|outputs|generated)\b", re.IGNORECASE)


def read_error(answer: HttpAnswer) -> Rejected | Ended:
    """Return what an HTTP error means for the request that was sent."""
    message = message_of(answer)
    return rejection(answer) or Ended(withheld(message) or "failed", f"http_{answer.status}", message)


def rejection(answer: HttpAnswer) -> Rejected | None:
    """Return what an HTTP error means wherever it comes from, None where the status is no error of that kind.

    401 and 403 (key), 402 (credit) and 404 (model) stop the system; 429 and 503 ask to wait; 500 asks to wait too, but
    nobody knows whether it was charged. 400 and 422 belong to the one request and are for the host's reader.
    """
    reason, message = f"http_{answer.status}", message_of(answer)
    if answer.status in _STOPS:
        return Rejected(reason, message, stops=_STOPS[answer.status])
    may_pass = answer.status in (425, 429, 503, 529)
    if may_pass or answer.status >= 500:
        return Rejected(reason, message, retry_after_s(answer), may_have_cost=not may_pass)
    return None


def withheld(words: str) -> Literal["refused", "filtered"] | None:
    """Return what an error's words say about moderation: the prompt refused, the picture filtered, or None for neither.

    A sentence that names the prompt before the verdict, and no output, is about the prompt. Where both are named
    (Replicate's ``E005``) the work had begun, so it counts as filtered.

    Examples
    --------
    >>> withheld("NSFW content detected. Try running it again, or try a different prompt.")
    'filtered'
    >>> withheld("Your prompt was flagged by the content checker")
    'refused'
    >>> withheld("CUDA out of memory") is None
    True
    """
    for sentence in re.split(r"[.;\n]", words):
        verdict = _WITHHELD.search(sentence)
        if verdict:
            about_prompt = _PROMPT.search(sentence[: verdict.start()]) and not _PICTURE.search(sentence)
            return "refused" if about_prompt else "filtered"
    return None


def retry_after_s(answer: HttpAnswer, now: float | None = None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, given as a number or as a date; None without a sensible one.

    Examples
    --------
    >>> retry_after_s(HttpAnswer(429, {"retry-after": "7"}, b""))
    7.0
    """
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError):
        return None
    return max(0.0, then - (time.time() if now is None else now))


def message_of(answer: HttpAnswer) -> str:
    """Return the words of an error, wherever the vendor puts them, on one line and not too long."""
    try:
        body = answer.json()
    except MalformedResponse:
        return " ".join(answer.content[:200].decode("utf-8", "replace").split())
    words: Any = body.get("error") or body.get("detail") or body.get("message") or ""
    if isinstance(words, list):
        words = "; ".join(_field_error(part) for part in words)
    if isinstance(words, dict):
        words = words.get("message") or words.get("detail") or words.get("type") or json.dumps(words)
    return " ".join(str(words).split())[:_LONG_TEXT]


def _field_error(part: Any) -> str:
    """Return one entry of a validation error, ``body.width: must be at least 64``."""
    if not isinstance(part, dict) or "msg" not in part:
        return str(part)
    place = part.get("loc") or ()
    place = ".".join(map(str, place)) if isinstance(place, (list, tuple)) else str(place)
    return f"{place}: {part['msg']}" if place else str(part["msg"])
