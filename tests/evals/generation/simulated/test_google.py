"""The simulator of Google's generateContent, on both surfaces, against plain HTTP calls."""

from __future__ import annotations

import base64
import io
import json
import time
from contextlib import contextmanager

import httpx2 as httpx
import PIL.Image
import pytest

from evals.generation.simulated.artists import plain_artist
from evals.generation.simulated.server import serve
from evals.generation.simulated.service import BEHAVIOURS, SimulatedHost, SimulatedModel, Simulation, storm

KEY = "google-secret-key"
PRO, FLASH = "gemini-3-pro-image", "gemini-3.1-flash-image"


def model_of(api_id, rates, tokens, sizes, references=14):
    per_m = dict(zip(("input_per_m", "output_text_per_m", "output_image_per_m"), rates, strict=True))
    bounds = {"reference_tokens": 560.0, "text_tokens_usual": 162.0, "text_tokens_at_most": 2000.0}
    terms = {**per_m, **bounds, "image_tokens": tokens}
    return SimulatedModel(api_id, "tokens", terms, sizes, references, plain_artist)


MODELS = [
    model_of(PRO, (2.0, 12.0, 120.0), {"1K": 1120.0, "2K": 1120.0, "4K": 2000.0}, ("1K", "2K", "4K"), 3),
    model_of(FLASH, (0.5, 3.0, 60.0), {"512": 747.0, "1K": 1120.0, "2K": 1680.0}, ("512", "1K", "2K")),
]
PATHS = {
    "google": "/v1beta/models/{}:generateContent",
    "vertex": "/v1/projects/p/locations/global/publishers/google/models/{}:generateContent",
}
HEADERS = {"google": {"x-goog-api-key": KEY}, "vertex": {"Authorization": f"Bearer {KEY}"}}
SURFACES = ("google", "vertex")


@contextmanager
def simulated(script=None, surface="google", **settings):
    simulation = Simulation({surface: SimulatedHost(MODELS, KEY, script=script or {}, **settings)})
    with serve(simulation) as addresses, httpx.Client(base_url=addresses[surface], timeout=5.0, verify=False) as client:
        yield client, simulation.books


def always(behaviour):
    return lambda arrival, prompt: behaviour


def body_of(prompt="a cat", size="1K", ratio="1:1", references=(), **config):
    parts = [{"text": prompt}]
    parts += [{"inlineData": {"mimeType": "image/png", "data": reference}} for reference in references]
    image = {"aspectRatio": ratio, "imageSize": size}
    image = {name: value for name, value in image.items() if value is not None}
    config = {"responseModalities": ["IMAGE"], "imageConfig": image, **config}
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}


def ask(client, body=None, model=PRO, surface="google", headers=None, timeout=5.0):
    sent = HEADERS[surface] if headers is None else headers
    return client.post(PATHS[surface].format(model), json=body or body_of(), headers=sent, timeout=timeout)


def encoded(width=64, height=64):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def parts_of(answer):
    return answer.json()["candidates"][0]["content"]["parts"]


def picture_in(part):
    return PIL.Image.open(io.BytesIO(base64.b64decode(part["inlineData"]["data"])))


def billed_usd(usage, rates=(2.0, 12.0, 120.0)):
    images = sum(
        detail["tokenCount"]
        for detail in usage.get("candidatesTokensDetails", [])
        if detail["modality"] == "IMAGE"
    )  # fmt: skip
    words = usage.get("candidatesTokenCount", 0) - images + usage.get("thoughtsTokenCount", 0)
    return (usage["promptTokenCount"] * rates[0] + words * rates[1] + images * rates[2]) / 1e6


def assert_invalid(answer, *words):
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert all(word in error["message"] for word in words), error["message"]


# The way that everything goes well


@pytest.mark.parametrize(("surface", "format"), [("google", "JPEG"), ("vertex", "PNG")])
def test_the_answer_holds_the_picture(surface, format):
    with simulated(surface=surface) as (client, books):
        answer = ask(client, body_of(seed=42), surface=surface)
    told = answer.json()
    (candidate,) = told["candidates"]
    (part,) = candidate["content"]["parts"]
    assert (candidate["finishReason"], candidate["content"]["role"]) == ("STOP", "model")
    assert part["thoughtSignature"]
    picture = picture_in(part)
    assert (picture.size, picture.format) == ((1024, 1024), format)
    assert part["inlineData"]["mimeType"] == f"image/{format.lower()}"
    assert (told["modelVersion"], bool(told["responseId"])) == (PRO, True)
    (entry,) = books.entries
    assert (entry.host, entry.api_id, entry.prompt, entry.seed, entry.size) == (surface, PRO, "a cat", 42, "1024x1024")
    assert (entry.outcome, entry.charged_usd) == ("ok", pytest.approx(billed_usd(told["usageMetadata"])))


def test_usage_adds_up_and_is_what_is_charged():
    with simulated() as (client, books):
        answers = [
            ask(client, body_of("a cat")),
            ask(client, body_of("a dog", size="4K", ratio="16:9")),
            ask(client, body_of("a cat on a wall", references=[encoded(), encoded()])),
        ]
    usages = [answer.json()["usageMetadata"] for answer in answers]
    for usage, entry in zip(usages, books.entries, strict=True):
        prompt = sum(detail["tokenCount"] for detail in usage["promptTokensDetails"])
        assert usage["promptTokenCount"] == prompt
        parts = prompt + usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
        assert usage["totalTokenCount"] == parts
        assert entry.charged_usd == pytest.approx(billed_usd(usage))
    assert [usage["candidatesTokensDetails"][0]["tokenCount"] for usage in usages] == [1120, 2000, 1120]
    assert usages[2]["promptTokensDetails"][1] == {"modality": "IMAGE", "tokenCount": 1120}
    assert books.charged_usd == pytest.approx(sum(map(billed_usd, usages)))


@pytest.mark.parametrize(("behaviour", "usd"), [("ok", 0.08), ("refuse_prompt", 0.0)])
def test_a_model_may_be_priced_by_the_picture(behaviour, usd):
    model = SimulatedModel(PRO, "per_image", {"usd": {"1K": 0.08, "4K": 0.3}}, ("1K",), 0, plain_artist)
    simulation = Simulation({"google": SimulatedHost([model], KEY, script=always(behaviour))})
    with serve(simulation) as addresses, httpx.Client(base_url=addresses["google"], verify=False) as client:
        assert ask(client).status_code == 200
    assert simulation.books.charged_usd == usd


@pytest.mark.parametrize(
    ("model", "size", "ratio", "pixels"),
    [
        (PRO, None, None, (1024, 1024)),
        (PRO, "1K", "16:9", (1376, 768)),
        (PRO, "2K", "16:9", (2752, 1536)),
        (PRO, "4K", "1:1", (4096, 4096)),
        (FLASH, "512", "1:1", (512, 512)),
        (FLASH, "1K", "1:8", (384, 3072)),
    ],
)
def test_pictures_have_the_size_that_was_asked_for(model, size, ratio, pixels):
    with simulated() as (client, _):
        assert picture_in(parts_of(ask(client, body_of(size=size, ratio=ratio), model))[-1]).size == pixels


def test_without_a_ratio_the_first_reference_gives_it():
    with simulated() as (client, books):
        ask(client, body_of(ratio=None, references=[encoded(320, 180)]))
    assert (books.entries[0].size, books.entries[0].n_references) == ("1376x768", 1)


def test_both_spellings_and_null_are_understood():
    body = {
        "contents": {"parts": {"text": "a cat"}},
        "generation_config": {
            "response_modalities": ["IMAGE"],
            "image_config": {"image_size": "2K", "aspectRatio": None},
            "thinking_config": {"include_thoughts": True},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    with simulated() as (client, _):
        thought, picture = parts_of(ask(client, body))
    assert (thought["thought"], picture_in(picture).size) == (True, (2048, 2048))


def test_text_comes_beside_the_picture_where_both_may_come():
    with simulated() as (client, _):
        text, picture = parts_of(ask(client, body_of(responseModalities=["TEXT", "IMAGE"])))
    assert text["text"]
    assert picture_in(picture).size == (1024, 1024)


def test_text_alone_is_no_picture():
    with simulated() as (client, books):
        (part,) = parts_of(ask(client, body_of(responseModalities=["TEXT"])))
    assert set(part) == {"text"}
    assert books.entries[0].outcome == "refused"


def test_the_seed_fixes_the_picture():
    with simulated() as (client, _):
        first, again, other = (
            parts_of(ask(client, body_of(seed=seed)))[-1]["inlineData"]["data"] for seed in (1, 1, -2)
        )
    assert first == again != other


def test_vertex_takes_its_own_fields():
    body = body_of(
        imageConfig={
            "imageSize": "1K",
            "personGeneration": "ALLOW_ADULT",
            "imageOutputOptions": {"mimeType": "image/jpeg", "compressionQuality": 95},
        }
    )
    with simulated(surface="vertex") as (client, _):
        answer = ask(client, {**body, "labels": {"run": "x"}}, surface="vertex")
    assert picture_in(parts_of(answer)[-1]).format == "JPEG"


# What is turned away


@pytest.mark.parametrize(
    ("image_config", "name", "where"),
    [
        ({"personGeneration": "ALLOW_ADULT"}, "personGeneration", "generation_config.image_config"),
        ({"imageOutputOptions": {"mimeType": "image/png"}}, "imageOutputOptions", "generation_config.image_config"),
        ({"width": 1024}, "width", "generation_config.image_config"),
    ],
)
def test_ai_studio_does_not_know_the_fields_of_vertex(image_config, name, where):
    with simulated() as (client, books):
        answer = ask(client, body_of(imageConfig=image_config))
    assert_invalid(answer, f"Unknown name \"{name}\" at '{where}': Cannot find field.")
    assert (books.entries, books.rejected) == ((), {("google", 400): 1})


def test_unknown_names_are_refused_wherever_they_stand():
    with simulated() as (client, _):
        assert_invalid(ask(client, {**body_of(), "labels": {}}), 'Unknown name "labels": Cannot find field.')
        assert_invalid(ask(client, {**body_of(), "prompt": "x"}), 'Unknown name "prompt"')
        config = body_of(thinkingLevel="high")
        assert_invalid(ask(client, config), "Unknown name \"thinkingLevel\" at 'generation_config'")
        contents = {"contents": [{"parts": [{"text": "a cat", "image": "x"}]}]}
        assert_invalid(ask(client, contents), "Unknown name \"image\" at 'contents[0].parts[0]'")


@pytest.mark.parametrize("seed", [2**31, 2**40, -(2**31) - 1, 1.5, "1"])
def test_a_seed_beyond_32_bits_is_refused_in_the_recorded_words(seed):
    with simulated() as (client, books):
        assert_invalid(ask(client, body_of(seed=seed)), "Invalid value at 'generation_config.seed' (TYPE_INT32)")
        for fine in (2**31 - 1, 0, -(2**31)):
            assert ask(client, body_of(seed=fine)).status_code == 200
    assert len(books.entries) == 3


@pytest.mark.parametrize(
    "config",
    [
        {"imageConfig": {"imageSize": "1k"}},
        {"imageConfig": {"imageSize": "512"}},
        {"imageConfig": {"imageSize": 1024}},
        {"imageConfig": {"aspectRatio": "16x9"}},
        {"imageConfig": {"aspectRatio": "1:8"}},
        {"responseModalities": ["VIDEO"]},
        {"candidateCount": 2},
        {"thinkingConfig": {"thinkingLevel": "extreme"}},
    ],
)
def test_values_that_the_model_does_not_know_are_refused(config):
    with simulated() as (client, books):
        assert_invalid(ask(client, body_of(**config)))
    assert books.entries == ()


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"{}", b'{"contents": []}', b'{"contents": [{"parts": [{"text": " "}]}]}',
     b'{"contents": [{"role": "system", "parts": [{"text": "a cat"}]}]}', b'{"contents": [{"parts": [{}]}]}'],
)  # fmt: skip
def test_a_body_without_a_prompt_is_refused(content):
    with simulated() as (client, _):
        assert_invalid(client.post(PATHS["google"].format(PRO), content=content, headers=HEADERS["google"]))


def test_references_must_be_pictures_and_not_too_many_or_too_small():
    with simulated() as (client, books):
        assert ask(client, body_of(references=[encoded()] * 3)).status_code == 200
        assert_invalid(ask(client, body_of(references=[encoded()] * 4)), "at most 3")
        assert_invalid(ask(client, body_of(references=[encoded(8, 8)])), "Unable to process input image")
        nonsense = base64.b64encode(b"no picture at all").decode()
        assert_invalid(ask(client, body_of(references=[nonsense])), "Unable to process input image")
        assert_invalid(ask(client, body_of(references=["%%%"])), "contents[0].parts[1].inline_data.data")
        assert_invalid(ask(client, body_of(references=[f"data:image/png;base64,{encoded()}"])), "Base64")
        gif = body_of(references=[encoded()])
        gif["contents"][0]["parts"][1]["inlineData"]["mimeType"] = "image/gif"
        assert_invalid(ask(client, gif), "Unsupported MIME type: image/gif")
    assert len(books.entries) == 1


def test_a_request_of_more_than_20_mib_is_refused_by_ai_studio():
    with simulated() as (client, _):
        assert_invalid(ask(client, body_of("a" * (20 * 2**20))), "payload size exceeds the limit")


@pytest.mark.parametrize("surface", SURFACES)
def test_an_unknown_model_is_not_found(surface):
    with simulated(surface=surface) as (client, books):
        answer = ask(client, model="nano-banana-pro", surface=surface)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (404, "NOT_FOUND")
    expected = {
        "google": "models/nano-banana-pro is not found for API version v1beta, or is not supported for generateContent",
        "vertex": "projects/p/locations/global/publishers/google/models/nano-banana-pro` was not found",
    }
    assert expected[surface] in error["message"]
    assert books.entries == ()


def test_a_wrong_key_looks_as_the_vendor_shows_it():
    with simulated() as (client, books):
        wrong = ask(client, headers={"x-goog-api-key": "other"}).json()["error"]
        assert (wrong["code"], wrong["details"][0]["reason"]) == (400, "API_KEY_INVALID")
        assert ask(client, headers={}).json()["error"]["status"] == "PERMISSION_DENIED"
        assert ask(client, headers={"Authorization": f"Bearer {KEY}"}).status_code == 403
    with simulated(surface="vertex") as (client, _):
        for headers in ({"Authorization": "Bearer other"}, {}, {"x-goog-api-key": KEY}):
            answer = ask(client, surface="vertex", headers=headers)
            assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert (books.entries, books.rejected) == ((), {("google", 400): 1, ("google", 403): 2})


def test_unknown_versions_and_methods_are_not_served():
    with simulated() as (client, _):
        for path in (f"/v7/models/{PRO}:generateContent", f"/v1beta/models/{PRO}:generateImage"):
            assert client.post(path, json=body_of(), headers=HEADERS["google"]).status_code == 404


# Behaviours


@pytest.mark.parametrize(
    ("behaviour", "status", "name"),
    [
        ("rate_limited", 429, "RESOURCE_EXHAUSTED"),
        ("daily_quota", 429, "RESOURCE_EXHAUSTED"),
        ("unavailable", 503, "UNAVAILABLE"),
        ("internal", 500, "INTERNAL"),
        ("error_status", 500, "INTERNAL"),
        ("bad_key", 400, "INVALID_ARGUMENT"),
        ("no_credit", 400, "FAILED_PRECONDITION"),
        ("echo_key", 401, "UNAUTHENTICATED"),
    ],
)
def test_what_is_not_taken_in_is_not_charged(behaviour, status, name):
    with simulated(always(behaviour), retry_after_s=34.4) as (client, books):
        answer = ask(client)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (status, status, name)
    assert "retry-after" not in answer.headers
    assert (KEY in answer.text) is (behaviour == "echo_key")
    assert (books.entries[0].behaviour, books.entries[0].outcome) == (behaviour, "turned_away")
    assert books.charged_usd == 0.0


@pytest.mark.parametrize(("behaviour", "period"), [("rate_limited", "PerMinute"), ("daily_quota", "PerDay")])
def test_the_quota_says_which_and_how_long_in_the_body(behaviour, period):
    with simulated(always(behaviour), retry_after_s=34.4) as (client, _):
        failure, retry = ask(client).json()["error"]["details"]
    assert period in failure["violations"][0]["quotaId"]
    assert retry["retryDelay"] == "34.4s"


def test_vertex_says_that_billing_is_off():
    with simulated(always("no_credit"), "vertex") as (client, _):
        error = ask(client, surface="vertex").json()["error"]
    assert (error["status"], error["details"][0]["reason"]) == ("PERMISSION_DENIED", "BILLING_DISABLED")


@pytest.mark.parametrize("behaviour", ["refuse_prompt", "moderated_request"])
def test_a_declined_prompt_has_no_candidates_and_costs_its_tokens(behaviour):
    with simulated(always(behaviour), work_s=30.0) as (client, books):
        answer = ask(client)
    told = answer.json()
    assert (answer.status_code, "candidates" in told) == (200, False)
    assert told["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert told["usageMetadata"]["totalTokenCount"] == told["usageMetadata"]["promptTokenCount"] == 2
    assert (books.entries[0].outcome, books.charged_usd) == ("refused", pytest.approx(4e-6))


@pytest.mark.parametrize("behaviour", ["filter_image", "moderated_content"])
def test_a_filtered_picture_has_a_reason_and_no_parts(behaviour):
    with simulated(always(behaviour)) as (client, books):
        told = ask(client).json()
    (candidate,) = told["candidates"]
    assert (candidate["finishReason"], candidate["content"]) == ("IMAGE_SAFETY", {})
    assert candidate["finishMessage"]
    assert books.entries[0].outcome == "filtered"
    assert books.charged_usd == pytest.approx(billed_usd(told["usageMetadata"]))


def test_an_answer_of_text_alone_costs_its_tokens_and_no_image():
    with simulated(always("text_only")) as (client, books):
        answer = ask(client)
    (part,) = parts_of(answer)
    usage = answer.json()["usageMetadata"]
    assert part["text"]
    assert "candidatesTokensDetails" not in usage
    assert usage["candidatesTokenCount"] > 0
    assert (books.entries[0].outcome, books.charged_usd) == ("refused", pytest.approx(billed_usd(usage)))


def test_drafts_among_the_thoughts_are_other_pictures():
    with simulated(always("draft_thoughts")) as (client, books):
        parts = parts_of(ask(client))
    drafts = [part for part in parts if part.get("thought") and "inlineData" in part]
    finals = [part for part in parts if not part.get("thought") and "inlineData" in part]
    assert (len(drafts), len(finals), parts[-1]) == (2, 1, finals[0])
    assert {picture_in(part).size for part in drafts} == {(256, 256)}
    assert picture_in(finals[0]).size == (1024, 1024)
    assert books.entries[0].outcome == "ok"


@pytest.mark.parametrize("behaviour", ["not_an_image", "expired"])
def test_what_is_delivered_may_be_no_picture(behaviour):
    with simulated(always(behaviour)) as (client, books):
        (part,) = parts_of(ask(client))
    with pytest.raises(PIL.UnidentifiedImageError):
        picture_in(part)
    assert (books.entries[0].outcome, books.charged_usd > 0.13) == ("undeliverable", True)


@pytest.mark.parametrize(("behaviour", "charged"), [("drop", True), ("drop_before", False)])
def test_a_cut_connection_gives_no_answer(behaviour, charged):
    with simulated(always(behaviour)) as (client, books), pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        ask(client)
    assert (books.entries[0].outcome, books.charged_usd > 0.13) == ("lost" if charged else "turned_away", charged)


def test_a_truncated_answer_really_is_cut_short():
    with simulated(always("truncated")) as (client, books):
        path = PATHS["google"].format(PRO)
        with client.stream("POST", path, json=body_of(), headers=HEADERS["google"]) as answer:
            chunks = answer.iter_bytes()
            received = next(chunks)
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                received += b"".join(chunks)
    assert received.startswith(b'{"candidates"')
    assert len(received) < int(answer.headers["content-length"])
    assert (books.entries[0].outcome, books.charged_usd > 0.13) == ("lost", True)


@pytest.mark.parametrize("behaviour", ["stall", "never_ready"])
def test_a_stalled_request_is_charged_and_never_answered(behaviour):
    with simulated(always(behaviour)) as (client, books), pytest.raises(httpx.ReadTimeout):
        ask(client, timeout=0.4)
    assert (books.entries[0].outcome, books.charged_usd > 0.13) == ("lost", True)


@pytest.mark.parametrize(("behaviour", "status"), [("gateway_timeout", 504), ("garbage", 200)])
def test_a_spoiled_answer_is_charged(behaviour, status):
    with simulated(always(behaviour)) as (client, books):
        answer = ask(client)
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert (answer.status_code, books.entries[0].outcome) == (status, "lost")
    assert books.charged_usd > 0.13


@pytest.mark.parametrize("behaviour", ["slow", "odd_status"])
def test_a_slow_answer_comes_later(behaviour):
    with simulated(always(behaviour), slow_s=0.3) as (client, _):
        began = time.monotonic()
        assert parts_of(ask(client))
        assert time.monotonic() - began > 0.29


def test_waiting_and_work_take_their_time():
    with simulated(queue_s=0.1, work_s=lambda arrival: 0.2) as (client, books):
        began = time.monotonic()
        ask(client)
        assert time.monotonic() - began > 0.29
    assert books.entries[0].ready_at - books.entries[0].arrived_at == pytest.approx(0.3)


def test_requests_per_minute_are_limited_in_the_vendor_s_shape():
    with simulated(per_minute=1) as (client, books):
        assert ask(client).status_code == 200
        limited = ask(client).json()["error"]
    assert "PerMinute" in limited["details"][0]["violations"][0]["quotaId"]
    assert [entry.outcome for entry in books.entries] == ["ok", "turned_away"]


def test_in_a_storm_told_and_lost_add_up_to_what_was_charged():
    among = [behaviour for behaviour in BEHAVIOURS if behaviour not in ("stall", "never_ready")]
    told = 0.0
    with simulated(storm(0.8, 5, among), slow_s=0.01) as (client, books):
        for number in range(120):
            try:
                answer = ask(client, body_of(f"a cat {number}", size="512"), FLASH)
                told += billed_usd(answer.json()["usageMetadata"], (0.5, 3.0, 60.0)) if answer.is_success else 0.0
            except (httpx.TransportError, ValueError):
                continue
    lost = sum(entry.charged_usd for entry in books.entries if entry.outcome == "lost")
    assert (len(books.entries), lost > 0) == (120, True)
    assert told + lost == pytest.approx(books.charged_usd)
