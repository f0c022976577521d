import pytest

from evals.facts.models import read_facts
from evals.generation.answers import Accepted, Finished, ResponseMetadata, Running, Task
from tests.evals.generation.hosts.conftest import KEY, answer, image_request, in_brief

BASE = "https://api.atlascloud.ai"
TASK = Task("pred_abc123", f"{BASE}/api/v1/model/prediction/pred_abc123")
PICTURE = "https://static.atlascloud.ai/media/picture.png"
PNG = {"prompt": "a cat", "output_format": "png"}
TEXT_TO_IMAGE, EDIT = (f"black-forest-labs/flux-2-pro/{task}" for task in ("text-to-image", "edit"))


def envelope(**data):
    return {"code": 200, "message": "success", "data": {"id": TASK.id, **data}}


@pytest.mark.parametrize(
    ("references", "model"),
    [([], {"model": TEXT_TO_IMAGE}), ([b"\xff\xd8\xff"], {"model": EDIT, "images": ["data:image/jpeg;base64,/9j/"]})],
)
def test_a_request_has_the_documented_form(host, references, model):
    flux = read_facts().find("flux-2-pro@atlascloud")
    call = host.prepare(image_request(), flux, references)
    assert (call.method, call.url) == ("POST", f"{BASE}/api/v1/model/generateImage")
    assert call.headers == {"Authorization": f"Bearer {KEY}"}
    assert call.body == {"size": "1024*1024", "seed": 42, "safety_tolerance": 2, **PNG, **model}


@pytest.mark.parametrize("size", ["1K", "2K"])
def test_nano_banana_has_fields_of_its_own_and_looks_nothing_up(host, size):
    pro = read_facts().find("gemini-3-pro-image@atlascloud")
    fields = {"aspect_ratio": "1:1", "resolution": size.lower(), "enable_web_search": False}
    assert host.prepare(image_request(size=size), pro, []).body == PNG | fields | {"model": pro.api_id}
    edit = host.prepare(image_request(size=size), pro, [b"\xff\xd8\xff"]).body
    assert (edit["model"], edit["images"]) == (pro.edit_api_id, ["data:image/jpeg;base64,/9j/"])


@pytest.mark.parametrize("body", [envelope(), envelope(status="processing", outputs=None), {"id": TASK.id}])
def test_a_created_prediction_is_accepted(host, body):
    assert host.read_submission(answer(body)) == Accepted(TASK)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"status": "created"}, Running("created", queued=True)),
        ({"status": "queued"}, Running("queued", queued=True)),
        ({"status": "processing"}, Running("processing")),
        ({"status": "new one"}, Running("new one")),
        ({"status": "succeeded", "outputs": [PICTURE]}, Finished(url=PICTURE)),
        (
            {"status": "completed", "outputs": [PICTURE], "model": "flux", "timings": {"inference": 5250}, "error": ""},
            Finished(url=PICTURE, metadata=ResponseMetadata(model_version="flux", generation_s=5.25)),
        ),
        ({"status": "failed", "error": "out of memory"}, ("failed", "failed")),
        ({"status": "failed", "error": "Content flagged as potentially sensitive"}, ("filtered", "failed")),
        ({"status": "failed", "error": "The prompt was flagged"}, ("refused", "failed")),
        ({"status": "completed", "outputs": [PICTURE], "has_nsfw_contents": [True]}, ("filtered", "has_nsfw_contents")),
        ({"status": "completed", "outputs": []}, ("failed", "no_output")),
        ({"status": "canceled"}, ("failed", "canceled")),
    ],
)
def test_the_state_of_a_prediction_is_read(host, data, expected):
    assert in_brief(host.read_poll(answer(envelope(**data)), TASK)) == expected
