from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.facts.models import read_facts
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
from evals.generation.hosts.bfl import Bfl
from evals.generation.hosts.transport import HttpAnswer

KEY = "bfl-0123456789abcdef"
BASE = "https://api.bfl.ai"
ID = "38b4e501-344b-4d19-9ffa-a566b7f36b1c"
POLLING_URL = f"https://api.eu2.bfl.ai/v1/get_result?id={ID}"
SAMPLE = (
    "https://bfldeliveryprodeu4.blob.core.windows.net/results/2025/11/27/…_sample.jpeg"
    "?se=2025-11-27T14%3A41%3A06Z&sp=r&sv=2024&sr=b&rsct=image/jpeg&sig=c2ln"
)
SUBMITTED = {"id": ID, "polling_url": POLLING_URL, "cost": 3.0, "input_mp": 0.0, "output_mp": 1.0}
TASK = Task(ID, POLLING_URL, cost_usd=0.03)
CHARGED = ResponseMetadata(cost_usd=0.03)


def state(status: Any, result: Any = None, details: Any = None, **more: Any) -> dict[str, Any]:
    """Return the body of an answer to a poll, in the recorded shape."""
    return {"id": ID, "status": status, "result": result, "progress": None, "details": details, "preview": None, **more}


@pytest.fixture
def host(host_facts, client) -> Bfl:
    return Bfl(host_facts("bfl", BASE, "bfl.ai"), KEY, client=client(lambda request: httpx.Response(500)))


@pytest.fixture
def answered(host_facts, client) -> Callable[..., tuple[Bfl, list[httpx.Request]]]:
    """Return a builder of a host that gets this answer, and the list of what it sends."""

    def build(response: httpx.Response) -> tuple[Bfl, list[httpx.Request]]:
        seen: list[httpx.Request] = []

        def answers(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return response

        return Bfl(host_facts("bfl", BASE, "bfl.ai"), KEY, client=client(answers)), seen

    return build


# The request


@pytest.mark.parametrize("model", ["flux-2-pro", "flux-2-max", "flux-2-pro-preview"])
def test_a_request_has_the_documented_form(host, image_request, offer, model):
    call = host.prepare(image_request(), offer(model, "bfl"), [])
    assert (call.method, call.url, call.headers) == ("POST", f"{BASE}/v1/{model}", {"x-key": KEY})
    assert call.body == {
        "prompt": "a cat",
        "seed": 42,
        "width": 1024,
        "height": 1024,
        "safety_tolerance": 2,
        "output_format": "png",
        "disable_pup": True,
    }


@pytest.mark.parametrize(
    ("model", "rewriting"),
    [
        ("flux-2-flex", {"prompt_upsampling": False}),
        ("flux-pro-1.1", {"prompt_upsampling": False}),
        ("flux-2-klein-4b", {}),
    ],
)
def test_each_model_is_kept_from_rewriting_the_prompt_in_its_own_way(host, image_request, offer, model, rewriting):
    body = host.prepare(image_request(), offer(model, "bfl"), []).body
    usual = {"prompt", "seed", "width", "height", "safety_tolerance", "output_format"}
    assert {name: value for name, value in body.items() if name not in usual} == rewriting


def test_references_are_numbered_from_the_second(host, image_request, offer):
    images = [bytes([number]) * 3 for number in range(8)]
    body = host.prepare(image_request(size="2K"), offer("flux-2-pro", "bfl"), images).body
    names = ["input_image", *(f"input_image_{number}" for number in range(2, 9))]
    assert [base64.b64decode(body[name]) for name in names] == images
    assert (body["width"], body["height"]) == (2048, 2048)
    assert "input_image_9" not in body


def test_flux_3_gets_the_fields_of_its_strict_schema_only(host, image_request, offer):
    call = host.prepare(image_request(size="2K"), offer("flux-3-image", "bfl"), [])
    assert call.url == f"{BASE}/v1/flux-3-image"
    assert call.body == {"prompt": "a cat", "aspect_ratio": "1:1", "resolution": "2k", "grounding": False}
    assert host.prepare(image_request(), offer("flux-3-image", "bfl"), [b"abc"]).body["images"] == ["YWJj"]


# Taken in


def test_an_accepted_task_has_its_cluster_and_its_price(host, answer):
    assert host.read_submission(answer(SUBMITTED)) == Accepted(TASK)


def test_seven_credits_are_seven_cents(host, answer):
    assert host.read_submission(answer({**SUBMITTED, "cost": 7})).task.cost_usd == 0.07


@pytest.mark.parametrize("cost", [None, "3.0", True, -1, [3]])
def test_an_odd_price_does_not_cost_the_task(host, answer, cost):
    assert host.read_submission(answer({**SUBMITTED, "cost": cost})) == Accepted(Task(ID, POLLING_URL))


@pytest.mark.parametrize("polling_url", [None, "", 7])
def test_a_task_without_a_polling_address_is_asked_for_by_its_id(host, answer, polling_url):
    accepted = host.read_submission(answer({**SUBMITTED, "polling_url": polling_url}))
    assert accepted.task.polling_url == f"{BASE}/v1/get_result?id={ID}"


@pytest.mark.parametrize("task_id", [None, "", 7, "a b", "x&sig=1", "x" * 201])
def test_a_task_without_an_id_is_malformed(host, answer, task_id):
    with pytest.raises(MalformedResponse):
        host.read_submission(answer({**SUBMITTED, "id": task_id}))


# Rejected


def test_too_many_tasks_wait_as_long_as_header_or_body_say(host, answer):
    assert host.read_submission(answer({"detail": "slow"}, 429)) == Rejected("http_429", "slow")
    assert host.read_submission(answer({"detail": "slow"}, 429, retry_after="7")).delay_s == 7.0
    limited = {"error": "rate_limit_exceeded", "retry_after": 5}
    assert host.read_submission(answer(limited, 429)) == Rejected("http_429", "rate_limit_exceeded", 5.0)
    assert host.read_submission(answer({"error": "x", "retry_after": "soon"}, 429)).delay_s is None
    assert host.read_submission(answer(b"busy", 429)) == Rejected("http_429", "busy")


# Polled


@pytest.mark.parametrize("status", ["Pending", "Reasoning", "Generating", "A status of next year"])
def test_any_other_status_is_still_running(host, answer, status):
    assert host.read_poll(answer(state(status)), TASK) == Running(status, queued=status == "Pending")


def test_a_ready_task_has_its_picture_its_prompt_and_its_seed(host, answer):
    result = {"start_time": 1764253858.8486362, "prompt": "a majestic cat", "seed": 1601288383, "sample": SAMPLE}
    metadata = ResponseMetadata(prompt_used="a majestic cat", seed_used=1601288383, cost_usd=0.03)
    assert host.read_poll(answer(state("Ready", result)), TASK) == Finished(url=SAMPLE, metadata=metadata)


def test_a_price_that_is_named_at_the_end_counts(host, answer):
    read = host.read_poll(answer(state("Ready", {"sample": SAMPLE}, cost=4.8)), TASK)
    assert read.metadata.cost_usd == pytest.approx(0.048)


@pytest.mark.parametrize("result", [None, [], "x", {}, {"sample": None}, {"sample": ""}, {"sample": 7}])
def test_a_ready_task_without_a_picture_is_malformed(host, answer, result):
    with pytest.raises(MalformedResponse):
        host.read_poll(answer(state("Ready", result)), TASK)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Request Moderated", "refused"),
        ("Content Moderated", "filtered"),
        ("Error", "failed"),
        ("Failed", "failed"),
    ],
)
def test_a_task_without_a_picture_has_its_outcome_and_its_reasons(host, answer, status, outcome):
    details = {"Moderation Reasons": ["Derivative Works Filter", "Safety"]}
    message = "Moderation Reasons: Derivative Works Filter, Safety"
    assert host.read_poll(answer(state(status, details=details)), TASK) == Ended(outcome, status, message, CHARGED)
    assert host.read_poll(answer(state(status)), TASK) == Ended(outcome, status, "", CHARGED)


def test_an_error_of_the_server_may_carry_the_end_of_the_task(host, answer):
    assert host.read_poll(answer(state("Error"), 500), TASK) == Ended("failed", "Error", "", CHARGED)
    assert isinstance(host.read_poll(answer(state("Pending"), 503), TASK), Rejected)
    assert host.read_poll(answer(b"oops", 500), TASK) == Rejected("http_500", "oops")


def test_accepted_is_not_ready(host, answer):
    assert isinstance(host.read_poll(answer(b"", 202), TASK), Running)


scalars = st.none() | st.booleans() | st.integers(-5, 500) | st.floats() | st.text(max_size=4)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from(["sample", "prompt", "a"]), scalars)
STATUSES = ["Ready", "Pending", "Request Moderated", "Content Moderated", "Error", "Task not found"]
bodies = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(STATUSES) | scalars,
        **dict.fromkeys(["id", "polling_url", "cost", "result", "details", "detail"], values),
    },
)


@given(bodies, st.sampled_from([200, 202, 404, 422, 500]))
def test_any_json_is_an_outcome_or_malformed(body, status):
    facts = read_facts().hosts["bfl"]
    host = Bfl(facts, KEY, client=httpx.AsyncClient(transport=httpx.MockTransport(lambda request: None)))
    answered = HttpAnswer(status, {}, json.dumps(body).encode())
    for read in (host.read_submission, lambda found: host.read_poll(found, TASK)):
        try:
            found = read(answered)
        except MalformedResponse:
            continue
        assert not isinstance(found, Finished) or found.url
        assert not isinstance(found, Ended) or found.reason


# Over HTTP


def test_the_key_goes_to_the_cluster_that_the_vendor_names(answered):
    host, seen = answered(httpx.Response(200, json=state("Pending")))
    assert asyncio.run(host.poll(TASK)) == Running("Pending", queued=True)
    assert (seen[0].method, str(seen[0].url), seen[0].headers["x-key"]) == ("GET", POLLING_URL, KEY)
