from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.facts.models import read_facts
from evals.facts.pricing import TokenPrice, billed_usd
from evals.generation.answers import (
    Ended,
    Finished,
    MalformedResponse,
    OutcomeUnknown,
    Rejected,
    ResponseMetadata,
    SubmitAnswer,
)
from evals.generation.hosts.google import WITHOUT_PICTURE, Google, token_usage
from evals.generation.hosts.transport import HttpAnswer

KEY = "AIzaSy-0123456789abcdef"
BASE = "https://generativelanguage.googleapis.com"
PNG = b"\x89PNG\r\n\x1a\n" + b"rest of a png"
JPEG = b"\xff\xd8\xff\xe0" + b"rest of a jpeg"
WEBP = b"RIFF\0\0\0\0WEBPVP8 "
DRAFT, FINAL = b"\xff\xd8\xffdraft", b"\xff\xd8\xfffinal\xfb\xef\xff"

RECORDED_USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1180,
    "thoughtsTokenCount": 102,
    "totalTokenCount": 1292,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    "serviceTier": "standard",
}
QUOTA = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"},
        ],
    }
}


def read_submission(answer: HttpAnswer) -> SubmitAnswer:
    facts = read_facts().hosts["google"]
    never = httpx.MockTransport(lambda request: httpx.Response(500))
    return Google(facts, KEY, client=httpx.AsyncClient(transport=never)).read_submission(answer)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def image(content: bytes, **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/jpeg", "data": encoded(content)}, **more}


def generated(*parts: dict[str, Any], reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    """Return the body of an answer with these parts, in the recorded shape."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "gemini-3-pro-image", "responseId": "r", **more}


@pytest.fixture
def google(host_facts, client) -> Callable[..., Google]:
    def build(answers: Callable[[httpx.Request], httpx.Response] = httpx.Response, **settings: Any) -> Google:
        facts = host_facts("google", BASE, "generativelanguage.googleapis.com")
        return Google(facts, KEY, client=client(answers), **settings)

    return build


# The request


def test_a_request_has_the_captured_form(google, image_request, offer):
    call = google().prepare(image_request(), offer("gemini-3-pro-image", "google"), [])
    assert call.method == "POST"
    assert call.url == f"{BASE}/v1beta/models/gemini-3-pro-image:generateContent"
    assert call.headers == {"x-goog-api-key": KEY}
    assert call.body == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {
            "seed": 42,
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K"},
        },
    }


def test_references_follow_the_prompt_with_the_type_of_their_bytes(google, image_request, offer):
    call = google().prepare(image_request(), offer("gemini-3-pro-image", "google"), [PNG, JPEG, WEBP])
    assert call.body["contents"][0]["parts"] == [
        {"text": "a cat"},
        {"inlineData": {"mimeType": "image/png", "data": encoded(PNG)}},
        {"inlineData": {"mimeType": "image/jpeg", "data": encoded(JPEG)}},
        {"inlineData": {"mimeType": "image/webp", "data": encoded(WEBP)}},
    ]


@pytest.mark.parametrize("size", ["512", "1K", "2K", "4K"])
def test_the_size_is_sent_by_its_name(google, image_request, offer, size):
    call = google().prepare(image_request(size=size), offer("gemini-3.1-flash-image", "google"), [])
    assert call.body["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1", "imageSize": size}


@pytest.mark.parametrize(
    ("seed", "sent"), [(0, 0), (-5, 0), (2**31 - 1, 2**31 - 1), (2**31, 2**31 - 1), (2**40, 2**31 - 1)]
)
def test_a_seed_fits_into_31_bits(google, image_request, offer, seed, sent):
    call = google().prepare(image_request(seed=seed), offer("gemini-3-pro-image", "google"), [])
    assert call.body["generationConfig"]["seed"] == sent


def test_the_version_is_a_setting(google, image_request, offer):
    call = google(api_version="v1").prepare(image_request(), offer("gemini-3-pro-image", "google"), [])
    assert call.url == f"{BASE}/v1/models/gemini-3-pro-image:generateContent"


# Pictures


def test_the_last_picture_that_is_no_thought_is_taken(answer):
    body = generated(
        {"text": "Let me think.", "thought": True},
        image(DRAFT, thought=True),
        image(b"first"),
        image(FINAL, thoughtSignature="…"),
        usageMetadata=RECORDED_USAGE,
    )
    assert read_submission(answer(body)) == Finished(
        content=FINAL,
        metadata=ResponseMetadata(
            model_version="gemini-3-pro-image",
            usage={"input_text": 10, "input_image": 0, "output_image": 1120, "output_text": 162},
        ),
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (generated(image(FINAL), image(DRAFT, thought=True)), None),
        (generated({"text": "Here it is."}, image(FINAL), {"text": "Enjoy!"}), "Here it is.\nEnjoy!"),
        (generated({"inlineData": {"data": base64.urlsafe_b64encode(FINAL).decode()}}), None),
        (generated(image(FINAL), reason="MAX_TOKENS"), None),
    ],
    ids=["a draft after it", "words beside it", "URL-safe base64", "an odd reason"],
)
def test_a_picture_is_found_whatever_comes_with_it(body, text, answer):
    read = read_submission(answer(body))
    assert isinstance(read, Finished)
    assert (read.content, read.metadata.text) == (FINAL, text)


def test_a_thought_alone_is_no_picture(answer):
    read = read_submission(answer(generated(image(DRAFT, thought=True), {"text": "Hm.", "thought": True})))
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason, read.metadata.text) == ("failed", "no_picture", None)


@pytest.mark.parametrize("data", ["", "not base64!", "QUJ", None, 7, ["QUJD"]])
def test_a_picture_that_cannot_be_decoded_is_malformed(answer, data):
    with pytest.raises(MalformedResponse):
        read_submission(answer(generated({"inlineData": {"mimeType": "image/png", "data": data}})))


@pytest.mark.parametrize("metadata", [None, "much", {"promptTokenCount": "ten"}, {"promptTokenCount": -1}])
def test_odd_counts_do_not_cost_the_picture(answer, metadata):
    read = read_submission(answer(generated(image(FINAL), usageMetadata=metadata, modelVersion=3)))
    assert read == Finished(content=FINAL)


# Refusals


def test_a_refused_prompt_is_refused(answer):
    body = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "Not this."},
        "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
        "modelVersion": "gemini-3.1-flash-image",
    }
    usage = {"input_text": 8, "input_image": 0, "output_image": 0, "output_text": 0}
    metadata = ResponseMetadata(model_version="gemini-3.1-flash-image", usage=usage)
    assert read_submission(answer(body)) == Ended("refused", "PROHIBITED_CONTENT", "Not this.", metadata)


def test_a_withheld_picture_is_filtered(answer):
    body = {
        "candidates": [
            {
                "content": {},
                "finishReason": "IMAGE_SAFETY",
                "finishMessage": "Unable to show the generated image…",
                "index": 0,
            }
        ],
        "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
    }
    read = read_submission(answer(body))
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason) == ("filtered", "IMAGE_SAFETY")
    assert read.message == "Unable to show the generated image…"


KNOWN_REASONS = """
    MAX_TOKENS SAFETY RECITATION LANGUAGE OTHER BLOCKLIST PROHIBITED_CONTENT SPII MALFORMED_FUNCTION_CALL IMAGE_SAFETY
    IMAGE_PROHIBITED_CONTENT IMAGE_OTHER NO_IMAGE IMAGE_RECITATION UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS
    MISSING_THOUGHT_SIGNATURE MALFORMED_RESPONSE ESCALATION PUP_LIMITED_DISABLED CONTINUATION MODEL_ARMOR
"""


def test_every_reason_that_the_sdk_knows_is_in_the_table():
    assert set(WITHOUT_PICTURE) == set(KNOWN_REASONS.split())


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [*WITHOUT_PICTURE.items(), ("IMAGE_NEW_RULE", "filtered"), ("NEW_RULE", "refused")],
)
def test_a_reason_without_a_picture_has_its_outcome(answer, reason, outcome):
    read = read_submission(answer(generated({"text": "I cannot."}, reason=reason)))
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason, read.message, read.metadata.text) == (outcome, reason, "I cannot.", "I cannot.")


@pytest.mark.parametrize("reason", ["STOP", None, "FINISH_REASON_UNSPECIFIED"])
def test_text_alone_is_a_refusal(answer, reason):
    read = read_submission(answer(generated({"text": "I'd rather talk."}, reason=reason)))
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason, read.metadata.text) == ("refused", "text_only", "I'd rather talk.")


def test_an_answer_without_picture_or_word_has_failed(answer):
    for body in (generated(), {"candidates": [], "modelVersion": "m"}, {"usageMetadata": {"promptTokenCount": 8}}):
        read = read_submission(answer(body))
        assert isinstance(read, Ended)
        assert read.outcome == "failed"


@pytest.mark.parametrize("body", [{}, {"candidates": "none"}, {"candidates": [None]}, {"promptFeedback": []}])
def test_an_answer_of_another_shape_is_malformed(answer, body):
    with pytest.raises(MalformedResponse):
        read_submission(answer(body))


# Prices


def test_the_price_formula_gives_the_worked_examples(offer):
    def usd(model: str, usage: dict[str, Any], rates: tuple[float, float, float]) -> float | None:
        terms = dict(zip(("input_per_m", "output_text_per_m", "output_image_per_m"), rates, strict=True))
        bounds = dict.fromkeys(("reference_tokens", "text_tokens_usual", "text_tokens_at_most"), 0)
        price = TokenPrice(**terms, **bounds, image_tokens={"1K": 1120}, source="litellm")
        priced = offer(model, "google", sizes=("1K",), prices=(price,))
        metadata = ResponseMetadata(usage=token_usage(usage, has_picture=True))
        return billed_usd(priced, metadata.cost_usd, metadata.usage, "1K")[0]

    assert usd("gemini-3-pro-image", RECORDED_USAGE, (2, 12, 120)) == pytest.approx(0.13636, abs=1e-5)
    nb2 = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 1460,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    }
    assert usd("gemini-3.1-flash-image", nb2, (0.5, 3, 60)) == pytest.approx(0.06823, abs=1e-5)
    edit = {
        "promptTokenCount": 1156,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 36}, {"modality": "IMAGE", "tokenCount": 1120}],
        "candidatesTokenCount": 1488,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
        "thoughtsTokenCount": 483,
    }
    assert token_usage(edit, True) == {
        "input_text": 36,
        "input_image": 1120,
        "output_image": 1120,
        "output_text": 851,
    }
    assert usd("gemini-nano-banana-2.1", edit, (1.5, 7.5, 30)) == pytest.approx(0.04172, abs=1e-5)


def test_tokens_of_a_picture_that_are_not_told_apart_are_unknown():
    without_details = {"promptTokenCount": 10, "candidatesTokenCount": 1180}
    assert token_usage(without_details, has_picture=True) is None
    text = {"input_text": 10, "input_image": 0, "output_image": 0, "output_text": 1180}
    assert token_usage(without_details, has_picture=False) == text


def test_sums_that_are_missing_are_made_of_their_parts():
    found = {name: value for name, value in RECORDED_USAGE.items() if name.endswith("Details")}
    usage = {"input_text": 10, "input_image": 0, "output_image": 1120, "output_text": 0}
    assert token_usage(found, has_picture=True) == usage


# Errors


def test_the_wait_is_read_from_the_body_or_else_from_the_header(answer):
    assert read_submission(answer(QUOTA, 429)) == Rejected(
        "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan.", 34.4
    )
    body = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    assert read_submission(answer(body, 429, retry_after="7")) == Rejected("RESOURCE_EXHAUSTED", "slow down", 7.0)


def test_the_quota_of_a_day_stops_the_system_until_midnight(answer):
    body = json.loads(json.dumps(QUOTA).replace("PerMinute", "PerDay"))
    read = read_submission(answer(body, 429))
    assert isinstance(read, Rejected)
    assert "midnight Pacific" in read.stops


def test_a_bad_key_stops_the_system_although_it_is_answered_as_a_bad_request(answer):
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": details}
    read = read_submission(answer({"error": error}, 400))
    assert isinstance(read, Rejected)
    assert read.stops == "check the key and what it may be used for"


@pytest.mark.parametrize(
    ("code", "status", "stops"),
    [
        (400, "FAILED_PRECONDITION", "billing"),
        (401, "UNAUTHENTICATED", "key"),
        (403, "PERMISSION_DENIED", "key"),
        (404, "NOT_FOUND", "twinlens systems"),
    ],
)
def test_what_no_other_request_would_change_stops_the_system(answer, code, status, stops):
    read = read_submission(answer({"error": {"code": code, "message": "in words", "status": status}}, code))
    assert isinstance(read, Rejected)
    assert (read.reason, read.message) == (status, "in words")
    assert stops in read.stops


def test_a_bad_request_fails_alone(answer):
    error = {"code": 400, "message": "Unable to process input image", "status": "INVALID_ARGUMENT"}
    ended = Ended("failed", "INVALID_ARGUMENT", "Unable to process input image")
    assert read_submission(answer({"error": error}, 400)) == ended
    assert read_submission(answer(b"<h1>Too large</h1>", 413)) == Ended("failed", "http_413", "<h1>Too large</h1>")


@pytest.mark.parametrize(("code", "status"), [(500, "INTERNAL"), (503, "UNAVAILABLE")])
def test_an_overloaded_model_is_asked_again_and_may_have_charged(answer, code, status):
    read = read_submission(answer({"error": {"code": code, "message": "overloaded", "status": status}}, code))
    assert read == Rejected(status, "overloaded", None, may_have_cost=True)


def test_an_error_of_another_shape_is_read_by_its_status(answer):
    for body in (b"", {"error": "x"}, {"error": {"details": {"a": 1}}}, {"error": {"details": [None, {"reason": 3}]}}):
        read = read_submission(answer(body, 429, retry_after="2"))
        assert isinstance(read, Rejected)
        assert (read.reason, read.delay_s) == ("http_429", 2.0)


# Anything


NAMES = ["content", "parts", "inlineData", "data", "text", "thought", "finishReason", "modality", "tokenCount"]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 3000) | st.text(max_size=4) | st.sampled_from(["STOP", "QUJD"]),
    lambda inner: st.lists(inner, max_size=3) | st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, inner)),
    max_leaves=15,
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["candidates", "promptFeedback", "usageMetadata", "modelVersion", "error"], values)
    ),
    st.sampled_from([200, 400, 429, 500]),
)
def test_any_json_is_an_outcome_or_malformed(body, status):
    try:
        read = read_submission(HttpAnswer(status, {}, json.dumps(body).encode()))
    except MalformedResponse:
        return
    if isinstance(read, Finished):
        assert read.content
    else:
        assert isinstance(read, (Ended, Rejected))
        assert read.reason


# Over HTTP


def test_a_picture_comes_over_http_and_the_key_goes_in_its_header_only(google, image_request, offer):
    seen = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=generated(image(FINAL)))

    host = google(answers)
    read = asyncio.run(host.submit(host.prepare(image_request(), offer("gemini-3-pro-image", "google"), [])))
    assert isinstance(read, Finished)
    assert read.content == FINAL
    assert seen[0].headers["x-goog-api-key"] == KEY
    assert "authorization" not in seen[0].headers
    assert KEY not in str(seen[0].url) + seen[0].content.decode()


@pytest.mark.parametrize(
    "response", [httpx.Response(200, content=b'{"candidates": [{'), httpx.Response(504), httpx.Response(204)]
)
def test_an_answer_that_says_nothing_is_lost(google, image_request, offer, response):
    host = google(lambda request: response)
    read = asyncio.run(host.submit(host.prepare(image_request(), offer("gemini-3-pro-image", "google"), [])))
    assert isinstance(read, OutcomeUnknown)
