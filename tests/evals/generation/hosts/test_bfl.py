import base64

import pytest

from evals.generation.answers import (
    Accepted,
    Ended,
    Finished,
    MalformedResponse,
    Rejected,
    ResponseMetadata,
    Running,
    Task,
)
from evals.generation.hosts.transport import HttpCall
from tests.evals.generation.hosts.conftest import KEY, answer, image_request, in_brief, offer

BASE = "https://api.bfl.ai"
ID = "38b4e501-344b-4d19-9ffa-a566b7f36b1c"
POLLING_URL = f"https://api.eu2.bfl.ai/v1/get_result?id={ID}"
SAMPLE = (
    "https://bfldeliveryprodeu4.blob.core.windows.net/results/2025/11/27/…_sample.jpeg"
    "?se=2025-11-27T14%3A41%3A06Z&sp=r&sv=2024&sr=b&rsct=image/jpeg&sig=c2ln"
)
SUBMITTED = {"id": ID, "polling_url": POLLING_URL, "cost": 3.0, "input_mp": 0.0, "output_mp": 1.0}
TASK = Task(ID, POLLING_URL, cost_usd=0.03)
BODY = {"prompt": "a cat", "seed": 42, "width": 1024, "height": 1024, "safety_tolerance": 2, "output_format": "png"}
FLUX_3 = {"prompt": "a cat", "aspect_ratio": "1:1", "resolution": "1k", "grounding": False, "safety_tolerance": 2}


def state(status, result=None, details=None, **more):
    return {"id": ID, "status": status, "result": result, "progress": None, "details": details, "preview": None, **more}


@pytest.mark.parametrize(
    ("model", "references", "body"),
    [
        ("flux-2-pro", [], BODY | {"disable_pup": True}),
        ("flux-2-max", [], BODY | {"disable_pup": True}),
        ("flux-2-pro-preview", [], BODY | {"disable_pup": True}),
        ("flux-2-flex", [], BODY | {"prompt_upsampling": False, "steps": 50, "guidance": 5}),
        ("flux-pro-1.1", [], BODY | {"prompt_upsampling": False}),
        ("flux-2-klein-4b", [], BODY),
        ("flux-3-image", [], FLUX_3),  # its schema refuses every other field
        ("flux-3-image", [b"abc"], FLUX_3 | {"images": ["YWJj"]}),
        ("flux-3-image-klein", [], {"prompt": "a cat", "aspect_ratio": "1:1", "resolution": "1k"}),
    ],
)
def test_each_model_is_asked_in_its_documented_form_and_kept_from_rewriting(host, model, references, body):
    call = host.prepare(image_request(), offer(model, "bfl"), references)
    assert (call.method, call.url, call.headers) == ("POST", f"{BASE}/v1/{model}", {"x-key": KEY})
    assert call.body == body


def test_references_are_numbered_from_the_second(host):
    images = [bytes([number]) * 3 for number in range(8)]
    body = host.prepare(image_request(size="2K"), offer("flux-2-pro", "bfl"), images).body
    names = ["input_image", *(f"input_image_{number}" for number in range(2, 9))]
    assert [base64.b64decode(body[name]) for name in names] == images
    assert (body["width"], body["height"]) == (2048, 2048)
    assert "input_image_9" not in body


def test_the_key_goes_to_the_cluster_that_the_vendor_names(host):
    assert host.polling(TASK) == HttpCall("GET", POLLING_URL, {"x-key": KEY})


@pytest.mark.parametrize(
    ("changes", "task"),
    [
        ({}, TASK),
        ({"cost": 7}, Task(ID, POLLING_URL, cost_usd=0.07)),  # credits are cents
        *(({"cost": odd}, Task(ID, POLLING_URL)) for odd in (None, "3.0", True, -1, [3])),
        *(({"polling_url": odd}, Task(ID, f"{BASE}/v1/get_result?id={ID}", None, 0.03)) for odd in (None, "", 7)),
    ],
)
def test_an_accepted_task_has_its_cluster_and_its_price_and_odd_ones_do_not_cost_the_task(host, changes, task):
    assert host.read_submission(answer({**SUBMITTED, **changes})) == Accepted(task)


@pytest.mark.parametrize("task_id", [None, "", 7, "a b", "x&sig=1", "x" * 201])
def test_a_task_without_an_id_is_malformed(host, task_id):
    with pytest.raises(MalformedResponse):
        host.read_submission(answer({**SUBMITTED, "id": task_id}))


@pytest.mark.parametrize(
    ("body", "headers", "delay_s"),
    [
        ({"detail": "slow"}, {}, None),
        ({"detail": "slow"}, {"retry_after": "7"}, 7.0),
        ({"error": "slow", "retry_after": 5}, {}, 5.0),
        ({"error": "slow", "retry_after": "soon"}, {}, None),
        (b"slow", {}, None),
    ],
)
def test_too_many_tasks_wait_as_long_as_header_or_body_say(host, body, headers, delay_s):
    assert host.read_submission(answer(body, 429, **headers)) == Rejected("http_429", "slow", delay_s, throttled=True)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (state("Pending"), 200, Running("Pending", queued=True)),
        (state("Generating"), 200, Running("Generating")),
        (state("A status of next year"), 200, Running("A status of next year")),
        (b"", 202, Running("accepted")),
        # An error of the server may carry the end of the task.
        (state("Error"), 500, ("failed", "Error")),
        (state("Pending"), 503, Rejected("http_503")),
        (b"oops", 500, Rejected("http_500", "oops")),
    ],
)
def test_the_state_of_a_task_is_read(host, body, status, expected):
    assert in_brief(host.read_poll(answer(body, status), TASK)) == expected


@pytest.mark.parametrize(("cost", "cost_usd"), [({}, 0.03), ({"cost": 4.8}, 0.048)])
def test_a_ready_task_has_picture_prompt_seed_and_the_price_that_was_named_last(host, cost, cost_usd):
    result = {"start_time": 1764253858.8486362, "prompt": "a majestic cat", "seed": 1601288383, "sample": SAMPLE}
    metadata = ResponseMetadata(
        prompt_used="a majestic cat", seed_used=1601288383, cost_usd=pytest.approx(cost_usd, rel=1e-12)
    )
    assert host.read_poll(answer(state("Ready", result, **cost)), TASK) == Finished(url=SAMPLE, metadata=metadata)


@pytest.mark.parametrize("result", [None, [], "x", {}, {"sample": None}, {"sample": ""}, {"sample": 7}])
def test_a_ready_task_without_a_picture_is_malformed(host, result):
    with pytest.raises(MalformedResponse):
        host.read_poll(answer(state("Ready", result)), TASK)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("Request Moderated", "refused"), ("Content Moderated", "filtered"), ("Error", "failed"), ("Failed", "failed")],
)
def test_a_task_without_a_picture_has_its_outcome_its_reasons_and_its_price(host, status, outcome):
    charged = ResponseMetadata(cost_usd=0.03)
    details = {"Moderation Reasons": ["Derivative Works Filter", "Safety"]}
    message = "Moderation Reasons: Derivative Works Filter, Safety"
    assert host.read_poll(answer(state(status, details=details)), TASK) == Ended(outcome, status, message, charged)
    assert host.read_poll(answer(state(status)), TASK) == Ended(outcome, status, "", charged)
