"""What came back over HTTP: the JSON in it, the words of an error, how long to wait, what a status means."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evals.generation.answers import Rejected

_LONG_TEXT = 2_000


class MalformedResponse(ValueError):
    """An answer cannot be understood; the message says what was found, without any of it that might be secret."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: the status, the headers by lower-case name, the bytes."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object, with finite numbers and text that can be written again.

        Raises
        ------
        MalformedResponse
            If it is none.
        """
        try:
            text = self.content.decode("utf-8-sig", "replace")
            found = json.loads(text, parse_float=_finite, parse_constant=_finite)
            if _SURROGATE.search(text):
                found = _writable(found)
        except (ValueError, RecursionError):
            raise MalformedResponse(f"{len(self.content)} bytes that are not JSON") from None
        if not isinstance(found, dict):
            raise MalformedResponse(f"JSON that is a {type(found).__name__}, not an object")
        return found


def refused_call(answer: HttpAnswer) -> Rejected | None:
    """Return what an HTTP error means wherever it comes from, None where the status is no error of that kind.

    401 and 403 (key), 402 (credit) and 404 (model) stop the system; 429 and 503 ask to wait; 500 asks to wait too, but
    nobody knows whether it was charged. 400 and 422 belong to the one request and are for the host's reader.
    """
    reason, message, delay = f"http_{answer.status}", message_of(answer), retry_after_s(answer)
    if answer.status in (401, 403):
        return Rejected(reason, message, stops="check the key and what it may be used for")
    if answer.status == 402:
        return Rejected(reason, message, stops="the account has no credit left; top it up")
    if answer.status == 404:
        return Rejected(reason, message, stops="the host does not know this model (any more); see: twinlens systems")
    if answer.status in (425, 429, 503, 529):
        return Rejected(reason, message, delay)
    if answer.status >= 500:
        return Rejected(reason, message, delay, may_have_cost=True)
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
    found: Any = body.get("error") or body.get("detail") or body.get("message") or ""
    if isinstance(found, list):
        found = "; ".join(_field_error(part) for part in found)
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail") or found.get("type") or json.dumps(found)
    return " ".join(str(found).split())[:_LONG_TEXT]


def _field_error(part: Any) -> str:
    """Return one entry of a validation error, ``body.width: must be at least 64``."""
    if not isinstance(part, dict) or "msg" not in part:
        return str(part)
    place = part.get("loc") or ()
    place = ".".join(map(str, place)) if isinstance(place, (list, tuple)) else str(place)
    return f"{place}: {part['msg']}" if place else str(part["msg"])


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _writable(value: Any) -> Any:
    """Return JSON without halves of surrogate pairs, which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(key): _writable(inner) for key, inner in value.items()}
    return [_writable(inner) for inner in value] if isinstance(value, list) else value


def _finite(number: str) -> float | None:
    """Return a number of JSON, None for one that no file can hold: a field with it counts as missing."""
    return float(number) if math.isfinite(float(number)) else None
