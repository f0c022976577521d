import pytest

from evals.generation.answers import Finished, MalformedResponse, ResponseMetadata, Running, Task
from evals.generation.hosts.transport import HttpCall
from tests.evals.generation.hosts.conftest import KEY, answer, image_request, in_brief, offer

WORKFLOWS = "https://api.fireworks.ai/inference/v1/workflows/accounts/fireworks/models"
KEYED = {"Authorization": f"Bearer {KEY}"}
PNG = b"\x89PNG\r\n\x1a\n picture"
START_OF_PNG = b"\x89PNG\r\n"  # "iVBORw0K" in base64
PICTURE = "https://delivery-us1.bfl.ai/results/sample.png?sig=secret"
TASK = Task("38b4e501", f"{WORKFLOWS}/flux-kontext-pro/get_result")


def test_dev_is_asked_for_a_png_with_the_seed_and_never_with_0_which_would_mean_any(host):
    for seed, sent in ((42, 42), (0, 2**31 - 1)):
        call = host.prepare(image_request(seed=seed), offer("flux-1-dev-fp8", "fireworks"), [])
        assert (call.method, call.url) == ("POST", f"{WORKFLOWS}/flux-1-dev-fp8/text_to_image")
        assert call.headers == {"Accept": "image/png", **KEYED}
        assert call.body == {"prompt": "a cat", "aspect_ratio": "1:1", "seed": sent}


def test_kontext_is_asked_with_its_one_reference_and_any_seed(host):
    kontext = offer("flux-kontext-max", "fireworks", api_id="accounts/fireworks/models/flux-kontext-max")
    call = host.prepare(image_request(seed=0), kontext, [b"\xff\xd8\xff"])
    assert (call.url, call.headers) == (f"{WORKFLOWS}/flux-kontext-max", KEYED)
    assert call.body == {
        "prompt": "a cat",
        "aspect_ratio": "1:1",
        "output_format": "png",
        "prompt_upsampling": False,
        "seed": 0,
        "input_image": "/9j/",
    }


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (PNG, {"content_type": "image/png", "seed": "42"}, Finished(PNG, metadata=ResponseMetadata(seed_used=42))),
        *((PNG, {"seed": odd}, Finished(PNG)) for odd in ("²", "-", "9" * 5000)),
        (
            {"id": "1", "base64": ["data:image/png;base64,iVBORw0K"], "finishReason": "SUCCESS", "seed": 42},
            {},
            Finished(START_OF_PNG, metadata=ResponseMetadata(seed_used=42)),
        ),
        (PNG, {"finish_reason": "CONTENT_FILTERED"}, ("filtered", "CONTENT_FILTERED")),
        ({"base64": "iVBORw0K", "finishReason": "CONTENT_FILTERED"}, {}, ("filtered", "CONTENT_FILTERED")),
    ],
    ids=["bytes", "no digit", "no number", "a number without end", "JSON", "filtered bytes", "filtered JSON"],
)
def test_the_answer_of_dev_is_the_picture_itself(host, body, headers, expected):
    assert in_brief(host.read_submission(answer(body, **headers))) == expected


def test_a_result_is_asked_for_by_post_with_the_id(host):
    assert host.polling(TASK) == HttpCall("POST", TASK.polling_url, KEYED, {"id": "38b4e501"})


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (PICTURE, Finished(url=PICTURE)),
        ({"sample": "iVBORw0K"}, Finished(START_OF_PNG)),
        (
            {"sample": PICTURE, "seed": 7, "prompt": "a fluffy cat", "duration": 4.5},
            Finished(None, PICTURE, ResponseMetadata(seed_used=7, prompt_used="a fluffy cat", generation_s=4.5)),
        ),
    ],
)
def test_a_ready_task_names_or_holds_the_picture(host, result, expected):
    assert host.read_poll(answer({"id": TASK.id, "status": "Ready", "result": result}), TASK) == expected


def test_a_ready_task_without_a_picture_is_not_believed(host):
    with pytest.raises(MalformedResponse):
        host.read_poll(answer({"status": "Ready", "result": None}), TASK)


@pytest.mark.parametrize("status", ["Pending", "Anything"])
def test_other_states_are_running(host, status):
    assert host.read_poll(answer({"id": TASK.id, "status": status, "result": None}), TASK) == Running(status)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("Request Moderated", "refused"), ("Content Moderated", "filtered"), ("Error", "failed"), ("Failed", "failed")],
)
def test_the_ends_without_a_picture(host, status, outcome):
    body = {"status": status, "result": None, "details": {"Moderation Reasons": ["Derivative Works Filter"]}}
    read = host.read_poll(answer(body), TASK)
    assert (*in_brief(read), read.message) == (outcome, status, "Derivative Works Filter")
