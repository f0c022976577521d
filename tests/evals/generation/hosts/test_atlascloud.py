from __future__ import annotations

import asyncio
from typing import Any

import httpx2 as httpx
import pytest

from evals.generation.answers import Accepted, Ended, Finished, OutcomeUnknown, Rejected, Running, Task, UntrustedUrl
from evals.generation.hosts.atlascloud import AtlasCloud
from evals.generation.hosts.polling_host import MISSES_AT_MOST

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
def test_a_request_names_model_size_and_seed(host, asked, flux, size, pixels):
    call = host.prepare(asked(size=size), flux, [])
    assert (call.method, call.url) == ("POST", f"{BASE}/api/v1/model/generateImage")
    assert call.headers == {"Authorization": "Bearer atlas_secret"}
    assert call.body == {
        "model": "black-forest-labs/flux-2-pro/text-to-image",
        "prompt": "a cat",
        "size": pixels,
        "seed": 42,
    }


def test_references_go_to_the_edit_model(host, asked, flux, offer):
    body = host.prepare(asked(), flux, [b"\xff\xd8\xff"]).body
    assert body["model"] == "black-forest-labs/flux-2-pro/edit"
    assert body["images"] == ["data:image/jpeg;base64,/9j/"]
    with pytest.raises(ValueError, match="edit_api_id"):
        host.prepare(asked(), offer("m", "atlascloud"), [PNG])


def test_seed_0_is_sent_and_no_seed_where_the_model_takes_none(host, asked, offer, flux):
    assert host.prepare(asked(seed=0), flux, []).body["seed"] == 0
    assert "seed" not in host.prepare(asked(), offer("m", "atlascloud", takes_seed=False), []).body


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


def test_a_picture_inside_the_answer_is_its_content(host, answer):
    read = host.read_poll(answer(envelope(status="completed", outputs=["data:image/png;base64,iVBORw0K"])), TASK)
    assert (read.content, read.url) == (b"\x89PNG\r\n", None)


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


@pytest.mark.parametrize(
    ("status", "stops"), [(401, True), (402, True), (403, True), (404, True), (429, False), (500, False), (503, False)]
)
@pytest.mark.parametrize("in_envelope", [False, True])
def test_errors_turn_a_request_away_as_http_status_or_in_the_envelope(host, answer, status, stops, in_envelope):
    read = host.read_submission(answer({"code": status, "message": "in words"}, 200 if in_envelope else status))
    assert isinstance(read, Rejected)
    assert (bool(read.stops), read.message) == (stops, "in words")


def test_a_bad_request_ends_only_itself(host, answer):
    read = host.read_submission(answer({"code": 400, "message": "size is wrong"}, 400))
    assert (read.outcome, read.reason, read.message) == ("failed", "http_400", "size is wrong")


def test_an_unknown_task_is_waited_for_and_then_given_up(host, answer):
    reads = [host.read_poll(answer({"code": 404, "message": "not found"}), TASK) for _ in range(MISSES_AT_MOST)]
    assert all(isinstance(read, Running) for read in reads[:-1])
    assert (reads[-1].outcome, reads[-1].reason) == ("failed", "task_not_found")


def test_an_answer_without_an_id_is_a_lost_request(host_facts, asked, flux, client):
    async def send() -> Any:
        host = AtlasCloud(
            host_facts("atlascloud", BASE, "api.atlascloud.ai"),
            "atlas_secret",
            client=client(lambda _: httpx.Response(200, json={"code": 200, "data": {}})),
        )
        return await host.submit(host.prepare(asked(), flux, []))

    assert isinstance(asyncio.run(send()), OutcomeUnknown)


def test_a_polling_address_elsewhere_gets_no_key(host):
    with pytest.raises(UntrustedUrl):
        host.polling(Task("x", "https://evil.example/api/v1/model/prediction/x"))


def test_a_request_from_prediction_to_picture(host_facts, asked, flux, client):
    seen: list[tuple[str, str, str | None]] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, str(request.url), request.headers.get("authorization")))
        if str(request.url) == PICTURE:
            return httpx.Response(200, content=PNG)
        if request.method == "POST":
            return httpx.Response(200, json=envelope(status="created"))
        return httpx.Response(200, json=envelope(status="completed", outputs=[PICTURE]))

    async def whole() -> bytes:
        facts = host_facts("atlascloud", BASE, "api.atlascloud.ai")
        host = AtlasCloud(facts, "atlas_secret", client=client(answers))
        accepted = await host.submit(host.prepare(asked(), flux, []))
        assert isinstance(accepted, Accepted)
        read = await host.poll(accepted.task)
        assert isinstance(read, Finished)
        return await host.download(str(read.url))

    assert asyncio.run(whole()) == PNG
    assert seen == [
        ("POST", f"{BASE}/api/v1/model/generateImage", "Bearer atlas_secret"),
        ("GET", TASK.polling_url, "Bearer atlas_secret"),
        ("GET", PICTURE, None),
    ]
