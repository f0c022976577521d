"""What the simulated wire formats refuse: a simulator that lets everything in would prove nothing about a host."""

import copy

import pytest

from evals.generation.simulated.host import SimulatedModel
from tests.simulators.clients import client_of, encoded, without_fields
from tests.simulators.rendering import plain_renderer

KEY = "a-secret-key"
URI = f"data:image/png;base64,{encoded()}"
BFL, FIREWORKS = "black-forest-labs/flux-2-pro", "/inference/v1/workflows/accounts/fireworks/models"
NAMES = {
    "replicate": [(BFL, None)],
    "fal": [("fal-ai/flux-2-pro", "fal-ai/flux-2-pro/edit"), ("fal-ai/nano-banana-2", None)],
    "fireworks": [("flux-1-schnell-fp8", None), ("flux-kontext-pro", None)],
    "atlascloud": [(f"{BFL}/text-to-image", f"{BFL}/edit")],
    "comfyui": [("flux.safetensors", None)],
}
GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {"model": ["4", 0], "positive": ["6", 0], "negative": ["6", 0], "latent_image": ["5", 0], "seed": 42}
        | {"steps": 20, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1},
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "flux.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "sets/cat"}},
}
SMALL = {"aspect_ratio": "custom", "width": 256, "height": 256}
REQUESTS = {
    "replicate": (f"/v1/models/{BFL}/predictions", {"prompt": "a cat", **SMALL}),
    "fal": ("/fal-ai/flux-2-pro", {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}),
    "fal edit": ("/fal-ai/flux-2-pro/edit", {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}),
    "fal banana": ("/fal-ai/nano-banana-2", {"prompt": "a cat"}),
    "fireworks": (f"{FIREWORKS}/flux-1-schnell-fp8/text_to_image", {"prompt": "a cat"}),
    "fireworks task": (f"{FIREWORKS}/flux-kontext-pro", {"prompt": "a cat"}),
    "atlascloud": ("/api/v1/model/generateImage", {"model": f"{BFL}/text-to-image", "prompt": "a cat"}),
    "comfyui": ("/prompt", GRAPH),
}


def post(client, request, key=KEY, **changes):
    path, fields = REQUESTS[request]
    body = without_fields({**fields, **changes})
    if request == "replicate":
        body = {"input": body}
    if request == "comfyui":
        body = {"prompt": copy.deepcopy(GRAPH)}
        for node, inputs in changes.items():
            kept = {**GRAPH[node]["inputs"], **inputs}
            body["prompt"][node]["inputs"] = without_fields(kept)
    return client.post(path, json=body, headers={"Authorization": f"{'Key' if 'fal' in request else 'Bearer'} {key}"})


def simulated(request):
    host = request.split()[0]
    price = ("per_image", {"usd": 0.03}, ("512", "1K"), 2, plain_renderer)
    models = [SimulatedModel(api_id, *price, edit_api_id=edit) for api_id, edit in NAMES[host]]
    return client_of(host, models, KEY)


@pytest.mark.parametrize("request_name", [name for name in REQUESTS if name != "fal edit"])
def test_a_right_request_is_charged_once_and_a_wrong_key_never(request_name):
    with simulated(request_name) as (client, log):
        assert post(client, request_name).status_code in (200, 201)
        assert post(client, request_name, key="wrong").status_code == 401
    assert [(call.prompt, call.charged_usd) for call in log.calls] == [("a cat", 0.03)]


@pytest.mark.parametrize(
    ("request_name", "changes", "status", "words"),
    [
        *(
            ("replicate", changes, 422, f"input.{next(iter(changes))}")
            for changes in (
                {"prompt": ...}, {"steps": 50}, {"resolution": "1MP"}, {"aspect_ratio": "7:5"}, {"width": 255},
                {"output_format": "jpeg"}, {"safety_tolerance": 6}, {"seed": 1.5}, {"input_images": [URI] * 3},
                {"input_images": [encoded()]},
            )
        ),
        *(
            (request_name, changes, 422, next(iter(changes)))
            for request_name, changes in (
                ("fal", {"prompt": ...}), ("fal", {"safety_tolerance": 2}), ("fal", {"image_size": "1:1"}),
                ("fal", {"image_size": {"width": 4096, "height": 4096}}), ("fal", {"seed": "42"}),
                ("fal", {"output_format": "webp"}), ("fal edit", {"image_urls": []}),
                ("fal edit", {"image_urls": [URI] * 3}), ("fal banana", {"resolution": "8K"}),
            )
        ),
        *(
            (request_name, changes, 400, next(iter(changes)))
            for request_name, changes in (
                ("fireworks", {"prompt": ...}), ("fireworks", {"aspect_ratio": "1:2"}),
                ("fireworks", {"output_format": "png"}), ("fireworks", {"seed": -1}),
                ("fireworks task", {"input_image": "what?"}), ("fireworks task", {"safety_tolerance": 7}),
                ("atlascloud", {"prompt": ""}), ("atlascloud", {"size": "2048*2048"}), ("atlascloud", {"size": "1:1"}),
                ("atlascloud", {"seed": "42"}), ("atlascloud", {"output_format": "webp"}),
            )
        ),
        ("atlascloud", {"model": f"{BFL}/edit"}, 400, "images"),
        ("comfyui", {"3": {"seed": ...}}, 400, "required_input_missing"),
        ("comfyui", {"3": {"seed": 2**64}}, 400, "value_bigger_than_max"),
        ("comfyui", {"3": {"steps": "many"}}, 400, "invalid_input_type"),
        ("comfyui", {"3": {"scheduler": "fast"}}, 400, "value_not_in_list"),
        ("comfyui", {"4": {"ckpt_name": "other"}}, 400, "value_not_in_list"),
        ("comfyui", {"8": {"samples": ["77", 0]}}, 400, "bad_linked_input"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_and_costs_nothing(request_name, changes, status, words):
    with simulated(request_name) as (client, log):
        answer = post(client, request_name, **changes)
        if "fal" in request_name:  # its queue takes everything in, and the response says what is wrong
            answer = client.get(answer.json()["response_url"], headers={"Authorization": f"Key {KEY}"})
    assert (answer.status_code, log.calls) == (status, [])
    assert words in answer.text
