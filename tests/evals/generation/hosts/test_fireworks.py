from __future__ import annotations

import pytest

from evals.generation.answers import Ended, Finished, MalformedResponse, Running, Task
from evals.generation.hosts.fireworks import Fireworks
from evals.generation.hosts.transport import HttpCall

BASE = "https://api.fireworks.ai"
WORKFLOWS = f"{BASE}/inference/v1/workflows/accounts/fireworks/models"
PNG = b"\x89PNG\r\n\x1a\n picture"
PICTURE = "https://delivery-us1.bfl.ai/results/sample.png?sig=secret"
TASK = Task("38b4e501", f"{WORKFLOWS}/flux-kontext-pro/get_result")


@pytest.fixture
def host(host_facts) -> Fireworks:
    return Fireworks(host_facts("fireworks", BASE, "api.fireworks.ai"), "fw_secret")


def test_dev_is_asked_for_a_png_with_the_seed(host, image_request, offer):
    call = host.prepare(image_request(), offer("flux-1-dev-fp8", "fireworks"), [])
    assert (call.method, call.url) == ("POST", f"{WORKFLOWS}/flux-1-dev-fp8/text_to_image")
    assert call.headers == {"Accept": "image/png", "Authorization": "Bearer fw_secret"}
    assert call.body == {"prompt": "a cat", "aspect_ratio": "1:1", "seed": 42}


def test_seed_0_is_replaced_where_it_would_mean_any_seed(host, image_request, offer):
    assert host.prepare(image_request(seed=0), offer("flux-1-dev-fp8", "fireworks"), []).body["seed"] == 2**31 - 1
    assert host.prepare(image_request(seed=0), offer("flux-kontext-pro", "fireworks"), []).body["seed"] == 0


def test_kontext_is_asked_with_its_one_reference(host, image_request, offer):
    kontext = offer("flux-kontext-max", "fireworks", api_id="accounts/fireworks/models/flux-kontext-max")
    call = host.prepare(image_request(), kontext, [b"\xff\xd8\xff"])
    assert call.url == f"{WORKFLOWS}/flux-kontext-max"
    assert call.body == {
        "prompt": "a cat",
        "aspect_ratio": "1:1",
        "output_format": "png",
        "prompt_upsampling": False,
        "seed": 42,
        "input_image": "/9j/",
    }


def test_references_that_cannot_be_sent_are_an_error_and_never_dropped(host, image_request, offer):
    with pytest.raises(ValueError, match="one reference image, not 2"):
        host.prepare(image_request(), offer("flux-kontext-pro", "fireworks"), [PNG, PNG])
    with pytest.raises(ValueError, match="no reference images"):
        host.prepare(image_request(), offer("flux-1-dev-fp8", "fireworks"), [PNG])


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
