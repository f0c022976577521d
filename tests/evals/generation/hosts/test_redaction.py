"""What hosts say, whatever the vendor puts into it: it is read without breaking, and may be kept and shown."""

import asyncio
import json
from dataclasses import asdict

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.generation.answers import Accepted, Ended, Finished, MalformedResponse, Rejected, ResponseMetadata, Task
from evals.generation.hosts.http_host import UNREADABLE
from evals.generation.hosts.redaction import redact_answer
from evals.generation.hosts.transport import HttpAnswer
from tests.evals.generation.hosts.conftest import HTTP_HOSTS, KEY, POLLING_HOSTS, an_offer, image_request, opened

SIGNATURE = "c2lnbmF0dXJl"
SIGNED = f"https://pictures.example/1.png?se=2026&sig={SIGNATURE}"
WORDS = f"refused: {KEY} may not read {SIGNED} \x1b]0;owned\x07\x9b31m\u202e"

ERRORS = [
    {"error": {"code": 400, "message": WORDS, "status": WORDS, "details": [{"retryDelay": "3s", "violations": []}]}},
    {"error": WORDS, "error_type": WORDS},
    {"error": {"type": WORDS, "message": WORDS, "details": WORDS}, "node_errors": {}},
    {"detail": WORDS},
    {"detail": [{"loc": ["body"], "msg": WORDS, "type": WORDS}]},
    {"message": WORDS, "code": 400},
]
GOOGLES = [
    {
        "candidates": [{"content": {"parts": [{"text": WORDS}]}, "finishReason": WORDS, "finishMessage": WORDS}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 9}]},
    },
    {"candidates": [{"content": {"parts": [{"inlineData": {"data": "QUJD"}, "thought": False}]}}]},
    {"promptFeedback": {"blockReason": WORDS, "blockReasonMessage": WORDS}, "modelVersion": WORDS},
]
BFLS = [
    {"id": "t", "polling_url": "https://api.bfl.ai/t", "cost": 3.0, "request_id": "t"},
    {"status": "Error", "details": {WORDS: [WORDS]}, "result": {"prompt": WORDS}, "cost": 3.0},
    {"status": "Ready", "result": {"prompt": WORDS, "sample": SIGNED, "seed": 7}},
    {"status": WORDS},
]
ANSWERS = {
    "google": GOOGLES,
    "vertex": GOOGLES,
    "bfl": BFLS,
    "fireworks": BFLS,
    "replicate": [
        {"id": "t", "status": "failed", "error": WORDS, "version": WORDS, "urls": {"get": "https://tasks.example/t"}},
        {"id": "t", "status": "succeeded", "output": SIGNED, "version": WORDS, "metrics": {"predict_time": 2.5}},
        {"id": "t", "status": "succeeded", "logs": WORDS},
    ],
    "fal": [
        {"status": "FAILED", "error": WORDS},
        {"status": "COMPLETED", "metrics": {"inference_time": 2.5}},
        {"images": [{"url": SIGNED}], "prompt": WORDS, "description": WORDS, "timings": {"inference": 2.5}},
    ],
    "atlascloud": [{"data": {"status": "failed", "error": WORDS, "model": WORDS, "timings": {"inference": 2500}}}],
    "comfyui": [
        {"t": {"status": {"messages": [["execution_error", {"node_type": WORDS, "exception_message": WORDS}]]}}},
        {"t": {"status": {"completed": True}, "outputs": {"9": {"images": [{"filename": "1.png"}]}}}},
        {"queue_running": [[0, "t"]], "queue_pending": []},
    ],
}
STATUSES = (200, 202, 302, 307, 400, 403, 404, 422, 429, 500, 502)


def written(read):
    """Return all that is written down of what a host said, as it would be printed."""
    kept = asdict(read)
    kept.pop("url", None)
    return json.dumps(kept, ensure_ascii=False, default=repr) + repr(read)


@pytest.mark.parametrize("name", HTTP_HOSTS)
def test_no_key_no_signature_and_no_control_character_is_told_by_any_host(name):
    answer = {}
    host = opened(name, lambda request: httpx.Response(**answer))
    offer = an_offer(name)
    reads = []

    async def everything():
        task = Task("t", f"{host.base_url}/tasks/t", f"{host.base_url}/results/t")
        for body in (*ERRORS, *(body for bodies in ANSWERS.values() for body in bodies)):
            for status in STATUSES:
                answer.clear()
                answer.update(status_code=status, json=body, headers={"Location": SIGNED})
                reads.append(await host.submit(host.prepare(image_request(size=offer.sizes[0]), offer, [])))
                if name in POLLING_HOSTS:
                    reads.append(await host.poll(task))

    asyncio.run(everything())
    heard = [read for read in reads if not isinstance(read, Accepted)]
    assert any("refused: " in written(read) for read in heard), "the vendor's words should be told"
    for read in heard:
        for secret in (KEY, SIGNATURE, "\\u001b", "\\u0007", "\x9b", "\u202e"):
            assert secret not in written(read), read


def places(body, path=()):
    inside = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def with_value(body, path, value):
    if not path:
        return value
    copied = body.copy()
    copied[path[0]] = with_value(body[path[0]], path[1:], value)
    return copied


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 3000) | st.floats() | st.text(max_size=4) | st.just("STOP"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "sample", "data", "message", "loc"]), inner)
    ),
    max_leaves=5,
)
changes = st.lists(st.tuples(st.integers(0, 1000), odd_values), max_size=3)


@pytest.mark.parametrize("name", HTTP_HOSTS)
def test_any_json_is_an_outcome_or_malformed(name):
    host, task = opened(name), Task("t", f"{opened(name).base_url}/t", f"{opened(name).base_url}/results/t")
    unreadable = MalformedResponse if name in ("google", "vertex", "bfl") else UNREADABLE

    @given(st.sampled_from(ANSWERS[name] + ERRORS), changes, st.sampled_from(STATUSES))
    def check(body, changes, status):
        for place, value in changes:
            paths = places(body)
            body = with_value(body, paths[place % len(paths)], value)
        answered = HttpAnswer(status, {}, json.dumps(body).encode())
        reads = [lambda: host.read_submission(answered), lambda: host.read_poll(answered, task)]
        for read in reads if name in POLLING_HOSTS else reads[:1]:
            try:
                outcome = read()
            except unreadable:
                continue
            assert not isinstance(outcome, Finished) or outcome.content or outcome.url
            assert not isinstance(outcome, (Ended, Rejected)) or outcome.reason

    check()


def test_addresses_to_ask_at_and_pictures_stay_as_they_are():
    accepted = Accepted(Task("t", SIGNED))
    assert redact_answer(accepted, [KEY]) == accepted
    finished = Finished(b"bytes", SIGNED, ResponseMetadata(seed_used=7, text="two\nlines"))
    assert redact_answer(finished, [KEY]) == finished


def test_a_key_with_control_characters_strewn_in_is_still_found():
    assert KEY not in redact_answer(Ended("failed", "x", f"{KEY[:5]}\x00{KEY[5:]}"), [KEY]).message


def test_words_without_end_are_cut():
    read = redact_answer(Ended("failed", "x", "a" * 10**6, ResponseMetadata(prompt_used="b" * 10**6)), [])
    assert (len(read.message), len(read.metadata.prompt_used)) == (20_000, 20_000)
