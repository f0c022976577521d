import asyncio

import httpx2 as httpx
import pytest

from evals.generation.answers import Accepted, Ended, Finished, MalformedResponse, ResponseMetadata, Running, Task
from tests.evals.generation.hosts.conftest import KEY, answer, image_request, in_brief, offer, opened

BASE = "https://api.replicate.com/v1"
POLL = f"{BASE}/predictions/gm3qorzdhgbfurvjtvhg6dckhu"
PICTURE = "https://replicate.delivery/xezq/abc/out.png"
TASK = Task("gm3qorzdhgbfurvjtvhg6dckhu", POLL)
VERSION = "2aea458694efeca3600b4d5775dedce6ee5a971c7b80ccd5ca3bd0b3b93beb00"
PARAMETERS = {
    "prompt": "a cat",
    "aspect_ratio": "custom",
    "width": 1024,
    "height": 1024,
    "output_format": "png",
    "output_quality": 100,
    "seed": 42,
}
FLEX = {"prompt_upsampling": False, "steps": 50, "guidance": 5}
IMAGES = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
IMAGES_SENT = ["data:image/png;base64,iVBORw0KGgo=", "data:image/jpeg;base64,/9j/"]
TIMES = {"started_at": "2026-11-22T10:00:01.500Z", "completed_at": "2026-11-22T10:00:07.000Z"}
E005 = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"


def test_nano_banana_has_fields_of_its_own(host):
    asked = offer("gemini-3.1-flash-image", "replicate", api_id="google/nano-banana-2", takes_seed=False)
    fields = {"prompt": "a cat", "output_format": "png", "aspect_ratio": "1:1", "resolution": "1K"}
    assert host.prepare(image_request(), asked, []).body == {"input": fields}
    assert host.prepare(image_request(), asked, IMAGES).body == {"input": fields | {"image_input": IMAGES_SENT}}


def prediction(**changes):
    return {
        "id": TASK.id,
        "model": "black-forest-labs/flux-2-pro",
        "version": VERSION,
        "status": "starting",
        "output": None,
        "error": None,
        "logs": "",
        "created_at": "2026-11-22T10:00:00.000Z",
        "urls": {"get": POLL, "cancel": f"{POLL}/cancel", "stream": "https://stream.replicate.com/v1/files/secret"},
        **changes,
    }


def finished(version=VERSION, queue_s=None, generation_s=None):
    return Finished(None, PICTURE, ResponseMetadata(version, queue_s=queue_s, generation_s=generation_s))


@pytest.mark.parametrize(
    ("api_id", "references", "path", "parameters"),
    [
        ("bfl/flux-2-pro", [], "models/bfl/flux-2-pro/predictions", {}),
        ("someone/model:abc123", [], "predictions", {}),
        ("bfl/flux-2-flex", [], "models/bfl/flux-2-flex/predictions", FLEX),
        ("bfl/flux-2-pro", IMAGES, "models/bfl/flux-2-pro/predictions", {"input_images": IMAGES_SENT}),
    ],
    ids=["a model", "a pinned version", "prompt rewriting off", "references"],
)
def test_a_request_has_the_documented_form(host, api_id, references, path, parameters):
    call = host.prepare(image_request(), offer("m", "replicate", api_id=api_id), references)
    assert (call.method, call.url, call.headers) == ("POST", f"{BASE}/{path}", {"Authorization": f"Bearer {KEY}"})
    assert call.body.pop("version", "") == api_id.partition(":")[2]
    assert call.body == {"input": PARAMETERS | parameters}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"urls": None},  # it is asked for by its id
        {"status": "succeeded", "output": PICTURE},  # a crash during the download must not lose what was paid for
    ],
)
def test_a_created_prediction_is_a_task(host, changes):
    assert host.read_submission(answer(prediction(**changes), 201)) == Accepted(TASK)


def test_a_prediction_that_failed_at_once_has_ended(host):
    read = host.read_submission(answer(prediction(status="failed", error="out of memory"), 201))
    assert isinstance(read, Ended)
    assert read.outcome == "failed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Running("starting", queued=True)),
        ({"status": "processing"}, Running("processing")),
        ({"status": "brand new"}, Running("brand new")),
        ({"status": "succeeded", "output": [PICTURE]}, finished()),
        ({"status": "succeeded", "output": PICTURE, "version": "hidden"}, finished(version=None)),
        ({"status": "succeeded", "output": PICTURE} | TIMES, finished(queue_s=1.5, generation_s=5.5)),
        (
            {"status": "succeeded", "output": PICTURE, "metrics": {"predict_time": 5.25}} | TIMES,
            finished(queue_s=1.5, generation_s=5.25),
        ),
        ({"status": "failed", "error": "NSFW content detected. Try a different prompt."}, ("filtered", "failed")),
        ({"status": "failed", "error": E005}, ("filtered", "E005")),
        ({"status": "failed", "error": "Your prompt was flagged as sensitive"}, ("refused", "failed")),
        ({"status": "failed", "error": "CUDA out of memory"}, ("failed", "failed")),
        ({"status": "failed", "error": None}, ("failed", "failed")),
        ({"status": "canceled"}, ("failed", "canceled")),
        ({"status": "succeeded", "output": []}, ("failed", "no_output")),
        ({"status": "succeeded", "output": "I cannot draw that."}, ("refused", "text_only")),
        ({"status": "succeeded", "output": ["I", " cannot", " draw."]}, ("refused", "text_only")),
        ({"status": "succeeded", "output": ["Here it is:", PICTURE]}, finished()),
        ({"status": "succeeded", "output": None, "logs": "NSFW content detected"}, ("filtered", "no_output")),
    ],
)
def test_the_state_of_a_prediction_is_read(host, changes, expected):
    assert in_brief(host.read_poll(answer(prediction(**changes)), TASK)) == expected


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        ("Prediction interrupted; please retry (code: PA)", True),
        ("Service is currently unavailable due to high demand. Please try again later. (E003)", True),
        ("Unexpected error starting the prediction (E9243)", True),
        ("CUDA out of memory", False),
        (E005, False),
        ("NSFW content detected. Try running it again, or try a different prompt.", False),
        (None, False),
    ],
)
def test_a_failure_of_machines_passes_and_one_of_the_request_does_not(host, error, passes):
    assert host.read_poll(answer(prediction(status="failed", error=error)), TASK).passes is passes


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed", "error": "no picture of 'a sign: smoking prohibited, please retry'"},
        {"status": "succeeded", "logs": "Prompt: a sign: smoking prohibited, please retry\nseed 42"},
    ],
)
def test_a_prompt_that_a_failure_or_its_log_quotes_does_not_decide_what_it_is(changes):
    prompt = "a sign: smoking prohibited, please retry"
    bodies = [prediction(), prediction(**changes)]
    host = opened("replicate", lambda request: httpx.Response(200, json=bodies.pop(0)))

    async def polled():
        accepted = await host.submit(host.prepare(image_request(prompt), offer("m", "replicate"), []))
        return await host.poll(accepted.task)

    read = asyncio.run(polled())
    assert (read.outcome, read.passes) == ("failed", False)
    assert prompt in read.message or "error" not in changes, "the words stay"


def test_a_success_that_is_no_address_is_not_believed(host):
    with pytest.raises(MalformedResponse):
        host.read_poll(answer(prediction(status="succeeded", output="ftp://x")), TASK)
