"""What the simulators of hosts with tasks share: every wire format under the same limits and faults."""

from __future__ import annotations

import time
from contextlib import contextmanager

import httpx2 as httpx
import pytest

from evals.generation.simulated.artists import plain_artist
from evals.generation.simulated.server import serve
from evals.generation.simulated.service import SimulatedHost, SimulatedModel, Simulation

KEY = "a-secret-key"
USD = 0.03
KONTEXT = "/inference/v1/workflows/accounts/fireworks/models/flux-kontext-pro"
SIDE = {"width": 64, "height": 64}
GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "flux-2-pro"}},
    "2": {"class_type": "EmptyLatentImage", "inputs": {**SIDE, "batch_size": 1}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
    "4": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "positive": ["3", 0],
            "negative": ["3", 0],
            "latent_image": ["2", 0],
            "seed": 7,
            "steps": 4,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 1.0,
        },
    },
    "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
    "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "cat"}},
}
FORMATS = {
    "replicate": (
        "black-forest-labs/flux-2-pro",
        "Bearer",
        "/v1/models/black-forest-labs/flux-2-pro/predictions",
        {"input": {"prompt": "a cat", "aspect_ratio": "custom", "width": 256, "height": 256}},
        "id",
    ),
    "fal": ("fal-ai/flux-2-pro", "Key", "/fal-ai/flux-2-pro", {"prompt": "a cat", "image_size": SIDE}, "request_id"),
    "fireworks": ("flux-kontext-pro", "Bearer", KONTEXT, {"prompt": "a cat"}, "request_id"),
    "atlascloud": (
        "black-forest-labs/flux-2-pro/text-to-image",
        "Bearer",
        "/api/v1/model/generateImage",
        {"model": "black-forest-labs/flux-2-pro/text-to-image", "prompt": "a cat", "size": "256*256"},
        "data",
    ),
    "comfyui": ("flux-2-pro", "Bearer", "/prompt", {"prompt": GRAPH}, "prompt_id"),
}


@contextmanager
def simulated(name, behaviour="ok", **settings):
    api_id = FORMATS[name][0]
    models = [SimulatedModel(api_id, "per_image", {"usd": USD}, ("512", "1K"), 1, plain_artist)]
    host = SimulatedHost(models, KEY, script=lambda arrival, prompt: behaviour, **settings)
    simulation = Simulation({name: host})
    # Loading the certificates of the web would take longer than the whole test.
    with (
        serve(simulation) as addresses,
        httpx.Client(base_url=addresses[name], timeout=5.0, verify=False) as client,
    ):
        yield client, simulation.books


def submit(client, name, key=KEY, timeout=5.0):
    _, scheme, path, body, _ = FORMATS[name]
    return client.post(path, json=body, headers={"Authorization": f"{scheme} {key}"}, timeout=timeout)


each_format = pytest.mark.parametrize("name", FORMATS)


@each_format
def test_a_request_is_charged_by_the_models_terms_when_it_is_taken_in(name):
    with simulated(name, work_s=5.0) as (client, books):
        answer = submit(client, name)
        assert answer.status_code in (200, 201)
        assert answer.json()[FORMATS[name][4]]
        (entry,) = books.entries
        assert (entry.api_id, entry.prompt, entry.charged_usd, entry.outcome) == (
            FORMATS[name][0],
            "a cat",
            USD,
            "open",
        )


@each_format
@pytest.mark.parametrize(
    ("behaviour", "status", "retry_after"),
    [
        ("rate_limited", 429, "7"),
        ("daily_quota", 429, None),
        ("unavailable", 503, None),
        ("internal", 500, None),
        ("bad_key", 401, None),
        ("no_credit", 402, None),
        ("echo_key", 401, None),
    ],
)
def test_what_is_not_taken_in_is_not_charged(name, behaviour, status, retry_after):
    with simulated(name, behaviour, retry_after_s=7.0) as (client, books):
        answer = submit(client, name)
    if (name, behaviour) == ("fal", "no_credit"):
        status = 403
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    assert (KEY in answer.text) is (behaviour == "echo_key")
    (entry,) = books.entries
    assert (entry.behaviour, entry.outcome, entry.charged_usd, entry.task_id) == (behaviour, "turned_away", 0.0, None)


@each_format
@pytest.mark.parametrize(("behaviour", "charged"), [("drop", USD), ("drop_before", 0.0)])
def test_a_cut_connection_gives_no_answer(name, behaviour, charged):
    with simulated(name, behaviour) as (client, books), pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        submit(client, name)
    assert (books.entries[0].outcome, books.charged_usd) == ("lost" if charged else "turned_away", charged)


@each_format
def test_a_truncated_answer_is_charged_and_cut_short(name):
    with (
        simulated(name, "truncated") as (client, books),
        pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)),
    ):
        submit(client, name)
    assert (books.entries[0].outcome, books.charged_usd) == ("lost", USD)


@each_format
def test_a_stalled_request_is_charged_and_never_answered(name):
    with simulated(name, "stall") as (client, books), pytest.raises(httpx.ReadTimeout):
        submit(client, name, timeout=0.2)
    assert (books.entries[0].outcome, books.charged_usd) == ("lost", USD)


@each_format
@pytest.mark.parametrize(("behaviour", "status"), [("gateway_timeout", 504), ("garbage", 200)])
def test_a_spoiled_answer_is_charged(name, behaviour, status):
    with simulated(name, behaviour) as (client, books):
        answer = submit(client, name)
        with pytest.raises(ValueError, match="Expecting value"):
            answer.json()
    assert answer.status_code == status
    assert (books.entries[0].outcome, books.charged_usd) == ("lost", USD)


@each_format
def test_more_than_the_active_tasks_are_turned_away_until_one_is_ready(name):
    with simulated(name, active_limit=2, work_s=0.4) as (client, books):
        statuses = [submit(client, name).is_success for _ in range(4)]
        assert statuses == [True, True, False, False]
        time.sleep(0.45)
        assert submit(client, name).is_success
    assert books.charged_usd == pytest.approx(3 * USD)
    assert [entry.outcome for entry in books.entries].count("turned_away") == 2


@each_format
@pytest.mark.parametrize("key", ["no", "wrong key"])
def test_without_the_key_nothing_is_let_in(name, key):
    with simulated(name) as (client, books):
        assert submit(client, name, key=key).status_code == 401
    assert (books.entries, books.rejected) == ((), {(name, 401): 1})


@each_format
def test_a_body_that_is_no_json_object_is_turned_away(name):
    _, scheme, path, _, _ = FORMATS[name]
    headers = {"Authorization": f"{scheme} {KEY}"}
    with simulated(name) as (client, books):
        for body in (b"{", b"[1]", b"\xff"):
            assert client.post(path, content=body, headers=headers).status_code in (400, 422)
    assert books.entries == ()
