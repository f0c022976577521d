"""What all hosts with tasks do alike; what a host does by itself has a file of its own."""

import asyncio
import json
import time

import httpx2 as httpx
import pytest

from evals.generation.answers import Ended, Rejected, Running, Task, UntrustedUrl
from evals.generation.hosts.polling_host import MISSES_AT_MOST
from tests.evals.generation.hosts.conftest import POLLING_HOSTS, an_offer, answer, image_request, offer, opened

TASK = Task("t1", "https://somewhere.example/t1", cost_usd=0.03)
ERROR_OF = {
    "atlascloud": lambda words, status: {"code": status, "message": words},
    "comfyui": lambda words, status: {"error": {"message": words}},
    "fireworks": lambda words, status: {"error": {"message": words, "code": "X"}},
    "replicate": lambda words, status: {"title": "Error", "status": status, "detail": words},
}
PENDING = {
    "atlascloud": {"code": 200, "data": {"id": TASK.id, "status": "processing"}},
    "comfyui": {"queue_running": [[0, TASK.id]], "queue_pending": []},
    "fal": {"status": "IN_PROGRESS"},
}
UNKNOWN = {
    "atlascloud": [({"code": 404, "message": "not found"}, 200)],
    "bfl": [({"id": TASK.id, "status": "Task not found"}, status) for status in (200, 404)],
    "comfyui": [({"queue_running": [], "queue_pending": []}, 200)],
    "fireworks": [({"status": "Task not found"}, 200)],
}
MISSING = [(name, *missing) for name in POLLING_HOSTS for missing in [({}, 404), *UNKNOWN.get(name, [])]]
BASE64 = "data:image/png;base64,iVBORw0K"

each_host = pytest.mark.parametrize("name", POLLING_HOSTS)


def error_of(name, words, status):
    return ERROR_OF.get(name, lambda words, status: {"detail": words})(words, status)


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr("evals.generation.hosts.polling_host.MISSING_S", 10.0)
    return now


@each_host
@pytest.mark.parametrize(
    ("status", "stops", "may_have_cost"),
    [
        (401, "key", False),
        (402, "credit", False),
        (403, "key", False),
        (404, "model", False),
        (429, "", False),
        (500, "", True),
        (503, "", False),
    ],
)
def test_an_error_rejects_a_request_and_says_whether_another_can_succeed(name, status, stops, may_have_cost):
    body = error_of(name, "in words", status)
    bodies = [(body, status), (body, 200)] if name == "atlascloud" else [(body, status)]  # it may hide in an envelope
    for content, http_status in bodies:
        read = opened(name).read_submission(answer(content, http_status, retry_after="7"))
        assert isinstance(read, Rejected)
        assert (read.reason, read.message, read.may_have_cost) == (f"http_{status}", "in words", may_have_cost)
        assert stops in read.stops
        assert bool(read.stops) == bool(stops)
        assert read.delay_s == (None if stops else 7.0)


@each_host
@pytest.mark.parametrize("status", [400, 422])
def test_a_bad_request_ends_only_itself(name, status):
    read = opened(name).read_submission(answer(error_of(name, "width is wrong", status), status))
    assert read == Ended("failed", f"http_{status}", "width is wrong")
    read = opened(name).read_submission(answer(b"not json", status))
    assert read == Ended("failed", f"http_{status}", "not json")


@each_host
def test_errors_while_polling_cost_nothing_and_may_pass(name):
    host = opened(name)
    assert host.read_poll(answer(error_of(name, "slow down", 429), 429, retry_after="3"), TASK).delay_s == 3
    assert host.read_poll(answer(b"<html>", 500), TASK) == Rejected("http_500", "<html>")
    assert host.read_poll(answer(error_of(name, "no", 401), 401), TASK).stops


@each_host
@pytest.mark.parametrize("status", [408, 425, 429, 499, 500, 502, 503, 504, 529])
def test_no_trouble_on_the_way_to_a_host_ends_an_accepted_task(name, status):
    assert not isinstance(opened(name).read_poll(answer(b"<html>", status), TASK), Ended)


@each_host
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("words", ["Too many requests", "Temporarily unavailable. Please try again later."])
def test_a_question_that_failed_for_passing_reasons_does_not_end_the_task_that_is_paid_for(name, status, words):
    body = {"error": words} if status == 200 else error_of(name, words, status)
    read = opened(name).read_poll(answer(body, status), TASK)
    assert type(read) is Running
    assert words in read.status


@each_host
def test_a_task_whose_address_was_changed_in_the_ledger_is_not_asked_for(name):
    sent = []
    host = opened(name, lambda request: sent.append(request) or httpx.Response(200, json={"status": "COMPLETED"}))
    with pytest.raises(UntrustedUrl, match="no key was sent there"):
        asyncio.run(host.poll(Task("t", "https://api.bfl.ai@evil.example/")))
    assert sent == []


@pytest.mark.parametrize(("name", "body", "status"), MISSING)
def test_a_task_that_is_not_found_has_some_tries_and_seconds_to_appear(clock, name, body, status):
    host, reads = opened(name), []
    for _ in range(MISSES_AT_MOST + 1):
        reads.append(host.read_poll(answer(body, status), TASK))
        clock[0] += 2.0
    assert reads[:-1] == [Running("not found yet")] * MISSES_AT_MOST
    assert (reads[-1].outcome, reads[-1].reason, reads[-1].metadata.cost_usd) == ("failed", "task_not_found", 0.03)


@each_host
def test_a_task_that_appears_is_not_held_to_an_earlier_absence(clock, name):
    host = opened(name)
    for _ in range(3):
        for _ in range(MISSES_AT_MOST - 1):
            assert host.read_poll(answer({}, 404), TASK) == Running("not found yet")
            clock[0] += 60.0
        pending = PENDING.get(name, {"id": TASK.id, "status": "processing"})
        assert isinstance(host.read_poll(answer(pending), TASK), Running)


@each_host
def test_seed_0_is_sent_and_no_seed_where_the_model_takes_none(name):
    offer = an_offer(name).model_copy(update={"takes_seed": True})
    body = json.dumps(opened(name).submission(image_request(seed=0, size=offer.sizes[0]), offer, []).body)
    assert '"seed": 0' in body
    if name != "comfyui":
        seedless = offer.model_copy(update={"takes_seed": False})
        assert "seed" not in json.dumps(opened(name).submission(image_request(), seedless, []).body)


@pytest.mark.parametrize(
    ("name", "model", "n_references", "words"),
    [
        ("atlascloud", "flux", 1, "edit_api_id"),
        ("comfyui", "sdxl", 1, "no reference images"),
        ("fal", "flux", 1, "edit_api_id"),
        ("fireworks", "flux-1-dev-fp8", 1, "no reference images"),
        ("fireworks", "flux-kontext-pro", 2, "one reference image, not 2"),
    ],
)
def test_references_that_cannot_be_sent_are_an_error_and_never_dropped(name, model, n_references, words):
    with pytest.raises(ValueError, match=words):
        opened(name).prepare(image_request(), offer(model, name), [b"\xff\xd8\xff"] * n_references)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("atlascloud", {"code": 200, "data": {"status": "completed", "outputs": [BASE64]}}),
        ("fal", {"images": [{"url": BASE64}]}),
        ("fireworks", {"status": "Ready", "result": {"sample": BASE64}}),
        ("replicate", {"status": "succeeded", "output": BASE64}),
    ],
)
def test_a_picture_inside_the_answer_is_its_content(name, body):
    read = opened(name).read_poll(answer(body), TASK)
    assert (read.content, read.url) == (b"\x89PNG\r\n", None)
