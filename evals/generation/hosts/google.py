"""Google's Gemini API (AI Studio): one POST a picture; its request body and its answers are also those of Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from evals.facts.models import HostFacts, Offer
from evals.facts.pricing import output_tokens_at_most
from evals.generation.answers import (
    TEXT_ONLY,
    Ended,
    Finished,
    MalformedResponse,
    Rejected,
    ResponseMetadata,
    SubmitAnswer,
)
from evals.generation.hosts.errors import message_of, rejection
from evals.generation.hosts.fields import as_base64, as_integer, from_base64, media_type
from evals.generation.hosts.http_host import HttpHost
from evals.generation.hosts.transport import HttpAnswer, HttpCall
from evals.generation.plan import ImageRequest

if TYPE_CHECKING:
    import httpx2 as httpx

WITHOUT_PICTURE: Mapping[str, Literal["refused", "filtered", "failed"]] = {
    # The model did not set about a picture.
    "BLOCKLIST": "refused",
    "ESCALATION": "refused",
    "LANGUAGE": "refused",
    "NO_IMAGE": "refused",
    "OTHER": "refused",
    "PROHIBITED_CONTENT": "refused",
    "PUP_LIMITED_DISABLED": "refused",
    "SPII": "refused",
    # What it made, or had begun, was withheld.
    "IMAGE_OTHER": "filtered",
    "IMAGE_PROHIBITED_CONTENT": "filtered",
    "IMAGE_RECITATION": "filtered",
    "IMAGE_SAFETY": "filtered",
    "MODEL_ARMOR": "filtered",
    "RECITATION": "filtered",
    "SAFETY": "filtered",
    # It broke off for reasons that have nothing to do with what was asked for.
    "CONTINUATION": "failed",
    "MALFORMED_FUNCTION_CALL": "failed",
    "MALFORMED_RESPONSE": "failed",
    "MAX_TOKENS": "failed",
    "MISSING_THOUGHT_SIGNATURE": "failed",
    "TOO_MANY_TOOL_CALLS": "failed",
    "UNEXPECTED_TOOL_CALL": "failed",
}
"""What a ``finishReason`` without a picture is. Google adds reasons: a new one is ``filtered`` if it begins with
``IMAGE_``, else ``refused``."""

_ENDED_WELL = ("", "STOP", "FINISH_REASON_UNSPECIFIED")

_ENABLE_BILLING = "Google gives this project no quota for the model: enable billing for it in AI Studio"
_LARGEST_SEED = 2**31 - 1
_LONG_TEXT = 2_000


class Google(HttpHost):
    """Gemini image models on AI Studio.

    A seed is sent and held by best effort only. An error 500 is not charged (ai.google.dev/gemini-api/docs/billing,
    read 2026-11-29, which says nothing of 503). The picture's format cannot be chosen here (it has been JPEG).

    Parameters
    ----------
    facts, key, base_url, client
        As for `HttpHost`.
    api_version
        The version in the path; ``v1`` has refused image fields in the past.
    """

    UNCHARGED: ClassVar[tuple[int, ...]] = (500,)

    def __init__(
        self,
        facts: HostFacts,
        key: str,
        base_url: str | None = None,
        client: httpx.AsyncClient | None = None,
        api_version: str = "v1beta",
    ) -> None:
        """Keep the key in memory and open no connection."""
        super().__init__(facts, key, base_url, client)
        self.api_version = api_version

    def key_header(self) -> dict[str, str]:
        """Return Google's own header for the key."""
        return {"x-goog-api-key": self._key}

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST whose answer is the picture."""
        path = f"{self.api_version}/models/{offer.api_id}:generateContent"
        return self.post(path, generation_body(request, offer, references))

    def read_picture(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return the picture, or why there is none."""
        return read_generation(answer)

    def read_error(self, answer: HttpAnswer) -> Rejected | Ended:
        """Return what an HTTP error means; the body says how long to wait and whether another key would help."""
        error = _map(answer.json_or_empty().get("error"))
        reason, message = _text(error.get("status")) or f"http_{answer.status}", message_of(answer)
        details = _maps(error.get("details"))
        if any(_text(detail.get("reason")).startswith("API_KEY_") for detail in details):
            return Rejected(reason, message, stops="check the key and what it may be used for")
        if any(_text(detail.get("reason")) == "BILLING_DISABLED" for detail in details):
            return Rejected(reason, message, stops=_ENABLE_BILLING)
        if answer.status == 400 and reason == "FAILED_PRECONDITION":
            return Rejected(reason, message, stops="check the project's billing and whether Google serves your region")
        rejected = rejection(answer)
        if rejected is None:
            return Ended("failed", reason, message)
        violations = [violation for detail in details for violation in _maps(detail.get("violations"))]
        if answer.status == 429 and not rejected.stops:
            # A quota of nothing is never used up: the free tier has no pictures.
            if re.search(r"\blimit: 0\b", message) or any(str(v.get("quotaValue")) == "0" for v in violations):
                return Rejected(reason, message, stops=_ENABLE_BILLING)
            if any("PerDay" in _text(violation.get("quotaId")) for violation in violations):
                return Rejected(reason, message, stops="the day's quota is used up; go on after midnight Pacific time")
        # Google answers "unavailable" to work that it had begun, too; a proxy's errors are not Google's.
        is_free = bool(error) and answer.status in self.UNCHARGED
        may_have_cost = (rejected.may_have_cost or answer.status == 503) and not is_free
        return replace(rejected, reason=reason, may_have_cost=may_have_cost)


def generation_body(
    request: ImageRequest, offer: Offer, references: Sequence[bytes], **image_config: object
) -> dict[str, Any]:
    """Return the body of ``generateContent`` for one square picture.

    Parameters
    ----------
    request, offer
        The request, and what can be asked of the model.
    references
        The reference images, as the bytes of their files.
    image_config
        Further fields of ``imageConfig``.
    """
    parts: list[dict[str, Any]] = [{"text": request.prompt}]
    parts += [{"inlineData": {"mimeType": media_type(image), "data": as_base64(image)}} for image in references]
    # A larger seed is refused as no 32-bit integer.
    seed = {"seed": min(max(request.seed, 0), _LARGEST_SEED)} if offer.takes_seed else {}
    most_tokens = output_tokens_at_most(offer, request.size)
    # No answer can cost more than the budget holds for it.
    limit = {"maxOutputTokens": most_tokens} if most_tokens is not None else {}
    return {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {
            **seed,
            **limit,
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "1:1", "imageSize": request.size, **image_config},
        },
    }


def read_generation(answer: HttpAnswer) -> SubmitAnswer:
    """Return what the answer to ``generateContent`` means.

    Raises
    ------
    MalformedResponse
        If it has neither candidates nor a reason why there are none, or a picture's base64 cannot be decoded.
    """
    if answer.status != 200:
        raise MalformedResponse("no answer to generateContent")
    body = answer.json()
    candidates = _maps(body.get("candidates"))
    parts = [part for candidate in candidates for part in _maps(_map(candidate.get("content")).get("parts"))]
    holding = [part for part in parts if part.get("inlineData")]
    pictures = [part for part in holding if not part.get("thought")]
    if not pictures and candidates and _text(candidates[0].get("finishReason")) in _ENDED_WELL:
        # The last draft is the picture where none is called final; of one that was withheld it is none.
        pictures = holding[-1:]
    written = "\n".join(_text(part["text"]) for part in parts if part.get("text") and not part.get("thought"))
    metadata = ResponseMetadata(
        model_version=_text(body.get("modelVersion")) or None,
        usage=token_usage(body.get("usageMetadata"), has_picture=bool(pictures)),
        text=written[:_LONG_TEXT] or None,
    )
    if pictures:
        contents = [_decoded(_map(part["inlineData"]).get("data")) for part in pictures]
        first = next((n for n, content in enumerate(contents) if content), None)
        if first is None:
            raise MalformedResponse("a picture without bytes, or whose base64 cannot be decoded")
        if len(contents) > 1:
            metadata = replace(metadata, n_pictures=len(contents))
        return Finished(contents.pop(first), metadata=metadata, others=tuple(contents))
    if candidates:
        return _ended(candidates[0], metadata)
    feedback = _map(body.get("promptFeedback"))
    if feedback:
        reason = _text(feedback.get("blockReason")) or "prompt_blocked"
        return Ended("refused", reason, _text(feedback.get("blockReasonMessage")), metadata)
    if body.get("usageMetadata") or body.get("candidates") == []:
        return Ended("failed", "no_candidates", "the answer is empty", metadata)
    raise MalformedResponse("an answer without candidates")


def token_usage(metadata: Any, has_picture: bool) -> dict[str, float] | None:
    """Return the tokens that are billed, by direction and kind.

    Thoughts and everything else that was put out beside the picture cost the price of text:
    ``output_text = candidates - IMAGE + thoughts`` (price formula of the Gemini API, read 2026-11-22).

    Returns
    -------
    dict or None
        None where there is no usage, or where the tokens of an existing picture cannot be told from those of text.
    """
    counts = _map(metadata)
    prompt, candidates = _count(counts.get("promptTokenCount")), _count(counts.get("candidatesTokenCount"))
    of_prompt = _by_modality(counts.get("promptTokensDetails"))
    of_candidates = _by_modality(counts.get("candidatesTokensDetails"))
    if not counts or (has_picture and not of_candidates.get("IMAGE")) or (prompt is None and not of_prompt):
        return None
    prompt = sum(of_prompt.values()) if prompt is None else prompt
    candidates = sum(of_candidates.values()) if candidates is None else candidates
    image = of_candidates.get("IMAGE", 0)
    beside = max(0, candidates - image) + (_count(counts.get("thoughtsTokenCount")) or 0)
    reference = min(of_prompt.get("IMAGE", 0), prompt)
    tokens = {
        "input_text": prompt - reference,
        "input_image": reference,
        "output_image": image,
        "output_text": beside,
    }
    return {kind: float(count) for kind, count in tokens.items()}


def _ended(candidate: Mapping[str, Any], metadata: ResponseMetadata) -> Ended:
    """Return why a candidate holds no picture."""
    reason = _text(candidate.get("finishReason"))
    message = _text(candidate.get("finishMessage")) or metadata.text or ""
    if reason not in _ENDED_WELL:
        default: Literal["refused", "filtered"] = "filtered" if reason.startswith("IMAGE_") else "refused"
        return Ended(WITHOUT_PICTURE.get(reason, default), reason, message, metadata)
    if metadata.text:
        return Ended("refused", TEXT_ONLY, message, metadata)
    return Ended("failed", "no_picture", message or "the model stopped without a picture or a word", metadata)


def _decoded(data: Any) -> bytes:
    """Return the bytes of a picture in base64, none where it cannot be decoded."""
    try:
        return from_base64(_text(data))
    except ValueError:
        return b""


def _by_modality(details: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for detail in _maps(details):
        modality = _text(detail.get("modality"))
        counts[modality] = counts.get(modality, 0) + (_count(detail.get("tokenCount")) or 0)
    return counts


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    count = as_integer(value)
    return count if count is not None and 0 <= count < 2**53 else None
