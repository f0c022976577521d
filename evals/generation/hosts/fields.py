"""Fields of vendors' JSON that may hold anything: pictures, numbers, seconds; and pictures to be sent in it."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from evals.facts.models import Offer
from evals.generation.answers import Finished, MalformedResponse, ResponseMetadata

FLEX_STEPS, FLEX_GUIDANCE = 50, 5
"""What FLUX.2 [flex] is asked with on every host, whose own defaults differ (28, 30 or 50 steps): its maker's."""


def as_base64(content: bytes) -> str:
    """Return bytes as standard base64."""
    return base64.b64encode(content).decode("ascii")


def from_base64(text: str) -> bytes:
    """Return the bytes of base64: standard or URL-safe, with line breaks, with or without padding.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> from_base64("aGV\\n  sbG8"), from_base64("_-8")
    (b'hello', b'\\xff\\xef')
    """
    plain = re.sub(r"\s*[\r\n]\s*", "", text.strip()).translate(_TO_STANDARD).rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


_TO_STANDARD = str.maketrans("-_", "+/")


def as_data_uri(picture: bytes) -> str:
    """Return a picture as a data URI with the type that its first bytes show.

    Examples
    --------
    >>> as_data_uri(bytes.fromhex("ffd8ff"))
    'data:image/jpeg;base64,/9j/'
    """
    return f"data:{media_type(picture)};base64,{as_base64(picture)}"


def media_type(content: bytes) -> str:
    """Return the media type that the first bytes show; ``application/octet-stream`` if they are no known picture's."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return "application/octet-stream"


def api_id_of(offer: Offer, references: Sequence[bytes]) -> str:
    """Return the model to ask; `ValueError` if there are references and the facts name no model that takes them."""
    if references and not offer.edit_api_id:
        raise ValueError(f"{offer.system} takes no reference images: the facts give it no edit_api_id")
    return (offer.edit_api_id if references else None) or offer.api_id


def finished(places: Iterable[object], metadata: ResponseMetadata) -> Finished:
    """Return the finished picture from the first address, data URI or base64 of an answer, with all others of it.

    Raises
    ------
    MalformedResponse
        If there is none.
    """
    pictures = [found for place in places if (found := _content_or_url(str(place))) is not None]
    if not pictures:
        raise MalformedResponse("neither an address nor a picture where the picture should be")
    first, *beside = pictures
    if beside:
        metadata = replace(metadata, n_pictures=1 + len(beside))
    if isinstance(first, str):
        return Finished(url=first, metadata=metadata, others=tuple(beside))
    return Finished(content=first, metadata=metadata, others=tuple(beside))


def _content_or_url(place: str) -> bytes | str | None:
    place = place.strip()
    if place.startswith(("https://", "http://")):
        return place
    kind, comma, encoded = place.partition(",")
    if place.startswith("data:") and not kind.endswith(";base64"):
        return None
    try:
        return from_base64(urllib.parse.unquote(encoded) if comma else place) or None
    except ValueError:
        return None


def as_integer(value: Any) -> int | None:
    """Return a whole number, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_number(value: Any, below: float = 1e15) -> float | None:
    """Return a number of at least 0, such as seconds or a price; None for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < below else None


def seconds_between(begin: Any, end: Any) -> float | None:
    """Return the seconds between two ISO 8601 timestamps, None where one is missing or makes no sense.

    Examples
    --------
    >>> seconds_between("2025-11-27T14:31:00.25Z", "2025-11-27T14:31:02Z")
    1.75
    """
    try:
        passed = (datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(begin))).total_seconds()
    except (ValueError, TypeError):
        return None
    return passed if passed >= 0 else None
