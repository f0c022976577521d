"""The simulator of a ComfyUI server against plain HTTP calls."""

from __future__ import annotations

import copy
import io
import time
from contextlib import contextmanager

import httpx2 as httpx
import PIL.Image
import pytest

from evals.generation.simulated.artists import plain_artist
from evals.generation.simulated.server import serve
from evals.generation.simulated.service import SimulatedHost, SimulatedModel, Simulation

CHECKPOINT = "flux1-dev-fp8.safetensors"
MODEL = SimulatedModel(CHECKPOINT, "free", {}, ("512", "1K", "2K"), 0, plain_artist)
CLASSIC = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
            "seed": 42,
            "steps": 20,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 1,
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "sets/cat"}},
}
FLUX_2 = {
    "unet": {"class_type": "UNETLoader", "inputs": {"unet_name": CHECKPOINT, "weight_dtype": "default"}},
    "clip": {"class_type": "CLIPLoader", "inputs": {"clip_name": "mistral.safetensors", "type": "flux2"}},
    "vae": {"class_type": "VAELoader", "inputs": {"vae_name": "flux2-vae.safetensors"}},
    "text": {"class_type": "CLIPTextEncode", "inputs": {"text": "a dog", "clip": ["clip", 0]}},
    "guided": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["text", 0], "guidance": 4.0}},
    "load": {"class_type": "LoadImage", "inputs": {"image": "dog.png"}},
    "encode": {"class_type": "VAEEncode", "inputs": {"pixels": ["load", 0], "vae": ["vae", 0]}},
    "refer": {"class_type": "ReferenceLatent", "inputs": {"conditioning": ["guided", 0], "latent": ["encode", 0]}},
    "guider": {"class_type": "BasicGuider", "inputs": {"model": ["unet", 0], "conditioning": ["refer", 0]}},
    "noise": {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}},
    "sampler": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "sigmas": {"class_type": "Flux2Scheduler", "inputs": {"steps": 20, "width": 64, "height": 96}},
    "latent": {"class_type": "EmptyFlux2LatentImage", "inputs": {"width": 64, "height": 96, "batch_size": 1}},
    "sample": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {
            "noise": ["noise", 0],
            "guider": ["guider", 0],
            "sampler": ["sampler", 0],
            "sigmas": ["sigmas", 0],
            "latent_image": ["latent", 0],
        },
    },
    "decode": {"class_type": "VAEDecode", "inputs": {"samples": ["sample", 0], "vae": ["vae", 0]}},
    "save": {"class_type": "SaveImage", "inputs": {"images": ["decode", 0], "filename_prefix": "dog"}},
}


@contextmanager
def simulated(behaviour="ok", **settings):
    host = SimulatedHost([MODEL], script=lambda arrival, prompt: behaviour, **settings)
    simulation = Simulation({"comfyui": host})
    # Loading the certificates of the web would take longer than the whole test.
    with (
        serve(simulation) as addresses,
        httpx.Client(base_url=addresses["comfyui"], timeout=5.0, verify=False) as client,
    ):
        yield client, simulation.books


def submit(client, graph=CLASSIC):
    return client.post("/prompt", json={"prompt": graph, "client_id": "tests"})


def history(client, prompt_id):
    return client.get(f"/history/{prompt_id}").json()


def saved(client, prompt_id, node="9"):
    (image,) = history(client, prompt_id)[prompt_id]["outputs"][node]["images"]
    return image


def changed(node, **inputs):
    graph = copy.deepcopy(CLASSIC)
    kept = {**graph[node]["inputs"], **inputs}
    graph[node]["inputs"] = {name: value for name, value in kept.items() if value is not ...}
    return graph


def png(colour="red"):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (32, 32), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_graph_waits_runs_and_leaves_its_picture_in_the_history():
    with simulated(queue_s=0.3, work_s=0.4) as (client, books):
        answer = submit(client)
        prompt_id = answer.json()["prompt_id"]
        assert (answer.status_code, answer.json()["node_errors"]) == (200, {})
        assert history(client, prompt_id) == {}
        queue = client.get("/queue").json()
        assert (len(queue["queue_pending"]), queue["queue_running"]) == (1, [])
        assert queue["queue_pending"][0][1:3] == [prompt_id, CLASSIC]
        time.sleep(0.45)
        queue = client.get("/queue").json()
        assert ([entry[1] for entry in queue["queue_running"]], queue["queue_pending"]) == ([prompt_id], [])
        time.sleep(0.4)
        assert client.get("/queue").json() == {"queue_running": [], "queue_pending": []}
        done = history(client, prompt_id)[prompt_id]
        assert (done["status"]["status_str"], done["status"]["completed"]) == ("success", True)
        events = dict(done["status"]["messages"])
        assert list(events) == ["execution_start", "execution_cached", "execution_success"]
        spent_ms = events["execution_success"]["timestamp"] - events["execution_start"]["timestamp"]
        assert spent_ms == pytest.approx(400, abs=1)
        image = saved(client, prompt_id)
        assert (image["subfolder"], image["type"]) == ("sets", "output")
        answer = client.get("/view", params=image)
        assert answer.headers["content-type"] == "image/png"
        assert PIL.Image.open(io.BytesIO(answer.content)).size == (128, 64)
    (entry,) = books.entries
    assert (entry.prompt, entry.seed, entry.size, entry.charged_usd) == ("a cat", 42, "128x64", 0.0)
    assert (entry.outcome, entry.deliveries, entry.keys_at_delivery) == ("ok", 1, 0)


def test_a_graph_of_separate_loaders_and_references_is_followed_by_its_links():
    with simulated() as (client, books):
        assert client.post("/upload/image", files={"image": ("dog.png", png())}).json() == {
            "name": "dog.png",
            "subfolder": "",
            "type": "input",
        }
        assert client.get("/view", params={"filename": "dog.png", "type": "input"}).content == png()
        prompt_id = submit(client, FLUX_2).json()["prompt_id"]
        picture = client.get("/view", params=saved(client, prompt_id, "save"))
        assert PIL.Image.open(io.BytesIO(picture.content)).size == (64, 96)
    (entry,) = books.entries
    assert (entry.prompt, entry.seed, entry.n_references) == ("a dog", 7, 1)


def test_another_picture_of_the_same_name_gets_a_name_of_its_own():
    with simulated() as (client, _):

        def name(content, **fields):
            return client.post("/upload/image", files={"image": ("dog.png", content)}, data=fields).json()["name"]

        assert [name(png()), name(png()), name(png("blue"))] == ["dog.png", "dog.png", "dog (1).png"]
        assert name(png("green"), overwrite="true") == "dog.png"
        assert client.get("/view", params={"filename": "dog.png", "type": "input"}).content == png("green")
        assert client.post("/upload/image", data={"image": "no file"}).status_code == 400


@pytest.mark.parametrize(
    ("graph", "node", "kind", "details"),
    [
        (changed("3", seed=...), "3", "required_input_missing", "seed"),
        (changed("9", images=...), "9", "required_input_missing", "images"),
        (changed("3", seed=-1), "3", "value_smaller_than_min", "seed"),
        (changed("3", seed=2**64), "3", "value_bigger_than_max", "seed"),
        (changed("3", steps="many"), "3", "invalid_input_type", "many"),
        (changed("3", sampler_name="magic"), "3", "value_not_in_list", "sampler_name: 'magic' not in"),
        (
            changed("4", ckpt_name="other.safetensors"),
            "4",
            "value_not_in_list",
            "ckpt_name: 'other.safetensors' not in",
        ),
        (changed("5", width=8), "5", "value_smaller_than_min", "width"),
        (changed("6", clip="4"), "6", "bad_linked_input", ""),
        (changed("8", samples=["77", 0]), "8", "bad_linked_input", ""),
    ],
)
def test_a_wrong_input_is_told_node_by_node(graph, node, kind, details):
    with simulated() as (client, books):
        answer = submit(client, graph)
    told = answer.json()
    assert (answer.status_code, told["error"]["type"]) == (400, "prompt_outputs_failed_validation")
    (error,) = told["node_errors"][node]["errors"]
    assert error["type"] == kind
    assert error["details"].startswith(details)
    assert told["node_errors"][node]["class_type"] == graph[node]["class_type"]
    assert told["node_errors"][node]["dependent_outputs"] == ["9"]
    assert (books.entries, books.rejected) == ((), {("comfyui", 400): 1})


def test_a_reference_that_was_not_uploaded_is_no_file():
    with simulated() as (client, _):
        told = submit(client, FLUX_2).json()
    (error,) = told["node_errors"]["load"]["errors"]
    assert (error["type"], error["details"]) == ("custom_validation_failed", "Invalid image file: dog.png")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "no_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": {name: node for name, node in CLASSIC.items() if name != "9"}}, "prompt_no_outputs"),
        ({"prompt": {**CLASSIC, "1": {"class_type": "Upscale9000", "inputs": {}}}}, "invalid_prompt"),
        ({"prompt": {**CLASSIC, "1": {"inputs": {}}}}, "invalid_prompt"),
    ],
)
def test_a_graph_that_cannot_run_is_not_queued(body, kind):
    with simulated() as (client, books):
        answer = client.post("/prompt", json=body)
    assert (answer.status_code, answer.json()["error"]["type"], answer.json()["node_errors"]) == (400, kind, {})
    assert books.entries == ()


def test_nodes_that_no_picture_needs_and_inputs_that_no_node_has_are_let_in():
    graph = changed("3", note="anything")
    graph["10"] = {"class_type": "KSampler", "inputs": {}}
    with simulated() as (client, _):
        assert submit(client, graph).status_code == 200


def test_an_execution_error_is_in_the_history():
    with simulated("error_status") as (client, books):
        prompt_id = submit(client).json()["prompt_id"]
        done = history(client, prompt_id)[prompt_id]
    assert (done["outputs"], done["status"]["status_str"], done["status"]["completed"]) == ({}, "error", False)
    name, event = done["status"]["messages"][-1]
    assert (name, event["node_id"], event["node_type"]) == ("execution_error", "3", "KSampler")
    assert event["exception_message"]
    assert books.entries[0].outcome == "failed"


@pytest.mark.parametrize("behaviour", ["moderated_request", "refuse_prompt", "filter_image", "text_only"])
def test_a_server_of_ones_own_moderates_nothing(behaviour):
    with simulated(behaviour) as (client, books):
        prompt_id = submit(client).json()["prompt_id"]
        assert client.get("/view", params=saved(client, prompt_id)).status_code == 200
    assert (books.entries[0].behaviour, books.entries[0].outcome) == (behaviour, "ok")


def test_odd_statuses_come_before_success():
    with simulated("odd_status") as (client, _):
        prompt_id = submit(client).json()["prompt_id"]
        found = [history(client, prompt_id)[prompt_id]["status"]["status_str"] for _ in range(3)]
    assert found == ["paused", "paused", "success"]


def test_one_that_is_never_ready_keeps_running():
    with simulated("never_ready") as (client, books):
        prompt_id = submit(client).json()["prompt_id"]
        assert [history(client, prompt_id) for _ in range(3)] == [{}] * 3
        assert client.get("/queue").json()["queue_running"][0][1] == prompt_id
    assert books.entries[0].outcome == "open"


def test_pictures_may_be_gone_or_none_and_a_key_is_noticed():
    with simulated("expired") as (client, books):
        image = saved(client, submit(client).json()["prompt_id"])
        assert (client.get("/view", params=image).status_code, books.entries[0].outcome) == (404, "undeliverable")
        assert client.get("/view", params={**image, "filename": "other.png"}).status_code == 404
        assert client.get("/view").status_code == 400
    with simulated("not_an_image") as (client, _):
        image = saved(client, submit(client).json()["prompt_id"])
        assert client.get("/view", params=image).content.startswith(b"<!DOCTYPE")
    with simulated() as (client, books):
        image = saved(client, submit(client).json()["prompt_id"])
        client.get("/view", params=image, headers={"Authorization": "Bearer some"})
        assert books.keys_at_delivery == 1
