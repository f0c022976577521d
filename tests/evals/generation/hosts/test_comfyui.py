import pytest

from evals.generation.answers import Accepted, Finished, Rejected, ResponseMetadata, Running, Task, UntrustedUrl
from evals.generation.hosts.comfyui import text_to_image
from evals.generation.hosts.transport import HttpCall
from tests.evals.generation.hosts.conftest import answer, image_request, in_brief, offer, opened

BASE = "http://127.0.0.1:8188"
TASK = Task("6f962d0e-40d9", f"{BASE}/history/6f962d0e-40d9")
IMAGE = {"filename": "twinlens_00001_.png", "subfolder": "", "type": "output"}
PICTURE = Finished(url=f"{BASE}/view?filename=twinlens_00001_.png&subfolder=&type=output")
OUT_OF_MEMORY = {
    "node_id": "3",
    "node_type": "KSampler",
    "exception_type": "torch.OutOfMemoryError",
    "exception_message": "Allocation on device 0\nwould exceed allowed memory.",
    "traceback": ["long"],
}
CHECKPOINT = offer("sdxl", "comfyui", api_id="sd_xl_base_1.0.safetensors", references_at_most=0)


def history(*messages, status="success", **outputs):
    state = {"status_str": status, "completed": status == "success", "messages": list(messages)}
    return {TASK.id: {"prompt": [], "outputs": outputs, "status": state}}


def objection(kind, message, details, node_id, class_type):
    node = {
        "errors": [{"type": kind, "message": message, "details": details}],
        "dependent_outputs": ["9"],
        "class_type": class_type,
    }
    error = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}
    return {"error": error, "node_errors": {node_id: node}}


def test_a_request_queues_a_workflow_with_checkpoint_prompt_seed_and_pixels(host):
    call = host.prepare(image_request(size="512"), CHECKPOINT, [])
    assert (call.method, call.url, call.headers) == ("POST", f"{BASE}/prompt", {})
    assert set(call.body) == {"prompt", "client_id"}
    graph = call.body["prompt"]
    nodes = {node["class_type"]: node["inputs"] for node in graph.values()}
    assert nodes["CheckpointLoaderSimple"] == {"ckpt_name": "sd_xl_base_1.0.safetensors"}
    assert nodes["EmptyLatentImage"] == {"width": 512, "height": 512, "batch_size": 1}
    assert nodes["KSampler"]["seed"] == 42
    texts = [node["inputs"]["text"] for node in graph.values() if node["class_type"] == "CLIPTextEncode"]
    assert texts == ["a cat", ""]
    links = [value for inputs in graph.values() for value in inputs["inputs"].values() if isinstance(value, list)]
    assert len(links) == 9
    assert all(node in graph for node, _ in links)


def test_a_repeat_is_another_workflow_so_that_the_server_cannot_answer_from_its_cache():
    first = text_to_image(image_request(sample_id="a", repeat=0), CHECKPOINT)
    second = text_to_image(image_request(sample_id="b", repeat=1), CHECKPOINT)
    assert first["3"]["inputs"] != second["3"]["inputs"]
    assert first["3"]["inputs"]["seed"] == second["3"]["inputs"]["seed"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [("flux1-dev-fp8.safetensors", (20, 1.0)), ("flux1-schnell-fp8.safetensors", (4, 1.0)), ("v1-5.ckpt", (20, 8.0))],
)
def test_distilled_checkpoints_get_no_guidance(name, settings):
    sampler = text_to_image(image_request(), offer("m", "comfyui", api_id=name))["3"]["inputs"]
    assert (sampler["steps"], sampler["cfg"]) == settings


def test_a_queued_workflow_is_accepted(host):
    assert host.read_submission(answer({"prompt_id": TASK.id, "number": 1, "node_errors": {}})) == Accepted(TASK)


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (
            objection("value_bigger_than_max", "Value 99999 bigger than max", "width", "5", "EmptyLatentImage"),
            "prompt_outputs_failed_validation",
            "EmptyLatentImage (5): Value 99999 bigger than max: width",
        ),
        (
            {"error": {"type": "no_prompt", "message": "No prompt provided", "details": "none"}, "node_errors": {}},
            "no_prompt",
            "No prompt provided none",
        ),
        (b"400: Bad Request", "http_400", "400: Bad Request"),
    ],
    ids=["of a node", "of the server", "of something else"],
)
def test_an_objection_ends_the_request_in_its_own_words(host, body, reason, message):
    read = host.read_submission(answer(body, 400))
    assert (*in_brief(read), read.message) == ("failed", reason, message)


def test_an_unknown_checkpoint_stops_the_system(host):
    details = "ckpt_name: 'x' not in []"
    body = objection("value_not_in_list", "Value not in list", details, "4", "CheckpointLoaderSimple")
    read = host.read_submission(answer(body, 400))
    assert isinstance(read, Rejected)
    assert "models/checkpoints" in read.stops
    assert "ckpt_name: 'x'" in read.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, HttpCall("GET", f"{BASE}/queue")),
        ({"queue_running": [[0, TASK.id, {}, {}, []]], "queue_pending": []}, Running("running")),
        (
            {"queue_running": [[0, "other", {}, {}, []]], "queue_pending": [[1, TASK.id, {}, {}, []]]},
            Running("pending", queued=True),
        ),
        (
            history(
                ["execution_start", {"prompt_id": TASK.id, "timestamp": 1_764_253_858_000}],
                ["execution_success", {"prompt_id": TASK.id, "timestamp": 1_764_253_862_500}],
                **{"9": {"images": [IMAGE]}},
            ),
            Finished(None, PICTURE.url, ResponseMetadata(generation_s=4.5)),
        ),
        (
            history(**{"2": {"images": [{"filename": "p.png", "type": "temp"}]}, "9": {"images": [IMAGE]}}),
            PICTURE,
        ),
        (
            history(**{"9": {"images": [{"filename": "a b&c.png", "subfolder": "x/y", "type": "output"}]}}),
            Finished(url=f"{BASE}/view?filename=a+b%26c.png&subfolder=x%2Fy&type=output"),
        ),
        (history(), ("failed", "no_images")),
        (history(status="error"), ("failed", "no_images")),
        (history(status="paused"), Running("paused")),
    ],
    ids=["not over", "running", "queued", "done", "beside a preview", "odd names", "no picture", "broken", "odd"],
)
def test_history_and_queue_tell_how_a_workflow_is_doing(host, body, expected):
    assert in_brief(host.read_poll(answer(body), TASK)) == expected


@pytest.mark.parametrize(
    ("event", "details", "message"),
    [
        (
            "execution_error",
            OUT_OF_MEMORY,
            "KSampler (3): torch.OutOfMemoryError: Allocation on device 0 would exceed allowed memory.",
        ),
        ("execution_interrupted", {"node_id": "3", "node_type": "KSampler"}, "KSampler (3)"),
    ],
)
def test_a_workflow_that_broke_off_names_the_node(host, event, details, message):
    read = host.read_poll(answer(history([event, details], status="error")), TASK)
    assert (*in_brief(read), read.message) == ("failed", event, message)


def test_pictures_come_from_the_server_only():
    lan = opened("comfyui", base_url="http://192.168.1.28:8188")
    lan.check_delivery("http://192.168.1.28:8188/view?filename=x.png")
    for elsewhere in ("http://192.168.1.28:9999/view", "https://evil.example/view", "http://127.0.0.1:8188/view"):
        with pytest.raises(UntrustedUrl):
            lan.check_delivery(elsewhere)
