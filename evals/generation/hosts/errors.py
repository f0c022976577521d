"""What an HTTP error means: its words, how long to wait, whether the system stops, whether a picture was withheld."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from evals.generation.answers import Ended, MalformedResponse, Rejected, ResponseMetadata
from evals.generation.hosts.transport import HttpAnswer

_LONG_TEXT = 2_000
_LARGEST_ERROR = 64 * 2**10
_NOTHING_TOLD = ResponseMetadata()
_NO_CREDIT = "the account has no credit left or its spending cap is reached; top it up or raise the cap"
_STOPS = {
    401: "check the key and what it may be used for",
    402: _NO_CREDIT,
    403: "check the key and what it may be used for",
    404: "the host does not know this model (any more); see: twinlens systems",
}
_OUT_OF_MONEY = re.compile(
    r"exhausted balance|insufficient (credit|balance|fund)|credits? (is|are) (depleted|exhausted|used up)"
    r"|spend(ing)? (cap|limit)|reason: top_up",
    re.IGNORECASE,
)
"""Money is short whatever the status: fal says so with 403, Google with 429."""

_LOCKED = re.compile(r"\b(user|account)\b.{0,40} (is|has been) (locked|suspended)", re.IGNORECASE)
_ANSWERS = (
    *("id", "request_id", "prompt_id", "candidates", "promptFeedback", "usageMetadata"),
    *("images", "image", "output", "outputs", "data", "result", "base64"),
)
"""Fields of an answer that is none of an error."""

_WAITS = {"retry_after": 1.0, "retryAfter": 1.0, "retry_after_seconds": 1.0, "retry_after_ms": 1e-3, "retryDelay": 1.0}
"""Where bodies of errors name a wait, with the unit in seconds."""

_WAIT_IN_WORDS = re.compile(
    r"\b(?:resets?|available|retry|again|wait)\b\D{0,40}?"
    r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|milli|s|sec|m|min|h|hour)[a-z]*\b",
    re.IGNORECASE,
)
_UNITS = {"ms": 1e-3, "milli": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hour": 3600.0}
_WITHHELD = re.compile(
    r"nsfw|sensitive|moderat|flagged|inappropriate|prohibited|content[ _](polic|filter|check)"
    r"|safety (filter|polic|system|guideline|reason)|\bE005\b",
    re.IGNORECASE,
)
_PASSES = re.compile(
    r"interrupted|please retry|try again (later|in a)|temporar(y|ily)|overloaded|high demand|at capacity"
    r"|(service|server|model) is (currently |busy|unavailable)|too many requests|throttled|rate.limit"
    r"|\bE(003|004|1000|6716|8367|8765|9243)\b",
    re.IGNORECASE,
)
"""Words about machines, not about the request; the codes are Replicate's: out of service, start-up, health, stopped
(replicate.com/docs/reference/error-codes, read 2026-11-29)."""

_PROMPT = re.compile(r"\b(prompt|input|request)s?\b", re.IGNORECASE)
_PICTURE = re.compile(r"\b(output|outputs|generated)\b", re.IGNORECASE)


def read_error(answer: HttpAnswer) -> Rejected | Ended:
    """Return what an HTTP error means for the request that was sent."""
    message = message_of(answer)
    return rejection(answer) or failure(f"http_{answer.status}", message)


def failure(reason: str, message: str, metadata: ResponseMetadata = _NOTHING_TOLD) -> Ended:
    """Return the end that an error's words tell of: the prompt refused, the picture withheld, or a failure.

    Examples
    --------
    >>> failure("failed", "Prediction interrupted; please retry (code: PA)").passes
    True
    """
    outcome = withheld(message) or "failed"
    return Ended(outcome, reason, message, metadata, outcome == "failed" and passes(message))


def passes(words: str) -> bool:
    """Tell whether a failure's words are about the host's machines and not about the request."""
    return _PASSES.search(words) is not None


def rejection(answer: HttpAnswer) -> Rejected | None:
    """Return what an HTTP error means wherever it comes from, None where the status is no error of that kind.

    401 and 403 (key), 402 (credit) and 404 (model) stop the system, and so do words that say that money is short; 429
    and 503 ask to wait; 500 asks to wait too, but nobody knows whether it was charged. 400 and 422 belong to the one
    request and are for the host's reader.
    """
    reason, message = f"http_{answer.status}", message_of(answer)
    if answer.status < 500 and _OUT_OF_MONEY.search(message):
        return Rejected(reason, message, stops=_NO_CREDIT)
    if answer.status < 500 and _LOCKED.search(message):
        return Rejected(reason, message, stops="ask the host why, no other key will help")
    if answer.status in _STOPS:
        return Rejected(reason, message, stops=_STOPS[answer.status])
    may_pass = answer.status in (425, 429, 503, 529)
    if may_pass or answer.status >= 500:
        throttled = answer.status == 429
        return Rejected(reason, message, wait_s(answer), may_have_cost=not may_pass, throttled=throttled)
    return None


def unmasked(answer: HttpAnswer) -> HttpAnswer:
    """Return an error that came as a good answer with the status that it names itself, 400 where it names none.

    Examples
    --------
    >>> unmasked(HttpAnswer(200, {}, b'{"error": {"code": 429, "message": "slow down"}}')).status
    429
    """
    if answer.status >= 300 or len(answer.content) > _LARGEST_ERROR:
        return answer
    body = answer.json_or_empty()
    inner = body.get("error") or body.get("detail")
    codes = [body.get("code"), body.get("status"), inner.get("code") if isinstance(inner, dict) else None]
    named = [code for code in codes if isinstance(code, int) and 400 <= code < 600]
    is_answer = any(body.get(name) for name in _ANSWERS) or isinstance(body.get("status"), str)
    return replace(answer, status=named[0] if named else 400) if named or (inner and not is_answer) else answer


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


def wait_s(answer: HttpAnswer, now: float | None = None) -> float | None:
    """Return how many seconds an error asks to wait, wherever the vendor says so; None where it does not.

    It may be the header ``Retry-After`` (seconds or a date), a field of the body, or stand in its words only. Where
    several are there, the longest counts: the shorter one would be turned away again.

    Examples
    --------
    >>> wait_s(HttpAnswer(429, {"retry-after": "7"}, b""))
    7.0
    >>> wait_s(HttpAnswer(429, {}, b'{"detail": "Request was throttled. Your rate limit resets in ~9s."}'))
    9.0
    """
    named = [_header_s(answer.headers.get("retry-after", "").strip(), now), *_field_waits(answer.json_or_empty())]
    in_words = _WAIT_IN_WORDS.search(message_of(answer))
    if in_words:
        named.append(float(in_words[1]) * _UNITS[in_words[2].lower()])
    return max((seconds for seconds in named if seconds is not None), default=None)


def _header_s(value: str, now: float | None) -> float | None:
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError):
        return None
    return max(0.0, then - (time.time() if now is None else now))


def _field_waits(body: Mapping[str, Any]) -> Iterator[float]:
    """Yield the waits that the body names in itself, in its error, or in details of that."""
    error = body.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    for place in (body, error, body.get("detail"), *(details if isinstance(details, list) else ())):
        for name, unit in _WAITS.items() if isinstance(place, dict) else ():
            number = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s?", str(place.get(name)))
            if number:
                yield float(number[1]) * unit


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
