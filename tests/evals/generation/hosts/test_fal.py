import pytest

from evals.generation.answers import Accepted, Finished, Rejected, ResponseMetadata, Running, Task, UntrustedUrl
from evals.generation.hosts.transport import HttpCall
from tests.evals.generation.hosts.conftest import KEY, answer, image_request, in_brief, offer, opened

BASE = "https://queue.fal.run"
RESPONSE = f"{BASE}/fal-ai/flux-2-pro/requests/764cabcf"
STATUS = f"{RESPONSE}/status"
TASK = Task("764cabcf", STATUS, RESPONSE)
KEYED = {"Authorization": f"Key {KEY}"}
PICTURE = "https://v3.fal.media/files/abc/picture.png"
QUEUED = {
    "status": "IN_QUEUE",
    "request_id": "764cabcf",
    "status_url": STATUS,
    "response_url": RESPONSE,
    "cancel_url": f"{RESPONSE}/cancel",
    "queue_position": 0,
}
RESULT = {
    "images": [{"url": PICTURE, "width": 1024, "height": 1024, "content_type": "image/png"}],
    "seed": 42,
    "has_nsfw_concepts": [False],
    "prompt": "a cat",
}
METADATA = ResponseMetadata(seed_used=42, prompt_used="a cat", generation_s=2.5)
PIXELS = {"prompt": "a cat", "image_size": {"width": 1024, "height": 1024}, "seed": 42, "output_format": "png"}
RESOLUTION = {"prompt": "a cat", "aspect_ratio": "1:1", "seed": 42, "output_format": "png"}
FLEX = {"enable_prompt_expansion": False, "num_inference_steps": 50, "guidance_scale": 5}
RESOLUTION |= {"num_images": 1, "limit_generations": True}


def model_error(kind, message, *place):
    return {"detail": [{"loc": ["body", *place], "msg": message, "type": kind, "url": "https://docs.fal.ai/errors"}]}


@pytest.mark.parametrize(
    ("model", "size", "body"),
    [
        ("flux-2-pro", "1K", PIXELS),
        ("flux-2", "1K", PIXELS | {"enable_prompt_expansion": False, "acceleration": "none"}),
        ("flux/schnell", "1K", PIXELS | {"acceleration": "none"}),
        ("flux-2-flex", "1K", PIXELS | FLEX),
        ("flux-pro/v1.1", "1K", PIXELS | {"enhance_prompt": False}),
        ("nano-banana-2", "4K", RESOLUTION | {"resolution": "4K"}),
        ("nano-banana-2", "512", RESOLUTION | {"resolution": "0.5K"}),
    ],
)
def test_each_model_is_asked_in_its_documented_form_and_kept_from_rewriting(host, model, size, body):
    call = host.prepare(image_request(size=size), offer("m", "fal", api_id=f"fal-ai/{model}"), [])
    assert (call.method, call.url, call.headers) == ("POST", f"{BASE}/fal-ai/{model}", KEYED)
    assert call.body == body


def test_references_go_to_the_edit_endpoint_as_data_uris(host):
    flux = offer("flux-2-pro", "fal", api_id="fal-ai/flux-2-pro", edit_api_id="fal-ai/flux-2-pro/edit")
    call = host.prepare(image_request(), flux, [b"\xff\xd8\xff"])
    assert call.url == f"{BASE}/fal-ai/flux-2-pro/edit"
    assert call.body == PIXELS | {"image_urls": ["data:image/jpeg;base64,/9j/"]}


def test_the_task_with_the_addresses_that_fal_named_is_all_that_another_process_needs(host):
    accepted = host.read_submission(answer(QUEUED))
    assert accepted == Accepted(TASK)
    later = opened("fal")
    assert later.polling(accepted.task) == HttpCall("GET", STATUS, KEYED)
    assert later.read_poll(answer({"status": "COMPLETED"}), accepted.task) == HttpCall("GET", RESPONSE, KEYED)


def test_a_result_whose_address_was_changed_in_the_ledger_is_not_given_the_key(host):
    with pytest.raises(UntrustedUrl):
        host.read_poll(answer({"status": "COMPLETED"}), Task("t", STATUS, "https://evil.example/t"))


def test_the_backup_domain_is_fals_own_and_is_given_the_key(host):
    backup = RESPONSE.replace("fal.run", "falrun.com")
    assert host.read_poll(answer({"status": "COMPLETED"}), Task("t", STATUS, backup)) == HttpCall("GET", backup, KEYED)
    with pytest.raises(UntrustedUrl):
        host.keyed("https://queue.evilfalrun.com/t")


def test_an_exhausted_balance_is_no_matter_of_the_key(host):
    locked = {"detail": "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."}
    assert "top it up" in host.read_submission(answer(locked, 403)).stops


def test_the_inference_time_of_the_status_reaches_the_result_once(host):
    host.read_poll(answer({"status": "COMPLETED", "metrics": {"inference_time": 3.75}}), TASK)
    assert host.read_poll(answer(RESULT), TASK).metadata.generation_s == 3.75
    assert host.read_poll(answer(RESULT), TASK).metadata.generation_s is None


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"status": "IN_QUEUE", "queue_position": 3}, 202, Running("IN_QUEUE", queued=True)),
        ({"status": "IN_PROGRESS"}, 202, Running("IN_PROGRESS")),
        ({"status": "THINKING"}, 200, Running("THINKING")),
        (RESULT | {"timings": {"inference": 2.5}}, 200, Finished(url=PICTURE, metadata=METADATA)),
        (RESULT | {"has_nsfw_concepts": [True]}, 200, ("filtered", "has_nsfw_concepts")),
        (RESULT | {"images": []}, 200, ("failed", "no_images")),
        (RESULT | {"images": [], "description": "I can only describe it."}, 200, ("refused", "text_only")),
        ({"seed": 1}, 200, ("failed", "no_images")),
        (model_error("image_too_large", "too large"), 200, ("failed", "image_too_large")),
        ({"detail": "Request timed out", "error_type": "request_timeout"}, 504, ("failed", "request_timeout")),
        ({"detail": "Prompt contains nsfw content"}, 400, ("refused", "http_400")),
    ],
)
def test_the_state_of_a_request_is_read(host, body, status, expected):
    assert in_brief(host.read_poll(answer(body, status), TASK)) == expected


@pytest.mark.parametrize(
    ("kind", "words", "place", "status", "outcome"),
    [
        ("content_policy_violation", "flagged by a content checker", "prompt", 422, "refused"),
        ("content_policy_violation", "The generated image was flagged", "", 422, "filtered"),
        ("no_media_generated", "The model did not generate media", "", 422, "refused"),
        ("no_media_generated", "Could not generate an output image: unsafe content", "", 422, "refused"),
        ("image_too_large", "Image dimensions are too large", "image_urls", 422, "failed"),
        ("downstream_service_error", "Downstream service error", "", 500, "failed"),
    ],
)
def test_an_error_of_the_model_ends_the_task_with_its_type(host, kind, words, place, status, outcome):
    read = host.read_poll(answer(model_error(kind, words, *([place] if place else [])), status), TASK)
    assert in_brief(read) == (outcome, kind)
    assert words in read.message


@pytest.mark.parametrize(
    ("kind", "passes"),
    [("runner_disconnected", True), ("startup_timeout", True), ("request_timeout", False), ("bad_request", False)],
)
def test_an_error_of_a_runner_passes(host, kind, passes):
    read = host.read_poll(answer({"detail": "It failed.", "error_type": kind}, 500), TASK)
    assert (*in_brief(read), read.passes) == ("failed", kind, passes)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_of_the_queue_does_not_end_the_task(host, status):
    for body in (b"<html>bad gateway</html>", {"detail": "unexpected", "error_type": "internal_error"}):
        assert isinstance(host.read_poll(answer(body, status), TASK), Rejected)
