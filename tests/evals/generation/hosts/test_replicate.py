from __future__ import annotations

from typing import Any

import pytest

from evals.generation.answers import Accepted, Ended, Finished, MalformedResponse, Running, Task
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


def test_a_request_asks_for_exact_pixels_the_seed_and_png(host, image_request, flux):
    call = host.prepare(image_request(), flux, [])
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
def test_every_size_is_sent_in_pixels(host, image_request, flux, size, side):
    parameters = host.prepare(image_request(size=size), flux, []).body["input"]
    assert (parameters["width"], parameters["height"]) == (side, side)


def test_references_are_sent_as_data_uris(host, image_request, flux):
    parameters = host.prepare(image_request(), flux, [PNG, b"\xff\xd8\xff"]).body["input"]
    assert parameters["input_images"][0].startswith("data:image/png;base64,iVBOR")
    assert parameters["input_images"][1] == "data:image/jpeg;base64,/9j/"


def test_a_pinned_version_and_prompt_upsampling_of_flex(host, image_request, offer):
    pinned = host.prepare(image_request(), offer("m", "replicate", api_id="someone/model:abc123"), [])
    assert pinned.url == f"{BASE}/v1/predictions"
    assert pinned.body["version"] == "abc123"
    flex = host.prepare(image_request(), offer("m", "replicate", api_id="black-forest-labs/flux-2-flex"), [])
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


def test_a_success_that_is_no_address_is_not_believed(host, answer):
    with pytest.raises(MalformedResponse):
        host.read_poll(answer(prediction(status="succeeded", output="see the website")), TASK)
