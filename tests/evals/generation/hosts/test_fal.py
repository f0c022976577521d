from __future__ import annotations

from typing import Any

import pytest

from evals.generation.answers import Accepted, Ended, Finished, Rejected, Running, Task
from evals.generation.hosts.fal import Fal
from evals.generation.hosts.transport import HttpCall

BASE = "https://queue.fal.run"
STATUS = f"{BASE}/fal-ai/flux-2-pro/requests/764cabcf/status"
RESPONSE = f"{BASE}/fal-ai/flux-2-pro/requests/764cabcf"
TASK = Task("764cabcf", STATUS, RESPONSE)
PICTURE = "https://v3.fal.media/files/abc/picture.png"
PNG = b"\x89PNG\r\n\x1a\n picture"
QUEUED = {
    "status": "IN_QUEUE",
    "request_id": "764cabcf",
    "status_url": STATUS,
    "response_url": RESPONSE,
    "cancel_url": f"{RESPONSE}/cancel",
    "queue_position": 0,
}


def result(**changes: Any) -> dict[str, Any]:
    usual = {
        "images": [{"url": PICTURE, "width": 1024, "height": 1024, "content_type": "image/png"}],
        "seed": 42,
        "has_nsfw_concepts": [False],
        "prompt": "a cat",
    }
    return {**usual, **changes}


def model_error(kind: str, message: str, *place: str) -> dict[str, Any]:
    return {"detail": [{"loc": ["body", *place], "msg": message, "type": kind, "url": "https://docs.fal.ai/errors"}]}


@pytest.fixture
def host(host_facts) -> Fal:
    return Fal(host_facts("fal", BASE, "fal.run"), "fal_secret")


@pytest.fixture
def flux(offer):
    return offer("flux-2-pro", "fal", api_id="fal-ai/flux-2-pro", edit_api_id="fal-ai/flux-2-pro/edit")


def test_a_request_asks_for_pixels_seed_and_png_with_fals_own_kind_of_key(host, image_request, flux):
    call = host.prepare(image_request(), flux, [])
    assert (call.method, call.url) == ("POST", f"{BASE}/fal-ai/flux-2-pro")
    assert call.headers == {"Authorization": "Key fal_secret"}
    assert call.body == {
        "prompt": "a cat",
        "image_size": {"width": 1024, "height": 1024},
        "seed": 42,
        "output_format": "png",
    }


@pytest.mark.parametrize(("size", "side"), [("512", 512), ("2K", 2048), ("4K", 4096)])
def test_every_size_is_sent_in_pixels(host, image_request, flux, size, side):
    assert host.prepare(image_request(size=size), flux, []).body["image_size"] == {"width": side, "height": side}


def test_references_go_to_the_edit_endpoint_as_data_uris(host, image_request, flux, offer):
    call = host.prepare(image_request(), flux, [b"\xff\xd8\xff"])
    assert call.url == f"{BASE}/fal-ai/flux-2-pro/edit"
    assert call.body["image_urls"] == ["data:image/jpeg;base64,/9j/"]
    with pytest.raises(ValueError, match="edit_api_id"):
        host.prepare(image_request(), offer("flux", "fal"), [b"\xff\xd8\xff"])


def test_prompt_expansion_is_off_where_there_is_such_a_field(host, image_request, offer, flux):
    dev = host.prepare(image_request(), offer("m", "fal", api_id="fal-ai/flux-2"), [])
    flex = host.prepare(image_request(), offer("m", "fal", api_id="fal-ai/flux-2-flex"), [])
    older = host.prepare(image_request(), offer("m", "fal", api_id="fal-ai/flux-pro/v1.1"), [])
    assert dev.body["enable_prompt_expansion"] is flex.body["enable_prompt_expansion"] is False
    assert older.body["enhance_prompt"] is False
    assert "enable_prompt_expansion" not in host.prepare(image_request(), flux, []).body


def test_nano_banana_is_asked_by_resolution(host, image_request, offer):
    nano = offer("nano-banana-2", "fal", api_id="fal-ai/nano-banana-2")
    assert host.prepare(image_request(size="4K"), nano, []).body == {
        "prompt": "a cat",
        "output_format": "png",
        "aspect_ratio": "1:1",
        "resolution": "4K",
        "seed": 42,
    }
    assert host.prepare(image_request(size="512"), nano, []).body["resolution"] == "0.5K"


def test_a_queued_request_is_accepted_with_the_addresses_fal_named(host, answer):
    assert host.read_submission(answer(QUEUED)) == Accepted(TASK)


def test_the_task_is_all_that_another_process_needs(host, answer, host_facts):
    accepted = host.read_submission(answer(QUEUED))
    later = Fal(host_facts("fal", BASE, "fal.run"), "fal_secret")
    assert later.polling(accepted.task) == HttpCall("GET", STATUS, {"Authorization": "Key fal_secret"})
    fetched = later.read_poll(answer({"status": "COMPLETED"}), accepted.task)
    assert fetched == HttpCall("GET", RESPONSE, {"Authorization": "Key fal_secret"})


@pytest.mark.parametrize(
    ("status", "http", "queued"), [("IN_QUEUE", 202, True), ("IN_PROGRESS", 202, False), ("THINKING", 200, False)]
)
def test_what_is_not_over_is_running(host, answer, status, http, queued):
    assert host.read_poll(answer({"status": status, "queue_position": 3}, http), TASK) == Running(status, queued)


def test_a_result_names_picture_seed_and_prompt(host, answer):
    read = host.read_poll(answer(result(timings={"inference": 2.5})), TASK)
    assert isinstance(read, Finished)
    assert read.url == PICTURE
    assert (read.metadata.seed_used, read.metadata.prompt_used, read.metadata.generation_s) == (42, "a cat", 2.5)


def test_the_inference_time_of_the_status_reaches_the_result(host, answer):
    host.read_poll(answer({"status": "COMPLETED", "metrics": {"inference_time": 3.75}}), TASK)
    assert host.read_poll(answer(result()), TASK).metadata.generation_s == 3.75
    assert host.read_poll(answer(result()), TASK).metadata.generation_s is None


def test_an_nsfw_picture_is_filtered(host, answer):
    read = host.read_poll(answer(result(has_nsfw_concepts=[True])), TASK)
    assert (read.outcome, read.reason) == ("filtered", "has_nsfw_concepts")


@pytest.mark.parametrize("body", [result(images=[]), {"seed": 1}])
def test_a_result_without_a_picture_failed(host, answer, body):
    read = host.read_poll(answer(body), TASK)
    assert (read.outcome, read.reason) == ("failed", "no_images")


@pytest.mark.parametrize(
    ("body", "status", "outcome", "reason"),
    [
        (model_error("content_policy_violation", "flagged by a content checker", "prompt"), 422, "refused", None),
        (model_error("content_policy_violation", "The generated image was flagged"), 422, "filtered", None),
        (model_error("no_media_generated", "The model did not generate media"), 422, "refused", None),
        (model_error("image_too_large", "Image dimensions are too large", "image_urls"), 422, "failed", None),
        (model_error("downstream_service_error", "Downstream service error"), 500, "failed", None),
        ({"detail": "Request timed out", "error_type": "request_timeout"}, 504, "failed", "request_timeout"),
        ({"detail": "Prompt contains nsfw content"}, 400, "refused", "http_400"),
    ],
)
def test_errors_of_the_model_end_the_task_with_their_type(host, answer, body, status, outcome, reason):
    read = host.read_poll(answer(body, status), TASK)
    assert isinstance(read, Ended)
    kind = body["detail"][0]["type"] if isinstance(body["detail"], list) else None
    assert (read.outcome, read.reason) == (outcome, reason or kind)
    assert read.message


@pytest.mark.parametrize("status", [500, 502, 503])
def test_errors_of_the_queue_do_not_end_the_task(host, answer, status):
    assert isinstance(host.read_poll(answer(b"<html>bad gateway</html>", status), TASK), Rejected)
    unexpected = answer({"detail": "unexpected", "error_type": "internal_error"}, status)
    assert isinstance(host.read_poll(unexpected, TASK), Rejected)
