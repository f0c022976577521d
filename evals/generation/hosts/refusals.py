"""What an HTTP error means for the request that was sent, and which words say that a picture was withheld."""

from __future__ import annotations

import re
from typing import Literal

from evals.generation.answers import Ended, Rejected
from evals.generation.hosts.http_answer import HttpAnswer, message_of, refused_call

_WITHHELD = re.compile(
    r"nsfw|sensitive|moderat|flagged|inappropriate|prohibited|content[ _](polic|filter|check)"
    r"|safety (filter|polic|system|guideline|reason)|\bE005\b",
    re.IGNORECASE,
)
_PROMPT = re.compile(r"\b(prompt|input|request)s?\b", re.IGNORECASE)
_PICTURE = re.compile(r"\b(output|outputs|generated)\b", re.IGNORECASE)


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


def refused_submission(answer: HttpAnswer) -> Rejected | Ended | None:
    """Return what an HTTP error means for the request that was sent, None where the status is no error."""
    if answer.status < 400:
        return None
    message = message_of(answer)
    return refused_call(answer) or Ended(withheld(message) or "failed", f"http_{answer.status}", message)
