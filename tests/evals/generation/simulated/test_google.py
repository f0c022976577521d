"""The simulator of Google's generateContent, on both surfaces: what its wire format says, and what it refuses."""

import base64

import pytest

from evals.generation.simulated.host import SimulatedModel
from tests.simulators.clients import client_of, encoded, opened
from tests.simulators.rendering import plain_renderer

KEY = "google-secret-key"
PRO, FLASH = "gemini-3-pro-image", "gemini-3.1-flash-image"
PATHS = {
    "google": "/v1beta/models/{}:generateContent",
    "vertex": "/v1/projects/p/locations/global/publishers/google/models/{}:generateContent",
}
HEADERS = {"google": {"x-goog-api-key": KEY}, "vertex": {"Authorization": f"Bearer {KEY}"}}
RATES = {"input_per_m": 2.0, "output_text_per_m": 12.0, "output_image_per_m": 120.0}
COUNTS = {"reference_tokens": 560.0, "text_tokens_usual": 162.0, "text_tokens_at_most": 2000.0}


def model_of(api_id, tokens, references):
    terms = {**RATES, **COUNTS, "image_tokens": tokens}
    return SimulatedModel(api_id, "tokens", terms, tuple(tokens), references, plain_renderer)


MODELS = [
    model_of(PRO, {"1K": 1120.0, "2K": 1120.0, "4K": 2000.0}, 3),
    model_of(FLASH, {"512": 747.0, "1K": 1120.0, "2K": 1680.0}, 14),
]


def simulated(behaviour="ok", surface="google"):
    return client_of(surface, MODELS, KEY, behaviour)


def body_of(prompt="a cat", size="1K", ratio="1:1", references=(), **config):
    parts = [{"text": prompt}]
    parts += [{"inlineData": {"mimeType": "image/png", "data": reference}} for reference in references]
    image = {name: value for name, value in {"aspectRatio": ratio, "imageSize": size}.items() if value is not None}
    config = {"responseModalities": ["IMAGE"], "imageConfig": image, **config}
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}


def ask(client, body=None, model=PRO, surface="google", headers=None):
    sent = HEADERS[surface] if headers is None else headers
    return client.post(PATHS[surface].format(model), json=body or body_of(), headers=sent)


def parts_of(answer):
    return answer.json()["candidates"][0]["content"]["parts"]


def picture_in(part):
    return opened(base64.b64decode(part["inlineData"]["data"]))


def billed_usd(usage):
    details = usage.get("candidatesTokensDetails", [])
    images = sum(detail["tokenCount"] for detail in details if detail["modality"] == "IMAGE")
    words = usage.get("candidatesTokenCount", 0) - images + usage.get("thoughtsTokenCount", 0)
    return (usage["promptTokenCount"] * 2.0 + words * 12.0 + images * 120.0) / 1e6


def test_usage_adds_up_and_is_what_is_charged():
    with simulated() as (client, log):
        answers = [
            ask(client, body_of("a cat")),
            ask(client, body_of("a dog", size="4K", ratio="16:9")),
            ask(client, body_of("a cat on a wall", references=[encoded(), encoded()])),
        ]
    usages = [answer.json()["usageMetadata"] for answer in answers]
    for usage, call in zip(usages, log.calls, strict=True):
        prompt = sum(detail["tokenCount"] for detail in usage["promptTokensDetails"])
        beside = usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
        assert (usage["promptTokenCount"], usage["totalTokenCount"]) == (prompt, prompt + beside)
        assert call.charged_usd == pytest.approx(billed_usd(usage))
    assert [usage["candidatesTokensDetails"][0]["tokenCount"] for usage in usages] == [1120, 2000, 1120]
    assert usages[2]["promptTokensDetails"][1] == {"modality": "IMAGE", "tokenCount": 1120}


@pytest.mark.parametrize(
    ("model", "size", "ratio", "references", "pixels"),
    [
        (PRO, None, None, [], (1024, 1024)),
        (PRO, "1K", "16:9", [], (1376, 768)),
        (PRO, "1K", None, [encoded(320, 180)], (1376, 768)),
        (PRO, "4K", "1:1", [], (4096, 4096)),
        (FLASH, "512", "1:1", [], (512, 512)),
        (FLASH, "1K", "1:8", [], (384, 3072)),
    ],
)
def test_pictures_have_the_size_that_was_asked_for(model, size, ratio, references, pixels):
    with simulated() as (client, _):
        body = body_of(size=size, ratio=ratio, references=references)
        assert picture_in(parts_of(ask(client, body, model))[-1]).size == pixels


def test_names_of_fields_may_be_in_snake_case():
    inline = {"mime_type": "image/png", "data": encoded()}
    config = {"responseModalities": ["IMAGE"], "image_config": {"image_size": "2K"}}
    body = {"contents": [{"parts": [{"text": "a cat"}, {"inline_data": inline}]}], "generation_config": config}
    with simulated() as (client, log):
        assert picture_in(parts_of(ask(client, body))[-1]).size == (2048, 2048)
    assert log.calls[0].n_references == 1


@pytest.mark.parametrize("behaviour", ["text_only", "refuse_prompt"])
def test_an_answer_without_a_picture_costs_its_tokens_alone(behaviour):
    with simulated(behaviour) as (client, log):
        usage = ask(client).json()["usageMetadata"]
    assert ("candidatesTokensDetails" in usage, usage["totalTokenCount"] > 0) == (False, True)
    assert (log.calls[0].outcome, log.charged_usd) == ("refused", pytest.approx(billed_usd(usage)))


CONTENTS = {"contents": [{"parts": [{"text": "a cat", "image": "x"}]}]}
WRONG = [
    (body_of(imageConfig={"personGeneration": "ALLOW_ADULT"}), "generation_config.image_config"),
    ({**body_of(), "labels": {}}, 'Unknown name "labels": Cannot find field.'),
    (body_of(thinkingLevel="high"), "Unknown name \"thinkingLevel\" at 'generation_config'"),
    (CONTENTS, "Unknown name \"image\" at 'contents[0].parts[0]'"),
    *((body_of(seed=seed), "'generation_config.seed' (TYPE_INT32)") for seed in (2**31, -(2**31) - 1, 1.5, "1")),
    (body_of(imageConfig={"imageSize": "1k"}), "image_config.image_size"),
    (body_of(imageConfig={"imageSize": "512"}), "image_config.image_size"),
    (body_of(imageConfig={"aspectRatio": "1:8"}), "image_config.aspect_ratio"),
    (body_of(responseModalities=["VIDEO"]), "response_modalities"),
    (body_of(candidateCount=2), "Multiple candidates"),
    (body_of(thinkingConfig={"thinkingLevel": "extreme"}), "thinking_level"),
    ({"contents": []}, "contents is not specified"),
    (body_of(" "), "must have a text parameter"),
    (body_of(references=[encoded()] * 4), "at most 3"),
    (body_of(references=[encoded(8, 8)]), "Unable to process input image"),
    (body_of(references=["%%%"]), "contents[0].parts[1].inline_data.data"),
    (body_of(references=[f"data:image/png;base64,{encoded()}"]), "Base64"),
    (body_of("a" * (20 * 2**20)), "payload size exceeds the limit"),
]


@pytest.mark.parametrize(("body", "words"), WRONG, ids=[words for _, words in WRONG])
def test_ai_studio_refuses_what_it_does_not_know_and_says_where(body, words):
    with simulated() as (client, log):
        answer = ask(client, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], log.calls) == (400, "INVALID_ARGUMENT", [])
    assert words in error["message"]
