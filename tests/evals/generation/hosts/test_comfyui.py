from __future__ import annotations

from typing import Any

import pytest

from evals.generation.answers import Accepted, Ended, Finished, Rejected, Running, Task, UntrustedUrl
from evals.generation.hosts.comfyui import ComfyUI, text_to_image
from evals.generation.hosts.transport import HttpCall

BASE = "http://127.0.0.1:8188"
TASK = Task("6f962d0e-40d9", f"{BASE}/history/6f962d0e-40d9")
PICTURE = f"{BASE}/view?filename=twinlens_00001_.png&subfolder=&type=output"
PNG = b"\x89PNG\r\n\x1a\n picture"
IMAGE = {"filename": "twinlens_00001_.png", "subfolder": "", "type": "output"}


def history(
    *messages: list[Any], images: Any = None, status: str = "success", completed: bool = True
) -> dict[str, Any]:
    outputs = {"9": {"images": images}} if images else {}
    state = {"status_str": status, "completed": completed, "messages": list(messages)}
    return {TASK.id: {"prompt": [], "outputs": outputs, "status": state}}


@pytest.fixture
def host(host_facts) -> ComfyUI:
    return ComfyUI(host_facts("comfyui", BASE, key_variables=()))


@pytest.fixture
def checkpoint(offer):
    return offer("sdxl", "comfyui", api_id="sd_xl_base_1.0.safetensors", references_at_most=0)


def test_a_request_queues_a_workflow_with_checkpoint_prompt_seed_and_pixels(host, image_request, checkpoint):
    call = host.prepare(image_request(size="512"), checkpoint, [])
    assert (call.method, call.url, call.headers) == ("POST", f"{BASE}/prompt", {})
    assert set(call.body) == {"prompt", "client_id"}
    nodes = {node["class_type"]: node["inputs"] for node in call.body["prompt"].values() if node["inputs"] != {}}
    assert nodes["CheckpointLoaderSimple"] == {"ckpt_name": "sd_xl_base_1.0.safetensors"}
    assert nodes["EmptyLatentImage"] == {"width": 512, "height": 512, "batch_size": 1}
    assert nodes["KSampler"]["seed"] == 42
    texts = [node["inputs"]["text"] for node in call.body["prompt"].values() if node["class_type"] == "CLIPTextEncode"]
    assert texts == ["a cat", ""]


def test_every_link_of_the_workflow_leads_to_a_node(image_request, checkpoint):
    graph = text_to_image(image_request(), checkpoint)
    links = [value for node in graph.values() for value in node["inputs"].values() if isinstance(value, list)]
    assert len(links) == 9
    assert all(source in graph for source, _ in links)


def test_a_repeat_is_another_workflow_so_that_the_server_cannot_answer_from_its_cache(image_request, checkpoint):
    first = text_to_image(image_request(sample_id="a", repeat=0), checkpoint)
    second = text_to_image(image_request(sample_id="b", repeat=1), checkpoint)
    assert first["3"]["inputs"] != second["3"]["inputs"]
    assert first["3"]["inputs"]["seed"] == second["3"]["inputs"]["seed"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [("flux1-dev-fp8.safetensors", (20, 1.0)), ("flux1-schnell-fp8.safetensors", (4, 1.0)), ("v1-5.ckpt", (20, 8.0))],
)
def test_distilled_checkpoints_get_no_guidance(image_request, offer, name, settings):
    sampler = text_to_image(image_request(), offer("m", "comfyui", api_id=name))["3"]["inputs"]
    assert (sampler["steps"], sampler["cfg"]) == settings


def test_references_are_an_error_and_never_dropped(host, image_request, checkpoint):
    with pytest.raises(ValueError, match="no reference images"):
        host.prepare(image_request(), checkpoint, [PNG])


def test_a_queued_workflow_is_accepted(host, answer):
    read = host.read_submission(answer({"prompt_id": TASK.id, "number": 1, "node_errors": {}}))
    assert read == Accepted(TASK)


def test_what_a_node_objects_to_is_the_requests_end(host, answer):
    problem = {"type": "value_bigger_than_max", "message": "Value 99999 bigger than max", "details": "width"}
    body = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
        "node_errors": {"5": {"errors": [problem], "dependent_outputs": ["9"], "class_type": "EmptyLatentImage"}},
    }
    read = host.read_submission(answer(body, 400))
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason) == ("failed", "prompt_outputs_failed_validation")
    assert read.message == "EmptyLatentImage (5): Value 99999 bigger than max: width"


def test_an_unknown_checkpoint_stops_the_system(host, answer):
    problem = {"type": "value_not_in_list", "message": "Value not in list", "details": "ckpt_name: 'x' not in []"}
    body = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
        "node_errors": {"4": {"errors": [problem], "class_type": "CheckpointLoaderSimple"}},
    }
    read = host.read_submission(answer(body, 400))
    assert isinstance(read, Rejected)
    assert "models/checkpoints" in read.stops
    assert "ckpt_name: 'x'" in read.message


def test_an_error_without_node_errors_is_told_in_its_own_words(host, answer):
    body = {"error": {"type": "no_prompt", "message": "No prompt provided", "details": "none"}, "node_errors": {}}
    read = host.read_submission(answer(body, 400))
    assert (read.outcome, read.reason, read.message) == ("failed", "no_prompt", "No prompt provided none")


def test_a_history_without_the_workflow_leads_to_the_queue(host, answer):
    assert host.read_poll(answer({}), TASK) == HttpCall("GET", f"{BASE}/queue")


@pytest.mark.parametrize(
    ("running", "pending", "read"),
    [
        ([[0, TASK.id, {}, {}, []]], [], Running("running")),
        ([[0, "other", {}, {}, []]], [[1, TASK.id, {}, {}, []]], Running("pending", queued=True)),
    ],
)
def test_the_queue_tells_running_from_waiting(host, answer, running, pending, read):
    assert host.read_poll(answer({"queue_running": running, "queue_pending": pending}), TASK) == read


def test_a_success_names_the_picture_on_the_server_and_the_time(host, answer):
    start = ["execution_start", {"prompt_id": TASK.id, "timestamp": 1_764_253_858_000}]
    end = ["execution_success", {"prompt_id": TASK.id, "timestamp": 1_764_253_862_500}]
    read = host.read_poll(answer(history(start, end, images=[IMAGE])), TASK)
    assert isinstance(read, Finished)
    assert (read.url, read.metadata.generation_s) == (PICTURE, 4.5)


def test_the_saved_picture_counts_and_no_preview(host, answer):
    body = history(images=[IMAGE])
    preview = {"images": [{"filename": "preview.png", "subfolder": "", "type": "temp"}]}
    body[TASK.id]["outputs"] = {"2": preview, **body[TASK.id]["outputs"]}
    assert host.read_poll(answer(body), TASK).url == PICTURE


def test_names_are_escaped_in_the_address(host, answer):
    odd = {"filename": "a b&c.png", "subfolder": "x/y", "type": "output"}
    read = host.read_poll(answer(history(images=[odd])), TASK)
    assert read.url == f"{BASE}/view?filename=a+b%26c.png&subfolder=x%2Fy&type=output"


def test_an_error_in_a_node_is_told_with_its_name(host, answer):
    error = {
        "node_id": "3",
        "node_type": "KSampler",
        "exception_type": "torch.OutOfMemoryError",
        "exception_message": "Allocation on device 0\nwould exceed allowed memory.",
        "traceback": ["long"],
    }
    read = host.read_poll(answer(history(["execution_error", error], status="error", completed=False)), TASK)
    assert isinstance(read, Ended)
    assert (read.outcome, read.reason) == ("failed", "execution_error")
    expected = "KSampler (3): torch.OutOfMemoryError: Allocation on device 0 would exceed allowed memory."
    assert read.message == expected


@pytest.mark.parametrize("status", ["success", "error"])
def test_a_workflow_that_ended_without_a_picture_failed(host, answer, status):
    read = host.read_poll(answer(history(status=status, completed=status == "success")), TASK)
    assert (read.outcome, read.reason) == ("failed", "no_images")


def test_an_interrupted_workflow_failed(host, answer):
    stopped = ["execution_interrupted", {"node_id": "3", "node_type": "KSampler"}]
    read = host.read_poll(answer(history(stopped, status="error", completed=False)), TASK)
    assert (read.outcome, read.reason, read.message) == ("failed", "execution_interrupted", "KSampler (3)")


def test_pictures_come_from_the_server_only(host_facts):
    lan = ComfyUI(host_facts("comfyui", "http://192.168.1.28:8188", key_variables=()))
    lan.check_delivery("http://192.168.1.28:8188/view?filename=x.png")
    for elsewhere in ("http://192.168.1.28:9999/view", "https://evil.example/view", "http://127.0.0.1:8188/view"):
        with pytest.raises(UntrustedUrl):
            lan.check_delivery(elsewhere)


def test_a_bad_request_that_is_not_comfyuis_own_answer_ends_only_itself(host, answer):
    read = host.read_submission(answer(b"400: Bad Request", 400))
    assert (read.outcome, read.reason, read.message) == ("failed", "http_400", "400: Bad Request")
