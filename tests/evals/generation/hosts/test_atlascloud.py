from __future__ import annotations

from typing import Any

import pytest

from evals.generation.answers import Accepted, Ended, Finished, Running, Task
from evals.generation.hosts.atlascloud import AtlasCloud

BASE = "https://api.atlascloud.ai"
TASK = Task("pred_abc123", f"{BASE}/api/v1/model/prediction/pred_abc123")
PICTURE = "https://static.atlascloud.ai/media/picture.png"
PNG = b"\x89PNG\r\n\x1a\n picture"


def envelope(**data: Any) -> dict[str, Any]:
    return {"code": 200, "message": "success", "data": {"id": TASK.id, **data}}


@pytest.fixture
def host(host_facts) -> AtlasCloud:
    return AtlasCloud(host_facts("atlascloud", BASE, "api.atlascloud.ai"), "atlas_secret")


@pytest.fixture
def flux(offer):
    name = "black-forest-labs/flux-2-pro"
    return offer("flux-2-pro", "atlascloud", api_id=f"{name}/text-to-image", edit_api_id=f"{name}/edit")


@pytest.mark.parametrize(("size", "pixels"), [("512", "512*512"), ("1K", "1024*1024"), ("2K", "2048*2048")])
def test_a_request_names_model_size_and_seed(host, image_request, flux, size, pixels):
    call = host.prepare(image_request(size=size), flux, [])
    assert (call.method, call.url) == ("POST", f"{BASE}/api/v1/model/generateImage")
    assert call.headers == {"Authorization": "Bearer atlas_secret"}
    assert call.body == {
        "model": "black-forest-labs/flux-2-pro/text-to-image",
        "prompt": "a cat",
        "size": pixels,
        "seed": 42,
    }


def test_references_go_to_the_edit_model(host, image_request, flux, offer):
    body = host.prepare(image_request(), flux, [b"\xff\xd8\xff"]).body
    assert body["model"] == "black-forest-labs/flux-2-pro/edit"
    assert body["images"] == ["data:image/jpeg;base64,/9j/"]
    with pytest.raises(ValueError, match="edit_api_id"):
        host.prepare(image_request(), offer("m", "atlascloud"), [PNG])


@pytest.mark.parametrize("body", [envelope(), envelope(status="processing", outputs=None), {"id": TASK.id}])
def test_a_created_prediction_is_accepted(host, answer, body):
    assert host.read_submission(answer(body)) == Accepted(TASK)


@pytest.mark.parametrize("status", ["completed", "succeeded"])
def test_a_success_names_the_picture(host, answer, status):
    body = envelope(
        status=status, outputs=[PICTURE], model="black-forest-labs/flux-2-pro", timings={"inference": 5250}, error=""
    )
    read = host.read_poll(answer(body), TASK)
    assert isinstance(read, Finished)
    assert (read.url, read.metadata.model_version, read.metadata.generation_s) == (
        PICTURE,
        "black-forest-labs/flux-2-pro",
        5.25,
    )


@pytest.mark.parametrize(
    ("status", "queued"), [("created", True), ("queued", True), ("processing", False), ("new one", False)]
)
def test_what_is_not_over_is_running(host, answer, status, queued):
    assert host.read_poll(answer(envelope(status=status)), TASK) == Running(status, queued)


@pytest.mark.parametrize(
    ("data", "outcome", "reason"),
    [
        ({"status": "failed", "error": "out of memory"}, "failed", "failed"),
        ({"status": "failed", "error": "Content flagged as potentially sensitive"}, "filtered", "failed"),
        ({"status": "failed", "error": "The prompt was flagged"}, "refused", "failed"),
        ({"status": "completed", "outputs": [PICTURE], "has_nsfw_contents": [True]}, "filtered", "has_nsfw_contents"),
        ({"status": "completed", "outputs": []}, "failed", "no_output"),
        ({"status": "canceled"}, "failed", "canceled"),
    ],
)
def test_the_ends_without_a_picture(host, answer, data, outcome, reason):
    read = host.read_poll(answer(envelope(**data)), TASK)
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason) == (outcome, reason)
