"""What a host says, made fit to be kept and shown: without keys, signed addresses and control characters."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeVar

from evals.generation.answers import PollAnswer, ResponseMetadata, SubmitAnswer
from evals.generation.keys import redact

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
    texts = {name: text for name in names if isinstance(text := getattr(holder, name, None), str)}
    return {name: _CONTROL.sub("", redact(_CONTROL.sub("", text), keys))[:_LONGEST] for name, text in texts.items()}
