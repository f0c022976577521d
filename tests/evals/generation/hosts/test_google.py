import base64
import json

import pytest

from evals.facts.models import read_facts
from evals.generation.answers import Ended, Finished, MalformedResponse, Rejected, ResponseMetadata
from evals.generation.hosts.google import WITHOUT_PICTURE, Google, token_usage
from tests.evals.generation.hosts.conftest import KEY, answer, image_request, in_brief, offer

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
NANO_BANANA_2_USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1460,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}
EDIT_USAGE = {
    "promptTokenCount": 1156,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 36}, {"modality": "IMAGE", "tokenCount": 1120}],
    "candidatesTokenCount": 1488,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    "thoughtsTokenCount": 483,
}
REASONS = {  # all that the SDK knows
    "refused": "BLOCKLIST ESCALATION LANGUAGE NO_IMAGE OTHER PROHIBITED_CONTENT PUP_LIMITED_DISABLED SPII",
    "filtered": "IMAGE_OTHER IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION IMAGE_SAFETY MODEL_ARMOR RECITATION SAFETY",
    "failed": """CONTINUATION MALFORMED_FUNCTION_CALL MALFORMED_RESPONSE MAX_TOKENS MISSING_THOUGHT_SIGNATURE
        TOO_MANY_TOOL_CALLS UNEXPECTED_TOOL_CALL""",
}
OUTCOMES = {reason: outcome for outcome, reasons in REASONS.items() for reason in reasons.split()}


def encoded(content):
    return base64.b64encode(content).decode()


def image(content, **more):
    return {"inlineData": {"mimeType": "image/jpeg", "data": encoded(content)}, **more}


def generated(*parts, reason="STOP", **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "gemini-3-pro-image", "responseId": "r", **more}


def error(code, status, message="in words", details=()):
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


QUOTA = error(
    429,
    "RESOURCE_EXHAUSTED",
    "You exceeded your current quota, please check your plan.",
    [{"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}, {"retryDelay": "34.4s"}],
)


THROTTLED = Rejected("http_429", "x", 7.0, throttled=True)
NO_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. * Quota exceeded for metric: "
    "generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 0, model: gemini-3-pro-image"
)


def tokens(*counts):
    return dict(zip(("input_text", "input_image", "output_image", "output_text"), counts, strict=True))


@pytest.mark.parametrize(
    ("size", "seed", "sent"),  # a seed has 31 bits
    [("512", -5, 0), ("1K", 42, 42), ("2K", 0, 0), ("2K", 2**31 - 1, 2**31 - 1), ("4K", 2**31, 2**31 - 1)],
)
def test_a_request_has_the_captured_form(host, size, seed, sent):
    call = host.prepare(image_request(size=size, seed=seed), offer("gemini-3-pro-image", "google"), [])
    assert call.method == "POST"
    assert call.url == f"{BASE}/v1beta/models/gemini-3-pro-image:generateContent"
    assert call.headers == {"x-goog-api-key": KEY}
    assert call.body == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {
            "seed": sent,
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "1:1", "imageSize": size},
        },
    }


def test_no_answer_can_hold_more_tokens_than_the_budget_counts_with(host):
    sent = {}
    for name, size in (("gemini-3-pro-image", "4K"), ("gemini-3.1-flash-lite-image", "1K")):
        body = host.prepare(image_request(size=size), read_facts().find(f"{name}@google"), []).body
        sent[name] = body["generationConfig"]["maxOutputTokens"]
    # Three pictures and 4,096 tokens beside them; Lite makes no more than 4,096 in all.
    assert sent == {"gemini-3-pro-image": 3 * 2000 + 4096, "gemini-3.1-flash-lite-image": 4096}


def test_references_follow_the_prompt_with_the_type_of_their_bytes(host):
    call = host.prepare(image_request(), offer("gemini-3-pro-image", "google"), [PNG, JPEG, WEBP])
    assert call.body["contents"][0]["parts"] == [
        {"text": "a cat"},
        {"inlineData": {"mimeType": "image/png", "data": encoded(PNG)}},
        {"inlineData": {"mimeType": "image/jpeg", "data": encoded(JPEG)}},
        {"inlineData": {"mimeType": "image/webp", "data": encoded(WEBP)}},
    ]


def test_the_version_is_a_setting(host):
    call = Google(host.facts, KEY, api_version="v1").prepare(image_request(), offer("m", "google"), [])
    assert call.url == f"{BASE}/v1/models/m:generateContent"


def test_the_first_picture_that_is_no_thought_is_taken_and_the_others_come_with_it(host):
    body = generated(
        {"text": "Let me think.", "thought": True},
        image(DRAFT, thought=True),
        image(FINAL, thoughtSignature="…"),
        image(b"second"),
        usageMetadata=RECORDED_USAGE,
    )
    body["candidates"].append(generated(image(b"third"))["candidates"][0])
    metadata = ResponseMetadata("gemini-3-pro-image", usage=tokens(10, 0, 1120, 162), n_pictures=3)
    finished = Finished(content=FINAL, metadata=metadata, others=(b"second", b"third"))
    assert host.read_submission(answer(body)) == finished


@pytest.mark.parametrize("spoiled", [{"data": "%%%"}, {"data": ""}, {"mimeType": "image/png"}])
def test_one_picture_that_cannot_be_decoded_does_not_cost_the_others(host, spoiled):
    for parts in ([{"inlineData": spoiled}, image(FINAL)], [image(FINAL), {"inlineData": spoiled}]):
        read = host.read_submission(answer(generated(*parts)))
        assert (read.content, read.metadata.n_pictures) == (FINAL, 2)
        assert read.others == (b"",)


@pytest.mark.parametrize(("reason", "outcome"), [("IMAGE_SAFETY", "filtered"), ("MAX_TOKENS", "failed")])
def test_the_draft_of_a_picture_that_was_withheld_is_no_picture(host, reason, outcome):
    body = generated(image(DRAFT, thought=True))
    body["candidates"][0]["finishReason"] = reason
    read = host.read_submission(answer(body))
    assert (type(read), read.outcome, read.reason) == (Ended, outcome, reason)


def test_a_picture_that_exists_in_thoughts_only_is_a_picture_the_last_one(host):
    body = generated(image(b"first draft", thought=True), {"text": "Hm.", "thought": True}, image(FINAL, thought=True))
    read = host.read_submission(answer(body))
    assert (read.content, read.others, read.metadata.n_pictures) == (FINAL, (), None)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (generated(image(FINAL), image(DRAFT, thought=True)), None),
        (generated({"text": "Here it is."}, image(FINAL), {"text": "Enjoy!"}), "Here it is.\nEnjoy!"),
        (generated({"inlineData": {"data": base64.urlsafe_b64encode(FINAL).decode()}}), None),
        (generated({"inlineData": {"data": base64.encodebytes(FINAL).decode().rstrip("=\n")}}), None),
        (generated(image(FINAL), reason="MAX_TOKENS"), None),
    ],
    ids=["a draft after it", "words beside it", "URL-safe base64", "line breaks, no padding", "an odd reason"],
)
def test_a_picture_is_found_whatever_comes_with_it(host, body, text):
    read = host.read_submission(answer(body))
    assert isinstance(read, Finished)
    assert (read.content, read.metadata.text) == (FINAL, text)


@pytest.mark.parametrize("metadata", [None, "much", {"promptTokenCount": "ten"}, {"promptTokenCount": -1}])
def test_odd_counts_do_not_cost_the_picture(host, metadata):
    read = host.read_submission(answer(generated(image(FINAL), usageMetadata=metadata, modelVersion=3)))
    assert read == Finished(content=FINAL)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"candidates": "none"},
        {"candidates": [None]},
        {"promptFeedback": []},
        *(
            generated({"inlineData": {"mimeType": "image/png", "data": data}})
            for data in ("", "not base64!", "QUJDE", None, 7, ["QUJD"])
        ),
    ],
)
def test_an_answer_of_another_shape_or_with_an_undecodable_picture_is_malformed(host, body):
    for answered in (answer(body), answer(generated(image(FINAL)), 204)):
        with pytest.raises(MalformedResponse):
            host.read_submission(answered)


def test_a_refused_prompt_is_refused_and_has_its_tokens(host):
    body = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "Not this."},
        "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
        "modelVersion": "gemini-3.1-flash-image",
    }
    metadata = ResponseMetadata("gemini-3.1-flash-image", usage=tokens(8, 0, 0, 0))
    assert host.read_submission(answer(body)) == Ended("refused", "PROHIBITED_CONTENT", "Not this.", metadata)


def test_a_withheld_picture_is_filtered_with_the_vendors_words(host):
    candidate = {"content": {}, "finishReason": "IMAGE_SAFETY", "finishMessage": "Unable to show it…", "index": 0}
    read = host.read_submission(answer({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 8}}))
    assert (*in_brief(read), read.message) == ("filtered", "IMAGE_SAFETY", "Unable to show it…")


def test_every_reason_that_the_sdk_knows_is_in_the_table():
    assert set(WITHOUT_PICTURE) == set(OUTCOMES)


@pytest.mark.parametrize(
    ("reason", "outcome"), [*OUTCOMES.items(), ("IMAGE_NEW_RULE", "filtered"), ("NEW_RULE", "refused")]
)
def test_a_reason_without_a_picture_has_its_outcome(host, reason, outcome):
    read = host.read_submission(answer(generated({"text": "I cannot."}, reason=reason)))
    assert (*in_brief(read), read.message, read.metadata.text) == (outcome, reason, "I cannot.", "I cannot.")


@pytest.mark.parametrize("reason", ["STOP", None, "FINISH_REASON_UNSPECIFIED"])
def test_text_alone_is_a_refusal(host, reason):
    read = host.read_submission(answer(generated({"text": "I'd rather talk."}, reason=reason)))
    assert (*in_brief(read), read.metadata.text) == ("refused", "text_only", "I'd rather talk.")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (generated({"text": "Hm.", "thought": True}), "no_picture"),
        (generated(), "no_picture"),
        ({"candidates": [], "modelVersion": "m"}, "no_candidates"),
        ({"usageMetadata": {"promptTokenCount": 8}}, "no_candidates"),
    ],
)
def test_thoughts_alone_or_nothing_at_all_are_a_failure(host, body, reason):
    read = host.read_submission(answer(body))
    assert (*in_brief(read), read.metadata.text) == ("failed", reason, None)


@pytest.mark.parametrize(
    ("usage", "counts"),  # `tests/evals/facts/test_pricing.py` has what these cost
    [
        (RECORDED_USAGE, tokens(10, 0, 1120, 162)),
        (NANO_BANANA_2_USAGE, tokens(10, 0, 1120, 340)),
        (EDIT_USAGE, tokens(36, 1120, 1120, 851)),
    ],
    ids=["Gemini 3 Pro", "Nano Banana 2", "an edit with Nano Banana 2.1"],
)
def test_recorded_usage_is_counted_by_what_has_a_price_of_its_own(usage, counts):
    assert token_usage(usage, has_picture=True) == counts


def test_tokens_of_a_picture_that_are_not_told_apart_are_unknown():
    without_details = {"promptTokenCount": 10, "candidatesTokenCount": 1180}
    assert token_usage(without_details, has_picture=True) is None
    assert token_usage(without_details, has_picture=False) == tokens(10, 0, 0, 1180)


def test_sums_that_are_missing_are_made_of_their_parts():
    details = {name: value for name, value in RECORDED_USAGE.items() if name.endswith("Details")}
    assert token_usage(details, has_picture=True) == tokens(10, 0, 1120, 0)


@pytest.mark.parametrize(
    ("code", "body", "stops"),
    [
        (400, error(400, "INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]), "check the key"),
        (400, error(400, "FAILED_PRECONDITION"), "billing"),
        (401, error(401, "UNAUTHENTICATED"), "key"),
        (403, error(403, "PERMISSION_DENIED"), "key"),
        (404, error(404, "NOT_FOUND"), "twinlens systems"),
        (429, json.loads(json.dumps(QUOTA).replace("PerMinute", "PerDay")), "midnight Pacific"),
        (429, error(429, "RESOURCE_EXHAUSTED", NO_QUOTA, [{"violations": [{"quotaId": "PerDay"}]}]), "enable billing"),
        (429, error(429, "RESOURCE_EXHAUSTED", "no quota", [{"violations": [{"quotaValue": "0"}]}]), "enable billing"),
        (429, error(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), "top it up"),
        (429, error(429, "RESOURCE_EXHAUSTED", "The project has exceeded its monthly spending cap."), "raise the cap"),
        (403, error(403, "PERMISSION_DENIED", details=[{"reason": "BILLING_DISABLED"}]), "enable billing"),
        (200, error(429, "RESOURCE_EXHAUSTED", NO_QUOTA), "enable billing"),
    ],
)
def test_what_no_other_request_would_change_stops_the_system(host, code, body, stops):
    read = host.read_submission(answer(body, code))
    assert isinstance(read, Rejected)
    assert (read.reason, read.message) == (body["error"]["status"], body["error"]["message"])
    assert stops in read.stops


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        # The wait stands in the body, or else in the header.
        (429, QUOTA, Rejected("RESOURCE_EXHAUSTED", QUOTA["error"]["message"], 34.4, throttled=True)),
        (429, error(429, "RESOURCE_EXHAUSTED"), Rejected("RESOURCE_EXHAUSTED", "in words", 7.0, throttled=True)),
        # An overloaded model may have charged, and so may what a proxy says of it; an error of Google's own has not.
        (500, error(500, "INTERNAL"), Rejected("INTERNAL", "in words", 7.0)),
        (500, b"<h1>Bad gateway</h1>", Rejected("http_500", "<h1>Bad gateway</h1>", 7.0, may_have_cost=True)),
        (503, error(503, "UNAVAILABLE"), Rejected("UNAVAILABLE", "in words", 7.0, may_have_cost=True)),
        # A bad request fails alone.
        (400, error(400, "INVALID_ARGUMENT"), Ended("failed", "INVALID_ARGUMENT", "in words")),
        (413, b"<h1>Too large</h1>", Ended("failed", "http_413", "<h1>Too large</h1>")),
        # Another shape is read by its status.
        (429, b"", Rejected("http_429", "", 7.0, throttled=True)),
        (429, {"error": "x"}, THROTTLED),
        (429, {"error": {"message": "x", "details": {"a": 1}}}, THROTTLED),
        (429, {"error": {"message": "x", "details": [None, {"reason": 3}]}}, THROTTLED),
    ],
)
def test_other_errors_wait_or_fail_alone(host, code, body, expected):
    assert host.read_submission(answer(body, code, retry_after="7")) == expected
