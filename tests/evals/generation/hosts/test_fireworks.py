from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2 as httpx
import pytest

from evals.generation.answers import Accepted, Ended, Finished, MalformedResponse, Rejected, Running, Task, UntrustedUrl
from evals.generation.hosts.fireworks import Fireworks
from evals.generation.hosts.polling_host import MISSES_AT_MOST
from evals.generation.hosts.transport import HttpCall

BASE = "https://api.fireworks.ai"
WORKFLOWS = f"{BASE}/inference/v1/workflows/accounts/fireworks/models"
PNG = b"\x89PNG\r\n\x1a\n picture"
PICTURE = "https://delivery-us1.bfl.ai/results/sample.png?sig=secret"
TASK = Task("38b4e501", f"{WORKFLOWS}/flux-kontext-pro/get_result")


@pytest.fixture
def host(host_facts) -> Fireworks:
    return Fireworks(host_facts("fireworks", BASE, "api.fireworks.ai"), "fw_secret")


def test_dev_is_asked_for_a_png_with_the_seed(host, asked, offer):
    call = host.prepare(asked(), offer("flux-1-dev-fp8", "fireworks"), [])
    assert (call.method, call.url) == ("POST", f"{WORKFLOWS}/flux-1-dev-fp8/text_to_image")
    assert call.headers == {"Accept": "image/png", "Authorization": "Bearer fw_secret"}
    assert call.body == {"prompt": "a cat", "aspect_ratio": "1:1", "seed": 42}


def test_seed_0_is_replaced_where_it_would_mean_any_seed(host, asked, offer):
    assert host.prepare(asked(seed=0), offer("flux-1-dev-fp8", "fireworks"), []).body["seed"] == 2**31 - 1
    assert host.prepare(asked(seed=0), offer("flux-kontext-pro", "fireworks"), []).body["seed"] == 0


def test_no_seed_is_sent_where_the_model_takes_none(host, asked, offer):
    for model in ("flux-1-dev-fp8", "flux-kontext-pro"):
        assert "seed" not in host.prepare(asked(), offer(model, "fireworks", takes_seed=False), []).body


def test_kontext_is_asked_with_its_one_reference(host, asked, offer):
    kontext = offer("flux-kontext-max", "fireworks", api_id="accounts/fireworks/models/flux-kontext-max")
    call = host.prepare(asked(), kontext, [b"\xff\xd8\xff"])
    assert call.url == f"{WORKFLOWS}/flux-kontext-max"
    assert call.body == {
        "prompt": "a cat",
        "aspect_ratio": "1:1",
        "output_format": "png",
        "prompt_upsampling": False,
        "seed": 42,
        "input_image": "/9j/",
    }


def test_references_that_cannot_be_sent_are_an_error_and_never_dropped(host, asked, offer):
    with pytest.raises(ValueError, match="one reference image, not 2"):
        host.prepare(asked(), offer("flux-kontext-pro", "fireworks"), [PNG, PNG])
    with pytest.raises(ValueError, match="no reference images"):
        host.prepare(asked(), offer("flux-1-dev-fp8", "fireworks"), [PNG])


def test_the_answer_of_dev_is_the_picture_itself(host, answer):
    read = host.read_submission(answer(PNG, content_type="image/png", finish_reason="SUCCESS", seed="42"))
    assert isinstance(read, Finished)
    assert (read.content, read.metadata.seed_used) == (PNG, 42)


@pytest.mark.parametrize("seed", ["²", "-", "9" * 5000])
def test_an_odd_seed_does_not_cost_the_picture(host, answer, seed):
    read = host.read_submission(answer(PNG, content_type="image/png", seed=seed))
    assert (read.content, read.metadata.seed_used) == (PNG, None)


def test_the_answer_of_dev_may_be_json(host, answer):
    read = host.read_submission(
        answer({"id": "1", "base64": ["data:image/png;base64,iVBORw0K"], "finishReason": "SUCCESS", "seed": 42})
    )
    assert (read.content, read.metadata.seed_used) == (b"\x89PNG\r\n", 42)


def test_a_filtered_picture_is_no_picture(host, answer):
    for read in (
        host.read_submission(answer(PNG, finish_reason="CONTENT_FILTERED")),
        host.read_submission(answer({"base64": "iVBORw0K", "finishReason": "CONTENT_FILTERED"})),
    ):
        assert (read.outcome, read.reason) == ("filtered", "CONTENT_FILTERED")


def test_a_result_is_asked_for_by_post_with_the_id(host):
    assert host.polling(TASK) == HttpCall(
        "POST", TASK.polling_url, {"Authorization": "Bearer fw_secret"}, {"id": "38b4e501"}
    )


@pytest.mark.parametrize(
    ("result", "url", "content"),
    [
        ({"sample": PICTURE}, PICTURE, None),
        (PICTURE, PICTURE, None),
        ({"sample": "iVBORw0K"}, None, b"\x89PNG\r\n"),
    ],
)
def test_a_ready_task_names_or_holds_the_picture(host, answer, result, url, content):
    read = host.read_poll(answer({"id": TASK.id, "status": "Ready", "result": result}), TASK)
    assert (read.url, read.content) == (url, content)


def test_a_ready_task_tells_seed_prompt_and_duration(host, answer):
    result = {"sample": PICTURE, "seed": 7, "prompt": "a fluffy cat", "duration": 4.5}
    metadata = host.read_poll(answer({"status": "Ready", "result": result}), TASK).metadata
    assert (metadata.seed_used, metadata.prompt_used, metadata.generation_s) == (7, "a fluffy cat", 4.5)


def test_a_ready_task_without_a_picture_is_not_believed(host, answer):
    with pytest.raises(MalformedResponse):
        host.read_poll(answer({"status": "Ready", "result": None}), TASK)


@pytest.mark.parametrize("status", ["Pending", "Reasoning", "Generating", "Anything"])
def test_other_states_are_running(host, answer, status):
    assert host.read_poll(answer({"id": TASK.id, "status": status, "result": None}), TASK) == Running(status)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("Request Moderated", "refused"), ("Content Moderated", "filtered"), ("Error", "failed"), ("Failed", "failed")],
)
def test_the_ends_without_a_picture(host, answer, status, outcome):
    body = {"status": status, "result": None, "details": {"Moderation Reasons": ["Derivative Works Filter"]}}
    read = host.read_poll(answer(body), TASK)
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason, read.message) == (outcome, status, "Derivative Works Filter")


@pytest.mark.parametrize(("body", "status"), [({"status": "Task not found"}, 200), ({"error": "not found"}, 404)])
def test_an_unknown_task_is_waited_for_and_then_given_up(host, answer, body, status):
    reads = [host.read_poll(answer(body, status), TASK) for _ in range(MISSES_AT_MOST)]
    assert all(isinstance(read, Running) for read in reads[:-1])
    assert (reads[-1].outcome, reads[-1].reason) == ("failed", "task_not_found")


@pytest.mark.parametrize(
    ("status", "stops"), [(401, True), (402, True), (403, True), (404, True), (429, False), (500, False), (503, False)]
)
def test_http_errors_turn_a_request_away(host, answer, status, stops):
    read = host.read_submission(answer({"error": {"message": "in words", "code": "X"}}, status))
    assert isinstance(read, Rejected)
    assert (bool(read.stops), read.message) == (stops, "in words")


def test_a_bad_request_ends_only_itself(host, answer):
    read = host.read_submission(answer({"error": {"message": "bad aspect ratio"}}, 400))
    assert (read.outcome, read.reason, read.message) == ("failed", "http_400", "bad aspect ratio")


def test_a_polling_address_elsewhere_gets_no_key(host):
    with pytest.raises(UntrustedUrl):
        host.polling(Task("x", "https://evil.example/get_result"))


def test_kontext_from_request_to_picture(host_facts, asked, offer, client):
    seen: list[tuple[str, str, str | None]] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, str(request.url), request.headers.get("authorization")))
        if str(request.url) == PICTURE:
            return httpx.Response(200, content=PNG)
        if str(request.url) == TASK.polling_url:
            assert json.loads(request.content) == {"id": "38b4e501"}
            return httpx.Response(200, json={"id": "38b4e501", "status": "Ready", "result": {"sample": PICTURE}})
        return httpx.Response(200, json={"request_id": "38b4e501"})

    async def whole() -> tuple[Any, bytes]:
        host = Fireworks(host_facts("fireworks", BASE, "api.fireworks.ai"), "fw_secret", client=client(answers))
        accepted = await host.submit(host.prepare(asked(), offer("flux-kontext-pro", "fireworks"), []))
        read = await host.poll(TASK)
        assert isinstance(read, Finished)
        return accepted, await host.download(str(read.url))

    accepted, content = asyncio.run(whole())
    assert accepted == Accepted(TASK)
    assert content == PNG
    assert seen == [
        ("POST", f"{WORKFLOWS}/flux-kontext-pro", "Bearer fw_secret"),
        ("POST", TASK.polling_url, "Bearer fw_secret"),
        ("GET", PICTURE, None),
    ]
