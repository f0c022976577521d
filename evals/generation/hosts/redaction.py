"""What a host says, made fit to be kept and shown: without keys, signed addresses and control characters."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from evals.generation.answers import PollAnswer, ResponseMetadata, SubmitAnswer
from evals.generation.keys import redact

if TYPE_CHECKING:
    from typing import Any

_Read = TypeVar("_Read", bound="SubmitAnswer | PollAnswer")

_WORDS = ("reason", "message", "status")
_METADATA_WORDS = ("model_version", "prompt_used", "text")
_LONGEST = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal acts upon instead of showing it, and what turns the order of text around."""


def redact_answer(read: _Read, keys: Collection[str]) -> _Read:
    """Return an answer whose words can be written down and printed; addresses to ask at stay as they are.

    Vendors repeat what they were sent, and name addresses that give access, in errors and in rewritten prompts.

    Examples
    --------
    >>> from evals.generation.answers import Ended
    >>> redact_answer(Ended("failed", "http_400", "bad header sk-12345678"), ["sk-12345678"]).message
    'bad header •••'
    """
    changes: dict[str, Any] = _cleaned(read, _WORDS, keys)
    metadata = getattr(read, "metadata", None)
    if isinstance(metadata, ResponseMetadata):
        changes["metadata"] = replace(metadata, **_cleaned(metadata, _METADATA_WORDS, keys))
    return replace(read, **changes)


def _cleaned(holder: object, names: Collection[str], keys: Collection[str]) -> dict[str, Any]:
    found = {name: getattr(holder, name, None) for name in names}
    return {name: _clean(words, keys) for name, words in found.items() if isinstance(words, str)}


def _clean(words: str, keys: Collection[str]) -> str:
    return _CONTROL.sub("", redact(_CONTROL.sub("", words), keys))[:_LONGEST]
