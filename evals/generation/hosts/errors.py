"""What an HTTP error means: its words, how long to wait, whether the system stops, whether a picture was withheld."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
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
    r"\b(exhausted balance|(insufficient|not enough|out of) (credits?|balance|funds?)"
    r"|no (credits?|funds?) (left|remaining|available)|credits? (is|are) (depleted|exhausted|used up)"
    r"|spend(ing)? (cap|limit)|reason: top_up)\b",
    re.IGNORECASE,
)
"""Money is short whatever the status: fal says so with 403, Google with 429."""

_LOCKED = re.compile(r"\b(user|account)\b(?:(?![.:;] ).){0,40} (is|has been) (locked|suspended)", re.IGNORECASE)
_ANSWERS = (
    *("id", "request_id", "prompt_id", "candidates", "promptFeedback", "usageMetadata"),
    *("images", "image", "output", "outputs", "data", "result", "base64"),
)
"""Fields of an answer that is none of an error."""

_WAIT_FIELD = re.compile(r"retry(after|delay|in)(ms|milliseconds)?(s|sec|seconds)?", re.IGNORECASE)
"""Names, without their separators, of headers and of fields of a body that hold a wait."""

_NESTED_AT_MOST = 6
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_PART = rf"({_NUMBER}) ?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)(?![a-z])"
_DURATION = rf"{_PART}(?:[ ,]*(?:and )?{_PART})*"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_WAIT_IN_WORDS = re.compile(rf"\b(?:resets?|available|retry|again|wait)\b\D{{0,40}}?({_DURATION})", re.IGNORECASE)
_WITHHELD = re.compile(
    r"nsfw|(?<!case[- ])(?<!in)sensitive|moderat(ed|ion|or)|flagged|inappropriate|prohibited"
    r"|content[ _](polic|filter|check)|safety (filter|polic|system|guideline|reason)|\bE005\b",
    re.IGNORECASE,
)
_PASSES = re.compile(
    r"\b(interrupted|please retry|try again (later|in a)|temporar(y|ily)|overloaded|high demand|at capacity"
    r"|(service|server|model) is (currently |busy|unavailable)|too many requests|throttled|rate.limit"
    r"|E(003|004|1000|6716|8367|8765|9243)\b)",
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
    inner = _inner(body)
    codes = [body.get(name) for name in ("code", "status", "status_code")]
    codes.append(inner.get("code") if isinstance(inner, dict) else None)
    named = [int(code) for code in map(str, codes) if re.fullmatch("[45][0-9][0-9]", code)]
    is_answer = any(body.get(name) for name in _ANSWERS) or isinstance(body.get("status"), str)
    is_error = bool(inner) or body.get("success") is False
    return replace(answer, status=named[0] if named else 400) if named or (is_error and not is_answer) else answer


def without_prompt(answer: HttpAnswer, prompt: str) -> HttpAnswer:
    """Return an answer with dots where it quotes the prompt, whose words must not decide what an error means.

    A prompt of one word, which may be the name of a field, stays, and so does one in an answer that is long.

    Examples
    --------
    >>> without_prompt(HttpAnswer(422, {}, b'{"detail": "bad prompt: out of funds"}'), "out of funds").content
    b'{"detail": "bad prompt: ..."}'
    """
    content = answer.content
    if " " not in prompt.strip() or len(content) > _LARGEST_ERROR:
        return answer
    for quoted in (json.dumps(prompt)[1:-1], json.dumps(prompt, ensure_ascii=False)[1:-1], prompt):
        content = content.replace(quoted.encode(errors="replace"), b"...")
    return replace(answer, content=content)


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
    named = [*_waits(dict(answer.headers), now), *_waits(answer.json_or_empty(), now)]
    if in_words := _WAIT_IN_WORDS.search(message_of(answer)):
        named.append(_duration_s(in_words[1]))
    return max(named, default=None)


def _waits(place: Any, now: float | None, depth: int = 0) -> Iterator[float]:
    """Yield the waits that fields name, however deep they lie."""
    if isinstance(place, list) and depth < _NESTED_AT_MOST:
        for inner in place:
            yield from _waits(inner, now, depth + 1)
    if isinstance(place, dict) and depth < _NESTED_AT_MOST:
        for name, value in place.items():
            field = _WAIT_FIELD.fullmatch(re.sub("[-_]", "", name))
            seconds = _seconds(str(value).strip(), now) if field else None
            if field and seconds is not None:
                yield seconds * (1e-3 if field[2] else 1.0)
            yield from _waits(value, now, depth + 1)


def _seconds(value: str, now: float | None) -> float | None:
    """Return the wait that a field holds: a number, ``1m30s``, or a date."""
    if re.fullmatch(_NUMBER, value):
        return float(value)
    if re.fullmatch(_DURATION, value, re.IGNORECASE):
        return _duration_s(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
        if then.tzinfo is None:  # "-0000", which is UTC too
            then = then.replace(tzinfo=UTC)
        return max(0.0, then.timestamp() - (time.time() if now is None else now))
    except (ValueError, TypeError, OverflowError):
        return None


def _duration_s(words: str) -> float:
    """Return ``1m30s`` or ``2 minutes and 5 seconds`` in seconds."""
    parts = re.findall(_PART, words.lower())
    return sum(
        float(number) * (1e-3 if unit.startswith(("ms", "milli")) else _UNITS[unit[0]]) for number, unit in parts
    )


def message_of(answer: HttpAnswer) -> str:
    """Return the words of an error, wherever the vendor puts them, on one line and not too long."""
    try:
        body = answer.json()
    except MalformedResponse:
        return " ".join(answer.content[:200].decode("utf-8", "replace").split())
    words: Any = _inner(body) or body.get("message") or body.get("msg") or ""
    if isinstance(words, list):
        words = "; ".join(_field_error(part) for part in words)
    if isinstance(words, dict):
        words = words.get("message") or words.get("detail") or words.get("type") or json.dumps(words)
    return " ".join(str(words).split())[:_LONG_TEXT]


def _inner(body: Mapping[str, Any]) -> Any:
    """Return what a body says of its error: words, or an object or a list with them."""
    return body.get("error") or body.get("detail") or body.get("errors")


def _field_error(part: Any) -> str:
    """Return one entry of a validation error, ``body.width: must be at least 64``."""
    if not isinstance(part, dict) or "msg" not in part:
        return str(part["message"] if isinstance(part, dict) and "message" in part else part)
    place = part.get("loc") or ()
    place = ".".join(map(str, place)) if isinstance(place, (list, tuple)) else str(place)
    return f"{place}: {part['msg']}" if place else str(part["msg"])
