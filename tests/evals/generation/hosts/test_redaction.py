"""What hosts say may be kept and shown, whatever the vendor puts into it; what they name may not lead the key away."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict

import httpx2 as httpx
import pytest

from evals.generation.answers import Accepted, Ended, Finished, ResponseMetadata, Task, UntrustedUrl
from evals.generation.hosts.redaction import redact_answer
from tests.evals.generation.hosts.conftest import HTTP_HOSTS, KEY, POLLING_HOSTS, an_offer, opened

SIGNATURE = "c2lnbmF0dXJl"
SIGNED = f"https://pictures.example/1.png?se=2026&sig={SIGNATURE}"
WORDS = f"refused: {KEY} may not read {SIGNED} \x1b]0;owned\x07\x9b31m\u202e"

ERRORS = [
    {"error": {"code": 400, "message": WORDS, "status": WORDS}},
    {"error": WORDS, "error_type": WORDS},
    {"error": {"type": WORDS, "message": WORDS, "details": WORDS}, "node_errors": {}},
    {"detail": WORDS},
    {"detail": [{"loc": ["body"], "msg": WORDS, "type": WORDS}]},
    {"message": WORDS, "code": 400},
]
ENDS = [
    {"candidates": [{"content": {"parts": [{"text": WORDS}]}, "finishReason": WORDS, "finishMessage": WORDS}]},
    {"promptFeedback": {"blockReason": WORDS, "blockReasonMessage": WORDS}, "modelVersion": WORDS},
    {"status": "Error", "details": {WORDS: [WORDS]}, "result": {"prompt": WORDS}},
    {"status": "Ready", "result": {"prompt": WORDS, "sample": SIGNED}},
    {"status": WORDS},
    {"id": "t", "status": "failed", "error": WORDS, "version": WORDS},
    {"id": "t", "status": "succeeded", "output": SIGNED, "version": WORDS},
    {"id": "t", "status": "succeeded", "logs": WORDS},
    {"status": "FAILED", "error": WORDS},
    {"images": [{"url": SIGNED}], "prompt": WORDS, "description": WORDS},
    {"data": {"status": "failed", "error": WORDS, "model": WORDS}},
    {"t": {"status": {"messages": [["execution_error", {"node_type": WORDS, "exception_message": WORDS}]]}}},
]
STATUSES = (200, 302, 307, 400, 403, 404, 422, 429, 500, 502)


def written(read):
    """Return all that is written down of what a host said, as it would be printed."""
    kept = asdict(read)
    kept.pop("url", None)
    return json.dumps(kept, ensure_ascii=False, default=repr) + repr(read)


@pytest.mark.parametrize("name", HTTP_HOSTS)
def test_no_key_no_signature_and_no_control_character_is_told_by_any_host(name, image_request):
    answer = {}
    host = opened(name, lambda request: httpx.Response(**answer))
    offer = an_offer(name)
    reads = []

    async def everything():
        task = Task("t", f"{host.base_url}/tasks/t", f"{host.base_url}/results/t")
        for body in (*ERRORS, *ENDS):
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


def test_addresses_to_ask_at_and_pictures_stay_as_they_are():
    accepted = Accepted(Task("t", SIGNED))
    assert redact_answer(accepted, [KEY]) == accepted
    read = redact_answer(Finished(b"bytes", SIGNED, ResponseMetadata(seed_used=7, text="two\nlines")), [KEY])
    assert (read.content, read.url, read.metadata) == (
        b"bytes",
        SIGNED,
        ResponseMetadata(seed_used=7, text="two\nlines"),
    )


def test_a_key_with_control_characters_strewn_in_is_still_found():
    assert KEY not in redact_answer(Ended("failed", "x", f"{KEY[:5]}\x00{KEY[5:]}"), [KEY]).message


def test_words_without_end_are_cut():
    read = redact_answer(Ended("failed", "x", "a" * 10**6, ResponseMetadata(prompt_used="b" * 10**6)), [])
    assert (len(read.message), len(read.metadata.prompt_used)) == (20_000, 20_000)


@pytest.mark.parametrize("name", POLLING_HOSTS)
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/tasks/t",
        "http://api.bfl.ai/v1/get_result?id=t",
        "https://evil.example[v1.bfl.ai]/",
        "https://evil.example%2f.bfl.ai/",
        "https://evil.example;x.bfl.ai/",
        "http://127.0.0.1:1/",
        "https://api.bfl.ai@evil.example/",
    ],
)
def test_a_task_whose_address_was_changed_in_the_ledger_is_refused(name, url):
    sent = []
    host = opened(name, lambda request: sent.append(request) or httpx.Response(200, json={"status": "COMPLETED"}))
    with pytest.raises(UntrustedUrl, match="no key was sent there"):
        asyncio.run(host.poll(Task("t", url)))
    assert sent == []


def test_a_result_whose_address_was_changed_in_the_ledger_is_refused():
    sent = []
    host = opened("fal", lambda request: sent.append(request) or httpx.Response(200, json={"status": "COMPLETED"}))
    with pytest.raises(UntrustedUrl):
        asyncio.run(host.poll(Task("t", "https://queue.fal.run/x/requests/t/status", "https://evil.example/t")))
    assert [request.url.host for request in sent] == ["queue.fal.run"]
