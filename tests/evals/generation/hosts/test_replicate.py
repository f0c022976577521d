from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2 as httpx
import pytest

from evals.generation.answers import Accepted, Ended, Finished, MalformedResponse, Rejected, Running, Task, UntrustedUrl
from evals.generation.hosts.polling_host import MISSES_AT_MOST
from evals.generation.hosts.replicate import Replicate

BASE = "https://api.replicate.com"
POLL = f"{BASE}/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu"
PICTURE = "https://replicate.delivery/xezq/abc/out.png"
PNG = b"\x89PNG\r\n\x1a\n picture"
TASK = Task("gm3qorzdhgbfurvjtvhg6dckhu", POLL)


def prediction(**changes: Any) -> dict[str, Any]:
    usual = {
        "id": TASK.id,
        "model": "black-forest-labs/flux-2-pro",
        "version": "2aea458694efeca3600b4d5775dedce6ee5a971c7b80ccd5ca3bd0b3b93beb00",
        "status": "starting",
        "output": None,
        "error": None,
        "logs": "",
        "created_at": "2026-11-22T10:00:00.000Z",
        "urls": {"get": POLL, "cancel": f"{POLL}/cancel", "stream": "https://stream.replicate.com/v1/files/secret"},
    }
    return {**usual, **changes}


@pytest.fixture
def host(host_facts) -> Replicate:
    return Replicate(host_facts("replicate", BASE, "api.replicate.com"), "r8_secret")


@pytest.fixture
def flux(offer):
    return offer("flux-2-pro", "replicate", api_id="black-forest-labs/flux-2-pro")


def test_a_request_asks_for_exact_pixels_the_seed_and_png(host, asked, flux):
    call = host.prepare(asked(), flux, [])
    assert (call.method, call.url) == ("POST", f"{BASE}/v1/models/black-forest-labs/flux-2-pro/predictions")
    assert call.headers == {"Authorization": "Bearer r8_secret"}
    assert call.body == {
        "input": {
            "prompt": "a cat",
            "aspect_ratio": "custom",
            "width": 1024,
            "height": 1024,
            "output_format": "png",
            "output_quality": 100,
            "seed": 42,
        }
    }


@pytest.mark.parametrize(("size", "side"), [("512", 512), ("1K", 1024), ("2K", 2048)])
def test_every_size_is_sent_in_pixels(host, asked, flux, size, side):
    wanted = host.prepare(asked(size=size), flux, []).body["input"]
    assert (wanted["width"], wanted["height"]) == (side, side)


def test_seed_0_is_sent_and_no_seed_where_the_model_takes_none(host, asked, offer, flux):
    assert host.prepare(asked(seed=0), flux, []).body["input"]["seed"] == 0
    seedless = offer("nano", "replicate", takes_seed=False)
    assert "seed" not in host.prepare(asked(), seedless, []).body["input"]


def test_references_are_sent_as_data_uris(host, asked, flux):
    wanted = host.prepare(asked(), flux, [PNG, b"\xff\xd8\xff"]).body["input"]
    assert wanted["input_images"][0].startswith("data:image/png;base64,iVBOR")
    assert wanted["input_images"][1] == "data:image/jpeg;base64,/9j/"


def test_a_pinned_version_and_prompt_upsampling_of_flex(host, asked, offer):
    pinned = host.prepare(asked(), offer("m", "replicate", api_id="someone/model:abc123"), [])
    assert pinned.url == f"{BASE}/v1/predictions"
    assert pinned.body["version"] == "abc123"
    flex = host.prepare(asked(), offer("m", "replicate", api_id="black-forest-labs/flux-2-flex"), [])
    assert flex.body["input"]["prompt_upsampling"] is False


def test_a_created_prediction_is_accepted_with_its_own_address(host, answer):
    assert host.read_submission(answer(prediction(), 201)) == Accepted(TASK)


def test_a_prediction_without_addresses_is_asked_for_by_its_id(host, answer):
    assert host.read_submission(answer(prediction(urls=None), 201)) == Accepted(TASK)


def test_a_prediction_that_is_over_at_once_is_a_task_all_the_same(host, answer):
    """A crash during the download must not lose a picture that was paid for."""
    read = host.read_submission(answer(prediction(status="succeeded", output=PICTURE), 201))
    assert read == Accepted(TASK)


def test_a_prediction_that_failed_at_once_has_ended(host, answer):
    read = host.read_submission(answer(prediction(status="failed", error="out of memory"), 201))
    assert isinstance(read, Ended)
    assert read.outcome == "failed"


@pytest.mark.parametrize("output", [PICTURE, [PICTURE]])
def test_a_success_names_the_picture_the_version_and_the_times(host, answer, output):
    body = prediction(
        status="succeeded",
        output=output,
        started_at="2026-11-22T10:00:01.500Z",
        completed_at="2026-11-22T10:00:07.000Z",
        metrics={"predict_time": 5.25},
    )
    read = host.read_poll(answer(body), TASK)
    assert isinstance(read, Finished)
    assert read.url == PICTURE
    assert read.metadata.model_version.startswith("2aea4586")
    assert (read.metadata.queue_s, read.metadata.generation_s) == (1.5, 5.25)
    del body["metrics"]
    assert host.read_poll(answer(body), TASK).metadata.generation_s == 5.5


def test_a_hidden_version_is_none(host, answer):
    read = host.read_poll(answer(prediction(status="succeeded", output=PICTURE, version="hidden")), TASK)
    assert read.metadata.model_version is None


def test_a_picture_inside_the_answer_is_its_content(host, answer):
    read = host.read_poll(answer(prediction(status="succeeded", output="data:image/png;base64,iVBORw0K")), TASK)
    assert (read.content, read.url) == (b"\x89PNG\r\n", None)


@pytest.mark.parametrize(("status", "queued"), [("starting", True), ("processing", False), ("brand new", False)])
def test_what_is_not_over_is_running(host, answer, status, queued):
    assert host.read_poll(answer(prediction(status=status)), TASK) == Running(status, queued)


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({"status": "failed", "error": "NSFW content detected. Try a different prompt."}, "filtered", "failed"),
        (
            {
                "status": "failed",
                "error": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
            },
            "filtered",
            "E005",
        ),
        ({"status": "failed", "error": "Your prompt was flagged as sensitive"}, "refused", "failed"),
        ({"status": "failed", "error": "CUDA out of memory"}, "failed", "failed"),
        ({"status": "failed", "error": None}, "failed", "failed"),
        ({"status": "canceled"}, "failed", "canceled"),
        ({"status": "succeeded", "output": []}, "failed", "no_output"),
        ({"status": "succeeded", "output": None, "logs": "NSFW content detected"}, "filtered", "no_output"),
    ],
)
def test_an_end_without_a_picture_says_why(host, answer, changes, outcome, reason):
    read = host.read_poll(answer(prediction(**changes)), TASK)
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("status", "stops", "may_have_cost"),
    [
        (401, True, False),
        (402, True, False),
        (403, True, False),
        (404, True, False),
        (429, False, False),
        (500, False, True),
    ],
)
def test_http_errors_turn_a_request_away(host, answer, status, stops, may_have_cost):
    body = {"type": "about:blank", "title": "Error", "status": status, "detail": "in words"}
    read = host.read_submission(answer(body, status, retry_after="7"))
    assert isinstance(read, Rejected)
    assert (bool(read.stops), read.may_have_cost, read.message) == (stops, may_have_cost, "in words")
    if status == 429:
        assert read.delay_s == 7


@pytest.mark.parametrize("status", [400, 422])
def test_a_bad_request_ends_only_itself(host, answer, status):
    body = {"detail": "- input.width: Must be less than or equal to 2048\n", "status": status, "title": "Invalid input"}
    read = host.read_submission(answer(body, status))
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason) == ("failed", f"http_{status}")
    assert "2048" in read.message


def test_an_unknown_task_is_waited_for_and_then_given_up(host, answer):
    missing = answer({"detail": "Not found"}, 404)
    reads = [host.read_poll(missing, TASK) for _ in range(MISSES_AT_MOST)]
    assert all(isinstance(read, Running) for read in reads[:-1])
    assert (reads[-1].outcome, reads[-1].reason) == ("failed", "task_not_found")


def test_a_task_that_turns_up_is_no_longer_counted_as_missing(host, answer):
    for _ in range(3):
        for _ in range(MISSES_AT_MOST - 1):
            assert isinstance(host.read_poll(answer({}, 404), TASK), Running)
        assert host.read_poll(answer(prediction()), TASK) == Running("starting", queued=True)


def test_errors_while_polling_cost_nothing_and_may_pass(host, answer):
    assert host.read_poll(answer({"detail": "slow down"}, 429, retry_after="3"), TASK).delay_s == 3
    broken = host.read_poll(answer(b"<html>", 500), TASK)
    assert isinstance(broken, Rejected)
    assert not broken.may_have_cost
    assert host.read_poll(answer({"detail": "no"}, 401), TASK).stops


def test_a_polling_address_elsewhere_gets_no_key(host):
    with pytest.raises(UntrustedUrl, match="evil"):
        host.polling(Task("x", "https://evil.example/v1/predictions/x"))


def test_a_success_that_is_no_address_is_not_believed(host, answer):
    with pytest.raises(MalformedResponse):
        host.read_poll(answer(prediction(status="succeeded", output="see the website")), TASK)


def test_the_key_goes_to_replicate_and_never_to_the_delivery(host_facts, asked, flux, client):
    seen: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "POST":
            return httpx.Response(201, json=prediction())
        if str(request.url) == POLL:
            return httpx.Response(200, json=prediction(status="succeeded", output=PICTURE))
        return httpx.Response(200, content=PNG)

    async def whole() -> bytes:
        host = Replicate(host_facts("replicate", BASE, "api.replicate.com"), "r8_secret", client=client(answers))
        call = host.prepare(asked(), flux, [])
        accepted = await host.submit(call)
        assert isinstance(accepted, Accepted)
        assert "r8_secret" not in json.dumps(call.record()) + repr(call) + repr(accepted)
        read = await host.poll(accepted.task)
        assert isinstance(read, Finished)
        content = await host.download(str(read.url))
        await host.aclose()
        return content

    assert asyncio.run(whole()) == PNG
    assert [request.headers.get("authorization") for request in seen] == ["Bearer r8_secret", "Bearer r8_secret", None]
    assert json.loads(seen[0].content)["input"]["seed"] == 42
    assert "prefer" not in seen[0].headers
